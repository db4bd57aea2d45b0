"""The load generator: it counts what it sent, takes nothing but 200, and comes back when told."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from bench.figures import Goal, Row
from bench.load_client import Load, drive

BODY = b"x" * 70_000


def answer(status: str = "200 OK", *headers: str, body: bytes = BODY) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


@contextmanager
def a_server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """`serve` has each connection in a thread of its own."""
    listening = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                caller, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(caller,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


def answering(content: bytes, seen: list[bytes]) -> Callable[[socket.socket], None]:
    def serve(caller: socket.socket) -> None:
        with caller, suppress(ConnectionError):  # the generator leaves as it likes
            while piece := caller.recv(65_536):
                seen.append(piece)
                caller.sendall(content)
                if b"close" in content:
                    return

    return serve


def a_load(port: int, **changes: int) -> Load:
    fields = {"concurrency": 4, "warmup": 5, "requests": 30} | changes
    return Load(port=port, path="/a?b=1", headers={"x-y": "z"}, **fields)


def test_drive_when_all_is_well_then_each_counted_request_was_sent_once_and_timed() -> None:
    seen: list[bytes] = []
    with a_server(answering(answer(), seen)) as port:
        told = drive(a_load(port))

    assert len(seen) == 35
    assert set(seen) == {
        f"GET /a?b=1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nx-y: z\r\n\r\n".encode()
    }
    assert (len(told.wall_ms), told.answer_bytes, told.reconnects) == (30, len(BODY), 0)
    assert all(0 < each <= told.seconds * 1000 for each in told.wall_ms)


def test_drive_when_each_answer_ends_its_connection_then_it_opens_another() -> None:
    seen: list[bytes] = []
    with a_server(answering(answer("200 OK", "Connection: close"), seen)) as port:
        told = drive(a_load(port))

    assert (len(seen), len(told.wall_ms), told.reconnects) == (35, 30, 30)


@pytest.mark.parametrize("status", ["429 Too Many Requests", "500 Internal Server Error"])
def test_drive_when_an_answer_is_no_200_then_it_says_which(status: str) -> None:
    with a_server(answering(answer(status), [])) as port, pytest.raises(RuntimeError, match=status):
        drive(a_load(port))


def test_drive_when_the_server_hangs_up_then_it_says_so() -> None:
    def hang_up(caller: socket.socket) -> None:
        caller.recv(65_536)
        caller.close()

    with a_server(hang_up) as port, pytest.raises(RuntimeError, match="hung up"):
        drive(a_load(port))


@pytest.mark.parametrize(
    ("wall", "cpu", "verdict"),
    [(3.0, None, "ok"), (2.9, None, "miss"), (2.9, 3.1, "miss (CPU ok)"), (2.9, 2.0, "miss")],
)
def test_goal_when_it_is_a_least_then_more_is_better(
    wall: float, cpu: float | None, verdict: str
) -> None:
    goal = Goal("p50", 3.0, at_least=True)

    assert Row(name="a", p50=wall, cpu_p50=cpu, goal=goal).verdict() == verdict
    assert str(goal) == "p50 >= 3"
