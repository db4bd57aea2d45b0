"""One signal to every active deployment of its agent, a page at a time."""

from dataclasses import dataclass, replace
from datetime import datetime

from common.books import OUTBOX, Book, book_named
from common.config import Settings
from common.contention import retry_on_conflict
from common.documents import create, load
from common.domain.agent import Agent, AgentStatus, Deployment, DeploymentStatus
from common.domain.events import DeploymentSignal, OutboxMessage, SignalCreated
from common.domain.identifiers import digest, prefixed_id
from common.domain.signal import Delivery, SignalRecord, SignalStatus
from common.errors import TransientError
from common.execution.signals import finish_signal
from common.how.limits import Refusal
from common.outbox import outbox_write
from common.ports import Clock, DocumentStore, Page, Query, Ref, Where, Write
from common.wire import from_document
from functions.fan_out.throttling import Throttled, denial, throttle

PAGE = 100


@dataclass(frozen=True, slots=True)
class _Desk:
    store: DocumentStore
    clock: Clock
    settings: Settings


@dataclass(frozen=True, slots=True)
class _Delivered:
    """A page's messages; `refused`: the agent's throttle has ended the signal instead."""

    messages: list[OutboxMessage]
    refused: bool = False


async def fan_out(
    event: SignalCreated, *, store: DocumentStore, clock: Clock, settings: Settings
) -> list[OutboxMessage]:
    """Create the deliveries of one page of deployments; the next page is a message of its own.

    A repeated page creates nothing anew and returns the same messages, whose consumers are
    idempotent. After the last page the deliveries are counted in the store, so that pages that
    ran twice, or side by side, count right; a deployment that came later has missed the signal.
    """
    book = book_named(event.book)
    stored = await load(store, SignalRecord, Ref(book.signals, event.signal_id))
    if stored is None:
        # The event can overtake the commit it came from only when the store is behind.
        raise TransientError(f"signal {event.signal_id} is not in {book.signals} yet")
    if stored.value.status.is_terminal:
        return []
    page = await _deployments(store, book, stored.value, event.cursor)
    onward = [_next_page(event, page.next_cursor, clock.now())] if page.next_cursor else []
    deliveries = [
        _delivery(book, stored.value, from_document(Deployment, document.data), clock.now())
        for document in page.documents
    ]
    counted = stored.value.deployments_expected is not None
    if counted:
        messages = [*await _known(store, deliveries), *onward]
    else:
        first = event.cursor is None and bool(deliveries)
        desk = _Desk(store, clock, settings)
        delivered = await _deliver(desk, stored.value, deliveries, onward, first=first)
        if delivered.refused:
            return delivered.messages
        messages = delivered.messages
    if onward:
        return messages
    if not counted:
        await _expect(store, book, event.signal_id)
    await finish_signal(store, book, event.signal_id)
    return messages


async def _deployments(
    store: DocumentStore, book: Book, record: SignalRecord, cursor: str | None
) -> Page:
    agent = await load(store, Agent, Ref(book.agents, record.signal.agent_id))
    if agent is None or agent.value.status is not AgentStatus.ACTIVE:
        return Page(())
    return await store.query(
        Query(
            book.deployments,
            (
                Where("agent_id", "==", record.signal.agent_id),
                Where("status", "==", DeploymentStatus.ACTIVE.value),
            ),
            limit=PAGE,
            cursor=cursor,
        )
    )


async def _known(store: DocumentStore, deliveries: list[Delivery]) -> list[OutboxMessage]:
    refs = [Ref(book_named(item.book).deliveries, item.delivery_id) for item in deliveries]
    found = await store.get_many(refs)
    return [_message(item) for item, known in zip(deliveries, found, strict=True) if known]


async def _deliver(
    desk: _Desk,
    record: SignalRecord,
    deliveries: list[Delivery],
    onward: list[OutboxMessage],
    *,
    first: bool,
) -> _Delivered:
    store, book = desk.store, book_named(record.signal.book)
    refs = [Ref(book.deliveries, item.delivery_id) for item in deliveries]
    messages = [_message(delivery) for delivery in deliveries]

    async def once() -> _Delivered:
        known = await store.get_many(refs)
        writes: list[Write] = []
        alerts: list[OutboxMessage] = []
        if first and not any(known):
            now = desk.clock.now()
            throttled = await throttle(store, record.signal, desk.settings, now)
            if throttled.refusal is not None and not throttled.somebody_holds:
                return await _refuse(desk, book, record, throttled, throttled.refusal)
            writes += throttled.writes
            alerts += throttled.messages
        for ref, delivery, message, found in zip(refs, deliveries, messages, known, strict=True):
            if found is None:
                writes += [create(ref, delivery), outbox_write(message)]
        for message in onward:
            if await store.get(Ref(OUTBOX, message.message_id)) is None:
                writes.append(outbox_write(message))
        if writes:
            await store.commit(writes)
        return _Delivered([*messages, *onward, *alerts])

    return await retry_on_conflict(once, what="a page of deliveries")


async def _refuse(
    desk: _Desk, book: Book, record: SignalRecord, throttled: Throttled, refusal: Refusal
) -> _Delivered:
    ref = Ref(book.signals, record.signal.signal_id)
    stored = await load(desk.store, SignalRecord, ref)
    if stored is not None and not stored.value.status.is_terminal:
        await desk.store.commit(denial(stored, throttled, refusal, desk.clock.now()))
    return _Delivered(list(throttled.messages), refused=True)


def _delivery(book: Book, record: SignalRecord, deployment: Deployment, now: datetime) -> Delivery:
    return Delivery(
        delivery_id=prefixed_id("dlv", record.signal.signal_id, deployment.deployment_id),
        book=book.name,
        signal_id=record.signal.signal_id,
        agent_id=record.signal.agent_id,
        deployment_id=deployment.deployment_id,
        status=SignalStatus.PENDING,
        reason_code="CREATED",
        reason="Waiting to be routed",
        venue=None,
        intent_id=None,
        plan_hash=None,
        created_at=now,
        updated_at=now,
        expires_at=record.signal.expires_at,
    )


def _message(delivery: Delivery) -> OutboxMessage:
    return OutboxMessage(
        message_id=f"route:{delivery.delivery_id}",
        topic="deployment-signal",
        event=DeploymentSignal(book=delivery.book, delivery_id=delivery.delivery_id),
        occurred_at=delivery.created_at,
    )


def _next_page(event: SignalCreated, cursor: str, now: datetime) -> OutboxMessage:
    return OutboxMessage(
        message_id=f"page:{event.signal_id}:{digest(cursor)[:16]}",
        topic="signal-created",
        event=SignalCreated(book=event.book, signal_id=event.signal_id, cursor=cursor),
        occurred_at=now,
    )


async def _expect(store: DocumentStore, book: Book, signal_id: str) -> None:
    async def once() -> None:
        stored = await load(store, SignalRecord, Ref(book.signals, signal_id))
        if stored is None or stored.value.deployments_expected is not None:
            return
        count = await store.count(Query(book.deliveries, (Where("signal_id", "==", signal_id),)))
        await store.commit([stored.update(replace(stored.value, deployments_expected=count))])

    await retry_on_conflict(once, what=f"signal {signal_id}")
