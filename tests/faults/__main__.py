"""`make faults`: the tables of venues, errands and faults; exits 1 when anything is broken.

With the argument `all` every errand meets every fault at every market that does it: some minutes.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from tests.faults.cell import Verdict, judge
from tests.faults.columns import COLUMNS
from tests.faults.errands import ERRANDS, judge_all, judge_turn
from tests.faults.rows import ROWS

_SHORT = {
    "FILLED": "[green]filled[/]",
    "PARTIAL": "[green]partial[/]",
    "FLAT": "[green]flat[/]",
    "CANCELED": "[green]canceled[/]",
    "FILLED elsewhere": "[cyan]elsewhere[/]",
    "UNRESOLVED": "[yellow]PARKED[/]",
    "FLAT, UNRESOLVED": "[green]flat[/], [yellow]PARKED[/]",
}
Key = tuple[str, str]


async def _whole() -> dict[Key, Verdict | None]:
    """By fault and venue."""
    faults = {"none": None, **COLUMNS}
    return {
        (column, row): await judge(make, fault)
        for row, make in ROWS.items()
        for column, fault in faults.items()
    }


async def _errands(*, everywhere: bool) -> dict[Key, list[tuple[str, Verdict]]]:
    """By fault and errand: at the market whose turn it is, or at all of them."""
    if everywhere:
        pairs = [(column, errand) for column in COLUMNS for errand in ERRANDS]
        return {pair: await judge_all(pair[1], pair[0]) for pair in pairs}
    return {
        (column, errand): [await judge_turn(errand, column)]
        for errand, turns in ERRANDS.items()
        for column in turns.columns
    }


def _cell(verdict: Verdict | None) -> str:
    if verdict is None:
        return "[dim]-[/]"
    if verdict.broken:
        return "[bold red]BROKEN[/]"
    return _SHORT.get(verdict.word, verdict.word.lower())


def _whole_table(verdicts: dict[Key, Verdict | None]) -> Table:
    table = Table("fault", *ROWS, box=box.SIMPLE, pad_edge=False)
    for column in ("none", *COLUMNS):
        table.add_row(column, *(_cell(verdicts[column, row]) for row in ROWS))
    return table


def _errand_table(verdicts: dict[Key, list[tuple[str, Verdict]]]) -> Table:
    table = Table("fault", *ERRANDS, box=box.SIMPLE, pad_edge=False)
    for column in COLUMNS:
        found = [verdicts.get((column, errand), []) for errand in ERRANDS]
        told = (
            "\n".join(f"{_cell(verdict)} [dim]{at}[/]" for at, verdict in each) for each in found
        )
        table.add_row(column, *told)
    return table


def _named(
    whole: dict[Key, Verdict | None], errands: dict[Key, list[tuple[str, Verdict]]]
) -> dict[str, Verdict]:
    """Every run, by its name."""
    named = {f"{row}, {column}": verdict for (column, row), verdict in whole.items() if verdict}
    for (column, errand), found in errands.items():
        named |= {f"{errand} at {at}, {column}": verdict for at, verdict in found}
    return named


async def _all(
    *, everywhere: bool
) -> tuple[dict[Key, Verdict | None], dict[Key, list[tuple[str, Verdict]]]]:
    return await _whole(), await _errands(everywhere=everywhere)


def main(arguments: Sequence[str]) -> int:
    logging.getLogger("sapphire").setLevel(logging.CRITICAL)
    started = time.monotonic()
    whole, errands = asyncio.run(_all(everywhere="all" in arguments))
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print("An order that goes whole:")
    console.print(_whole_table(whole))
    console.print("A child of a parent order, a cancel, a stop that rests, an exit at market:")
    console.print(_errand_table(errands))
    console.print(
        "filled: by the venue, recorded once · elsewhere: at the next venue, after the first was"
        " proven not to hold it\nflat: closed once, and never beyond · PARKED: UNRESOLVED, the"
        " reservation kept and a person called\n-: the venue does not know this fault"
    )
    run = _named(whole, errands)
    broken = {name: verdict for name, verdict in run.items() if verdict.broken}
    for name, verdict in broken.items():
        console.print(f"[red]{name}[/]: {'; '.join(verdict.broken)}")
    parked = sum("UNRESOLVED" in verdict.word for verdict in run.values())
    console.print(
        f"{len(ROWS)} markets x {len(COLUMNS)} faults, {len(ERRANDS)} errands more,"
        f" {len(run)} runs, {parked} parked with an alert, {len(broken)} broken,"
        f" {time.monotonic() - started:.1f} s"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
