"""Lost races: read again, decide again, commit again, and not for ever."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from common.errors import ConflictError, TransientError

T = TypeVar("T")
TRIES = 12


async def retry_on_conflict(once: Callable[[], Awaitable[T]], *, what: str) -> T:
    """The result of the first run of `once` whose commit held.

    `once` must read whatever it decides on by itself: a run that lost has changed nothing, and
    what it read is old.

    Raises:
        TransientError: every one of `TRIES` runs lost; names `what`. Deliver again.
    """
    for _ in range(TRIES):
        try:
            return await once()
        except ConflictError:
            continue
    raise TransientError(f"{what} is contended")
