"""Asks the venue what became of every order that is not proven, and ends what can be ended."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from common.audit import audit_write
from common.books import BOOKS, ORDER_INTENTS, ORDERS, Book
from common.config import Settings
from common.documents import Stored, every, load
from common.domain.events import OrderUnknown, OutboxMessage, Tick
from common.domain.instrument import Venue
from common.domain.moment import iso
from common.domain.order import ORDER_MOVES, IntentStatus, Order, OrderIntent, OrderStatus
from common.domain.signal import Delivery, SignalRecord, SignalStatus
from common.errors import ConflictError, SapphireError, TransientError
from common.execution.outcome import absent, from_report
from common.execution.positions import venue_agrees
from common.execution.recorder import Recorder
from common.execution.signals import delivery_ends, finish_signal
from common.how.denial import Denial
from common.ports import Clock, Document, DocumentStore, ExecutionVenue, Query, Ref, Where
from common.wire import from_document

PAGE = 200
OPEN_INTENTS = (
    IntentStatus.SENDING,
    IntentStatus.UNKNOWN,
    IntentStatus.WORKING,
    IntentStatus.RETRYING,
    IntentStatus.UNRESOLVED,
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Desk:
    store: DocumentStore
    clock: Clock
    settings: Settings
    venues: Mapping[Venue, ExecutionVenue]
    recorder: Recorder


async def settle(
    event: OrderUnknown | Tick,
    *,
    store: DocumentStore,
    clock: Clock,
    settings: Settings,
    venues: Mapping[Venue, ExecutionVenue],
) -> list[OutboxMessage]:
    """One intent after OrderUnknown; on a tick every open intent, then what a crash left
    unfinished.

    Asking is never blocked: not by a breaker, not by a halt, not by another intent's trouble.

    Raises:
        SapphireError: an intent's trouble, once everything else has been settled.
    """
    recorder = Recorder(store, clock, max_attempts=settings.limits.max_attempts)
    desk = _Desk(store, clock, settings, venues, recorder)
    if isinstance(event, OrderUnknown):
        stored = await load(store, OrderIntent, Ref(ORDER_INTENTS, event.intent_id))
        return await _resolve(desk, stored) if stored else []
    messages: list[OutboxMessage] = []
    troubles: list[SapphireError] = []
    still_open = Where("status", "in", tuple(status.value for status in OPEN_INTENTS))
    async for document in every(store, ORDER_INTENTS, still_open):
        try:
            messages += await _attend(desk, document)
        except SapphireError as error:
            troubles.append(error)
    for book in BOOKS.values():
        await _expire_deliveries(desk, book)
        await _finish_signals(desk, book)
    if troubles:
        raise troubles[0]
    return messages


async def _attend(desk: _Desk, document: Document) -> list[OutboxMessage]:
    intent = from_document(OrderIntent, document.data)
    stored = Stored(document.ref, intent, document.version)
    try:
        return await _resolve(desk, stored)
    except SapphireError as error:
        return await _note_failure(desk, stored, error)


async def _resolve(desk: _Desk, stored: Stored[OrderIntent]) -> list[OutboxMessage]:
    intent = stored.value
    if intent.status.is_terminal:
        return []
    if intent.status is IntentStatus.RETRYING:
        return await _give_up_retry(desk, intent)
    order = await load(desk.store, Order, Ref(ORDERS, intent.client_order_id))
    venue = desk.venues.get(order.value.venue) if order else None
    if order is None or venue is None:
        return await desk.recorder.unresolved(
            intent.plan.intent_id, intent.client_order_id, "its venue is not connected here"
        )
    if order.value.status.is_terminal:
        return []
    report = await _answer(venue, venue.query_order(order.value))
    if report is None:
        return await _absent(desk, stored, order.value, venue)
    messages = await desk.recorder.record(
        intent.plan.intent_id, order.value.client_order_id, from_report(report)
    )
    if messages or not report.status.is_terminal:
        return messages
    return await _untold(desk, stored, order.value, venue)


async def _answer(venue: ExecutionVenue, asked: Awaitable[T]) -> T:
    """The venue's answer. Whatever else comes back is not one, and proves nothing."""
    label = venue.venue.label
    try:
        async with asyncio.timeout(venue.capabilities.request_timeout.total_seconds()):
            return await asked
    except SapphireError:
        raise
    except TimeoutError:
        raise TransientError(f"{label} did not answer a query in time") from None
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        raise TransientError(f"{label}'s answer cannot be used ({problem})") from error


async def _untold(
    desk: _Desk, stored: Stored[OrderIntent], order: Order, venue: ExecutionVenue
) -> list[OutboxMessage]:
    """An order that ended at the venue without its fills told: in time, a person must look."""
    known = await load(desk.store, Order, Ref(ORDERS, order.client_order_id))
    final_at = order.submitted_at + venue.capabilities.absence_is_final_after
    overdue = desk.clock.now() > final_at + desk.settings.limits.unresolved_after
    if known is None or known.value.status.is_terminal or not overdue:
        return []
    return await desk.recorder.unresolved(
        stored.value.plan.intent_id,
        order.client_order_id,
        f"{order.venue.label} ended the order and does not tell all of its fills",
    )


