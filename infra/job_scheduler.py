"""The port to the scheduler itself: what an operator may ask of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class JobState(StrEnum):
    ENABLED = "ENABLED"
    PAUSED = "PAUSED"
    BROKEN = "BROKEN"  # the scheduler itself cannot run it: a person must look


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    job: str  # the function it calls
    schedules: tuple[str, ...]  # unix-cron, UTC
    state: JobState
    last_attempt_at: datetime | None
    last_error: str  # empty: the last attempt was answered with 2xx, or there was none
    next_at: datetime | None  # None while paused


class JobScheduler(Protocol):
    """Every method raises NotFoundError for an unknown job, TransientError for no answer."""

    async def status(self, job: str) -> JobStatus: ...

    async def pause(self, job: str) -> None:
        """It does not fire until it is resumed. Pausing twice is no error."""

    async def resume(self, job: str) -> None:
        """No error when it was not paused."""

    async def run_now(self, job: str) -> None:
        """Fire once, besides the schedule, even while it is paused."""
