"""The three clocks: real time, real time at another speed, and time that a replay moves."""

import asyncio
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from common.ports import Clock


class SystemClock:
    """The machine's clock."""

    speed = 1.0
    """Seconds of this clock in one real second; infinite where only a replay moves it."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ScaledClock:
    """Starts at `start` and runs `speed` times as fast as the machine's monotonic clock."""

    def __init__(
        self,
        start: datetime,
        speed: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`speed` is finite and above zero; a standing clock is a ManualClock."""
        if not (speed > 0 and math.isfinite(speed)):
            raise ValueError(f"a clock's speed must be finite and above zero, not {speed}")
        self.speed = speed
        self._start = _utc(start)
        self._monotonic = monotonic
        self._origin = monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=(self._monotonic() - self._origin) * self.speed)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)


class ManualClock:
    """Stands still until `advance_to`. Sleeping takes none of its time: it only yields."""

    speed = math.inf

    def __init__(self, start: datetime) -> None:
        self._now = _utc(start)

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        del seconds  # a replay's time belongs to its driver
        await asyncio.sleep(0)

    def advance_to(self, moment: datetime) -> None:
        """Move on to `moment`. Raises ValueError when that is earlier than now."""
        moment = _utc(moment)
        if moment < self._now:
            raise ValueError(f"a clock cannot go back from {self._now} to {moment}")
        self._now = moment


def speed_of(clock: Clock) -> float:
    """Clock seconds in a real one; 1 for a clock that does not say."""
    return float(getattr(clock, "speed", 1.0))


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a clock needs a moment with a UTC offset")
    return moment.astimezone(UTC)
