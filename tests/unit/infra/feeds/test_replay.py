"""The recorded market."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from common.domain.market import Candle
from common.domain.moment import EPOCH, from_ms
from common.errors import InvalidInputError, TransientError
from infra.feeds.replay import ReplayFeed, modelled_book
from tests.fakes.clock import FakeClock
from tests.shared_data import shared_path

HOUR_MS = 3_600_000
FIRST = 1_757_577_600_000


def write(directory: Path, symbol: str, *, first: int = 0, count: int = 30) -> None:
    lines = ["open_time_ms,open,high,low,close,volume"]
    lines += [
        f"{FIRST + (first + n) * HOUR_MS},{100 + n},{103 + n},{99 + n},{101 + n},{10 + n}"
        for n in range(count)
    ]
    (directory / f"{symbol}_1h.csv").write_text("\n".join(lines) + "\n")


def at_close(bar: int) -> FakeClock:
    return FakeClock(from_ms(FIRST + (bar + 1) * HOUR_MS))


async def test_snapshot_when_clock_is_on_a_close_then_that_bar_is_the_newest(
    tmp_path: Path,
) -> None:
    write(tmp_path, "ETH")
    clock = at_close(4)

    snapshot = await ReplayFeed(tmp_path, "1h", None, clock).snapshot("ETH", candles=3)

    assert [candle.close for candle in snapshot.candles] == [103, 104, 105]
    assert snapshot.mark == 105
    assert snapshot.observed_at == clock.now()
    assert snapshot.source == "replay"
    assert snapshot.funding_rate_8h is None


async def test_snapshot_when_clock_is_before_the_first_close_then_later(tmp_path: Path) -> None:
    write(tmp_path, "ETH")
    feed = ReplayFeed(tmp_path, "1h", None, FakeClock(EPOCH))

    with pytest.raises(TransientError, match="first candle closes later"):
        await feed.snapshot("ETH", candles=3)


async def test_snapshot_when_recording_is_over_then_stays_on_its_last_bar(tmp_path: Path) -> None:
    write(tmp_path, "ETH")
    clock = at_close(100)

    snapshot = await ReplayFeed(tmp_path, "1h", None, clock).snapshot("ETH", candles=99)

    assert len(snapshot.candles) == 30
    assert clock.now() - snapshot.observed_at == timedelta(hours=71)


async def test_snapshot_when_file_holds_a_day_then_volume_is_its_turnover(tmp_path: Path) -> None:
    write(tmp_path, "ETH")

    day = await ReplayFeed(tmp_path, "1h", None, at_close(23)).snapshot("ETH", candles=1)
    next_hour = await ReplayFeed(tmp_path, "1h", None, at_close(24)).snapshot("ETH", candles=1)
    short = await ReplayFeed(tmp_path, "1h", None, at_close(22)).snapshot("ETH", candles=1)

    assert day.volume_24h == sum((101 + n) * (10 + n) for n in range(24))
    assert next_hour.volume_24h == sum((101 + n) * (10 + n) for n in range(1, 25))
    assert short.volume_24h is None


def test_ticks_when_ranges_differ_then_are_the_closes_all_symbols_share(tmp_path: Path) -> None:
    write(tmp_path, "BTC", first=0, count=10)
    write(tmp_path, "ETH", first=6, count=10)
    feed = ReplayFeed(tmp_path, "1h", None, FakeClock())

    ticks = list(feed.ticks())

    assert ticks == [from_ms(FIRST + n * HOUR_MS) for n in (7, 8, 9, 10)]
    assert feed.tick_count == 4
    assert feed.symbols == ("BTC", "ETH")


def test_load_when_ranges_do_not_meet_then_tells_each_range(tmp_path: Path) -> None:
    write(tmp_path, "BTC", first=0, count=3)
    write(tmp_path, "ETH", first=3, count=3)

    with pytest.raises(InvalidInputError, match=r"share no bar: BTC 2025-09-11 08:00 UTC to .*ETH"):
        ReplayFeed(tmp_path, "1h", None, FakeClock())


@pytest.mark.parametrize(
    ("high", "low", "half"),
    [("100.1", "99.9", "0.01"), ("105", "95", "0.2")],
)
def test_modelled_book_when_range_grows_then_spread_does_and_never_below_a_point(
    high: str, low: str, half: str
) -> None:
    close = Decimal(100)
    candle = Candle(FIRST, close, Decimal(high), Decimal(low), close, Decimal(50))

    book = modelled_book(candle)

    assert (book.bid, book.ask) == (close - Decimal(half), close + Decimal(half))
    assert book.bid_size == book.ask_size == 1
    assert book.modelled


async def test_replay_when_real_recording_then_every_tick_has_every_symbol() -> None:
    clock = FakeClock()
    feed = ReplayFeed(shared_path("data/replay"), "5m", None, clock)
    pepe_volume: Decimal | None = None

    assert feed.symbols == ("BTC", "DOGE", "ETH", "PEPE", "SOL", "XRP")
    for number, moment in enumerate(feed.ticks(), start=1):
        clock.advance((moment - clock.now()).total_seconds())
        if number % 100:
            continue
        for symbol in feed.symbols:
            snapshot = await feed.snapshot(symbol, candles=32)
            assert len(snapshot.candles) == 32
            assert snapshot.observed_at == moment
            assert snapshot.book.bid < snapshot.mark < snapshot.book.ask
            pepe_volume = snapshot.volume_24h if symbol == "PEPE" else pepe_volume
    assert feed.tick_count == 1000
    assert pepe_volume is not None
    assert Decimal("1e7") < pepe_volume < Decimal("1e10")
