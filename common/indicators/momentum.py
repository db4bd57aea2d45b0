"""How far the price came, and how far that is for its own volatility."""

from dataclasses import dataclass, field
from itertools import pairwise
from math import fsum, sqrt
from typing import NamedTuple


class MomentumValue(NamedTuple):
    """`change` and `volatility` are fractions (0.01 = 1 %); `ratio` has no unit.

    `ratio` = change / (volatility * sqrt(period)): the change in standard deviations of a random
    walk with the volatility of the same bars (Sharpe's ratio over the window, W. F. Sharpe 1966,
    without a risk-free rate).
    """

    change: float
    volatility: float
    ratio: float


@dataclass(slots=True)
class Momentum:
    """Rate of change over `period` bars, and the root mean square of the one-bar changes in it."""

    period: int = 20
    window: list[float] = field(default_factory=list)

    def update(self, close: float) -> MomentumValue | None:
        self.push(close)
        return self.value

    def push(self, close: float) -> None:
        """Take the close (> 0) without working out the values."""
        self.window.append(close)
        if len(self.window) > self.period + 1:
            del self.window[0]

    @property
    def value(self) -> MomentumValue | None:
        closes = self.window
        if len(closes) <= self.period or min(closes) <= 0:
            return None
        changes = [after / before - 1.0 for before, after in pairwise(closes)]
        volatility = sqrt(fsum([change * change for change in changes]) / self.period)
        change = closes[-1] / closes[0] - 1.0
        reach = volatility * sqrt(self.period)
        return MomentumValue(change, volatility, change / reach if reach > 0 else 0.0)
