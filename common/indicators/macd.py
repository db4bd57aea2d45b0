"""Moving average convergence / divergence."""

from dataclasses import dataclass, field
from typing import NamedTuple

from common.indicators.ema import Ema

FAST, SLOW, SIGNAL = 12, 26, 9


class MacdValue(NamedTuple):
    """In price units."""

    macd: float
    signal: float
    histogram: float


@dataclass(slots=True)
class Macd:
    """Gerald Appel (1979): EMA(12) - EMA(26), its EMA(9) as signal line. Starts after 34 closes.

    As in TA-Lib (`ta_MACD.c`) both averages start at the same bar: the slow one is seeded with the
    mean of bars 0..25, the fast one with the mean of bars 14..25.
    """

    skipped: int = 0
    fast: Ema = field(default_factory=lambda: Ema(FAST))
    slow: Ema = field(default_factory=lambda: Ema(SLOW))
    signal: Ema = field(default_factory=lambda: Ema(SIGNAL))

    def update(self, close: float) -> MacdValue | None:
        slow = self.slow.update(close)
        if self.skipped < SLOW - FAST:
            self.skipped += 1
            return None
        fast = self.fast.update(close)
        if fast is None or slow is None:
            return None
        self.signal.update(fast - slow)
        return self.value

    @property
    def value(self) -> MacdValue | None:
        fast, slow, signal = self.fast.value, self.slow.value, self.signal.value
        if fast is None or slow is None or signal is None:
            return None
        macd = fast - slow
        return MacdValue(macd, signal, macd - signal)
