"""Exponential moving average, alpha = 2 / (period + 1)."""

from dataclasses import dataclass


@dataclass(slots=True)
class Ema:
    """Seeded with the simple mean of the first `period` values, as TA-Lib's EMA (`ta_EMA.c`) is.

    After that `ema += alpha * (value - ema)`. Same unit as its input.
    """

    period: int
    count: int = 0
    total: float = 0.0
    value: float | None = None

    def update(self, price: float) -> float | None:
        if self.value is not None:
            self.value = (price - self.value) * (2.0 / (self.period + 1)) + self.value
            return self.value
        self.count += 1
        self.total += price
        if self.count == self.period:
            self.value = self.total / self.period
        return self.value
