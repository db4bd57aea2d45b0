"""The preflight as people read it: a line for each check, what to do below those that failed."""

from collections.abc import Sequence

from rich.text import Text

from common.reporting.preflight_ports import PreflightLine
from common.reporting.preflight_records import is_stopped
from infra.cli.lines import block, hanging

_NARROW = 76  # columns below which a check's detail stands under its name
_MARK = 6  # `  ok  ` and `  FAIL`
_BELOW = 8


def preflight_lines(lines: Sequence[PreflightLine], *, mode: str, width: int | None) -> list[Text]:
    """Marks say ok or FAIL in words, so that they read without colour too."""
    shown: list[Text] = []
    for line in lines:
        shown += _one(line, _column(lines), width)
    words, style = _summary(lines, mode)
    last = [Text(each, style) for each in hanging(words, indent=2, width=width)]
    return [*shown, Text(), *last]


def _column(lines: Sequence[PreflightLine]) -> int:
    return max((len(line.name) for line in lines), default=0) + 2


def _one(line: PreflightLine, column: int, width: int | None) -> list[Text]:
    mark = ("  ok  ", "green") if line.ok else ("  FAIL", "bold red")
    if width is not None and width < _NARROW:
        head = Text.assemble(mark, f"  {line.name}")
        found = block(line.detail, indent=_BELOW, width=width)
        indent = _BELOW
    else:
        indent = _MARK + 2 + column
        first, *found = hanging(line.detail, indent=indent, width=width)
        head = Text.assemble(mark, f"  {line.name:<{column}}{first}")
    todo = block(f"-> {line.todo}", indent=indent, width=width) if line.todo else []
    return [head, *map(Text, found), *(Text(each, "yellow") for each in todo)]


def _summary(lines: Sequence[PreflightLine], mode: str) -> tuple[str, str]:
    """The last words, and their style."""
    count, failed = len(lines), sum(not line.ok for line in lines)
    if failed:
        refused = ": nothing trades live until all are green" if mode == "live" else ""
        return f"{failed} of {count} checks failed{refused}", "bold red"
    if mode == "live":
        once = " once `sapphire resume` is given" if is_stopped(lines) else ""
        return f"all {count} checks are green: live trading may begin{once}", "bold green"
    beyond = "SAPPHIRE_MODE=live checks what real money needs"
    return f"all {count} checks are green for {mode}; {beyond}", "bold green"
