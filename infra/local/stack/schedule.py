"""The schedule of pipeline.yaml over a stack whose clock moves by itself."""

import asyncio
from collections.abc import Callable

from infra.local.scheduler import Scheduler
from infra.local.stack.assembly import LocalStack
from infra.pipeline import load_pipeline

_LOOK_EVERY_S = 0.05


async def run_schedule(stack: LocalStack, stop: asyncio.Event, enough: Callable[[], bool]) -> None:
    """Until `stop`, or until `enough` says so; jobs that run then end first."""
    scheduler = Scheduler(
        load_pipeline().scheduled(), clock=stack.runtime.clock, fire=stack.run_job
    )
    running = asyncio.create_task(scheduler.run())
    await asyncio.sleep(0)  # `run` forgets a `stop` that came before it began
    try:
        while not (stop.is_set() or enough() or running.done()):
            await asyncio.wait({running}, timeout=_LOOK_EVERY_S)
    finally:
        scheduler.stop()
        await running
