"""The last word before live trading starts: all green, or nothing is delivered."""

from dataclasses import dataclass

from common.documents import load
from common.errors import SapphireError
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord
from common.reporting.preflight import needs_running, red_lines
from common.reporting.preflight_ports import PreflightLine
from infra.bootstrap import Runtime
from infra.preflight import preflight_of

_START_HALTED = (
    "  to start all the same, and trade nothing until `sapphire resume` finds all green:",
    "        sapphire halt --offline, then sapphire run",
)


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether the start is refused, and what to print before it is, or before it goes on."""

    refuses: bool
    lines: tuple[str, ...] = ()


async def preflight_gate(runtime: Runtime) -> Gate:
    """Live, everything must be green. On paper nothing is asked.

    A trading state of HALTED lets a start pass what only a running Sapphire can mend: orders that
    nothing proves, keys, venues. Nothing trades then, and `resume` runs the preflight again.
    """
    if runtime.settings.mode != "live":
        return Gate(False)
    red = red_lines(await preflight_of(runtime, running=False))
    if not red:
        return Gate(False)
    if all(map(needs_running, red)) and await _halted(runtime):
        return Gate(
            False, ("starting HALTED: nothing is traded until this is mended:", *_told(red))
        )
    offer = _START_HALTED if all(map(needs_running, red)) else ()
    first = "live trading does not start: the preflight is not all green"
    return Gate(True, (first, *_told(red), *offer))


async def _halted(runtime: Runtime) -> bool:
    """By a person, until a person resumes. Where none was ever set, the start would set ACTIVE."""
    try:
        stored = await load(runtime.store, TradingStateRecord, PLATFORM)
    except SapphireError:
        return False
    if stored is None:
        return False
    return stored.value.state is TradingState.HALTED and stored.value.until is None


def _told(red: tuple[PreflightLine, ...]) -> list[str]:
    lines = []
    for line in red:
        lines += [f"  FAIL  {line.name}: {line.detail}", f"        -> {line.todo}"]
    return lines
