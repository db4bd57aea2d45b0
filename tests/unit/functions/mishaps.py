"""What may befall a handler at its store: lost races, crashes, and others who are quicker."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import cast

from common.errors import ConflictError
from common.ports import Write
from infra.local.store.memory import MemoryStore
from tests.unit.functions.ledger_venue import LedgerVenue

Deed = Callable[[], Awaitable[object]]


def writes_to(collection: str, operation: str, argument: object) -> bool:
    """Whether an operation that a hook was told of is a commit with a write to `collection`."""
    if operation != "commit":
        return False
    return any(write.ref.collection == collection for write in cast("Sequence[Write]", argument))


class LosesRaces:
    """The next `count` commits to `collection` (to anything: "") find that another was quicker."""

    def __init__(self, store: MemoryStore, collection: str = "", *, count: int = 1) -> None:
        self.lost = 0
        self._collection = collection
        self._count = count
        store.before = self._before

    async def _before(self, operation: str, argument: object) -> None:
        if operation != "commit" or self.lost >= self._count:
            return
        if self._collection and not writes_to(self._collection, operation, argument):
            return
        self.lost += 1
        raise ConflictError("taken", collection=self._collection or "x", document_id="y")


class Died(BaseException):
    """No `except Exception` of the code under test hears of it: the process is gone."""


class Mortal:
    """A process that dies at its n-th call (1, 2, ...) to the store or a venue, before or after it.

    Once dead, nothing that still runs of it reaches anything. `revive` starts the next process.
    """

    def __init__(self, store: MemoryStore, venues: Iterable[LedgerVenue] = ()) -> None:
        self.calls = 0
        self._dies_at: int | None = None
        self._after = False
        self._dead = False
        store.before = self._store_before
        store.after = self._store_after
        for venue in venues:
            venue.before = self._venue_before
            venue.after = self._venue_after

    def doom(self, number: int, *, after: bool) -> None:
        """`after`: what was asked for happens, and the answer is never heard."""
        self.calls, self._dies_at, self._after = 0, number, after

    def revive(self) -> bool:
        """Whether there was any need to."""
        was_dead, self._dead, self._dies_at = self._dead, False, None
        return was_dead

    async def _store_before(self, *_: object) -> None:
        self._begin()

    async def _store_after(self, *_: object) -> None:
        self._end()

    async def _venue_before(self, _: str) -> None:
        self._begin()

    async def _venue_after(self, _: str) -> None:
        self._end()

    def _begin(self) -> None:
        if self._dead:
            raise Died
        self.calls += 1
        self._perish(after=False)

    def _end(self) -> None:
        self._perish(after=True)

    def _perish(self, *, after: bool) -> None:
        if self.calls == self._dies_at and self._after is after:
            self._dead = True
            raise Died


def meanwhile(store: MemoryStore, collection: str, deed: Deed) -> None:
    """Right before the next commit to `collection`, somebody else does `deed`."""

    async def before(operation: str, argument: object) -> None:
        if writes_to(collection, operation, argument):
            store.before = None
            await deed()

    store.before = before


def right_after(store: MemoryStore, collection: str, deed: Deed) -> None:
    """Right after the next commit to `collection`, before its writer hears of it."""

    async def after(operation: str, argument: object) -> None:
        if writes_to(collection, operation, argument):
            store.after = None
            await deed()

    store.after = after
