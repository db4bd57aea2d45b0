"""The market's average price while an order worked."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from common.domain.market import HOUR_MS, INTERVAL_MS, Candle, CandleHour, candle_hour_id
from common.domain.moment import to_ms
from common.reporting.benchmark import benchmark, candle_hours, candles_between
from tests.builders import NOON, some_candles


def hours(interval: str = "5m", count: int = 36, until: datetime | None = None) -> list[CandleHour]:
    """The candles up to an hour after noon, as they are stored."""
    stored: dict[int, list[Candle]] = {}
    until = until or NOON + timedelta(hours=1)
    for candle in some_candles(count, interval=interval, until=until):
        stored.setdefault(candle.open_time_ms // HOUR_MS * HOUR_MS, []).append(candle)
    return [
        CandleHour(symbol="ETH", interval=interval, hour_ms=hour, candles=tuple(candles))
        for hour, candles in stored.items()
    ]


def minutes(candles: tuple[Candle, ...]) -> list[int]:
    return [(candle.open_time_ms - to_ms(NOON)) // 60_000 for candle in candles]


@pytest.mark.parametrize(
    ("start", "end", "opened"),
    [
        (0, 10, [0, 5, 10]),
        (1, 4, [0]),
        (4, 6, [0, 5]),
        (-3, 2, [-5, 0]),
        (58, 90, [55]),
        (60, 90, []),
    ],
)
def test_candles_when_they_overlap_the_window_then_they_count(
    start: int, end: int, opened: list[int]
) -> None:
    window = NOON + timedelta(minutes=start), NOON + timedelta(minutes=end)
    assert minutes(candles_between(hours(), *window)) == opened
    assert minutes(candles_between([*reversed(hours()), *hours()], *window)) == opened


@pytest.mark.parametrize("interval", ["1m", "5m", "1h", "4h", "1d"])
@pytest.mark.parametrize("offset_s", [-1, 0, 1, 1799, 3599])
def test_hours_when_read_for_a_window_then_no_candle_of_it_is_in_another(
    interval: str, offset_s: int
) -> None:
    stored = hours(interval, 400)
    start = NOON - timedelta(hours=2) + timedelta(seconds=offset_s)
    end = start + timedelta(minutes=50)
    wanted = candle_hours("ETH", interval, start, end)

    read = [hour for hour in stored if candle_hour_id("ETH", interval, hour.hour_ms) in wanted]
    assert candles_between(read, start, end) == candles_between(stored, start, end) != ()
    assert len(wanted) <= INTERVAL_MS[interval] // HOUR_MS + 3


def a_candle(high: str, low: str, close: str, volume: str) -> Candle:
    prices = Decimal(close), Decimal(high), Decimal(low), Decimal(close)
    return Candle(0, *prices, Decimal(volume))


def test_vwap_when_volumes_differ_then_the_typical_price_is_weighted() -> None:
    found = benchmark([a_candle("12", "9", "12", "1"), a_candle("24", "18", "21", "3")])

    assert found.vwap == (11 + 3 * 21) / Decimal(4)
    assert (found.last_price, found.reason) == (Decimal(21), "")


def test_vwap_when_the_price_is_tiny_then_its_digits_are_kept() -> None:
    price = "0.0000000000000000001234"
    found = benchmark([a_candle(price, price, price, "7")])
    assert found.vwap == Decimal(price)


def test_vwap_when_nobody_traded_then_none_but_the_last_price() -> None:
    found = benchmark([a_candle("12", "9", "12", "0")])

    assert (found.vwap, found.last_price) == (None, Decimal(12))
    assert found.reason == "Nobody traded while it worked"


def test_vwap_when_there_is_no_candle_then_none_with_the_reason() -> None:
    found = benchmark([])

    assert (found.vwap, found.last_price) == (None, None)
    assert "No closed candle" in found.reason
