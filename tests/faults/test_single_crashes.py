"""The process dies once, at one call to the store or the venue; another one takes over.

Every ninth call is tried, and from another first one for each venue and each errand; all of them
take minutes (CRASH_STRIDE=1).
"""

import logging
import os
from collections.abc import Iterator

import httpx
import pytest

from infra.local.exchanges.faults import Fault
from infra.local.exchanges.transport import ExchangeTransport
from tests.faults.cell import MakeErrand, begun
from tests.faults.columns import COLUMNS
from tests.faults.course import Course
from tests.faults.errands import ERRANDS
from tests.faults.rows import ROWS
from tests.faults.stand import MakeStand
from tests.faults.whole import Whole

AFTERWARDS = 2  # rounds after the end: settle looks again, and the accounts are compared
CALLS_MIN = 60
STRIDE = int(os.environ.get("CRASH_STRIDE", "9"))
STRIDE_OF_ERRANDS = STRIDE if STRIDE == 1 else 3 * STRIDE  # their courses are longer


class Killed(BaseException):
    """No error that anybody handles: nothing of the process runs after it."""


class Mortal:
    """Counts the calls of a process, before and after each; dies at the one of this number."""

    def __init__(self, dies_at: int | None) -> None:
        self.calls = 0
        self._dies_at = dies_at
        self._dead = False

    def call(self) -> None:
        self.calls += 1
        self._dead = self._dead or self.calls == self._dies_at
        if self._dead:  # in what unwinds, too: the dead do not tidy up
            raise Killed

    async def hook(self, operation: str, argument: object) -> None:
        self.call()


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    log = logging.getLogger("sapphire")
    before = log.level
    log.setLevel(logging.CRITICAL)
    yield
    log.setLevel(before)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> list[Mortal]:
    """Who asks the venue now; nobody's requests are counted while it is empty."""
    asking: list[Mortal] = []
    handle = ExchangeTransport.handle_async_request

    async def watched(self: ExchangeTransport, request: httpx.Request) -> httpx.Response:
        for mortal in asking:
            mortal.call()
        response = await handle(self, request)
        for mortal in asking:
            mortal.call()
        return response

    monkeypatch.setattr(ExchangeTransport, "handle_async_request", watched)
    return asking


async def _run(course: Course, wire: list[Mortal], dies_at: int | None) -> int:
    """The calls that were made; the message under work when it died comes again."""
    mortal, store = Mortal(dies_at), course.stand.store
    store.before = store.after = mortal.hook
    wire[:] = [mortal]
    try:
        await course.run(AFTERWARDS)
    except Killed:
        store.before = store.after = None
        wire.clear()
        course.restart()
        await course.run(AFTERWARDS)
    return mortal.calls


async def _dying_at_each(
    make: MakeStand,
    fault: Fault | None,
    make_errand: MakeErrand,
    wire: list[Mortal],
    *,
    first: int,
    stride: int,
) -> dict[int, list[str]]:
    """What was broken by the death at each `stride`-th call, by its number."""
    whole = await begun(make, fault, make_errand)
    assert whole is not None
    calls = await _run(whole, wire, None)
    assert calls >= CALLS_MIN
    found: dict[int, list[str]] = {}
    for number in range(1 + first % stride, calls + 1, stride):
        course = await begun(make, fault, make_errand)
        assert course is not None
        await _run(course, wire, number)
        wrong = list(course.errand.broken(course))
        if wrong:
            found[number] = wrong
    return found


@pytest.mark.parametrize("column", ["none", "lost answer"])
@pytest.mark.parametrize("row", ROWS)
async def test_chain_when_its_process_dies_at_one_call_then_the_books_are_the_venues(
    row: str, column: str, wire: list[Mortal]
) -> None:
    first = list(ROWS).index(row)
    fault = COLUMNS.get(column)
    found = await _dying_at_each(ROWS[row], fault, Whole, wire, first=first, stride=STRIDE)
    assert found == {}


@pytest.mark.parametrize("column", ["none", "lost answer"])
@pytest.mark.parametrize(
    ("errand", "row"),
    [
        ("child", "Hyperliquid perps"),
        ("child", "Drift (paper)"),
        ("cancel", "GMX"),
        ("stop", "Hyperliquid perps"),
        ("stop", "GMX"),
        ("exit", "Hyperliquid spot"),
        ("exit", "Symphony"),
    ],
)
async def test_errand_when_its_process_dies_at_one_call_then_the_books_are_the_venues(
    errand: str, row: str, column: str, wire: list[Mortal]
) -> None:
    found = await _dying_at_each(
        ROWS[row],
        COLUMNS.get(column),
        ERRANDS[errand].make,
        wire,
        first=list(ERRANDS).index(errand),
        stride=STRIDE_OF_ERRANDS,
    )
    assert found == {}
