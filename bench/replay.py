"""Ticks a second of recorded candles, as processes: `sapphire run --replay` and its backtest."""

import json
import os
import re
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figures import Row
from bench.machine import REPOSITORY, shared_data

TICKS = 500
_WITHIN_S = 100
_TICKS_LINE = re.compile(r"^ticks +(\d+) in ([0-9.]+) s", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Run:
    """CPU seconds are the whole process's: start, imports and loading of the files included."""

    output: str
    cpu_s: float


async def run() -> list[Row]:
    folder = shared_data("data/replay")
    if folder is None:
        why = "no recorded candles: data/replay is not in the shared folder (SAPPHIRE_SHARED)"
        return [
            Row(name=f"sapphire {command}", skipped=why) for command in ("run --replay", "backtest")
        ]
    recording = ["--replay", str(folder), "--interval", "5m", "--ticks", str(TICKS)]
    return [_replayed(recording), _backtested(recording)]


def _replayed(recording: list[str]) -> Row:
    """Embedded stack on SQLite, API served, plain view."""
    with TemporaryDirectory(prefix="sapphire-bench-") as data_dir:
        options = ["--speed", "max", "--data-dir", f"{data_dir}/state", "--port", "0"]
        done = _sapphire(["run", *recording, *options])
    found = _TICKS_LINE.search(done.output)
    if found is None:
        raise RuntimeError(f"sapphire run printed no ticks line: {done.output[-300:]}")
    return _row("sapphire run --replay, 6 symbols", int(found[1]), float(found[2]), done.cpu_s)


def _backtested(recording: list[str]) -> Row:
    done = _sapphire(["backtest", *recording, "--json"])
    report = json.loads(done.output)
    name = "sapphire backtest, 6 symbols"
    return _row(name, TICKS, float(report["elapsed_seconds"]), done.cpu_s)


def _row(name: str, ticks: int, elapsed_s: float, cpu_s: float) -> Row:
    return Row(
        name=name,
        unit="ticks/s",
        p50=ticks / elapsed_s,
        cpu_p50=ticks / cpu_s,
        count=ticks,
        note=f"{elapsed_s:.1f} s wall, {cpu_s:.1f} s CPU with the start of the process",
    )


def _sapphire(arguments: list[str]) -> _Run:
    command = [str(Path(sys.executable).with_name("sapphire")), *arguments]
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("SAPPHIRE_")
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=inherited,
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        said = (done.stderr or done.stdout)[-400:]
        raise RuntimeError(f"sapphire {arguments[0]} ended with {done.returncode}: {said}")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return _Run(done.stdout, cpu_s)
