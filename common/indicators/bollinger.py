"""Bollinger bands."""

from dataclasses import dataclass, field
from math import fsum, sqrt
from typing import NamedTuple


class Bands(NamedTuple):
    """In price units; lower <= middle <= upper."""

    lower: float
    middle: float
    upper: float


@dataclass(slots=True)
class Bollinger:
    """John Bollinger (1983): mean of `period` closes -+ 2 population standard deviations.

    Summed afresh over the window each time with an exactly rounded sum, so nothing drifts and every
    Python version gives the same bits.
    """

    period: int = 20
    deviations: float = 2.0
    window: list[float] = field(default_factory=list)

    def update(self, close: float) -> Bands | None:
        self.push(close)
        return self.value

    def push(self, close: float) -> None:
        """Take the close without working out the bands."""
        self.window.append(close)
        if len(self.window) > self.period:
            del self.window[0]

    @property
    def value(self) -> Bands | None:
        if len(self.window) < self.period:
            return None
        middle = fsum(self.window) / self.period
        variance = fsum([(close - middle) ** 2 for close in self.window]) / self.period
        reach = self.deviations * sqrt(variance)
        return Bands(middle - reach, middle, middle + reach)
