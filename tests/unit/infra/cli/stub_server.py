"""A server that answers commands as it is told, on a port of loopback."""

import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

Reply = tuple[int, Any]
"""A status and a JSON value, or bytes as they are."""


@dataclass
class StubServer:
    """Each request takes the next of its replies, the last one again and again.

    `asked` are the requests: method, path and body. What has no reply is answered 404.
    """

    url: str = ""
    replies: dict[tuple[str, str], deque[Reply]] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)

    def on(self, method: str, path: str, *replies: Reply) -> None:
        self.replies[method, path] = deque(replies)

    def answer(self, method: str, path: str) -> Reply:
        waiting = self.replies.get((method, path))
        if waiting is None:
            return 404, problem(404, "NO_SUCH_PATH", "there is nothing at this path")
        return waiting.popleft() if len(waiting) > 1 else waiting[0]


def problem(status: int, code: str, detail: str) -> dict[str, Any]:
    return {"type": "urn:x", "title": "x", "status": status, "code": code, "detail": detail}


@contextmanager
def stub_server() -> Iterator[StubServer]:
    stub = StubServer()

    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(length)
            stub.asked.append((self.command, self.path, json.loads(body) if body else None))
            stub.tokens.append(self.headers.get("authorization"))
            status, told = stub.answer(self.command, self.path)
            content = told if isinstance(told, bytes) else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _reply  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
