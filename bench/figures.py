"""What a benchmark reports: rows with their goals, and how a goal is judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.samples import Samples, percentile


@dataclass(frozen=True, slots=True)
class Goal:
    """`of` must be at most `limit`, or at least that, in the row's unit."""

    of: Literal["p50", "p99"]
    limit: float
    at_least: bool = False

    def holds(self, figure: float) -> bool:
        return figure >= self.limit if self.at_least else figure <= self.limit

    def __str__(self) -> str:
        return f"{self.of} {'>=' if self.at_least else '<='} {self.limit:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. A figure that was not measured is None."""

    name: str
    unit: str = "ms"
    p50: float | None = None
    p99: float | None = None
    cpu_p50: float | None = None
    cpu_p99: float | None = None
    count: int = 0
    goal: Goal | None = None
    note: str = ""
    skipped: str = ""  # why it could not be measured here

    def verdict(self) -> str:
        """Wall time decides. A miss whose CPU time holds is told apart: on a shared machine the
        rest is waiting for a core."""
        if self.skipped or self.goal is None:
            return ""
        wall, cpu = (self.p50, self.cpu_p50) if self.goal.of == "p50" else (self.p99, self.cpu_p99)
        if wall is None:
            raise ValueError(f"{self.name}: the goal is about a figure that it does not have")
        if self.goal.holds(wall):
            return "ok"
        return "miss (CPU ok)" if cpu is not None and self.goal.holds(cpu) else "miss"


def row_of(name: str, samples: Samples, *, goal: Goal | None = None, note: str = "") -> Row:
    return Row(
        name=name,
        p50=percentile(samples.wall_ms, 50),
        p99=percentile(samples.wall_ms, 99),
        cpu_p50=percentile(samples.cpu_ms, 50) if samples.cpu_ms else None,
        cpu_p99=percentile(samples.cpu_ms, 99) if samples.cpu_ms else None,
        count=len(samples.wall_ms),
        goal=goal,
        note=note,
    )


HEADER = ("benchmark", "p50", "p99", "CPU p50", "CPU p99", "unit", "n", "goal", "", "")


def table(rows: Sequence[Row]) -> list[str]:
    """Columns as wide as their widest cell; figures to the right, words to the left."""
    cells = [HEADER, *(_cells(row) for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(HEADER))]
    figures = {1, 2, 3, 4, 6}
    return [
        "  ".join(
            text.rjust(width) if place in figures else text.ljust(width)
            for place, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]


def _cells(row: Row) -> tuple[str, ...]:
    if row.skipped:
        return (row.name, "", "", "", "", "", "", "", "", f"skipped: {row.skipped}")
    goal = str(row.goal) if row.goal else ""
    figures = (row.p50, row.p99, row.cpu_p50, row.cpu_p99)
    shown = [_figure(figure) for figure in figures]
    return (row.name, *shown, row.unit, str(row.count), goal, row.verdict(), row.note)


def _figure(value: float | None) -> str:
    """Three significant figures, and no more decimals than that."""
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if value >= 1 else f"{value:.2g}"
