"""What the market paid while an order worked: the volume-weighted average price of its candles."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, localcontext

from common.domain.market import HOUR_MS, INTERVAL_MS, Candle, CandleHour, candle_hour_id
from common.domain.moment import to_ms
from common.domain.money import ZERO
from common.domain.position import EXACT

SIGNIFICANT = Context(prec=16)  # digits, not places: a token may cost 0.0000000001


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """`vwap` and `last_price` are None where `reason` says why there is none."""

    vwap: Decimal | None
    last_price: Decimal | None  # where the market was when the order ended
    reason: str = ""


def candle_hours(symbol: str, interval: str, start: datetime, end: datetime) -> list[str]:
    """The ids under `candle_hours` of every hour that may hold a candle of the window."""
    first = (to_ms(start) - INTERVAL_MS[interval] + 1) // HOUR_MS
    last = to_ms(end) // HOUR_MS
    return [candle_hour_id(symbol, interval, hour * HOUR_MS) for hour in range(first, last + 1)]


def candles_between(
    hours: Iterable[CandleHour], start: datetime, end: datetime
) -> tuple[Candle, ...]:
    """The closed candles that overlap the window, oldest first, each once.

    The one that the window begins in counts, and the one that it ends in, if it has closed. All
    `hours` are of one symbol and one interval.
    """
    begin, stop = to_ms(start), to_ms(end)
    found = {
        candle.open_time_ms: candle
        for hour in hours
        for candle in hour.candles
        if begin - INTERVAL_MS[hour.interval] < candle.open_time_ms <= stop
    }
    return tuple(found[key] for key in sorted(found))


def benchmark(candles: Sequence[Candle]) -> Benchmark:
    """Typical price (high + low + close) / 3, weighted by each candle's volume."""
    if not candles:
        reason = "No closed candle covers the time that it worked"
        return Benchmark(vwap=None, last_price=None, reason=reason)
    last = candles[-1].close
    with localcontext(EXACT):
        volume = sum((candle.volume for candle in candles), ZERO)
        if volume <= 0:
            return Benchmark(vwap=None, last_price=last, reason="Nobody traded while it worked")
        worth = sum(((each.high + each.low + each.close) * each.volume for each in candles), ZERO)
        return Benchmark(vwap=SIGNIFICANT.divide(worth, 3 * volume), last_price=last)
