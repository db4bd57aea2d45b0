"""Recorded candles as a market: the clock decides what is visible, and nothing later ever is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from itertools import accumulate
from pathlib import Path

from common.domain.market import INTERVAL_MS, Candle, MarketSnapshot, TopOfBook
from common.domain.moment import from_ms, to_ms
from common.errors import InvalidInputError, NotFoundError, TransientError
from common.ports import Clock
from infra.feeds.candle_files import load_candles, moment_text
from infra.feeds.symbols import tidy

HALF_SPREAD_MIN = Decimal("0.0001")  # 1 basis point of the close
HALF_SPREAD_OF_RANGE = Decimal("0.02")
SIZE_OF_VOLUME = Decimal("0.02")
DAY_MS = 86_400_000
_EXACT = Context(prec=80)


@dataclass(frozen=True, slots=True)
class _Series:
    candles: tuple[Candle, ...]
    turnover: tuple[Decimal, ...]  # running sum of close * volume

    @property
    def first_ms(self) -> int:
        return self.candles[0].open_time_ms


class ReplayFeed:
    """Candle files behind the `MarketFeed` port.

    A bar has no book, so one is modelled from it: mid = close; half-spread = the larger of 1 basis
    point of the close and 2 % of the bar's range; each side's size = 2 % of the bar's volume. Mark
    = close; no funding; `observed_at` = the newest candle's close time. The 24 h volume is the sum
    of close * volume, None until the file holds 24 h up to that moment.
    """

    def __init__(
        self, directory: Path, interval: str, symbols: Sequence[str] | None, clock: Clock
    ) -> None:
        """Load and check every file. Raises InvalidInputError (`load_candles`), also when the files
        share no moment."""
        loaded = load_candles(directory, interval, symbols)
        self._interval = interval
        self._step = INTERVAL_MS[interval]
        self._clock = clock
        self._series = {symbol: _series(candles) for symbol, candles in loaded.items()}
        self._first_ms, self._last_ms = self._common_range()
        self.label = f"recorded {interval} candles of {', '.join(self._series)}"

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self._series)

    @property
    def tick_count(self) -> int:
        return (self._last_ms - self._first_ms) // self._step + 1

    def ticks(self) -> Iterator[datetime]:
        """The close times that every symbol has, in order; stand the clock on each in turn.

        The first is the first common bar's close: indicators are cold then, and agents abstain
        until they are warm.
        """
        for opened_ms in range(self._first_ms, self._last_ms + 1, self._step):
            yield from_ms(opened_ms + self._step)

    async def snapshot(self, symbol: str, *, candles: int) -> MarketSnapshot:
        series = self._series.get(symbol)
        if series is None:
            raise NotFoundError(f"{symbol} is not in the recording")
        closed = min(
            (to_ms(self._clock.now()) - series.first_ms) // self._step, len(series.candles)
        )
        if closed <= 0:
            raise TransientError(
                f"{symbol}: the recording's first candle closes later than the clock"
            )
        newest = series.candles[closed - 1]
        return MarketSnapshot(
            symbol=symbol,
            interval=self._interval,
            candles=series.candles[max(0, closed - candles) : closed],
            book=modelled_book(newest),
            mark=newest.close,
            volume_24h=self._volume_24h(series, closed),
            funding_rate_8h=None,
            observed_at=from_ms(newest.open_time_ms + self._step),
            source="replay",
        )

    def _volume_24h(self, series: _Series, closed: int) -> Decimal | None:
        bars = DAY_MS // self._step
        if closed < bars:
            return None
        before = series.turnover[closed - bars - 1] if closed > bars else Decimal(0)
        return tidy(_EXACT.subtract(series.turnover[closed - 1], before))

    def _common_range(self) -> tuple[int, int]:
        first = max(series.first_ms for series in self._series.values())
        last = min(series.candles[-1].open_time_ms for series in self._series.values())
        if first > last:
            ranges = "; ".join(
                f"{symbol} {moment_text(series.first_ms)} to "
                f"{moment_text(series.candles[-1].open_time_ms)}"
                for symbol, series in self._series.items()
            )
            raise InvalidInputError(f"the files share no bar: {ranges}", where="replay")
        return first, last


def modelled_book(candle: Candle) -> TopOfBook:
    """The book of `ReplayFeed`: 8 significant figures, the bid rounded down and the ask up."""
    half = max(candle.close * HALF_SPREAD_MIN, (candle.high - candle.low) * HALF_SPREAD_OF_RANGE)
    tick = Decimal(1).scaleb(candle.close.adjusted() - 7)
    size = tidy(candle.volume * SIZE_OF_VOLUME)
    return TopOfBook(
        bid=tidy((candle.close - half).quantize(tick, rounding=ROUND_FLOOR)),
        ask=tidy((candle.close + half).quantize(tick, rounding=ROUND_CEILING)),
        bid_size=size,
        ask_size=size,
        modelled=True,
    )


def _series(candles: tuple[Candle, ...]) -> _Series:
    products = (_EXACT.multiply(candle.close, candle.volume) for candle in candles)
    return _Series(candles, tuple(accumulate(products, _EXACT.add)))
