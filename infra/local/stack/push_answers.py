"""Sees which pushes a function has acknowledged, from outside the function."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from infra.local.stack.server import AsgiApp

Message = MutableMapping[str, Any]


class AnswersWatched:
    """An ASGI app around a function's: a push that was answered 2xx is told to `answered`."""

    def __init__(self, app: AsgiApp, function: str, answered: Callable[[str, str], None]) -> None:
        self._app = app
        self._function = function
        self._answered = answered

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        body = bytearray()
        statuses: list[int] = []

        async def receive_noted() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        await self._app(scope, receive_noted, send_noted)
        if statuses and 200 <= statuses[0] < 300:
            message_id = _message_id(bytes(body))
            if message_id is not None:
                self._answered(self._function, message_id)


def _message_id(body: bytes) -> str | None:
    """The business id in a push envelope; None for a scheduler's body or anything else."""
    try:
        envelope = json.loads(body)
        return str(envelope["message"]["attributes"]["id"])
    except (ValueError, KeyError, TypeError):
        return None
