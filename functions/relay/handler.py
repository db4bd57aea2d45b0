"""Publish what the outbox still holds after a crash or a failed publish."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from common.books import OUTBOX
from common.domain.events import OutboxMessage, Tick
from common.domain.moment import iso
from common.errors import ConflictError, InvalidInputError, SapphireError, TransientError
from common.ports import (
    Clock,
    Create,
    Delete,
    Document,
    DocumentStore,
    Page,
    Publisher,
    Query,
    Where,
)
from common.rejection import rejection_write
from common.wire import canonical_json, decode_message

AGE_MIN = timedelta(seconds=30)
"""Younger rows are still in the hands of the function that wrote them, and rows that are to be
delivered later in those of the bus, until so long after their time.
"""
PAGE_SIZE = 100
PAGES_MAX = 20
FAILURES_MAX = 3
"""So many messages refused in one run mean that the bus is down, not that they are at fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayReport:
    published: int
    rejected: int  # rows that nobody can read, moved to `rejected_events`


async def relay(
    tick: Tick, *, store: DocumentStore, clock: Clock, publisher: Publisher
) -> RelayReport:
    """Publish and delete, oldest first, at most `PAGES_MAX` pages; the next tick takes the rest.

    A page of which nothing is due yet costs a reading and is not counted: messages for a distant
    day do not hold up those behind them.

    A message may be published twice, when its row outlives it; consumers are idempotent.

    Raises:
        TransientError: the bus did not take some messages; their rows stay.
    """
    del tick  # rows are due by their age, whatever tick comes by
    before = clock.now() - AGE_MIN
    run = _Run(store, clock, publisher, before)
    cursor: str | None = None
    pages = 0
    while pages < PAGES_MAX and run.failed < FAILURES_MAX:
        page = await _old(store, before, cursor)
        pages += await run.take(page)
        cursor = page.next_cursor
        if cursor is None:
            break
    if run.failed:
        raise TransientError(f"the bus refused {run.failed} messages of the outbox: {run.reason}")
    return RelayReport(published=run.published, rejected=run.rejected)


async def _old(store: DocumentStore, before: datetime, cursor: str | None) -> Page:
    return await store.query(
        Query(
            OUTBOX,
            where=(Where("occurred_at", "<", iso(before)),),
            order_by="occurred_at",
            limit=PAGE_SIZE,
            cursor=cursor,
        )
    )


class _Run:
    """One run's counts."""

    def __init__(
        self, store: DocumentStore, clock: Clock, publisher: Publisher, before: datetime
    ) -> None:
        self._store = store
        self._clock = clock
        self._publisher = publisher
        self._before = before
        self.published = 0
        self.rejected = 0
        self.failed = 0
        self.reason = ""

    async def take(self, page: Page) -> bool:
        """Whether anything of it was due."""
        due = []
        rejected = self.rejected
        for row in page.documents:
            try:
                message = decode_message(row.data)
            except InvalidInputError as error:
                await self._reject(row, error)
                continue
            if message.deliver_at is None or message.deliver_at < self._before:
                due.append((row, message))
        if due:
            try:
                await self._publish(due)
            except SapphireError:
                await self._publish_one_by_one(due)
        return bool(due) or self.rejected > rejected

    async def _publish_one_by_one(self, due: list[tuple[Document, OutboxMessage]]) -> None:
        """One message that the bus cannot take must not hold up the others of its page."""
        for row_and_message in due:
            try:
                await self._publish([row_and_message])
            except SapphireError as error:
                self.failed += 1
                self.reason = str(error)
            if self.failed >= FAILURES_MAX:
                return

    async def _publish(self, due: list[tuple[Document, OutboxMessage]]) -> None:
        await self._publisher.publish([message for _, message in due])
        await self._store.commit([Delete(row.ref) for row, _ in due])
        self.published += len(due)

    async def _reject(self, row: Document, error: InvalidInputError) -> None:
        record = rejection_write(
            function="relay",
            subject=f"{OUTBOX}:{row.ref.id}",
            code=error.code,
            reason=str(error),
            text=canonical_json(row.data),
            now=self._clock.now(),
        )
        await self._move(record, Delete(row.ref))
        self.rejected += 1

    async def _move(self, record: Create, delete: Delete) -> None:
        try:
            await self._store.commit([record, delete])
        except ConflictError:  # recorded by a run that died before it deleted the row
            await self._store.commit([delete])
