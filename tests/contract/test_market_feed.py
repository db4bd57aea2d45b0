"""What every MarketFeed promises, on the recorded, the simulated and the live adapter."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from common.domain.market import INTERVAL_MS, MarketSnapshot
from common.domain.moment import to_ms
from common.errors import NotFoundError
from common.ports import MarketFeed
from common.wire import from_document, to_document
from infra.feeds.hyperliquid import HyperliquidFeed
from infra.feeds.replay import ReplayFeed
from infra.feeds.simulated import SimulatedFeed
from tests.fakes.clock import FakeClock
from tests.standins.hyperliquid_info import HyperliquidInfo
from tests.standins.serving import serving

START = datetime(2026, 1, 15, 12, 2, 30, tzinfo=UTC)  # inside a bar
STEP = INTERVAL_MS["5m"]


@dataclass
class Case:
    feed: MarketFeed
    clock: FakeClock
    moved: Callable[[], None]

    def advance(self, **by: float) -> None:
        self.clock.advance(timedelta(**by).total_seconds())
        self.moved()


def write_recording(directory: Path, name: str, price: str, *, count: int = 400) -> None:
    """Bars up to well past `START`, priced around `price`."""
    first = to_ms(START) // STEP * STEP - 350 * STEP
    base = Decimal(price)
    lines = ["open_time_ms,open,high,low,close,volume"]
    for bar in range(count):
        opened, close = base + base * bar / 10_000, base + base * (bar + 1) / 10_000
        high, low = close * Decimal("1.001"), opened * Decimal("0.999")
        lines.append(f"{first + bar * STEP},{opened:f},{high:f},{low:f},{close:f},250.0")
    (directory / f"{name}_5m.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(params=["replay", "simulated", "live"])
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    clock = FakeClock(START)
    async with AsyncExitStack() as stack:
        if request.param == "replay":
            for name, price in (("BTC", "100000"), ("ETH", "3000"), ("1000PEPE", "0.0068")):
                write_recording(tmp_path, name, price)
            yield Case(ReplayFeed(tmp_path, "5m", None, clock), clock, lambda: None)
        elif request.param == "simulated":
            yield Case(SimulatedFeed(7, clock, "5m"), clock, lambda: None)
        else:
            server = HyperliquidInfo(START)
            feed = HyperliquidFeed(await stack.enter_async_context(serving(server)), clock, "5m")
            stack.push_async_callback(feed.aclose)

            def moved() -> None:
                server.now = clock.now()

            yield Case(feed, clock, moved)


@pytest.mark.parametrize("symbol", ["BTC", "ETH", "PEPE"])
async def test_snapshot_when_asked_then_shows_closed_gap_free_candles(
    case: Case, symbol: str
) -> None:
    snapshot = await case.feed.snapshot(symbol, candles=50)

    assert (snapshot.symbol, snapshot.interval) == (symbol, "5m")
    assert len(snapshot.candles) == 50
    assert all(
        newer.open_time_ms - older.open_time_ms == STEP
        for older, newer in pairwise(snapshot.candles)
    )
    newest_close = snapshot.candles[-1].open_time_ms + STEP
    assert newest_close == to_ms(START) // STEP * STEP
    for candle in snapshot.candles:
        assert 0 < candle.low <= min(candle.open, candle.close)
        assert max(candle.open, candle.close) <= candle.high
        assert candle.volume >= 0


@pytest.mark.parametrize("symbol", ["BTC", "ETH", "PEPE"])
async def test_snapshot_when_asked_then_book_and_mark_are_sound(case: Case, symbol: str) -> None:
    snapshot = await case.feed.snapshot(symbol, candles=5)

    assert 0 < snapshot.book.bid < snapshot.book.ask
    assert snapshot.book.bid_size > 0
    assert snapshot.book.ask_size > 0
    assert abs(snapshot.book.mid / snapshot.mark - 1) < Decimal("0.01")
    assert snapshot.volume_24h is None or snapshot.volume_24h > 0
    assert snapshot.source


async def test_snapshot_when_asked_then_it_is_recent_and_not_from_the_future(case: Case) -> None:
    snapshot = await case.feed.snapshot("ETH", candles=5)

    age = START - snapshot.observed_at
    assert timedelta(0) <= age <= timedelta(minutes=5)


async def test_snapshot_when_fewer_candles_are_asked_then_they_are_the_newest(case: Case) -> None:
    many = await case.feed.snapshot("ETH", candles=40)
    few = await case.feed.snapshot("ETH", candles=3)

    assert few.candles == many.candles[-3:]


async def test_snapshot_when_time_passes_then_exactly_the_closed_bars_are_added(
    case: Case,
) -> None:
    before = await case.feed.snapshot("ETH", candles=10)
    case.advance(minutes=2, seconds=29)
    same = await case.feed.snapshot("ETH", candles=10)
    case.advance(seconds=2)
    after = await case.feed.snapshot("ETH", candles=10)

    assert opens(same) == opens(before)
    assert opens(after) == [*opens(before)[1:], opens(before)[-1] + STEP]


async def test_snapshot_when_symbol_is_unknown_then_not_found(case: Case) -> None:
    with pytest.raises(NotFoundError):
        await case.feed.snapshot("no-such", candles=5)


async def test_snapshot_when_put_on_the_wire_then_it_comes_back_equal(case: Case) -> None:
    snapshot = await case.feed.snapshot("PEPE", candles=5)

    assert from_document(MarketSnapshot, to_document(snapshot)) == snapshot


async def test_label_when_read_then_names_the_source(case: Case) -> None:
    assert case.feed.label


def opens(snapshot: MarketSnapshot) -> list[int]:
    return [candle.open_time_ms for candle in snapshot.candles]
