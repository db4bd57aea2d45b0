"""A JSON-over-HTTP stand-in, and how to serve it on a real socket inside a test's loop."""

import asyncio
import json
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """What to do instead of answering: that status and body, or nothing at all (`hang`)."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False


class JsonStandIn:
    """An ASGI app: remembers each request, plays the next of `faults` first, else `answer`s."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.faults: deque[Fault | None] = deque()
        """None lets one request through to `answer`."""

    def answer(self, path: str, body: Any) -> Fault | object:
        raise NotImplementedError

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        content = b""
        more = True
        while more:
            part = await receive()
            content += part.get("body", b"")
            more = part.get("more_body", False)
        body = json.loads(content) if content else None
        self.requests.append((scope["path"], body))
        fault = self.faults.popleft() if self.faults else None
        answer = fault if fault is not None else self.answer(scope["path"], body)
        if not isinstance(answer, Fault):
            answer = Fault(body=json.dumps(answer).encode())
        if answer.hang:
            while (await receive())["type"] != "http.disconnect":
                continue
            return
        headers = {"content-type": "application/json", **answer.headers}
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
        await send({"type": "http.response.body", "body": answer.body})


@asynccontextmanager
async def serving(app: JsonStandIn) -> AsyncIterator[str]:
    """Serve `app` on a free port of loopback; gives its URL, at which it listens already."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = uvicorn.Server(
        uvicorn.Config(app, lifespan="off", ws="none", log_config=None, timeout_graceful_shutdown=2)
    )
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
        listener.close()
