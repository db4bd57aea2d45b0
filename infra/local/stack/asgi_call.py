"""One HTTP POST to an ASGI app of this process.

httpx's own ASGITransport tries to import sniffio on every call; where that is not installed, the
search of the path is a third of a replay's time.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from common.errors import TransientError
from infra.local.stack.server import AsgiApp


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes


async def post(app: AsgiApp, body: bytes, *, query: str, host: str) -> Answer:
    """POST `body`, JSON, to `/`. Raises TransientError when the app ends without an answer."""
    events = iter(({"type": "http.request", "body": body, "more_body": False},))
    started: list[MutableMapping[str, Any]] = []
    content = bytearray()

    async def receive() -> MutableMapping[str, Any]:
        return next(events, {"type": "http.disconnect"})

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            started.append(message)
        else:
            content.extend(message.get("body", b""))

    await app(_scope(len(body), query, host), receive, send)
    if not started:
        raise TransientError(f"{host} did not answer")
    headers = {key.decode().lower(): value.decode() for key, value in started[0]["headers"]}
    return Answer(started[0]["status"], headers, bytes(content))


def _scope(length: int, query: str, host: str) -> MutableMapping[str, Any]:
    """https://asgi.readthedocs.io/en/latest/specs/www.html#http-connection-scope"""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": query.encode(),
        "root_path": "",
        "headers": [
            (b"host", host.encode()),
            (b"content-type", b"application/json"),
            (b"content-length", str(length).encode()),
        ],
        "client": ("127.0.0.1", 0),
        "server": (host, 80),
    }
