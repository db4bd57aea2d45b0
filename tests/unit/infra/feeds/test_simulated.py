"""The simulated market."""

import math
from datetime import timedelta
from itertools import pairwise

import pytest

from common.config import Settings
from common.domain.events import MarketUpdated
from common.domain.market import MarketSnapshot
from common.errors import InvalidInputError, NotFoundError
from functions.decide.handler import decide
from infra.feeds import simulated
from infra.feeds.simulated import BLOCK_BARS, SimulatedFeed
from infra.local.store.memory import MemoryStore
from tests.builders import NOON
from tests.fakes.clock import FakeClock


async def take(seed: int = 7, symbol: str = "BTC", *, minutes: float = 0) -> MarketSnapshot:
    clock = FakeClock(NOON + timedelta(minutes=minutes))
    return await SimulatedFeed(seed, clock, "1m").snapshot(symbol, candles=300)


async def test_snapshot_when_same_seed_and_moment_then_same_whatever_was_asked_before() -> None:
    clock = FakeClock()
    busy = SimulatedFeed(7, clock, "1m")
    for _ in range(40):
        for symbol in ("WIF", "BTC"):
            await busy.snapshot(symbol, candles=10)
        clock.advance(61 * 60)
    moment = (clock.now() - NOON).total_seconds() / 60

    assert await busy.snapshot("BTC", candles=300) == await take(minutes=moment)


async def test_snapshot_when_seeds_or_symbols_differ_then_so_do_the_prices() -> None:
    first, other_seed, other_symbol = (
        (await take()).candles,
        (await take(8)).candles,
        (await take(symbol="XRP")).candles,
    )

    assert len({first, other_seed, other_symbol}) == 3


async def test_snapshot_when_blocks_meet_then_each_bar_opens_where_the_former_closed() -> None:
    candles = (await take(minutes=BLOCK_BARS * 1.5)).candles

    assert len(candles) == 300 > BLOCK_BARS
    for older, newer in pairwise(candles):
        assert newer.open == older.close


@pytest.mark.parametrize(
    ("symbol", "low", "high"),
    [("BTC", 80_000, 130_000), ("PEPE", 4e-6, 1e-5), ("WIF", 0.35, 0.85), ("ZZZ", 0.005, 200)],
)
async def test_snapshot_when_a_month_passes_then_price_stays_near_its_level(
    symbol: str, low: float, high: float
) -> None:
    for day in range(0, 30, 3):
        assert low < float((await take(symbol=symbol, minutes=day * 1440)).mark) < high


async def test_snapshot_when_time_runs_within_a_bar_then_the_mid_ends_as_its_close() -> None:
    clock = FakeClock()
    feed = SimulatedFeed(7, clock, "1m")
    mids = []
    for _ in range(6):
        mids.append((await feed.snapshot("ETH", candles=1)).mark)
        clock.advance(10)
    bar = (await feed.snapshot("ETH", candles=1)).candles[-1]

    assert mids[0] == bar.open
    assert len(set(mids)) > 3
    assert all(bar.low <= mid <= bar.high for mid in mids)
    assert (await feed.snapshot("ETH", candles=1)).mark == bar.close


async def test_snapshot_when_a_day_of_bars_is_summed_then_it_is_the_volume() -> None:
    clock = FakeClock()
    feed = SimulatedFeed(7, clock, "1m")

    snapshot = await feed.snapshot("SOL", candles=1440)

    assert snapshot.volume_24h == sum(candle.close * candle.volume for candle in snapshot.candles)
    assert snapshot.funding_rate_8h is not None
    assert abs(snapshot.funding_rate_8h) < 0.001
    assert not snapshot.book.modelled


async def test_snapshot_when_measured_then_trends_and_volatility_are_a_markets() -> None:
    closes = [float(candle.close) for candle in (await take(minutes=5000)).candles]
    returns = [math.log(b / a) for a, b in pairwise(closes)]
    deviation = math.sqrt(sum(r * r for r in returns) / len(returns))
    runs = [abs(math.log(b / a)) for a, b in zip(closes, closes[15:], strict=False)]

    assert 0.0003 < deviation < 0.003
    assert max(runs) > 7 * deviation  # trends: a driftless walk seldom goes there


async def test_snapshot_when_symbol_is_no_token_name_then_not_found() -> None:
    feed = SimulatedFeed(7, FakeClock(), "1m")
    for symbol in ("btc", "", "A/B", "X" * 21, "É"):
        with pytest.raises(NotFoundError):
            await feed.snapshot(symbol, candles=1)


def test_feed_when_labelled_then_says_that_it_is_not_real() -> None:
    assert SimulatedFeed(9, FakeClock(), "5m").label == (
        "SIMULATED market, seed 9: not real prices"
    )
    with pytest.raises(InvalidInputError):
        SimulatedFeed(9, FakeClock(), "2h")


async def test_feed_when_it_runs_long_then_keeps_a_bounded_number_of_blocks() -> None:
    clock = FakeClock()
    feed = SimulatedFeed(7, clock, "1m")
    for _ in range(40):
        await feed.snapshot("BTC", candles=10)
        clock.advance(BLOCK_BARS * 60)

    assert len(feed._blocks["BTC"]) == simulated.BLOCKS_KEPT


async def test_market_when_the_swarm_watches_it_then_acts_within_half_an_hour_on_most_seeds() -> (
    None
):
    acted = [seed for seed in range(1, 9) if await signals_within(30, seed=seed)]

    assert len(acted) >= 6


async def signals_within(minutes: int, *, seed: int) -> bool:
    clock, store, settings = FakeClock(NOON + timedelta(hours=seed)), MemoryStore(), Settings()
    feed = SimulatedFeed(seed, clock, settings.swarm.interval)
    for minute in range(0, minutes, 5):
        snapshots = [
            await feed.snapshot(symbol, candles=32 if minute else 200)
            for symbol in settings.swarm.symbols
        ]
        event = MarketUpdated(tick_id=f"tick-{minute}", snapshots=tuple(snapshots), failed={})
        if await decide(event, store=store, clock=clock, settings=settings):
            return True
        clock.advance(300)
    return False
