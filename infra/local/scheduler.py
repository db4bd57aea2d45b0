"""The local scheduler: calls the functions of pipeline.yaml at their times, on any clock."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.errors import ConfigurationError, NotFoundError
from common.ports import Clock
from common.schedule import Schedule, parse_schedule
from infra.job_scheduler import JobState, JobStatus
from infra.local.clock import speed_of

_log = logging.getLogger(__name__)

Fire = Callable[[str, datetime], Awaitable[None]]
"""Call a function for the time it was scheduled at; returns once the function has answered."""


@dataclass(slots=True)
class JobCounts:
    fired: int = 0
    skipped: int = 0  # due while the one before it still ran
    failed: int = 0


@dataclass(slots=True)
class _Job:
    name: str
    schedules: tuple[Schedule, ...]
    seen: datetime | None = None  # the fire time that was last handed out
    paused: bool = False
    running: int = 0
    last_attempt_at: datetime | None = None
    last_error: str = ""

    def next_after(self, moment: datetime) -> datetime:
        return min(schedule.next_after(moment) for schedule in self.schedules)

    def take(self, since: datetime, now: datetime) -> datetime | None:
        """The latest fire time by now, once."""
        if self.paused:
            return None
        latest = max(schedule.last_by(now) for schedule in self.schedules)
        fresh = latest >= since if self.seen is None else latest > self.seen
        if not fresh:
            return None
        self.seen = latest
        return latest


class Scheduler:
    """Jobs in the given order. Fits the JobScheduler port.

    A job that missed several of its times (the clock was advanced far, the machine slept, the job
    was paused) fires once, for the latest of them. The first time that counts is the one at or
    after the moment this scheduler was made.
    """

    def __init__(self, jobs: Iterable[tuple[str, str]], *, clock: Clock, fire: Fire) -> None:
        """`jobs` pairs a function with its unix-cron; a function may have several.

        Raises:
            InvalidInputError: a cron text cannot be read.
        """
        self._clock = clock
        self._fire = fire
        self._since = clock.now()
        schedules: dict[str, list[Schedule]] = {}
        for name, cron in jobs:
            schedules.setdefault(name, []).append(parse_schedule(cron))
        self._jobs = {name: _Job(name, tuple(each)) for name, each in schedules.items()}
        self.counts = {name: JobCounts() for name in self._jobs}
        self._changed = asyncio.Event()
        self._stopping = False

    async def run_due(self, now: datetime) -> int:
        """Fire every job that became due by `now`, one after another; how many did. For replays.

        What `fire` raises comes out, after which the job counts as fired for that time.
        """
        fired = 0
        for job in self._jobs.values():
            scheduled_at = job.take(self._since, now)
            if scheduled_at is not None:
                await self._attempt(job, scheduled_at)
                fired += 1
        return fired

    async def run(self) -> None:
        """Fire jobs at their times until `stop`, each beside the others; then let them finish.

        A job that still runs when it is due again is skipped and counted; one that fails is
        logged and counted, and runs again at its next time. Cancelling cancels running jobs too.

        Raises:
            ConfigurationError: the clock does not move by itself.
        """
        if math.isinf(speed_of(self._clock)):
            raise ConfigurationError("run() needs a clock that moves by itself; use run_due()")
        self._stopping = False
        async with asyncio.TaskGroup() as group:
            while not self._stopping:
                self._start_due(group)
                await self._sleep_until_next()

    def stop(self) -> None:
        """Make `run` return once the running jobs have ended."""
        self._stopping = True
        self._changed.set()

    async def status(self, job: str) -> JobStatus:
        found = self._job(job)
        return JobStatus(
            job=job,
            schedules=tuple(schedule.text for schedule in found.schedules),
            state=JobState.PAUSED if found.paused else JobState.ENABLED,
            last_attempt_at=found.last_attempt_at,
            last_error=found.last_error,
            next_at=None if found.paused else found.next_after(self._clock.now()),
        )

    async def pause(self, job: str) -> None:
        self._job(job).paused = True

    async def resume(self, job: str) -> None:
        self._job(job).paused = False
        self._changed.set()

    async def run_now(self, job: str) -> None:
        """Also raises what `fire` raises."""
        await self._attempt(self._job(job), self._clock.now())

    def _job(self, name: str) -> _Job:
        if name not in self._jobs:
            raise NotFoundError(f"no function named {name} has a schedule")
        return self._jobs[name]

    def _start_due(self, group: asyncio.TaskGroup) -> None:
        now = self._clock.now()
        for job in self._jobs.values():
            scheduled_at = job.take(self._since, now)
            if scheduled_at is None:
                continue
            if job.running:
                self.counts[job.name].skipped += 1
                _log.warning("%s still runs: skipped its time %s", job.name, scheduled_at)
                continue
            job.running += 1  # before the task starts: it may be due again by then
            group.create_task(self._run_one(job, scheduled_at))

    async def _run_one(self, job: _Job, scheduled_at: datetime) -> None:
        try:
            await self._attempt(job, scheduled_at)
        except Exception:  # noqa: BLE001 - one job's failure may not end the others; logged, counted
            _log.exception("%s failed at its time %s", job.name, scheduled_at)
        finally:
            job.running -= 1

    async def _attempt(self, job: _Job, scheduled_at: datetime) -> None:
        counts = self.counts[job.name]
        counts.fired += 1
        job.last_attempt_at = self._clock.now()
        job.last_error = ""
        try:
            await self._fire(job.name, scheduled_at)
        except Exception as error:
            counts.failed += 1
            job.last_error = f"{type(error).__name__}: {error}"[:500]
            raise

    async def _sleep_until_next(self) -> None:
        """Until a job may be due, or something changed. A clock that wakes early is asked again."""
        now = self._clock.now()
        waits = [
            (job.next_after(now) - now).total_seconds()
            for job in self._jobs.values()
            if not job.paused
        ]
        sleeps: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._changed.wait())]
        if waits:
            sleeps.append(asyncio.ensure_future(self._clock.sleep(min(waits))))
        try:
            await asyncio.wait(sleeps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in sleeps:
                each.cancel()
        if not self._stopping:
            self._changed.clear()
