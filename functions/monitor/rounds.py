"""How far a tick came through a collection, so that the next one goes on from there."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from common.books import MONITOR_ROUNDS
from common.documents import Stored, load, put
from common.domain.money import ZERO, Money
from common.errors import ConflictError
from common.ports import Document, Query, Ref
from functions.monitor.desk import Desk

BUDGET = timedelta(seconds=40)
"""Of a tick, which comes every minute; then the page under way is the last. Exits have half."""

PAGE = 100
"""A page's accounts, their curves and the day's totals fit into one commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The document under `monitor_rounds`, by what is gone through. It is written only where the
    time was over before the end.
    """

    cursor: str | None = None  # where the next tick goes on; None: at the beginning
    accounts: int = 0  # of this round so far, as are the sums of
    equity: Money = ZERO
    capital: Money = ZERO
    troubled: bool = False  # so the sums are not of all


class Walk:
    """One tick's part of a round."""

    def __init__(self, desk: Desk, place: Ref, stored: Stored[Round] | None) -> None:
        self._desk = desk
        self._place = place
        self._stored = stored
        self.round = stored.value if stored else Round()

    @staticmethod
    async def resume(desk: Desk, name: str) -> "Walk":
        place = Ref(MONITOR_ROUNDS, name)
        return Walk(desk, place, await load(desk.store, Round, place))

    async def pages(self, query: Query, *, until: datetime) -> AsyncIterator[tuple[Document, ...]]:
        """One page at least, and none that begins at `until` or later; a round at most."""
        while True:
            asked = replace(query, limit=PAGE, cursor=self.round.cursor)
            page = await self._desk.store.query(asked)
            self._desk.forget_marks()
            yield page.documents
            self.round = replace(self.round, cursor=page.next_cursor)
            if self.is_done or self._desk.clock.now() >= until:
                return

    @property
    def is_done(self) -> bool:
        """After `pages`: whether the round is over."""
        return self.round.cursor is None

    async def keep(self) -> None:
        """For the next tick. Where another instance has gone through the same, its word stands."""
        before = self._stored.value if self._stored else Round()
        after = Round() if self.is_done else self.round
        if after == before:
            return
        try:
            await self._desk.store.commit([put(self._stored, self._place, after)])
        except ConflictError:
            return
