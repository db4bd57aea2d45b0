"""Breakers in the store: shared by every instance, changed by compare-and-set alone."""

from collections.abc import Callable, Sequence
from datetime import datetime

from common.books import BREAKERS
from common.config import BreakerSettings
from common.contention import retry_on_conflict
from common.documents import Stored, load, load_many, put
from common.domain.identifiers import prefixed_id
from common.domain.instrument import Venue
from common.domain.notification import Notification, NotificationKind
from common.errors import TransientError
from common.notifications import notification_writes
from common.ports import Clock, DocumentStore, Ref, Write
from common.where.breaker import (
    Breaker,
    BreakerStatus,
    Ticket,
    admit,
    closed,
    fail,
    release,
    succeed,
    would_admit,
)


class Breakers:
    """Ask `admit` before a call, and hand its ticket back to exactly one of the three others.

    A ticket that never comes back frees its half-open place after `probe_timeout`.
    """

    def __init__(self, store: DocumentStore, clock: Clock, settings: BreakerSettings) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings

    async def read(self, venues: Sequence[Venue]) -> dict[Venue, Breaker]:
        """The breakers in force; a venue that never failed has none stored and is CLOSED."""
        refs = [Ref(BREAKERS, venue) for venue in venues]
        found = await load_many(self._store, Breaker, refs)
        now = self._clock.now()
        return {
            venue: stored.value if stored else closed(venue, now=now)
            for venue, stored in zip(venues, found, strict=True)
        }

    async def would_admit(self, venue: Venue) -> bool:
        """Whether a call made now would be let through; takes no place."""
        _, breaker = await self._load(venue)
        return would_admit(breaker, now=self._clock.now(), settings=self._settings)

    async def admit(self, venue: Venue, request_id: str) -> Ticket | None:
        """Leave for one call, or None. A half-open place is taken by exactly one caller."""

        async def once() -> Ticket | None:
            stored, breaker = await self._load(venue)
            now = self._clock.now()
            after, ticket = admit(breaker, request_id, now=now, settings=self._settings)
            await self._swap(stored, breaker, after)
            return ticket

        try:
            return await retry_on_conflict(once, what=f"the breaker of {venue}")
        except TransientError:
            return None

    async def succeeded(self, ticket: Ticket) -> None:
        await self._change(
            ticket, lambda breaker, now: succeed(breaker, ticket, now=now, settings=self._settings)
        )

    async def failed(self, ticket: Ticket, reason: str) -> None:
        await self._change(
            ticket,
            lambda breaker, now: fail(
                breaker, ticket, now=now, settings=self._settings, reason=reason
            ),
        )

    async def release(self, ticket: Ticket) -> None:
        await self._change(ticket, lambda breaker, now: release(breaker, ticket, now=now))

    async def _change(self, ticket: Ticket, move: Callable[[Breaker, datetime], Breaker]) -> None:
        async def once() -> None:
            stored, breaker = await self._load(Venue(ticket.venue))
            await self._swap(stored, breaker, move(breaker, self._clock.now()))

        await retry_on_conflict(once, what=f"the breaker of {ticket.venue}")

    async def _load(self, venue: Venue) -> tuple[Stored[Breaker] | None, Breaker]:
        stored = await load(self._store, Breaker, Ref(BREAKERS, venue))
        return stored, stored.value if stored else closed(venue, now=self._clock.now())

    async def _swap(self, stored: Stored[Breaker] | None, known: Breaker, after: Breaker) -> None:
        if after == known:
            return
        writes: list[Write] = [put(stored, Ref(BREAKERS, after.venue), after)]
        before = stored.value.status if stored else BreakerStatus.CLOSED
        if after.status is not before and after.status is not BreakerStatus.HALF_OPEN:
            writes.extend(self._alert(after))
        await self._store.commit(writes)

    def _alert(self, breaker: Breaker) -> list[Write]:
        label = Venue(breaker.venue).label
        text = f"{label}: circuit breaker closed, trading there again"
        if breaker.status is BreakerStatus.OPEN:
            text = f"{label}: circuit breaker OPEN ({breaker.reason}); other venues take its trades"
        notification = Notification(
            notification_id=prefixed_id(
                "ntf", "breaker", breaker.venue, breaker.generation, breaker.status
            ),
            kind=NotificationKind.RISK,
            text=text,
            subject_id=breaker.venue,
            created_at=breaker.updated_at,
        )
        writes, _ = notification_writes(notification)
        return writes
