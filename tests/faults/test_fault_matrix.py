"""Each venue against each fault: nothing doubled, nothing unrecorded, everything ended or told."""

import logging
from collections.abc import Iterator

import pytest

from tests.faults import cell
from tests.faults.cell import judge
from tests.faults.columns import COLUMNS
from tests.faults.rows import ROWS


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


def test_matrix_when_counted_then_at_least_seven_venues_and_fourteen_faults() -> None:
    assert len(ROWS) >= 7
    assert len(COLUMNS) >= 14


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
    async def nothing(*_: object, **__: object) -> list[object]:
        return []

    monkeypatch.setattr(cell, "settle", nothing)
    verdict = await judge(ROWS["Hyperliquid perps"], COLUMNS["lost answer"])
    assert verdict is not None
    assert verdict.broken
