"""What moves a run forward: a replay's ticks, or the scheduler; and how each ends."""

import asyncio
import time
from typing import Protocol

from infra.cli.run_summary import complete_before, driven, summary_lines
from infra.local.replay import ReplayDriver
from infra.local.stack.assembly import LocalStack
from infra.local.stack.figures import collect_figures
from infra.local.stack.options import Recording, StackOptions
from infra.local.stack.schedule import run_schedule


class Drive(Protocol):
    async def prepare(self) -> None:
        """Before the stack delivers: stand the clock where it belongs."""

    async def run(self, stop: asyncio.Event) -> tuple[int, list[str]]:
        """Until the end or `stop`; the exit code and the lines to print last."""

    def progress(self) -> str:
        """Where it stands, in a few words."""


class ReplayDrive:
    def __init__(self, stack: LocalStack, driver: ReplayDriver) -> None:
        self._stack = stack
        self._driver = driver

    async def prepare(self) -> None:
        await self._driver.prepare()

    async def run(self, stop: asyncio.Event) -> tuple[int, list[str]]:
        result = await self._driver.run(stop)
        if not result.complete:
            return 0, [f"replay stopped after tick {result.next_tick} of {result.total}"]
        if result.ticks == 0:
            return await _summary(self._stack, complete_before(result.total))
        return await _summary(self._stack, driven(result.ticks, result.elapsed_s))

    def progress(self) -> str:
        driver = self._driver
        rate = ""
        if driver.started_at is not None and driver.next_tick > driver.first_tick:
            done = driver.next_tick - driver.first_tick
            rate = f", {done / (time.perf_counter() - driver.started_at):.0f} ticks/s"
        return f"tick {driver.next_tick} of {driver.total}{rate}"


class ScheduleDrive:
    """Runs the scheduled functions at their times until `stop`, or for `ticks` market cycles."""

    def __init__(self, stack: LocalStack, ticks: int | None) -> None:
        self._stack = stack
        self._ticks = ticks
        self._started_at = time.perf_counter()

    async def prepare(self) -> None:
        """The clock runs by itself."""

    async def run(self, stop: asyncio.Event) -> tuple[int, list[str]]:
        self._started_at = time.perf_counter()
        await self._stack.recover()
        await self._stack.run_job("fetch_market", self._stack.runtime.clock.now())
        await run_schedule(self._stack, stop, self._enough)
        if not self._enough():
            return 0, []
        await self._stack.settle_down()
        elapsed_s = time.perf_counter() - self._started_at
        return await _summary(self._stack, driven(self._cycles, elapsed_s))

    def progress(self) -> str:
        if self._ticks is None:
            return f"{self._cycles} cycles"
        return f"cycle {self._cycles} of {self._ticks}"

    @property
    def _cycles(self) -> int:
        return self._stack.events.market_updates

    def _enough(self) -> bool:
        return self._ticks is not None and self._cycles >= self._ticks


def replay_drive(stack: LocalStack, options: StackOptions, recording: Recording) -> Drive:
    driver = ReplayDriver(
        pipeline=stack,
        store=stack.runtime.store,
        feed=recording.feed,
        clock=recording.clock,
        interval=options.settings.swarm.interval,
        run_key=options.run_key,
        speed=options.speed,
        ticks=options.ticks,
        warm_up=options.warm_up,
    )
    return ReplayDrive(stack, driver)


def schedule_drive(stack: LocalStack, options: StackOptions) -> Drive:
    return ScheduleDrive(stack, options.ticks)


async def _summary(stack: LocalStack, ticks: str) -> tuple[int, list[str]]:
    figures = await collect_figures(stack.runtime.store)
    check = await stack.check()
    lines = summary_lines(figures, check, ticks=ticks)
    return (0 if check.ok else 1), ["", *lines]
