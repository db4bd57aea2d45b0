"""Puts an exchange behind its faults, as an ASGI app; `transport.py` is the way in without one."""

import copy
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from common.ports import Clock
from infra.local.exchanges import distortion
from infra.local.exchanges.exchange import ApiAnswer, ApiRequest, Exchange, Operation
from infra.local.exchanges.faults import Fault, FaultKind, Faults, NoFaults

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BLANKS: Final = b" " * 65_536
"""One piece of a body that never ends."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """REFUSED: no connection. LOST: it was sent, and nothing comes back."""

    why: Literal["REFUSED", "LOST"]


@dataclass(frozen=True, slots=True)
class Reply:
    """With `endless`, `answer` is only the beginning of the body."""

    answer: ApiAnswer
    endless: bool = False


class ExchangeServer:
    """One exchange, its clock and its faults.

    `requests` holds what came in, in order, each with the fault it met. `faults` may be replaced
    at any time. What is late (FaultKind.LATE) is processed in time order before the next request,
    or by `catch_up()`, at the moment it was due.
    """

    def __init__(self, exchange: Exchange, *, clock: Clock, faults: Faults | None = None) -> None:
        self.exchange = exchange
        self.faults: Faults = faults or NoFaults()
        self.requests: list[tuple[Operation, Fault | None]] = []
        self._clock = clock
        self._late: list[tuple[datetime, ApiRequest]] = []
        self._before: list[tuple[datetime, Exchange]] = []  # what lagging queries see, and until

    def catch_up(self) -> None:
        """Process what is late and due by now."""
        now = self._clock.now()
        self._late.sort(key=lambda item: item[0])
        while self._late and self._late[0][0] <= now:
            due, request = self._late.pop(0)
            self.exchange.process(request, due, None)
        self._before = [item for item in self._before if item[0] > now]

    def respond(self, request: ApiRequest) -> Reply | NoAnswer:
        """Process one request as the faults want it; takes no time."""
        self.catch_up()
        operation = self.exchange.operation(request)
        fault = self.faults.next(operation.name, operation.key)
        self.requests.append((operation, fault))
        answer = None
        if fault is None or fault.reaches:
            answer = self._process(request, operation, fault)
        elif fault.kind is FaultKind.LATE:
            due = self._clock.now() + timedelta(seconds=fault.delay_s)
            self._late.append((due, request))
        return self._reply(answer, fault)

    def _process(self, request: ApiRequest, operation: Operation, fault: Fault | None) -> ApiAnswer:
        now = self._clock.now()
        kind = None if fault is None else fault.kind
        exchange = self.exchange
        if kind is FaultKind.NO_EFFECT:
            exchange = copy.deepcopy(exchange)
        elif not operation.writes and self._before:
            exchange = self._before[0][1]
        elif fault is not None and kind is FaultKind.READ_LAG and operation.writes:
            until = now + timedelta(seconds=fault.delay_s)
            self._before.append((until, copy.deepcopy(exchange)))
        if kind is FaultKind.TWICE:
            exchange.process(request, now, None)
        own = kind in {FaultKind.ORDER_ERROR, FaultKind.PARTIAL_FILL}
        return exchange.process(request, now, fault if own else None)

    @staticmethod
    def _reply(answer: ApiAnswer | None, fault: Fault | None) -> Reply | NoAnswer:
        if fault is None:
            assert answer is not None  # noqa: S101 - no fault, so it was processed
            return Reply(answer)
        kind = fault.kind
        if kind is FaultKind.DOWN:
            return NoAnswer("REFUSED")
        if kind is FaultKind.SERVER_ERROR:
            return Reply(distortion.html_error(fault))
        if kind is FaultKind.RATE_LIMITED:
            return Reply(distortion.rate_limited(fault))
        if kind is FaultKind.REDIRECT:
            return Reply(distortion.redirect(fault))
        if answer is None or kind is FaultKind.LOST_ANSWER:
            return NoAnswer("LOST")
        return Reply(distortion.distorted(answer, fault), endless=kind is FaultKind.ENDLESS)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """ASGI. Both kinds of NoAnswer close the connection: over a socket it is already made."""
        if scope["type"] != "http":
            raise RuntimeError(f"an exchange speaks HTTP, not {scope['type']}")
        reply = self.respond(await _request(scope, receive))
        if isinstance(reply, NoAnswer):
            await _hang_up(receive, send)
            return
        answer = reply.answer
        headers = {"content-type": "application/json", **answer.headers}
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
        await send(
            {"type": "http.response.body", "body": answer.encoded(), "more_body": reply.endless}
        )
        if reply.endless:
            await _send_blanks(receive, send)


async def _request(scope: MutableMapping[str, Any], receive: Receive) -> ApiRequest:
    body = bytearray()
    more = True
    while more:
        part = await receive()
        body += part.get("body", b"")
        more = part.get("more_body", False)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    client = scope.get("client")
    return ApiRequest(
        method=scope["method"],
        path=scope["path"],
        host=headers.get("host", ""),
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=headers,
        body=bytes(body),
        client=client[0] if client else "127.0.0.1",
    )


async def _hang_up(receive: Receive, send: Send) -> None:
    """Close the connection (uvicorn's `send` knows it), or leave the client to its timeout."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is not None:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        continue


async def _send_blanks(receive: Receive, send: Send) -> None:
    import asyncio

    gone = asyncio.ensure_future(receive())
    while not gone.done():
        await send({"type": "http.response.body", "body": BLANKS, "more_body": True})
        await asyncio.sleep(0)
