"""`python -m bench [NAME...]`: run benchmarks and print one table. A missed goal is shown, not an
error; the exit code is 1 when a benchmark could not run, 2 for an unknown name.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from importlib import import_module

from bench.figures import Row, table
from bench.machine import load_line, machine_line

BENCHMARKS = (
    "cold_start",
    "decision",
    "routing",
    "risk",
    "signing",
    "commits",
    "fanout",
    "halting",
    "serving",
    "load",
    "replay",
)
"""In this order: process starts first, while this process has loaded least of its own."""


def main(names: Sequence[str]) -> int:
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
        return 2
    print(machine_line())
    print(f"{load_line()} before")
    started = time.perf_counter()
    rows: list[Row] = []
    failed = []
    for name in names or BENCHMARKS:
        _progress(f"{name} ...")
        try:
            rows += asyncio.run(import_module(f"bench.{name}").run())
        except Exception as error:  # noqa: BLE001 - the others still run; told below, and exit 1
            failed.append(f"{name} could not run: {type(error).__name__}: {error}")
    _progress("")
    print()
    for line in table(rows):
        print(line)
    print()
    print(
        f"{time.perf_counter() - started:.0f} s; {load_line()} after. "
        "Goals are of wall time; CPU columns leave out waiting for a core. "
        "How to read this: docs/PERFORMANCE.md"
    )
    for line in failed:
        print(line, file=sys.stderr)
    return 1 if failed else 0


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
