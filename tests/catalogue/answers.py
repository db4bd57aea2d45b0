"""A venue's stand-in whose answers a test rewrites, and an order that is ready to go there."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from common.books import MARKET_SNAPSHOTS, ORDERS, SIGNED_REQUESTS, V3
from common.documents import create
from common.domain.instrument import Venue
from common.domain.order import Order, OrderPlan, SignedRequest
from common.execution.attempts import new_order, with_request
from common.ports import ExecutionVenue, Ref
from infra.local.exchanges.exchange import ApiAnswer, ApiRequest, Exchange, Operation
from infra.local.exchanges.faults import Fault
from tests.builders import DEPLOYMENT_ID, a_deployment, a_plan
from tests.fakes.venue import FULL, ScriptedVenue
from tests.faults.rows import ROWS
from tests.faults.stand import Stand
from tests.unit.functions.trading_desk import TradingDesk

PAPER = "Drift (paper)"
LIVE = [name for name in ROWS if name != PAPER]
"""The venues with a wire; on paper there are no answers that could be wrong."""

SENDS = {
    "Hyperliquid perps": "order",
    "Hyperliquid spot": "order",
    "Aster": "order",
    "Ostium": "eth_sendRawTransaction",
    "GMX": "submit",
    "Spot (Uniswap)": "eth_sendRawTransaction",
    "Symphony": "batch-open",
}
"""What each venue's stand-in calls the request that trades."""

Change = Callable[[Operation, ApiAnswer], ApiAnswer]
Body = Callable[[Any], Any]
"""A body in, another body out; bytes go out as they are."""


class Rewritten:
    """Fits `Exchange`: everything happens as it would, and `change` has the last word on what is
    said of it. `seen` holds every request that came in.
    """

    def __init__(self, inner: Exchange, change: Change) -> None:
        self.inner = inner
        self.change = change
        self.seen: list[ApiRequest] = []

    def operation(self, request: ApiRequest) -> Operation:
        return self.inner.operation(request)

    def process(self, request: ApiRequest, now: datetime, fault: Fault | None) -> ApiAnswer:
        self.seen.append(request)
        answer = self.inner.process(request, now, fault)
        told = ApiAnswer(copy.deepcopy(answer.body), answer.status, answer.headers)
        return self.change(self.inner.operation(request), told)


def rewrite(stand: Stand, change: Change) -> Rewritten:
    assert stand.server is not None
    rewritten = Rewritten(stand.server.exchange, change)
    stand.server.exchange = rewritten
    return rewritten


def rewrite_bodies(
    stand: Stand, bodies: dict[str, Body], *, times: int | None = None
) -> dict[str, int]:
    """Change the bodies of these operations, each the first `times` times (None: always).

    Returns how often each was changed: a test that changed nothing has shown nothing.
    """
    done = dict.fromkeys(bodies, 0)

    def change(operation: Operation, answer: ApiAnswer) -> ApiAnswer:
        body = bodies.get(operation.name)
        if body is None or (times is not None and done[operation.name] >= times):
            return answer
        done[operation.name] += 1
        return ApiAnswer(body(answer.body), answer.status, answer.headers)

    rewrite(stand, change)
    return done


async def prepared(stand: Stand, **changes: Any) -> tuple[Order, SignedRequest]:
    """The order of the stand's candidate, signed and written ahead as `execute` does it."""
    order = replace(an_order_at(stand), **changes)
    request = await stand.venue.prepare(order)
    order = with_request(order, request)
    await stand.store.commit(
        [
            create(Ref(ORDERS, order.client_order_id), order),
            create(Ref(SIGNED_REQUESTS, order.client_order_id), request),
        ]
    )
    return order, request


def an_order_at(stand: Stand) -> Order:
    return new_order(
        the_plan(stand), stand.venue.capabilities, attempt=1, candidate=0, now=stand.clock.now()
    )


async def sent(stand: Stand) -> Order:
    """An order that the venue took without trouble, a while ago: everything of it is final."""
    order, request = await prepared(stand)
    report = await stand.venue.submit(order, request)
    stand.clock.advance(15)
    stand.pass_time()
    return replace(order, venue_order_id=report.venue_order_id)


def the_plan(stand: Stand, *others: Venue) -> OrderPlan:
    """BUY at the stand's venue, then at the others, at the same size and bound."""
    first, now = stand.candidate, stand.clock.now()
    further = [
        replace(first, venue=venue, instrument_id=f"{stand.symbol}.{venue}") for venue in others
    ]
    return a_plan(
        symbol=stand.symbol,
        candidates=(first, *further),
        reference_price=stand.mark,
        created_at=now,
        expires_at=now + timedelta(minutes=10),
    )


@dataclass
class Pipeline:
    """`execute` and `settle` over one stand, and a next venue that fills whatever comes."""

    stand: Stand
    trading: TradingDesk
    following: ScriptedVenue

    async def run(self, minutes: int = 15) -> None:
        """Deliver the attempts and tick until the intent has ended or is UNRESOLVED."""
        attempt = 1
        for _ in range(minutes * 6):
            for event in await self.trading.execute(attempt):
                del event  # the bus's; the next round finds what is due
            self.stand.clock.advance(10)
            self.stand.pass_time()
            await self.trading.settle()
            intent = self.trading.intent()
            if intent.status.is_terminal or intent.status == "UNRESOLVED":
                return
            attempt = intent.attempt + (intent.status == "RETRYING")

    @property
    def booked(self) -> Decimal:
        rows = self.trading.rows("fills").values()
        return sum((Decimal(row["fill"]["last_qty"]) for row in rows), Decimal(0))


async def pipeline(stand: Stand) -> Pipeline:
    other = Venue.DRIFT if stand.name is not Venue.DRIFT else Venue.ASTER
    following = ScriptedVenue(other, FULL)
    trading = TradingDesk(the_plan(stand, other))
    trading.store, trading.clock = stand.store, stand.clock
    venues: dict[Venue, ExecutionVenue] = {stand.name: stand.venue, other: following}
    trading.venues = venues  # type: ignore[assignment]  # the desk's own are all scripted
    await trading.open()
    own = a_deployment(enabled_venues=(stand.name,))
    await trading.change(Ref(V3.deployments, DEPLOYMENT_ID), own)
    await trading.change(Ref(MARKET_SNAPSHOTS, stand.symbol), stand.quote())
    return Pipeline(stand, trading, following)
