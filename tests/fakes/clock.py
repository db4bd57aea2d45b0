"""A clock whose sleeps take time at once."""

from datetime import datetime, timedelta

from tests.builders import NOON


class FakeClock:
    """Stands still but for `advance` and `sleep`; remembers each sleep in seconds."""

    def __init__(self, start: datetime = NOON) -> None:
        self._now = start
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
