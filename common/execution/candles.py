"""The stored candles of a symbol's last hours."""

from common.books import CANDLE_HOURS
from common.documents import load_many
from common.domain.market import HOUR_MS, Candle, CandleHour, candle_hour_id
from common.ports import DocumentStore, Ref


async def candles_of_hours(
    store: DocumentStore, symbol: str, interval: str, hours_ms: list[int]
) -> tuple[Candle, ...]:
    """Those that opened within the hours that begin at `hours_ms`, oldest first."""
    refs = [Ref(CANDLE_HOURS, candle_hour_id(symbol, interval, hour)) for hour in hours_ms]
    found = await load_many(store, CandleHour, refs)
    candles = [candle for each in found if each is not None for candle in each.value.candles]
    return tuple(sorted(candles, key=lambda candle: candle.open_time_ms))


async def last_candles(
    store: DocumentStore, symbol: str, interval: str, *, now_ms: int, hours: int
) -> tuple[Candle, ...]:
    """Of the running hour and the `hours` before it."""
    this = now_ms // HOUR_MS * HOUR_MS
    return await candles_of_hours(
        store, symbol, interval, [this - HOUR_MS * back for back in range(hours, -1, -1)]
    )
