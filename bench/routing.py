"""Routing: the pure router over the venues' real pair tables, and the whole of `route`."""

from collections.abc import Mapping
from decimal import Decimal

from bench.calls import functions_on, push_of, store_named
from bench.desk import add_deliveries, open_desk, venue_tables
from bench.figures import Goal, Row, row_of
from bench.samples import Samples, sampled, sampled_sync
from common.books import V3
from common.config import Settings
from common.domain.events import DeploymentSignal
from common.domain.instrument import DEFAULT_PRIORITY, InstrumentTable, Venue
from common.domain.order import OrderSide
from common.domain.signal import SignalStatus
from common.ports import Ref
from common.where.breaker import closed
from common.where.router import RouteRequest, choose_venue
from functions.route.handler import route
from infra.local.clock import ManualClock
from infra.venues.instruments import StoredInstruments
from tests.builders import NOON

COUNT = 300
WARMUP = 20
PURE_COUNT = 2_000
GOAL = Goal("p99", 1.0)


async def run() -> list[Row]:
    tables = await venue_tables()
    pairs = sum(table.pair_count for table in tables.values())
    rows = [
        row_of(
            f"router alone, {count} venues",
            _router(tables, DEFAULT_PRIORITY * (count // 4) + DEFAULT_PRIORITY[: count % 4]),
            goal=GOAL,
            note=note,
        )
        for count, note in (
            (4, f"{pairs} pairs; the venues' own tables"),
            (10, "the four tables over again, to ten"),
        )
    ]
    return [
        *rows,
        row_of("route handler, memory", await _handled("memory", tables)),
        row_of("route handler, sqlite", await _handled("sqlite", tables)),
        row_of(
            "route called whole, sqlite",
            await _called(tables),
            note="envelope in, SQLite commit, publish",
        ),
    ]


def _router(tables: Mapping[Venue, InstrumentTable], venues: tuple[Venue, ...]) -> Samples:
    request = RouteRequest(
        symbol="ETH",
        side=OrderSide.BUY,
        quantity=Decimal("0.33333333"),
        price=Decimal("3000.5"),
        slippage_max=Decimal("0.005"),
        held={},
        enabled=frozenset(venues),
    )
    settings = Settings().breaker
    breakers = {venue: closed(venue, now=NOON) for venue in venues}

    def call() -> None:
        choose_venue(
            request,
            venues,
            tables=tables,
            breakers=breakers,
            breaker_settings=settings,
            now=NOON,
        )

    return sampled_sync(call, count=PURE_COUNT, warmup=WARMUP)


async def _handled(name: str, tables: Mapping[Venue, InstrumentTable]) -> Samples:
    clock = ManualClock(NOON)
    with store_named(name) as store:
        await open_desk(store, tables)
        await add_deliveries(store, WARMUP + COUNT)
        instruments = StoredInstruments(store, clock)

        async def call(event: DeploymentSignal) -> None:
            messages = await route(
                event,
                store=store,
                clock=clock,
                settings=Settings(),
                instruments=instruments,
            )
            assert messages, "no plan was made"

        return await sampled(call, _events(), warmup=WARMUP)


async def _called(tables: Mapping[Venue, InstrumentTable]) -> Samples:
    with store_named("sqlite") as store:
        await open_desk(store, tables)
        await add_deliveries(store, WARMUP + COUNT)
        functions = functions_on(store, ManualClock(NOON))
        bodies = [push_of(event, message_id=event.delivery_id) for event in _events()]

        async def call(number: int) -> None:
            answer = await functions.post("route", bodies[number])
            assert answer.status == 204, answer

        samples = await sampled(call, range(len(bodies)), warmup=WARMUP)
        last = await store.get(Ref(V3.deliveries, f"del_{len(bodies) - 1}"))
        assert last is not None
        assert last.data["status"] == SignalStatus.ROUTED, last
        return samples


def _events() -> list[DeploymentSignal]:
    return [
        DeploymentSignal(book=V3.name, delivery_id=f"del_{number}")
        for number in range(WARMUP + COUNT)
    ]
