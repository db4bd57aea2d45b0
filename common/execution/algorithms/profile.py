"""A volume profile: how the volume of a window was spread on the days before.

The weight of a slice is the mean, over the days at hand, of the volume that was traded between its
beginning and its end at the same time of day. This is the classical historical profile that
Białkowski, Darolles and Le Fol take as their benchmark (Improving VWAP strategies: A dynamic volume
approach, Journal of Banking & Finance 32, 2008). A candle's volume counts as spread evenly over its
interval. A day counts when its candles cover the whole window.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from itertools import pairwise

from common.domain.market import Candle
from common.domain.moment import to_ms
from common.domain.money import ZERO
from common.domain.position import EXACT
from common.execution.algorithms.schedule import check_duration, check_slices

_DAY_MS = 86_400_000


def volume_profile(
    candles: Sequence[Candle], *, start: datetime, duration_s: int, slices: int
) -> tuple[Decimal, ...] | str:
    """The weights of the slices of a window from `start` on: mean volumes in base units.

    Or, in words, why there is no profile: too few candles, or nothing traded. `candles` are
    closed and of one interval, oldest first; their interval is the least distance between two.

    Raises:
        InvalidInputError: `slices` or `duration_s` is out of its range.
    """
    check_slices(slices)
    check_duration(duration_s)
    if len(candles) < 2:
        return "there are no candles of the days before"
    tape = _Tape(candles)
    begin, length = to_ms(start), duration_s * 1000
    edges = [begin + length * slot // slices for slot in range(slices + 1)]
    with localcontext(EXACT):
        days = [
            [tape.volume(one, two) for one, two in _windows(edges, back)]
            for back in tape.days_before(begin, begin + length)
        ]
        if not days:
            return (
                "no day before is covered by the candles at hand, which reach back"
                f" {max(begin - tape.first, 0) // 60_000} minutes"
            )
        weights = tuple(sum(volumes, ZERO) / len(days) for volumes in zip(*days, strict=True))
    if not any(weights):
        return f"nothing was traded at this time of day on the {len(days)} days at hand"
    return weights


def _windows(edges: Sequence[int], back: int) -> Iterator[tuple[int, int]]:
    for one, two in pairwise(edges):
        yield one - back, two - back


class _Tape:
    """The candles by their opening times, in milliseconds."""

    def __init__(self, candles: Sequence[Candle]) -> None:
        self._candles = candles
        self._opens = [candle.open_time_ms for candle in candles]
        gaps = [two - one for one, two in pairwise(self._opens)]
        self._interval = max(min(gaps), 1)

    @property
    def first(self) -> int:
        return self._opens[0]

    def days_before(self, begin: int, end: int) -> list[int]:
        """How far back each day lies whose candles cover the window."""
        furthest = max((begin - self.first) // _DAY_MS, 0)
        backs = [day * _DAY_MS for day in range(1, furthest + 1)]
        return [back for back in backs if self._covers(begin - back, end - back)]

    def _covers(self, begin: int, end: int) -> bool:
        overlaps = (overlap for _, overlap in self._parts(begin, end))
        return sum(overlaps) == end - begin

    def volume(self, begin: int, end: int) -> Decimal:
        """Base units traded from `begin` to `end`."""
        parts = ((candle.volume * overlap) for candle, overlap in self._parts(begin, end))
        return sum(parts, ZERO) / self._interval

    def _parts(self, begin: int, end: int) -> Iterator[tuple[Candle, int]]:
        """The candles that reach into the window, and for how many milliseconds."""
        place = max(bisect_right(self._opens, begin) - 1, 0)
        while place < len(self._opens) and self._opens[place] < end:
            opened = self._opens[place]
            overlap = min(opened + self._interval, end) - max(opened, begin)
            if overlap > 0:
                yield self._candles[place], overlap
            place += 1
