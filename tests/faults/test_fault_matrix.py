"""Each venue and each errand against the faults: nothing doubled, nothing unrecorded, everything
ended or told.
"""

import logging
from collections.abc import Iterator

import pytest

from tests.faults import course
from tests.faults.cell import judge
from tests.faults.columns import COLUMNS
from tests.faults.errands import ERRANDS, judge_turn
from tests.faults.rows import ROWS

ENDS = {
    "child": {"FILLED", "PARTIAL"},
    "cancel": {"CANCELED"},
    "stop": {"FLAT"},
    "exit": {"FLAT"},
}


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    """Planted faults would each be logged as an error."""
    log = logging.getLogger("sapphire")
    before = log.level
    log.setLevel(logging.CRITICAL)
    yield
    log.setLevel(before)


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("row", ROWS)
async def test_chain_when_a_venue_fails_so_then_the_books_are_its_own(
    row: str, column: str
) -> None:
    verdict = await judge(ROWS[row], COLUMNS[column])
    if verdict is not None:
        assert not verdict.broken


@pytest.mark.parametrize("row", ROWS)
async def test_chain_when_nothing_fails_then_the_venue_fills(row: str) -> None:
    verdict = await judge(ROWS[row], None)
    assert verdict is not None
    assert verdict.word in {"FILLED", "PARTIAL"}
    assert not verdict.broken


@pytest.mark.parametrize(
    ("errand", "column"),
    [(errand, column) for errand, turns in ERRANDS.items() for column in turns.columns],
)
async def test_errand_when_a_venue_fails_so_then_the_books_are_its_own(
    errand: str, column: str
) -> None:
    market, verdict = await judge_turn(errand, column)
    assert not verdict.broken, market


@pytest.mark.parametrize(
    ("errand", "row"),
    [(errand, row) for errand, turns in ERRANDS.items() for row in sorted(set(turns.markets))],
)
async def test_errand_when_nothing_fails_then_it_ends_as_it_should(errand: str, row: str) -> None:
    verdict = await judge(ROWS[row], None, ERRANDS[errand].make)
    assert verdict is not None
    assert verdict.word in ENDS[errand]
    assert not verdict.broken


def test_matrix_when_counted_then_at_least_seven_venues_and_fourteen_faults() -> None:
    assert len(ROWS) >= 7
    assert len(COLUMNS) >= 14


def test_errands_when_counted_then_every_fault_meets_one_and_each_meets_ten() -> None:
    assert {column for turns in ERRANDS.values() for column in turns.columns} >= set(COLUMNS) - {
        "429 wait"  # as 429, with the wait
    }
    assert all(len(set(turns.columns)) >= 10 for turns in ERRANDS.values())


async def test_matrix_when_a_timeout_is_taken_for_a_failure_then_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The matrix sees what it is there for."""
    from common.execution import sender
    from common.execution.outcome import rejected

    monkeypatch.setattr(sender, "unknown", lambda reason: rejected("TIMEOUT", reason))
    verdict = await judge(ROWS["Aster"], COLUMNS["lost answer"])
    assert verdict is not None
    assert any(text.startswith("DUPLICATE") for text in verdict.broken)


async def test_matrix_when_nobody_settles_then_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "settle", _nothing)
    verdict = await judge(ROWS["Hyperliquid perps"], COLUMNS["lost answer"])
    assert verdict is not None
    assert verdict.broken


async def _nothing(*_: object, **__: object) -> list[object]:
    return []


async def test_errand_when_a_parent_hears_nothing_of_its_child_then_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "common.execution.recorder.parent_after", lambda case, *_: case.parent and case.parent.value
    )
    verdict = await judge(ROWS["GMX"], None, ERRANDS["child"].make)
    assert verdict is not None
    assert any(text.startswith("the parent has 0, ") for text in verdict.broken)


async def test_errand_when_nobody_settles_an_exit_then_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(course, "settle", _nothing)
    verdict = await judge(ROWS["Aster"], COLUMNS["lost answer"], ERRANDS["exit"].make)
    assert verdict is not None
    assert any(text.startswith("UNRECORDED") for text in verdict.broken)


async def test_errand_when_a_cancel_is_not_sent_then_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("functions.settle.handler.cancel_one", _nothing)
    verdict = await judge(ROWS["Hyperliquid perps"], None, ERRANDS["cancel"].make)
    assert verdict is not None
    assert any(text.startswith("the parent is CANCELING") for text in verdict.broken)


async def test_errand_when_nobody_watches_then_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "monitor", _nothing)
    verdict = await judge(ROWS["GMX"], None, ERRANDS["stop"].make)
    assert verdict is not None
    assert any(text.startswith("HELD") for text in verdict.broken)
