"""The relay between the emulator and the functions, over real sockets of this machine."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from infra.local.stack.push_relay import PushRelay, PushTarget
from infra.local.stack.server import LoopServer, bind, url_of

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Serve = Callable[["Request", Send], Awaitable[None]]
WITHIN_S = 20.0


@dataclass
class Request:
    headers: dict[str, list[str]]
    path: str
    pieces: list[bytes]

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


async def reply(send: Send, status: int = 204, body: bytes = b"", **headers: str) -> None:
    given = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": given})
    await send({"type": "http.response.body", "body": body})


async def acknowledge(_: Request, send: Send) -> None:
    await reply(send)


@dataclass
class Function:
    """An ASGI app that keeps what it was sent and answers with `serve`."""

    serve: Serve = acknowledge
    seen: list[Request] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)  # some of a body is here

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode(), []).append(value.decode())
        request = Request(headers, scope["path"], [])
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            request.pieces.append(message.get("body", b""))
            self.begun.set()
            more = message.get("more_body", False)
        self.seen.append(request)
        await self.serve(request, send)


@dataclass
class Street:
    """A function, the relay before it, and the bus that pushes."""

    function: Function
    target: PushTarget
    relay: PushRelay
    server: LoopServer
    bus: httpx.AsyncClient

    @property
    def endpoint(self) -> str:
        return f"{self.server.url}{self.relay.path('decide-market-updated')}"

    async def push(self, content: Any = b"{}", **headers: str) -> httpx.Response:
        return await self.bus.post(self.endpoint, content=content, headers=headers)


def sign(audience: str) -> str:
    return f"token-for-{audience}"


@asynccontextmanager
async def a_street(
    serve: Serve = acknowledge, *, timeout_s: float = WITHIN_S, runs: bool = True
) -> AsyncIterator[Street]:
    function, listening = Function(serve), bind(0)
    target = PushTarget(url=url_of(listening), timeout_s=timeout_s)
    house = LoopServer(function, listening)
    if runs:
        await house.start()
    relay = PushRelay({"decide-market-updated": target}, sign)
    server = LoopServer(relay, bind(0))
    await server.start()
    try:
        async with httpx.AsyncClient(timeout=WITHIN_S, trust_env=False) as bus:
            yield Street(function, target, relay, server, bus)
    finally:
        await server.stop()
        await relay.close()
        await house.stop()


async def test_push_when_the_function_takes_it_then_it_came_whole_and_signed_for_it() -> None:
    async with a_street() as street:
        answer = await street.push(b'{"message": 1}', content_type="application/json")

        (request,) = street.function.seen
        assert (answer.status_code, answer.content) == (204, b"")
        assert (request.path, request.body) == ("/", b'{"message": 1}')
        assert request.headers["authorization"] == [f"Bearer {sign(street.target.url)}"]
        assert request.headers["host"] == [street.target.url.removeprefix("http://")]
        assert request.headers["content-length"] == ["14"]


async def test_push_when_the_sender_brings_a_token_of_its_own_then_only_ours_goes_on() -> None:
    async with a_street() as street:
        await street.push(authorization="Bearer a-token-from-elsewhere", x_trace="7")

        (request,) = street.function.seen
        assert request.headers["authorization"] == [f"Bearer {sign(street.target.url)}"]
        assert request.headers["x_trace"] == ["7"]


@pytest.mark.parametrize("status", [200, 401, 403, 404, 429, 500, 503])
async def test_push_when_the_function_refuses_then_the_bus_hears_it_as_it_was_said(
    status: int,
) -> None:
    async def refuse(_: Request, send: Send) -> None:
        await reply(send, status, b'{"code": "X"}', retry_after="17", content_type="text/x")

    async with a_street(refuse) as street:
        answer = await street.push()

    assert (answer.status_code, answer.content) == (status, b'{"code": "X"}')
    assert answer.headers["retry-after"] == "17"
    assert answer.headers["content-type"] == "text/x"


async def test_push_when_the_function_is_down_then_503_and_taken_once_it_is_back() -> None:
    async with a_street(runs=False) as street:
        answer = await street.push()
        assert (answer.status_code, answer.json()) == (503, {"code": "FUNCTION_DOWN"})

        port = int(street.target.url.rpartition(":")[2])
        back = LoopServer(street.function, bind(port))
        await back.start()
        try:
            assert (await street.push()).status_code == 204
        finally:
            await back.stop()


async def test_push_when_the_function_dies_in_the_middle_then_503() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    listener = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    relay = PushRelay(
        {"decide-market-updated": PushTarget(url=f"http://127.0.0.1:{port}", timeout_s=5)}, sign
    )
    server = LoopServer(relay, bind(0))
    await server.start()
    try:
        async with httpx.AsyncClient(trust_env=False) as bus:
            answer = await bus.post(f"{server.url}{relay.path('decide-market-updated')}")
    finally:
        await server.stop()
        await relay.close()
        listener.close()
    assert (answer.status_code, answer.json()) == (503, {"code": "FUNCTION_DOWN"})


async def test_push_when_the_function_takes_too_long_then_504() -> None:
    ended = asyncio.Event()

    async def wait(_: Request, send: Send) -> None:
        await ended.wait()

    async with a_street(wait, timeout_s=0.05) as street:
        answer = await street.push()
        ended.set()

    assert (answer.status_code, answer.json()) == (504, {"code": "FUNCTION_SLOW"})


async def test_push_when_the_function_is_slow_but_in_time_then_its_own_answer_comes() -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_: Request, send: Send) -> None:
        asked.set()
        await go_on.wait()
        await reply(send, 202)

    async with a_street(wait) as street:
        pushing = asyncio.create_task(street.push())
        await asyncio.wait_for(asked.wait(), WITHIN_S)
        assert not pushing.done()
        go_on.set()
        assert (await pushing).status_code == 202


async def test_push_when_an_answer_breaks_off_then_the_bus_has_no_acknowledgement() -> None:
    async def half(_: Request, send: Send) -> None:
        headers = [(b"content-length", b"10")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"12345", "more_body": True})
        raise ConnectionError("as a process that is killed: the rest never comes")

    async with a_street(half) as street:
        with pytest.raises(httpx.RemoteProtocolError):
            await street.push()


async def test_push_when_it_has_ten_megabytes_then_it_comes_whole_and_in_pieces() -> None:
    body = bytes(range(256)) * 40_960

    async with a_street() as street:
        assert (await street.push(body)).status_code == 204

        (request,) = street.function.seen
        assert hashlib.sha256(request.body).digest() == hashlib.sha256(body).digest()
        assert request.headers["content-length"] == [str(10 * 1024 * 1024)]
        assert len(request.pieces) > 10


async def test_push_when_it_comes_in_chunks_then_the_first_are_passed_on_before_the_last() -> None:
    async with a_street() as street:

        async def pieces() -> AsyncIterator[bytes]:
            yield b"first,"
            # in vain, if the relay kept the first back
            await asyncio.wait_for(street.function.begun.wait(), WITHIN_S)
            yield b"last"

        assert (await street.push(pieces())).status_code == 204
        assert street.function.seen[0].body == b"first,last"


async def test_push_when_the_sender_hangs_up_half_way_then_the_function_acts_on_nothing() -> None:
    async with a_street() as street:
        host, port = street.server.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        path = street.relay.path("decide-market-updated")
        writer.write(f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

        assert (await street.push(b"whole")).status_code == 204
        assert [request.body for request in street.function.seen] == [b"whole"]


async def test_pushes_when_many_come_at_once_then_none_waits_and_each_has_its_own_answer() -> None:
    many = 150  # more than httpx opens by itself
    waiting, all_here = 0, asyncio.Event()

    async def echo(request: Request, send: Send) -> None:
        nonlocal waiting
        waiting += 1
        if waiting == many:
            all_here.set()
        await all_here.wait()
        await reply(send, 200, request.body)

    async with a_street(echo) as street:
        street.bus = httpx.AsyncClient(
            timeout=WITHIN_S, trust_env=False, limits=httpx.Limits(max_connections=None)
        )
        async with street.bus:
            answers = await asyncio.gather(
                *(street.push(json.dumps({"n": n}).encode()) for n in range(many))
            )

    assert [answer.json() for answer in answers] == [{"n": n} for n in range(many)]
    assert sorted(json.loads(r.body)["n"] for r in street.function.seen) == list(range(many))


@pytest.mark.parametrize("of", ["no secret", "another secret", "no such subscription", "root"])
async def test_push_when_the_path_was_not_given_out_then_404_and_nothing_is_signed(of: str) -> None:
    async with a_street() as street:
        secret = street.relay.path("x").split("/")[1]
        path = {
            "no secret": "/decide-market-updated",
            "another secret": f"/{'A' * len(secret)}/decide-market-updated",
            "no such subscription": f"/{secret}/execute-order-planned",
            "root": "/",
        }[of]

        answer = await street.bus.post(f"{street.server.url}{path}", content=b"{}")

        assert answer.status_code == 404
        assert street.function.seen == []


async def test_relay_when_the_right_path_is_read_instead_of_pushed_to_then_405() -> None:
    async with a_street() as street:
        assert (await street.bus.get(street.endpoint)).status_code == 405
        assert street.function.seen == []


def test_relays_when_there_are_two_then_their_paths_differ_and_cannot_be_guessed() -> None:
    first, second = (PushRelay({}, sign).path("a") for _ in range(2))

    assert first != second
    assert len(first.split("/")[1]) >= 32
