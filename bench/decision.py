"""The swarm's decision: cold from 200 candles, and warm over 20 symbols with one new candle each.

Measured twice: the handler alone on the in-memory store, and the function as the bus calls it, on
SQLite.
"""

from collections.abc import Sequence

from bench.calls import functions_on, push_of, sqlite_store
from bench.figures import Goal, Row, row_of
from bench.market import WalkingMarket
from bench.samples import Samples, sampled
from common.config import Settings
from common.domain.events import MarketUpdated
from functions.decide.handler import decide
from infra.local.clock import ManualClock
from infra.local.store.memory import MemoryStore
from tests.builders import NOON

HISTORY = 200  # SwarmSettings.history_candles
TAIL = 32  # what fetch_market sends of a warm symbol
SYMBOLS = 20
COUNT = 300
WARMUP = 20
COLD_GOAL = Goal("p99", 5.0)
WARM_GOAL = Goal("p99", 10.0)


async def run() -> list[Row]:
    cold, warm = _cold_events(), _warm_events()
    return [
        row_of("decision, 1 symbol cold", await _handler_cold(cold), goal=COLD_GOAL),
        row_of("decision, 20 symbols warm", await _handler_warm(warm), goal=WARM_GOAL),
        row_of(
            "decide called whole, 1 symbol cold",
            await _called(cold, first=0),
            note="envelope in, SQLite commit, publish",
        ),
        row_of(
            "decide called whole, 20 symbols warm",
            await _called(warm, first=1),
            note="envelope in, SQLite commit, publish",
        ),
    ]


def _cold_events() -> list[MarketUpdated]:
    """Each of one symbol that was never seen before."""
    market = WalkingMarket(WARMUP + COUNT, bars=0, history=HISTORY)
    return [market.event(0, candles=HISTORY, symbols=[symbol]) for symbol in market.symbols]


def _warm_events() -> list[MarketUpdated]:
    """The first makes 20 symbols warm; every later one brings a new candle of each."""
    market = WalkingMarket(SYMBOLS, bars=WARMUP + COUNT, history=HISTORY)
    ticks = range(1, WARMUP + COUNT + 1)
    return [
        market.event(0, candles=HISTORY),
        *(market.event(bar, candles=TAIL) for bar in ticks),
    ]


async def _handler_cold(events: Sequence[MarketUpdated]) -> Samples:
    """An empty store for each sample."""
    clock, settings = ManualClock(NOON), Settings()

    async def call(event: MarketUpdated) -> None:
        await decide(event, store=MemoryStore(), clock=clock, settings=settings)

    return await sampled(call, events, warmup=WARMUP)


async def _handler_warm(events: Sequence[MarketUpdated]) -> Samples:
    store, clock, settings = MemoryStore(), ManualClock(NOON), Settings()

    async def call(event: MarketUpdated) -> None:
        clock.advance_to(event.snapshots[0].observed_at)
        await decide(event, store=store, clock=clock, settings=settings)

    await call(events[0])
    return await sampled(call, events[1:], warmup=WARMUP)


async def _called(events: Sequence[MarketUpdated], *, first: int) -> Samples:
    """The events before `first` are not timed."""
    clock = ManualClock(NOON)
    bodies = [push_of(event, message_id=f"market:{n}") for n, event in enumerate(events)]
    with sqlite_store() as store:
        functions = functions_on(store, clock)

        async def call(number: int) -> None:
            clock.advance_to(events[number].snapshots[0].observed_at)
            answer = await functions.post("decide", bodies[number])
            assert answer.status == 204, answer

        for number in range(first):
            await call(number)
        return await sampled(call, range(first, len(events)), warmup=WARMUP)
