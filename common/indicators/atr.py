"""Average true range."""

from dataclasses import dataclass


@dataclass(slots=True)
class Atr:
    """Wilder (1978), chapter III. In price units.

    True range = max(high - low, |high - previous close|, |low - previous close|). The first value
    is the mean of the true ranges of bars 1..`period` (bar 0 has no previous close), as in TA-Lib
    (`ta_ATR.c`); then `(atr * (period - 1) + range) / period`.
    """

    period: int = 14
    count: int = 0
    previous_close: float | None = None
    total: float = 0.0
    value: float | None = None

    def update(self, high: float, low: float, close: float) -> float | None:
        previous, self.previous_close = self.previous_close, close
        if previous is None:
            return None
        # The longest of the three ranges, without the cost of abs() and max() on every candle.
        true_range = (high if high > previous else previous) - (low if low < previous else previous)
        if self.value is not None:
            self.value = (self.value * (self.period - 1) + true_range) / self.period
            return self.value
        self.count += 1
        self.total += true_range
        if self.count == self.period:
            self.value = self.total / self.period
        return self.value
