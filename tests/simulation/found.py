"""Bugs that a seed has found: the defect as it was, and the seed that sees it again."""

from typing import Any

import pytest

from common.execution import gate
from functions.notify import handler as notify
from tests.simulation.plants import Plant


def leave_not_looked_at_again(patch: pytest.MonkeyPatch) -> None:
    """An order was sent under leave that a breaker had given before it opened."""
    patch.setattr(gate, "still_admits", lambda *_: True)


def lost_mark_believed(patch: pytest.MonkeyPatch) -> None:
    """A notification's mark lost a race that nobody had won, and its message was acknowledged."""
    original = notify._mark

    async def believing(store: Any, clock: Any, documents: Any, *rest: Any) -> Any:
        await original(store, clock, documents, *rest)
        return list(documents)

    patch.setattr(notify, "_mark", believing)


FOUND_BY: dict[int, Plant] = {
    930: leave_not_looked_at_again,
    1400: lost_mark_believed,
}
