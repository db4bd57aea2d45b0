"""Between the Pub/Sub emulator and the functions: gives each push the token that the cloud gives.

A push passes through as it comes, piece by piece, and so does its answer. Nothing is kept: what is
not answered by the function is not acknowledged, and the bus sends it again.
"""

import json
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from infra.bearer import same_token
from infra.local.stack.server import KEEP_ALIVE_S

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_CONNECT_S: Final = 5.0
_OF_ONE_HOP: Final = frozenset(
    (
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "host", "expect", "authorization", "server", "date"),
    )
)
"""Set by each connection for itself, or by us; the rest of the headers is passed on."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PushTarget:
    """`url` of the function, which is its audience too; without a slash at its end."""

    url: str
    timeout_s: float  # after it the sender hears 504, as from Cloud Run


class PushRelay:
    """An ASGI app that takes pushes at `path` and sends them on, signed.

    Answers for itself: 404 for a path that it did not give out, 405 for anything but POST, 503
    while a function cannot be reached or breaks off, 504 when it takes too long.
    """

    def __init__(self, targets: Mapping[str, PushTarget], sign: Callable[[str], str]) -> None:
        """`targets` by subscription; `sign` makes the token for an audience."""
        self._targets = targets
        self._sign = sign
        self._secret = secrets.token_urlsafe(24)
        self._client = httpx.AsyncClient(
            trust_env=False,
            limits=httpx.Limits(
                max_connections=None, max_keepalive_connections=20, keepalive_expiry=KEEP_ALIVE_S
            ),
        )

    def path(self, subscription: str) -> str:
        """Where the bus pushes; whoever does not know it cannot have anything signed."""
        return f"/{self._secret}/{subscription}"

    async def close(self) -> None:
        await self._client.aclose()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        target = self._target(scope["path"])
        if target is None:
            await _answer(send, 404, "NOT_FOUND")
        elif scope["method"] != "POST":
            await _answer(send, 405, "METHOD_NOT_ALLOWED")
        else:
            await self._forward(target, scope, receive, send)

    def _target(self, path: str) -> PushTarget | None:
        secret, _, subscription = path.removeprefix("/").partition("/")
        return self._targets.get(subscription) if same_token(secret, self._secret) else None

    async def _forward(
        self, target: PushTarget, scope: Message, receive: Receive, send: Send
    ) -> None:
        headers = _passed_on(scope["headers"])
        headers.append((b"authorization", f"Bearer {self._sign(target.url)}".encode()))
        request = self._client.build_request(
            "POST",
            f"{target.url}/",
            content=_pieces(receive),
            headers=headers,
            timeout=httpx.Timeout(target.timeout_s, connect=_CONNECT_S),
        )
        try:
            answer = await self._client.send(request, stream=True)
        except _SenderLeftError:
            return  # with the push half sent: nobody is there to be answered, the bus sends again
        except httpx.ConnectTimeout:
            await _unanswered(send, target, 503, "FUNCTION_DOWN")
        except httpx.TimeoutException:
            await _unanswered(send, target, 504, "FUNCTION_SLOW")
        except httpx.TransportError:
            await _unanswered(send, target, 503, "FUNCTION_DOWN")
        else:
            try:
                await _pass_back(answer, send)
            finally:
                await answer.aclose()


async def _pass_back(answer: httpx.Response, send: Send) -> None:
    """An answer that breaks off raises, and so breaks off for the sender as well."""
    headers = _passed_on(answer.headers.raw)
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    async for piece in answer.aiter_raw():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


class _SenderLeftError(Exception):
    """The bus hung up before the push was whole."""


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _SenderLeftError
        yield message.get("body", b"")
        more = message.get("more_body", False)


def _passed_on(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [
        (name.lower(), value)
        for name, value in headers
        if name.lower().decode("latin-1") not in _OF_ONE_HOP
    ]


async def _unanswered(send: Send, target: PushTarget, status: int, code: str) -> None:
    _log.warning("a push was not answered: %s: %s", target.url, code)
    await _answer(send, status, code)


async def _answer(send: Send, status: int, code: str) -> None:
    body = json.dumps({"code": code}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
