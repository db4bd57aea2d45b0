"""The process dies once, at one call to the store or the venue; another one takes over.

Every ninth call is tried, and from another first one for each venue; all of them take minutes
(CRASH_STRIDE=1).
"""

import logging
import os
from collections.abc import Iterator

import httpx
import pytest

from common.books import ORDERS
from common.domain.order import IntentStatus, OrderStatus
from infra.local.exchanges.transport import ExchangeTransport
from tests.faults.cell import Course, begun, broken
from tests.faults.columns import COLUMNS
from tests.faults.rows import ROWS

AFTERWARDS = 2  # rounds after the end: settle looks again, and the accounts are compared
CALLS_MIN = 60
STRIDE = int(os.environ.get("CRASH_STRIDE", "9"))


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


def _unended(course: Course) -> Iterator[str]:
    if course.intent is None or course.intent.status is IntentStatus.UNRESOLVED:
        return
    for name, row in course.stand.store.contents().get(ORDERS, {}).items():
        if not OrderStatus(row["status"]).is_terminal:
            yield f"order {name} is {row['status']}"


@pytest.mark.parametrize("column", ["none", "lost answer"])
@pytest.mark.parametrize("row", ROWS)
async def test_chain_when_its_process_dies_at_one_call_then_the_books_are_the_venues(
    row: str, column: str, wire: list[Mortal]
) -> None:
    fault = COLUMNS.get(column)
    whole = await begun(ROWS[row], fault)
    assert whole is not None
    calls = await _run(whole, wire, None)
    assert calls >= CALLS_MIN
    found: dict[int, list[str]] = {}
    for number in range(1 + list(ROWS).index(row) % STRIDE, calls + 1, STRIDE):
        course = await begun(ROWS[row], fault)
        assert course is not None
        await _run(course, wire, number)
        wrong = [*broken(course), *_unended(course)]
        if wrong:
            found[number] = wrong
    assert found == {}
