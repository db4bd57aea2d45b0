"""SW-16: everything that must hold before real money moves, each check a line by itself.

All run at the same time. One that fails, or that does not answer in time, makes its own line red
and no other. On paper the same lines are given; what paper does not need says so.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from common.domain.instrument import ALL_VENUES
from common.errors import SapphireError
from common.reporting.preflight_fleet import (
    Fleet,
    check_venue,
    keys_line,
    read_fleet,
    venue_name,
    venue_todo,
)
from common.reporting.preflight_outside import (
    check_api_token,
    check_mode,
    check_prices,
    check_push,
    check_telegram,
    check_time,
)
from common.reporting.preflight_ports import PreflightLine, PreflightPorts, green, red, said
from common.reporting.preflight_records import (
    check_limits,
    check_messages,
    check_state,
    check_store,
    check_unresolved,
)

T = TypeVar("T")

PROBE_TIMEOUT_S = 10.0  # longer than each adapter's own, so that its reason is what is shown
_STORE_TODO = "see whether the store can be reached, and what the log says of it"


@dataclass(frozen=True, slots=True)
class _Check:
    name: str
    run: Callable[[PreflightPorts], Awaitable[PreflightLine]]
    todo: str  # when it fails, or does not answer


_BEFORE_VENUES = (
    _Check("mode", check_mode, _STORE_TODO),
    _Check(
        "prices",
        check_prices,
        "see whether the source of prices can be reached, and lists the first of SAPPHIRE_SYMBOLS",
    ),
    _Check("store", check_store, _STORE_TODO),
    _Check(
        "limits", check_limits, "set them anew: sapphire limits set --reason WHY --by YOUR_NAME"
    ),
    _Check("trading state", check_state, _STORE_TODO),
    _Check("unresolved orders", check_unresolved, _STORE_TODO),
)
_AFTER_VENUES = (
    _Check(
        "telegram",
        check_telegram,
        "check TELEGRAM_BOT_TOKEN, TELEGRAM_CHAT_ID and TELEGRAM_API_URL; write to the bot once,"
        " so that it may write to you",
    ),
    _Check("api token", check_api_token, "set SAPPHIRE_API_TOKEN"),
    _Check("push authentication", check_push, "set SAPPHIRE_PUSH_AUDIENCE"),
    _Check("clock", check_time, "see whether this machine reaches the network"),
    _Check("messages", check_messages, _STORE_TODO),
)
_ONLY_WHILE_RUNNING = frozenset({"unresolved orders", "keys", "messages"})


async def run_preflight(
    ports: PreflightPorts, *, timeout_s: float = PROBE_TIMEOUT_S
) -> tuple[PreflightLine, ...]:
    """Every line, in an order that does not change. Raises nothing.

    Each check has `timeout_s`; the reading of all deployments, which the venues wait for, has
    three times that (100,000 of them took 10 s on one core of a busy machine).
    """
    before, fleet, after = await asyncio.gather(
        _lines(_BEFORE_VENUES, ports, timeout_s),
        _fleet_lines(ports, timeout_s),
        _lines(_AFTER_VENUES, ports, timeout_s),
    )
    return (*before, *fleet, *after)


def red_lines(lines: Sequence[PreflightLine]) -> tuple[PreflightLine, ...]:
    return tuple(line for line in lines if not line.ok)


def needs_running(line: PreflightLine) -> bool:
    """Whether only a running Sapphire can mend it: by asking venues, checking keys, publishing."""
    return line.name in _ONLY_WHILE_RUNNING or line.name.startswith("venue ")


async def _lines(
    checks: Sequence[_Check], ports: PreflightPorts, timeout_s: float
) -> list[PreflightLine]:
    return await asyncio.gather(
        *(_within(timeout_s, check.name, check.todo, check.run(ports)) for check in checks)
    )


async def _fleet_lines(ports: PreflightPorts, timeout_s: float) -> list[PreflightLine]:
    """Which venues are asked, the deployments say."""
    fleet = await _within(3 * timeout_s, "keys", _STORE_TODO, read_fleet(ports))
    if not isinstance(fleet, Fleet):
        return [fleet]
    if not fleet.deployments:
        return [keys_line(ports, fleet), green("venues", "no deployment names one yet")]
    named = [venue for venue in ALL_VENUES if venue in fleet.venues]
    probes = [partial(check_venue, ports, venue, fleet.venues[venue]) for venue in named]
    lines = await asyncio.gather(
        *(
            _within(timeout_s, venue_name(venue), venue_todo(venue), probe())
            for venue, probe in zip(named, probes, strict=True)
        )
    )
    return [keys_line(ports, fleet), *lines]


async def _within(timeout_s: float, name: str, todo: str, work: Awaitable[T]) -> T | PreflightLine:
    """What `work` comes to, or a red line; whatever it does, nobody else waits for it."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(_looked_at)
    try:
        await asyncio.wait({task}, timeout=timeout_s)
    finally:
        task.cancel()
    if not task.done():
        return red(name, f"no answer within {timeout_s:g} s", todo)
    if task.cancelled():
        return red(name, "it was given up", todo)
    error = task.exception()
    if error is None:
        return task.result()
    if isinstance(error, SapphireError):
        return red(name, said(str(error)), todo)
    # Its own words are for nobody: nothing says that they hold no secret.
    return red(name, f"the check itself failed ({type(error).__name__})", todo)


def _looked_at(task: "asyncio.Future[T]") -> None:
    """A check that fails after it was given up has been told of already."""
    if not task.cancelled():
        task.exception()
