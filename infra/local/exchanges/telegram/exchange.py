"""The stand-in's methods: sendMessage, getMe, getChat (core.telegram.org/bots/api)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from infra.local.exchanges.exchange import ApiAnswer, ApiRequest, Operation
from infra.local.exchanges.faults import Fault

TOKEN = "100000001:stand-in-of-telegram"  # noqa: S105 - of the stand-in: it opens nothing
CHAT_ID = "42"
CHARACTERS_MAX = 4096  # in UTF-16 units
WRITES = frozenset({"sendMessage"})
METHODS = frozenset({*WRITES, "getMe", "getChat"})
_PATH = re.compile(r"/bot([^/]+)/([A-Za-z]+)")
_BOT = {
    "id": 100_000_001,
    "is_bot": True,
    "first_name": "Sapphire",
    "username": "sapphire_stand_in_bot",
}
_CHAT = {"id": int(CHAT_ID), "type": "private", "first_name": "You"}


class RefusalError(Exception):
    """What the Bot API answers to a request that it does not take."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that reached the chat."""

    text: str
    at: datetime


class TelegramExchange:
    """Fits `Exchange`. `sent` are the messages of its chat; `on_message` is told of each."""

    def __init__(
        self,
        *,
        token: str = TOKEN,
        chat_id: str = CHAT_ID,
        on_message: Callable[[Sent], None] | None = None,
    ) -> None:
        self.sent: list[Sent] = []
        self._token = token
        self._chat_id = chat_id
        self._on_message = on_message

    def operation(self, request: ApiRequest) -> Operation:
        found = _PATH.fullmatch(request.path)
        method = _named(found.group(2)) if found else None
        return Operation(method, writes=method in WRITES) if method else Operation("unknown")

    def process(self, request: ApiRequest, now: datetime, fault: Fault | None) -> ApiAnswer:
        """`fault` has no form of its own here: the server's own faults say enough."""
        del fault
        # Its own clock's: a stand-in may live at another time than the machine that serves it.
        headers = {"date": format_datetime(now, usegmt=True)}
        try:
            result = self._result(request, now)
        except RefusalError as refused:
            body: Mapping[str, object] = {
                "ok": False,
                "error_code": refused.code,
                "description": refused.description,
            }
            return ApiAnswer(body, status=refused.code, headers=headers)
        return ApiAnswer({"ok": True, "result": result}, headers=headers)

    def _result(self, request: ApiRequest, now: datetime) -> object:
        found = _PATH.fullmatch(request.path)
        if found is None:
            raise RefusalError(404, "Not Found")
        if found.group(1) != self._token:
            raise RefusalError(401, "Unauthorized")
        match _named(found.group(2)):
            case "getMe":
                return _BOT
            case "getChat":
                return self._chat(_parameters(request))
            case "sendMessage":
                return self._send(_parameters(request), now)
        raise RefusalError(404, "Not Found: method not found")

    def _chat(self, given: Mapping[str, object]) -> object:
        chat_id = given.get("chat_id")
        if chat_id in {None, ""}:
            raise RefusalError(400, "Bad Request: chat_id is empty")
        if str(chat_id) != self._chat_id:
            raise RefusalError(400, "Bad Request: chat not found")
        return _CHAT

    def _send(self, given: Mapping[str, object], now: datetime) -> object:
        chat = self._chat(given)
        text = given.get("text")
        if not isinstance(text, str) or not text.strip():
            raise RefusalError(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le", "surrogatepass")) // 2 > CHARACTERS_MAX:
            raise RefusalError(400, "Bad Request: message is too long")
        sent = Sent(text, now)
        self.sent.append(sent)
        if self._on_message is not None:
            self._on_message(sent)
        return {
            "message_id": len(self.sent),
            "from": _BOT,
            "chat": chat,
            "date": int(now.timestamp()),
            "text": text,
        }


def _named(text: str) -> str | None:
    """Methods are told apart without regard to their case."""
    return next((method for method in METHODS if method.lower() == text.lower()), None)


def _parameters(request: ApiRequest) -> Mapping[str, object]:
    """Of the query, a form, or a JSON object: a bot may send any of them."""
    if "application/json" not in request.headers.get("content-type", ""):
        return dict(request.parameters())
    try:
        body = request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise RefusalError(400, "Bad Request: object expected as JSON")
    return body
