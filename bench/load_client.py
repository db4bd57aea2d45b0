"""`python -m bench.load_client`: a load generator in a process of its own, on raw sockets.

Each connection sends its next request as soon as its last answer is whole. One line of JSON on
stdin names each run, one line on stdout tells its figures; an empty line ends it. It knows as much
HTTP/1.1 as these servers speak: an answer has a content-length, and one that ends its connection is
followed by a new connection, whose opening counts into the next request.
"""

import json
import selectors
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

_READ_BYTES = 1 << 18
_SILENCE_S = 20.0
_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    port: int  # on 127.0.0.1
    path: str
    headers: dict[str, str]
    concurrency: int
    warmup: int  # requests that are sent before, and not counted
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    wall_ms: list[float]  # of each counted request, from its sending to the last byte
    seconds: float  # from the first that counts to the last answer
    cpu_s: float  # of this process meanwhile: near `seconds`, it was the bottleneck itself
    answer_bytes: int  # of the last answer's body
    reconnects: int


class _Connection:
    __slots__ = ("answer", "expected", "sent_at", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_SILENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answer = b""
        self.expected = 0  # bytes of head and body; 0 until the head is here
        self.sent_at = 0.0

    def send(self, request: bytes, started: float) -> None:
        self.answer, self.expected, self.sent_at = b"", 0, started
        self.socket.sendall(request)

    def read(self) -> bool:
        """Whether the answer is whole."""
        piece = self.socket.recv(_READ_BYTES)
        if not piece:
            raise RuntimeError(f"hung up after {self.answer[:200]!r}")
        self.answer += piece
        if not self.expected:
            self.expected = _whole(self.answer)
        return bool(self.expected) and len(self.answer) >= self.expected


def _whole(answer: bytes) -> int:
    end = answer.find(_HEAD_END)
    if end < 0:
        return 0
    head = answer[:end].lower()
    if not head.startswith((b"http/1.1 200", b"http/1.0 200")):
        raise RuntimeError(answer[:500].decode(errors="replace"))
    return end + len(_HEAD_END) + int(head.split(b"content-length:", 1)[1].split(b"\r", 1)[0])


def _ends(answer: bytes) -> bool:
    head = answer[: answer.find(_HEAD_END)].lower()
    return b"connection: close" in head or head.startswith(b"http/1.0")


def drive(load: Load) -> Told:
    """Raises RuntimeError for any answer but 200, and TimeoutError after 20 s without one."""
    lines = [f"GET {load.path} HTTP/1.1", f"Host: 127.0.0.1:{load.port}"]
    lines += [f"{name}: {value}" for name, value in load.headers.items()]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    _exchange(load, request, load.warmup, lambda _: None)
    walls: list[float] = []
    started, cpu = time.perf_counter(), time.process_time()
    answer_bytes, reconnects = _exchange(load, request, load.requests, walls.append)
    return Told(
        wall_ms=walls,
        seconds=time.perf_counter() - started,
        cpu_s=time.process_time() - cpu,
        answer_bytes=answer_bytes,
        reconnects=reconnects,
    )


def _exchange(
    load: Load, request: bytes, count: int, note: Callable[[float], None]
) -> tuple[int, int]:
    """Send `count` requests; bytes of the last body, and how many connections were opened again."""
    with selectors.DefaultSelector() as ready:
        try:
            for _ in range(min(load.concurrency, count)):
                _open(load.port, ready).send(request, time.perf_counter())
            return _answered(load, request, count, note, ready)
        finally:
            for key in list(ready.get_map().values()):
                key.data.socket.close()


def _open(port: int, ready: selectors.BaseSelector) -> _Connection:
    connection = _Connection(port)
    ready.register(connection.socket, selectors.EVENT_READ, connection)
    return connection


def _answered(
    load: Load,
    request: bytes,
    count: int,
    note: Callable[[float], None],
    ready: selectors.BaseSelector,
) -> tuple[int, int]:
    sent, answered, reconnects, body_bytes = min(load.concurrency, count), 0, 0, 0
    while answered < count:
        events = ready.select(_SILENCE_S)
        if not events:
            raise TimeoutError(f"{load.path}: no answer for {_SILENCE_S:g} s")
        for key, _ in events:
            connection: _Connection = key.data
            if not connection.read():
                continue
            now = time.perf_counter()
            note((now - connection.sent_at) * 1000)
            answered += 1
            body_bytes = connection.expected - connection.answer.find(_HEAD_END) - len(_HEAD_END)
            if _ends(connection.answer):
                ready.unregister(connection.socket)
                connection.socket.close()
                connection = _open(load.port, ready)
                reconnects += 1
            if sent < count:
                connection.send(request, now)
                sent += 1
    return body_bytes, reconnects


def main() -> None:
    for line in iter(sys.stdin.readline, "\n"):
        if not line:
            return
        print(json.dumps(asdict(drive(Load(**json.loads(line))))), flush=True)


if __name__ == "__main__":
    main()
