"""One `sapphire backtest`."""

import argparse
import asyncio
import json
import logging
import os
import sys

from infra.cli.backtest_report import report_lines, report_object
from infra.cli.session_options import recorded, run_settings
from infra.local.backtest.run import BacktestResult, backtest
from infra.local.replay import ReplayDriver

_PROGRESS_EVERY_S = 1.0


def run_backtest(arguments: argparse.Namespace) -> int:
    """0, or 1 when the books do not balance. Raises SapphireError for wrong input."""
    recording, settings = recorded(arguments, run_settings(arguments, os.environ), os.environ)
    logging.getLogger().addHandler(logging.NullHandler())  # what went wrong is in the check line

    async def run() -> BacktestResult:
        showing: list[asyncio.Task[None]] = []

        def show(driver: ReplayDriver) -> None:
            showing.append(asyncio.create_task(_show_progress(driver)))

        try:
            return await backtest(settings, recording, ticks=arguments.ticks, on_start=show)
        finally:
            for task in showing:
                task.cancel()
            if sys.stderr.isatty():
                print("\r\033[K", end="", file=sys.stderr)

    result = asyncio.run(run())
    if arguments.json:
        print(json.dumps(report_object(result), allow_nan=False))
    else:
        print("\n".join(report_lines(result)))
    return 0 if result.check.ok else 1


async def _show_progress(driver: ReplayDriver) -> None:
    """On stderr: stdout belongs to the report."""
    if not sys.stderr.isatty():
        return
    while True:
        await asyncio.sleep(_PROGRESS_EVERY_S)
        line = f"\rtick {driver.next_tick} of {driver.total}"
        print(line, end="", file=sys.stderr, flush=True)
