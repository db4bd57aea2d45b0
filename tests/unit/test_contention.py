"""Lost races are run again, and not for ever."""

import pytest

from common.contention import TRIES, retry_on_conflict
from common.errors import ConflictError, DeniedError, TransientError


@pytest.mark.parametrize("losses", [0, 1, TRIES - 1])
async def test_retry_when_a_run_holds_then_its_result(losses: int) -> None:
    runs = 0

    async def once() -> int:
        nonlocal runs
        runs += 1
        if runs <= losses:
            raise ConflictError("lost", collection="orders", document_id="1")
        return runs

    assert await retry_on_conflict(once, what="order 1") == losses + 1


async def test_retry_when_every_run_loses_then_names_what_is_contended() -> None:
    runs = []

    async def once() -> None:
        runs.append(1)
        raise ConflictError("lost", collection="orders", document_id="1")

    with pytest.raises(TransientError, match="order 1 is contended"):
        await retry_on_conflict(once, what="order 1")
    assert len(runs) == TRIES


async def test_retry_when_something_else_is_wrong_then_at_once() -> None:
    runs = []

    async def once() -> None:
        runs.append(1)
        raise DeniedError("NO", "not this way")

    with pytest.raises(DeniedError):
        await retry_on_conflict(once, what="order 1")
    assert len(runs) == 1
