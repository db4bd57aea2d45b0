"""A seeded market to decide on: random walks with volume, the same on every machine."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from common.domain.events import MarketUpdated
from common.domain.market import INTERVAL_MS, Candle, MarketSnapshot, TopOfBook
from common.domain.moment import to_ms
from tests.builders import NOON

INTERVAL = "5m"
BAR = timedelta(milliseconds=INTERVAL_MS[INTERVAL])
_CENT = Decimal("0.01")


class WalkingMarket:
    """Closed candles of some symbols up to any bar from `start` on."""

    def __init__(
        self, symbols: int, *, bars: int, history: int, start: datetime = NOON, seed: int = 7
    ) -> None:
        source = random.Random(seed)
        self._start = start
        self.symbols = tuple(f"SYM{number}" for number in range(symbols))
        self._history = history
        first = to_ms(start) - history * INTERVAL_MS[INTERVAL]
        self._candles = {symbol: _walk(source, first, history + bars) for symbol in self.symbols}

    def event(
        self, bar: int, *, candles: int, symbols: Sequence[str] | None = None
    ) -> MarketUpdated:
        """The tick at the close of bar number `bar`, with the last `candles` of each symbol."""
        end, closed = self._history + bar, self._start + bar * BAR
        return MarketUpdated(
            tick_id=f"fetch_market:bench{bar:06d}",
            snapshots=tuple(
                _snapshot(symbol, self._candles[symbol][end - candles : end], closed)
                for symbol in symbols or self.symbols
            ),
            failed={},
        )


def _walk(source: random.Random, first_ms: int, count: int) -> tuple[Candle, ...]:
    candles = []
    price = source.uniform(50, 5_000)
    for number in range(count):
        opened = price
        price *= 1 + source.gauss(0, 0.004)
        high = max(opened, price) * (1 + abs(source.gauss(0, 0.001)))
        low = min(opened, price) * (1 - abs(source.gauss(0, 0.001)))
        opens, highs, lows, closes = (
            Decimal(value).quantize(_CENT) for value in (opened, high, low, price)
        )
        candles.append(
            Candle(
                open_time_ms=first_ms + number * INTERVAL_MS[INTERVAL],
                open=opens,
                high=highs,
                low=lows,
                close=closes,
                volume=Decimal(source.lognormvariate(6, 1)).quantize(_CENT),
            )
        )
    return tuple(candles)


def _snapshot(symbol: str, candles: tuple[Candle, ...], observed_at: datetime) -> MarketSnapshot:
    mark = candles[-1].close
    return MarketSnapshot(
        symbol=symbol,
        interval=INTERVAL,
        candles=candles,
        book=TopOfBook(
            bid=mark - _CENT,
            ask=mark + _CENT,
            bid_size=Decimal(9),
            ask_size=Decimal(5),
            modelled=False,
        ),
        mark=mark,
        volume_24h=Decimal(1_000_000),
        funding_rate_8h=Decimal("0.0001"),
        observed_at=observed_at,
        source="bench",
    )
