"""Questions to venues: so many at once at each, and none to one that has fallen silent."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from common.domain.instrument import Venue
from common.errors import ConflictError, OutcomeUnknownError, TransientError
from common.execution.sender import answer_of
from common.ports import ExecutionVenue

T = TypeVar("T")
AT_ONCE = 10
"""Questions under way together at one venue. 100 accounts at 0.6 s an answer take 6 s."""

SILENT_AFTER = 3
"""Questions in a row without an answer between. As many are under way at once, so that a dead
venue costs one request timeout, and one account that it cannot answer for costs the others none.
"""


class Lines:
    """Those to the venues in one call of the function; the next call asks all of them again."""

    def __init__(self) -> None:
        self._slots: dict[Venue, asyncio.Semaphore] = {}
        self._unanswered: Counter[Venue] = Counter()
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def turn(self, account_id: str) -> AbstractAsyncContextManager[object]:
        """Held while an account's outcomes are written: side by side they only lose races."""
        return self._turns[account_id]

    def is_silent(self, venue: Venue, *, after: int = SILENT_AFTER) -> bool:
        return self._unanswered[venue] >= after

    async def ask(self, venue: ExecutionVenue, question: Callable[[], Awaitable[T]]) -> T:
        """The answer to `question`, once it is its turn.

        Raises TransientError: none in time, none that can be used, or the venue is silent, and
        was not asked.
        """
        slot = self._slots.setdefault(venue.venue, asyncio.Semaphore(AT_ONCE))
        async with slot:
            self.require_voice(venue)
            return await self.note(venue, question)

    def require_voice(self, venue: ExecutionVenue, *, after: int = SILENT_AFTER) -> None:
        """Raises TransientError: it is silent."""
        if self.is_silent(venue.venue, after=after):
            raise TransientError(f"{venue.venue.label} does not answer; it is asked again later")

    async def note(self, venue: ExecutionVenue, question: Callable[[], Awaitable[T]]) -> T:
        """Ask at once, silent or not, and remember whether it was answered.

        Raises TransientError: as `answer_of`.
        """
        try:
            answer = await answer_of(venue, question())
        except TransientError as error:
            if _is_silence(error):
                self._unanswered[venue.venue] += 1
            raise
        self._unanswered[venue.venue] = 0
        return answer


def _is_silence(error: TransientError) -> bool:
    """Also "too many requests": more of them would not help. What cannot be used is an answer."""
    if isinstance(error, ConflictError):
        return False  # of our own store
    cause = error.__cause__
    return cause is None or isinstance(cause, TransientError | OutcomeUnknownError)


async def side_by_side(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What each came to, in their order. Whatever ends one of them early ends all."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
