"""Notifications over the Telegram Bot API (core.telegram.org/bots/api)."""

import asyncio
import json
import logging
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from common.config import TelegramSettings
from common.domain.notification import Notification
from common.errors import ConfigurationError, RateLimitedError, RejectedError, TransientError
from common.ports import Clock
from infra.outside.cloud import guarding_transport

if TYPE_CHECKING:
    import httpx

CHARACTERS_MAX = 4096
NAME_MAX = 128  # Telegram's own bound of a chat's title is 128 characters
BETWEEN_CALLS = timedelta(seconds=1)  # Telegram: no more than one message a second in one chat
WAITS_MAX = 3
WAIT_MAX_S = 30.0  # a longer wait is left to the bus
_TOKEN = re.compile(r"[A-Za-z0-9_:\-]{1,200}", re.ASCII)
_TOKEN_IN_URL = re.compile(r"/bot[^/\s]+/")


class TelegramMessenger:
    """`Messenger` for one bot and one chat.

    The texts of a call are joined, plain, into as few messages as fit; a text too long for one is
    cut at a line. Calls are a second apart on `clock`. A 429 is waited out up to three times; what
    then remains is for the bus. A timeout after sending counts as not sent: people would rather
    read a message twice than not at all.
    """

    def __init__(
        self,
        *,
        api_url: str,
        chat_id: str,
        token: str,
        clock: Clock,
        client: "httpx.AsyncClient | None" = None,
    ) -> None:
        if not _TOKEN.fullmatch(token):
            raise ConfigurationError("TELEGRAM_BOT_TOKEN is not a bot's token: copy it anew")
        self._url = f"{api_url.rstrip('/')}/bot{token}"
        self._chat_id = chat_id
        self._clock = clock
        self._client = client
        self._next_call: datetime | None = None
        self._calling = asyncio.Lock()
        logging.getLogger("httpx").addFilter(_hide_token)  # it logs every URL

    async def send(self, notifications: Sequence[Notification]) -> None:
        for message in joined([notification.text for notification in notifications]):
            await self._send(message)

    async def check(self) -> str:
        """Who would write to whom (`@sapphire_bot writes to Ann`); sends nothing (getMe, getChat).

        Raises as `send` does.
        """
        bot = await self._call("getMe", {})
        chat = await self._call("getChat", {"chat_id": self._chat_id})
        return f"@{_name(bot, 'username')} writes to {_name(chat, 'title', 'first_name')}"

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _send(self, message: str) -> None:
        body: dict[str, object] = {
            "chat_id": self._chat_id,
            "text": message,
            "link_preview_options": {"is_disabled": True},
        }
        waits = 0
        while True:
            try:
                async with self._calling:
                    await self._pace()
                    await self._call("sendMessage", body)
            except RateLimitedError as error:
                wait = error.retry_after_s
                waits += 1
                if wait is None or wait > WAIT_MAX_S or waits > WAITS_MAX:
                    raise
                await self._clock.sleep(wait)
            else:
                return

    async def _pace(self) -> None:
        now = self._clock.now()
        if self._next_call is not None and now < self._next_call:
            await self._clock.sleep((self._next_call - now).total_seconds())
        self._next_call = self._clock.now() + BETWEEN_CALLS

    async def _call(self, method: str, body: dict[str, object]) -> object:
        """The `result` of one method of the Bot API."""
        import httpx

        try:
            response = await self._http().post(f"{self._url}/{method}", json=body)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise ConfigurationError("TELEGRAM_API_URL is not an http(s) URL") from None
        except httpx.RequestError as error:
            # `from None`: the request hangs on the error, and the token on its URL.
            raise TransientError(f"Telegram: {type(error).__name__}") from None
        return _result(response.status_code, response.content)

    def _http(self) -> "httpx.AsyncClient":
        if self._client is None:
            import httpx

            limits = httpx.Limits(max_connections=2, max_keepalive_connections=1)
            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(10.0, connect=5.0),
                limits=limits,
                follow_redirects=False,
                transport=guarding_transport(limits),
            )
        return self._client


def make_messenger(
    settings: TelegramSettings, token: str | None, clock: Clock
) -> TelegramMessenger | None:
    """None without a token or a chat: messages then stay in the store and the terminal.

    `clock` paces the calls: a real one, because Telegram's second is.

    Raises:
        ConfigurationError: the token cannot be one.
    """
    if not token or not settings.chat_id:
        return None
    return TelegramMessenger(
        api_url=settings.api_url, chat_id=settings.chat_id, token=token.strip(), clock=clock
    )


def joined(texts: Sequence[str]) -> list[str]:
    """The texts, an empty line between them, in as few messages as fit; empty ones are left out."""
    messages: list[str] = []
    for text in filter(None, (cut(text.strip()) for text in texts)):
        longer = f"{messages[-1]}\n\n{text}" if messages else text
        if messages and _length(longer) <= CHARACTERS_MAX:
            messages[-1] = longer
        else:
            messages.append(text)
    return messages


def cut(text: str) -> str:
    """At most 4,096 characters: whole lines and an ellipsis when it is longer."""
    if _length(text) <= CHARACTERS_MAX:
        return text
    kept = text[: CHARACTERS_MAX - 2]
    while _length(kept) > CHARACTERS_MAX - 2:
        kept = kept[:-1]
    line_end = kept.rfind("\n")
    return f"{kept[:line_end] if line_end > 0 else kept}\n…"


def _length(text: str) -> int:
    """In UTF-16 units, as Telegram counts; an emoji is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _result(status: int, content: bytes) -> object:
    answer = _object(content)
    if status == 200 and answer.get("ok") is True:
        return answer.get("result")
    if status == 429:
        parameters = answer.get("parameters")
        wait = parameters.get("retry_after") if isinstance(parameters, dict) else None
        raise RateLimitedError(
            "Telegram: too many requests",
            retry_after_s=float(wait) if type(wait) is int and wait >= 0 else None,
        )
    if 300 <= status < 500 and status != 408:
        said = answer.get("description")
        raise RejectedError(
            f"TELEGRAM_{status}", said[:200] if isinstance(said, str) else "no description"
        )
    raise TransientError(f"Telegram: HTTP {status} without a confirmation")


def _name(told: object, *fields: str) -> str:
    """The first of `fields` that a bot or a chat has, fit for one line of a terminal."""
    found = [told.get(field) for field in fields] if isinstance(told, dict) else []
    text = next((name for name in found if isinstance(name, str)), "")
    return "".join(sign for sign in text if sign.isprintable())[:NAME_MAX] or "somebody"


def _object(content: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _hide_token(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    hidden = _TOKEN_IN_URL.sub("/bot***/", message)
    if hidden != message:
        record.msg, record.args = hidden, ()
    return True
