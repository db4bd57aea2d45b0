"""Routing: the pure router over the venues' real pair tables, and the whole of `route`."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from bench.calls import functions_on, push_of, store_named
from bench.desk import add_deliveries, open_desk, venue_tables
from bench.figures import Goal, Row, row_of
from bench.samples import Samples, sampled, sampled_sync
from common.books import V3
from common.config import Settings
from common.domain.events import DeploymentSignal
from common.domain.instrument import ALL_VENUES, DEFAULT_PRIORITY, InstrumentTable, Venue
from common.domain.order import OrderSide
from common.domain.routing import RoutingMode
from common.domain.signal import SignalStatus
from common.ports import Ref
from common.where.breaker import closed
from common.where.checks import RouteRequest
from common.where.router import choose_venue
from common.where.splitting import VENUES_MAX, SplitVenue, split
from functions.route.handler import route
from infra.local.clock import ManualClock
from infra.venues.instruments import StoredInstruments
from tests.builders import NOON

COUNT = 300
WARMUP = 20
PURE_COUNT = 2_000
GOAL = Goal("p99", 1.0)
TEN = (*ALL_VENUES, *ALL_VENUES[:3])
"""There are seven venues; ten are three of them over again."""
MODES = (
    (RoutingMode.PRIORITY, "every venue has the pair and is asked"),
    (RoutingMode.COST, "ordered by fee and impact"),
    (RoutingMode.SPLIT, "$100,000 in shares, with failover"),
)


async def run() -> list[Row]:
    tables = await venue_tables()
    pairs = sum(table.pair_count for table in tables.values())
    return [
        row_of(
            "router alone, 4 venues",
            _router(tables, DEFAULT_PRIORITY),
            goal=GOAL,
            note=f"{pairs} pairs; the venues' own tables",
        ),
        *(
            row_of(
                f"router alone, 10 venues, {mode.lower()}",
                _router(_seven(tables), TEN, mode),
                goal=GOAL,
                note=note,
            )
            for mode, note in MODES
        ),
        *(
            row_of(f"split alone, 10 venues, {name}", _split(lots), goal=GOAL, note=note)
            for name, lots, note in (
                ("one lot", (4,), "fees, liquidity and minimums differ"),
                ("four lots", (0, 2, 4, 6), "lots of 1 to 0.000001"),
            )
        ),
        row_of("route handler, memory", await _handled("memory", tables)),
        row_of("route handler, sqlite", await _handled("sqlite", tables)),
        row_of(
            "route called whole, sqlite",
            await _called(tables),
            note="envelope in, SQLite commit, publish",
        ),
    ]


def _seven(tables: Mapping[Venue, InstrumentTable]) -> dict[Venue, InstrumentTable]:
    """A table for every venue: the four venues' own, and theirs again for the other three. All
    tell their liquidity and a fee of their own.
    """
    return {
        venue: replace(
            table,
            venue=venue,
            instruments=tuple(
                replace(
                    instrument,
                    venue=venue,
                    liquidity=Decimal(300_000 * (place + 1)),
                    taker_fee=Decimal(place + 2) / 10_000,
                    max_notional=None,
                    is_open=True,
                )
                for instrument in table.instruments
            ),
        )
        for place, venue in enumerate(ALL_VENUES)
        for table in [tables[DEFAULT_PRIORITY[place % 4]]]
    }


def _router(
    tables: Mapping[Venue, InstrumentTable],
    venues: tuple[Venue, ...],
    mode: RoutingMode = RoutingMode.PRIORITY,
) -> Samples:
    request = RouteRequest(
        symbol="ETH",
        side=OrderSide.BUY,
        quantity=Decimal("33.333333"),
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
            mode=mode,
        )

    return sampled_sync(call, count=PURE_COUNT, warmup=WARMUP)


def _split(decimals: tuple[int, ...]) -> Samples:
    """$100,000 over ten venues, lots of so many decimals in turn."""
    venues = [
        SplitVenue(
            venue=TEN[place],
            liquidity=Decimal(100_000 * (place + 1)),
            fee=Decimal(2 + place * 3 % 10) / 10_000,
            lot=Decimal(10) ** -decimals[place % len(decimals)],
            min_notional=Decimal(10 * (place + 1)),
        )
        for place in range(VENUES_MAX)
    ]
    quantity, price = Decimal("33.333333"), Decimal("3000.5")

    def call() -> None:
        split(quantity, price, venues)

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
                unavailable={},
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