async def _absent(
    desk: _Desk, stored: Stored[OrderIntent], order: Order, venue: ExecutionVenue
) -> list[OutboxMessage]:
    """ "Not found" proves nothing before the order's expiry, clock skew and read lag are over.

    The answer that counts must be asked for after that moment, and the venue's position must
    agree: a position that we cannot explain may be this very order. An order that the venue has
    accepted once cannot be absent, and one that it takes after the expiry may still come.
    """
    intent, now = stored.value, desk.clock.now()
    final_at = order.submitted_at + venue.capabilities.absence_is_final_after
    if now <= final_at:
        await _asked(desk, stored)
        return []
    doubt = _doubt(order, venue)
    if doubt is None and await _answer(venue, venue_agrees(desk.store, venue, intent.plan, order)):
        return await desk.recorder.record(
            intent.plan.intent_id,
            order.client_order_id,
            absent(f"{order.venue.label} does not have it, asked after its expiry"),
        )
    if now <= final_at + desk.settings.limits.unresolved_after:
        await _asked(desk, stored)
        return []
    return await desk.recorder.unresolved(
        intent.plan.intent_id,
        order.client_order_id,
        f"{order.venue.label} does not know the order, "
        + (doubt or "and its position is not the one we hold"),
    )


def _doubt(order: Order, venue: ExecutionVenue) -> str | None:
    """Why "not found" can never be final for this order at this venue; None when time proves it."""
    if OrderStatus.EXPIRED not in ORDER_MOVES[order.status]:
        return "which it had accepted"
    if not venue.capabilities.expires_after:
        return "and would still take it, because its orders have no expiry"
    return None


async def _asked(desk: _Desk, stored: Stored[OrderIntent]) -> None:
    """Count the query; a lost race means that somebody has learned more, which is as good."""
    intent = stored.value
    status = IntentStatus.UNKNOWN if intent.status is IntentStatus.SENDING else intent.status
    asked = replace(intent, status=status, queries=intent.queries + 1, updated_at=desk.clock.now())
    try:
        await desk.store.commit([stored.update(asked)])
    except ConflictError:
        return


async def _give_up_retry(desk: _Desk, intent: OrderIntent) -> list[OutboxMessage]:
    """A further attempt that was allowed and whose message never came through."""
    if desk.clock.now() < intent.plan.expires_at + desk.settings.limits.delivery_grace:
        return []
    return await desk.recorder.abandon_retry(intent.plan.intent_id)


async def _note_failure(
    desk: _Desk, stored: Stored[OrderIntent], error: SapphireError
) -> list[OutboxMessage]:
    """A failed query is not an answer. After long enough a person is called."""
    intent = stored.value
    waited = desk.clock.now() - intent.updated_at
    if waited <= desk.settings.limits.unresolved_after:
        return []
    return await desk.recorder.unresolved(
        intent.plan.intent_id, intent.client_order_id, f"the venue cannot be asked: {error}"
    )


async def _expire_deliveries(desk: _Desk, book: Book) -> None:
    """Deliveries whose message was dead-lettered end here, with their reason."""
    now = desk.clock.now()
    overdue = iso(now - desk.settings.limits.delivery_grace)
    for status in (SignalStatus.PENDING, SignalStatus.ROUTED):
        page = await desk.store.query(
            Query(
                book.deliveries,
                (Where("status", "==", status.value), Where("expires_at", "<", overdue)),
                order_by="expires_at",
                limit=PAGE,
            )
        )
        for document in page.documents:
            delivery = from_document(Delivery, document.data)
            await _expire(desk, Stored(document.ref, delivery, document.version), now)


async def _expire(desk: _Desk, stored: Stored[Delivery], now: datetime) -> None:
    ended = replace(
        stored.value,
        status=SignalStatus.EXPIRED,
        reason_code=Denial.SIGNAL_EXPIRED,
        reason=f"Still {stored.value.status.lower()} when its signal expired",
        updated_at=now,
    )
    audit = audit_write(
        "delivery-refused",
        ended.delivery_id,
        at=now,
        step=ended.status,
        facts={"code": ended.reason_code, "reason": ended.reason},
    )
    try:
        await desk.store.commit([*await delivery_ends(desk.store, stored, ended), audit])
    except ConflictError:
        return
    await finish_signal(desk.store, BOOKS[ended.book], ended.signal_id)


async def _finish_signals(desk: _Desk, book: Book) -> None:
    """Signals whose last delivery ended just before a crash, or whose fan-out was lost."""
    pending = Where("status", "==", SignalStatus.PENDING.value)
    async for document in every(desk.store, book.signals, pending):
        record = from_document(SignalRecord, document.data)
        await _close_fan_out(desk, book, Stored(document.ref, record, document.version))
        await finish_signal(desk.store, book, document.ref.id)


async def _close_fan_out(desk: _Desk, book: Book, stored: Stored[SignalRecord]) -> None:
    """A signal whose fan-out was dead-lettered ends with the deliveries that it has, if any."""
    record, grace = stored.value, desk.settings.limits.delivery_grace
    signal = record.signal
    if record.deployments_expected is not None or desk.clock.now() < signal.expires_at + grace:
        return
    of_signal = (Where("signal_id", "==", signal.signal_id),)
    count = await desk.store.count(Query(book.deliveries, of_signal))
    closed = replace(record, deployments_expected=count)
    if not count:
        closed = replace(
            closed,
            status=SignalStatus.EXPIRED,
            reason_code=Denial.SIGNAL_EXPIRED,
            reason="The signal expired before any deployment received it",
        )
    try:
        await desk.store.commit([stored.update(closed)])
    except ConflictError:
        return
