"""`make faults`: the table of venues and faults; exits 1 when anything is broken."""

import asyncio
import logging
import sys
import time

from rich import box
from rich.console import Console
from rich.table import Table

from tests.faults.cell import Verdict, judge
from tests.faults.columns import COLUMNS
from tests.faults.rows import ROWS

_SHORT = {
    "FILLED": "[green]filled[/]",
    "PARTIAL": "[green]partial[/]",
    "FILLED elsewhere": "[cyan]elsewhere[/]",
    "UNRESOLVED": "[yellow]PARKED[/]",
}


async def _all() -> dict[tuple[str, str], Verdict | None]:
    faults = {"none": None, **COLUMNS}
    return {
        (row, column): await judge(make, fault)
        for row, make in ROWS.items()
        for column, fault in faults.items()
    }


def _table(verdicts: dict[tuple[str, str], Verdict | None]) -> Table:
    table = Table("fault", *ROWS, box=box.SIMPLE, pad_edge=False)
    for column in dict.fromkeys(column for _, column in verdicts):
        words = []
        for row in ROWS:
            verdict = verdicts[row, column]
            if verdict is None:
                words.append("[dim]-[/]")
            elif verdict.broken:
                words.append("[bold red]BROKEN[/]")
            else:
                words.append(_SHORT.get(verdict.word, verdict.word.lower()))
        table.add_row(column, *words)
    return table


def main() -> int:
    logging.getLogger("sapphire").setLevel(logging.CRITICAL)
    started = time.monotonic()
    verdicts = asyncio.run(_all())
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(_table(verdicts))
    console.print(
        "filled: by the venue, recorded once · elsewhere: at the next venue, after the first was"
        " proven not to hold it\nPARKED: UNRESOLVED, the reservation kept and a person called"
        " · -: the venue does not know this fault"
    )
    broken = {key: verdict for key, verdict in verdicts.items() if verdict and verdict.broken}
    for (row, column), verdict in broken.items():
        console.print(f"[red]{row}, {column}[/]: {'; '.join(verdict.broken)}")
    run = [verdict for verdict in verdicts.values() if verdict]
    parked = sum(verdict.word == "UNRESOLVED" for verdict in run)
    console.print(
        f"{len(ROWS)} markets x {len(COLUMNS)} faults, {len(run)} runs, {parked} parked with an"
        f" alert, {len(broken)} broken, {time.monotonic() - started:.1f} s"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
