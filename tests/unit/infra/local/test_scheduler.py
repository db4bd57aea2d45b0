"""The local scheduler: what is due, overlap, pausing, stopping."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from common.errors import ConfigurationError, InvalidInputError
from infra.local.clock import ManualClock, ScaledClock
from infra.local.scheduler import JobCounts, Scheduler
from infra.pipeline import load_pipeline

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class StepClock:
    """Sleeping moves it on, so a minute passes at once and nothing depends on real time."""

    speed = 1.0

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self._now += timedelta(seconds=seconds)


class StandingClock:
    """Claims to move, but nobody lives to see it."""

    speed = 1.0

    def now(self) -> datetime:
        return NOON

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        await asyncio.Event().wait()


class Calls:
    def __init__(self) -> None:
        self.seen: list[tuple[str, datetime]] = []

    async def __call__(self, job: str, scheduled_at: datetime) -> None:
        self.seen.append((job, scheduled_at))

    @property
    def times(self) -> list[str]:
        return [f"{job} {scheduled_at:%H:%M}" for job, scheduled_at in self.seen]


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


async def test_scheduler_when_due_then_jobs_fire_in_order_once_for_each_advance() -> None:
    calls, clock = Calls(), ManualClock(NOON)
    scheduler = Scheduler([("b", "* * * * *"), ("a", "*/5 * * * *")], clock=clock, fire=calls)
    assert await scheduler.run_due(NOON) == 2
    assert await scheduler.run_due(NOON + minutes(0.99)) == 0
    assert await scheduler.run_due(NOON + minutes(1)) == 1
    assert calls.times == ["b 12:00", "a 12:00", "b 12:01"]


async def test_scheduler_when_minutes_were_missed_then_it_fires_once_for_the_latest() -> None:
    calls = Calls()
    scheduler = Scheduler([("a", "* * * * *")], clock=ManualClock(NOON), fire=calls)
    await scheduler.run_due(NOON + minutes(0.5))
    await scheduler.run_due(NOON + minutes(42.7))
    assert calls.times == ["a 12:00", "a 12:42"]


async def test_scheduler_when_made_after_a_fire_time_then_that_one_is_past() -> None:
    calls = Calls()
    start = NOON + timedelta(microseconds=1)
    scheduler = Scheduler([("a", "* * * * *")], clock=ManualClock(start), fire=calls)
    assert await scheduler.run_due(start) == 0
    assert calls.seen == []


async def test_scheduler_when_a_function_has_two_schedules_then_the_latest_due_counts() -> None:
    calls = Calls()
    jobs = [("a", "0 * * * *"), ("a", "30 * * * *")]
    scheduler = Scheduler(jobs, clock=ManualClock(NOON), fire=calls)
    for late in (0, 31, 45, 60):
        await scheduler.run_due(NOON + minutes(late))
    assert calls.times == ["a 12:00", "a 12:30", "a 13:00"]
    assert (await scheduler.status("a")).schedules == ("0 * * * *", "30 * * * *")


async def test_scheduler_when_a_job_was_paused_then_resuming_makes_up_for_the_latest() -> None:
    calls = Calls()
    scheduler = Scheduler([("a", "* * * * *")], clock=ManualClock(NOON), fire=calls)
    await scheduler.pause("a")
    await scheduler.run_due(NOON + minutes(3))
    assert calls.seen == []
    await scheduler.resume("a")
    await scheduler.run_due(NOON + minutes(3))
    assert calls.times == ["a 12:03"]


async def test_scheduler_when_a_replayed_job_fails_then_the_driver_hears_of_it() -> None:
    async def fire(_: str, __: datetime) -> None:
        raise ValueError("no prices")

    scheduler = Scheduler([("a", "* * * * *")], clock=ManualClock(NOON), fire=fire)
    with pytest.raises(ValueError, match="no prices"):
        await scheduler.run_due(NOON)
    assert await scheduler.run_due(NOON) == 0
    assert scheduler.counts["a"] == JobCounts(fired=1, failed=1)
    assert (await scheduler.status("a")).last_error == "ValueError: no prices"


def test_scheduler_when_a_cron_cannot_be_read_then_it_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="has 1 fields"):
        Scheduler([("a", "hourly")], clock=ManualClock(NOON), fire=Calls())


def test_scheduler_when_given_the_pipeline_then_every_schedule_is_read() -> None:
    scheduler = Scheduler(load_pipeline().scheduled(), clock=ManualClock(NOON), fire=Calls())
    assert list(scheduler.counts) == ["fetch_market", "advance", "settle", "monitor", "relay"]


async def test_scheduler_when_it_runs_then_jobs_fire_at_their_times_until_it_is_stopped() -> None:
    calls = Calls()

    async def fire(job: str, scheduled_at: datetime) -> None:
        await calls(job, scheduled_at)
        if scheduled_at == NOON + minutes(4):
            scheduler.stop()

    jobs = [("a", "* * * * *"), ("b", "*/2 * * * *")]
    clock = StepClock(NOON)
    scheduler = Scheduler(jobs, clock=clock, fire=fire)
    async with asyncio.timeout(10):
        await scheduler.run()
    assert [time for time in calls.times if time.startswith("a")] == [
        f"a 12:0{minute}" for minute in range(5)
    ]
    assert [time for time in calls.times if time.startswith("b")] == [
        "b 12:00",
        "b 12:02",
        "b 12:04",
    ]


async def test_scheduler_when_a_job_still_runs_then_its_time_is_skipped_and_others_fire(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = Calls()
    quick_ran = asyncio.Event()

    async def fire(job: str, scheduled_at: datetime) -> None:
        await calls(job, scheduled_at)
        if job == "slow":
            await quick_ran.wait()
        elif scheduled_at == NOON + minutes(3):
            quick_ran.set()
            scheduler.stop()

    jobs = [("slow", "* * * * *"), ("quick", "* * * * *")]
    scheduler = Scheduler(jobs, clock=StepClock(NOON), fire=fire)
    async with asyncio.timeout(10):
        await scheduler.run()
    assert [time for time in calls.times if "slow" in time] == ["slow 12:00"]
    assert scheduler.counts["slow"] == JobCounts(fired=1, skipped=3)
    assert scheduler.counts["quick"] == JobCounts(fired=4)
    assert "slow still runs: skipped its time" in caplog.text


async def test_scheduler_when_a_job_fails_then_it_is_counted_and_runs_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fire(_: str, scheduled_at: datetime) -> None:
        if scheduled_at == NOON:
            raise ValueError("no prices")
        scheduler.stop()

    scheduler = Scheduler([("a", "* * * * *")], clock=StepClock(NOON), fire=fire)
    async with asyncio.timeout(10):
        await scheduler.run()
    assert scheduler.counts["a"] == JobCounts(fired=2, failed=1)
    assert "a failed at its time" in caplog.text


async def test_scheduler_when_stopped_then_a_running_job_finishes_first() -> None:
    started, leave = asyncio.Event(), asyncio.Event()
    finished: list[str] = []

    async def fire(job: str, _: datetime) -> None:
        started.set()
        await leave.wait()
        finished.append(job)

    scheduler = Scheduler([("a", "0 * * * *")], clock=StandingClock(), fire=fire)
    await scheduler.pause("a")
    running = asyncio.create_task(scheduler.run())
    await asyncio.sleep(0)
    await scheduler.resume("a")  # wakes the loop, which makes up for 12:00
    async with asyncio.timeout(10):
        await started.wait()
        scheduler.stop()
        await asyncio.sleep(0)
        assert not running.done()
        leave.set()
        await running
    assert finished == ["a"]


async def test_scheduler_when_cancelled_then_running_jobs_are_too() -> None:
    started = asyncio.Event()
    ended: list[str] = []

    async def fire(job: str, _: datetime) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(job)

    scheduler = Scheduler([("a", "* * * * *")], clock=ScaledClock(NOON, 60), fire=fire)
    running = asyncio.create_task(scheduler.run())
    async with asyncio.timeout(10):
        await started.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert ended == ["a"]
    assert scheduler.counts["a"].failed == 0


async def test_scheduler_when_the_clock_stands_still_then_run_is_refused() -> None:
    scheduler = Scheduler([("a", "* * * * *")], clock=ManualClock(NOON), fire=Calls())
    with pytest.raises(ConfigurationError, match="run_due"):
        await scheduler.run()
