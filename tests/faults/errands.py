"""What else is on an order's way than to go whole: a child, a cancel, a stop that rests, an exit.

The matrix of whole orders has every market under every fault. Here the faults that end differently
meet every errand, the others, which are one of their kind, meet one errand each; and the markets
take turns. `python -m tests.faults all` has all of them at all.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.faults.cell import MakeErrand, Verdict, judge
from tests.faults.columns import COLUMNS
from tests.faults.exits import ExitAtMarket, Stop
from tests.faults.rows import ROWS
from tests.faults.working import Cancel, Child

_ALWAYS = (
    "down",
    "lost request",
    "lost answer",
    "late 120 s",
    "twice",
    "429",
    "order error",
    "no effect",
    "read lag 4 s",
    "partial",
)


@dataclass(frozen=True, slots=True)
class Turns:
    """An errand, the faults that it meets, and the markets that do it, in turn."""

    make: MakeErrand
    markets: tuple[str, ...]
    columns: tuple[str, ...]

    def at(self, column: str) -> Iterator[str]:
        """Whose turn it is with this fault; then who is next, where that venue does not know it."""
        first = self.columns.index(column)
        for number in range(len(self.markets)):
            yield self.markets[(first + number) % len(self.markets)]


ERRANDS: dict[str, Turns] = {
    "child": Turns(Child, tuple(ROWS), (*_ALWAYS, "502 before", "truncated", "null", "shuffled")),
    "cancel": Turns(
        Cancel,
        ("Hyperliquid perps", "GMX", "Hyperliquid spot", "Aster"),
        (*_ALWAYS, "503 after", "empty", "NaN"),
    ),
    "stop": Turns(
        Stop,
        ("Hyperliquid perps", "GMX", "Aster"),
        (*_ALWAYS, "late 8 s", "huge", "missing", "repeated"),
    ),
    "exit": Turns(
        ExitAtMarket, tuple(reversed(ROWS)), (*_ALWAYS, "endless", "renamed", "redirect")
    ),
}


async def judge_turn(errand: str, column: str) -> tuple[str, Verdict]:
    """The market that met the fault, and how it went."""
    turns = ERRANDS[errand]
    for market in turns.at(column):
        verdict = await judge(ROWS[market], COLUMNS[column], turns.make)
        if verdict is not None:
            return market, verdict
    raise LookupError(f"no market of {errand} knows {column}")


async def judge_all(errand: str, column: str) -> list[tuple[str, Verdict]]:
    """At every market that does the errand and knows the fault."""
    found = [
        (market, await judge(make, COLUMNS[column], ERRANDS[errand].make))
        for market, make in ROWS.items()
    ]
    return [(market, verdict) for market, verdict in found if verdict is not None]
