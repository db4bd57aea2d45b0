"""Traded volume against its own recent past."""

from dataclasses import dataclass, field
from math import fsum
from typing import NamedTuple

RECENT = 5


class VolumeValue(NamedTuple):
    """`mean` is the simple mean of the last `period` bars in base units, this bar included.

    `relative` is this bar over the mean of the `period` bars before it; `trend` is the mean of the
    last 5 bars over `mean`. Both are 1 in a steady market, and 0 where nothing traded before.
    """

    mean: float
    relative: float
    trend: float


@dataclass(slots=True)
class Volume:
    """Relative volume, as scanners for unusual activity define it; the mean equals TA-Lib's SMA."""

    period: int = 20
    window: list[float] = field(default_factory=list)

    def update(self, volume: float) -> VolumeValue | None:
        self.push(volume)
        return self.value

    def push(self, volume: float) -> None:
        """Take the volume without working out the values."""
        self.window.append(volume)
        if len(self.window) > self.period + 1:
            del self.window[0]

    @property
    def value(self) -> VolumeValue | None:
        if len(self.window) <= self.period:
            return None
        mean = fsum(self.window[1:]) / self.period
        before = fsum(self.window[:-1]) / self.period
        recent = fsum(self.window[-RECENT:]) / RECENT
        return VolumeValue(
            mean,
            self.window[-1] / before if before > 0 else 0.0,
            recent / mean if mean > 0 else 0.0,
        )
