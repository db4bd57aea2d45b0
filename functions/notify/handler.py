"""Sends notifications to people: in batches, each at least once, and seldom twice."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from common.books import NOTIFICATIONS
from common.domain.events import NotificationRaised, OutboxMessage
from common.domain.moment import from_iso, iso
from common.domain.notification import Notification, NotificationKind
from common.errors import (
    ConflictError,
    InvalidInputError,
    RejectedError,
    SapphireError,
    TransientError,
)
from common.notifications import DeliveryState, notification_document, notification_of
from common.ports import (
    Clock,
    Create,
    Document,
    DocumentStore,
    Messenger,
    Query,
    Ref,
    Update,
    Where,
)

BATCH = 20
TAKEN_FOR = timedelta(minutes=2)
"""A call that took notifications and did not end is dead after this; another may take them."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A notification that this call alone may send."""

    notification: Notification
    ref: Ref


async def notify(
    event: NotificationRaised,
    *,
    store: DocumentStore,
    clock: Clock,
    messenger: Messenger | None,
) -> list[OutboxMessage]:
    """Send the event's notification, together with the oldest others that wait, in one message.

    PENDING -> SENDING -> SENT, each by compare-and-set, so that two calls never send the same one.
    Without a messenger it is marked NO_CHANNEL, when the messenger refuses it FAILED with the
    reason. Each notification's own event answers for it: what a batch leaves undone comes again.

    Raises:
        TransientError: the messenger or the store did not answer, or another call is sending it
            right now; RateLimitedError with its wait.
    """
    _log_it(event.notification)
    ref = Ref(NOTIFICATIONS, event.notification.notification_id)
    document = await _document(store, ref, event.notification)
    state = DeliveryState(document.data["delivery"])
    if state is DeliveryState.SENDING and not _is_abandoned(document, clock):
        raise TransientError(f"notification {ref.id} is being sent by another call")
    if state not in {DeliveryState.PENDING, DeliveryState.SENDING}:
        return []
    if messenger is None:
        if not await _mark(store, clock, [document], DeliveryState.NO_CHANNEL):
            raise TransientError(f"notification {ref.id} was changed by another call")
        return []
    waiting = await _waiting(store, ref)
    mine = await _take(store, clock, [document])
    if not mine:
        raise TransientError(f"notification {ref.id} was taken by another call")
    others = await _take(store, clock, waiting)
    await _send(mine, others, store=store, clock=clock, messenger=messenger)
    return []


def _log_it(notification: Notification) -> None:
    """What people are told is in the log too: terraform/metrics.yaml counts some of these lines, so
    that an alert reaches a person whom the messenger does not.
    """
    kind = notification.kind
    _log.log(
        logging.WARNING if kind is NotificationKind.RISK else logging.INFO,
        "%s %s: %s",
        kind.value,
        notification.subject_id,
        notification.text,
        extra={"fields": {"code": f"NOTIFIED_{kind.value}", "function": "notify"}},
    )


async def _document(store: DocumentStore, ref: Ref, notification: Notification) -> Document:
    """The notification's document, made now if whoever raised it did not."""
    document = await store.get(ref)
    if document is None:
        try:
            await store.commit([Create(ref, notification_document(notification))])
        except ConflictError:
            _log.info("notification %s was made by another call", ref.id)
        document = await store.get(ref)
    if document is None:
        raise TransientError(f"notification {ref.id} vanished")
    return document


def _is_abandoned(document: Document, clock: Clock) -> bool:
    return clock.now() - from_iso(document.data["updated_at"]) > TAKEN_FOR


async def _waiting(store: DocumentStore, mine: Ref) -> list[Document]:
    page = await store.query(
        Query(
            NOTIFICATIONS,
            where=(Where("delivery", "==", DeliveryState.PENDING.value),),
            order_by="notification.created_at",
            limit=BATCH,
        )
    )
    return [document for document in page.documents if document.ref != mine][: BATCH - 1]


async def _take(store: DocumentStore, clock: Clock, documents: Sequence[Document]) -> list[_Taken]:
    marked = await _mark(store, clock, documents, DeliveryState.SENDING)
    taken = []
    for document in marked:
        try:
            taken.append(_Taken(notification_of(document.data), document.ref))
        except InvalidInputError as error:
            _log.error("notification %s cannot be read: %s", document.ref.id, error)
            await _finish(store, clock, [document.ref], DeliveryState.FAILED, str(error))
    return taken


async def _send(
    mine: list[_Taken],
    others: list[_Taken],
    *,
    store: DocumentStore,
    clock: Clock,
    messenger: Messenger,
) -> None:
    batch = sorted([*mine, *others], key=lambda taken: taken.notification.created_at)
    refs = [taken.ref for taken in batch]
    try:
        await messenger.send([taken.notification for taken in batch])
    except RejectedError as error:
        if others:  # which of them is refused? each finds out with its own event
            await _finish(store, clock, [taken.ref for taken in others], DeliveryState.PENDING)
            await _send(mine, [], store=store, clock=clock, messenger=messenger)
            return
        _log.error("notification %s is refused: %s", mine[0].ref.id, error)
        await _finish(store, clock, refs, DeliveryState.FAILED, str(error))
    except SapphireError:
        await _finish(store, clock, refs, DeliveryState.PENDING)
        raise
    else:
        await _finish(store, clock, refs, DeliveryState.SENT)


async def _finish(
    store: DocumentStore,
    clock: Clock,
    refs: Sequence[Ref],
    state: DeliveryState,
    reason: str = "",
) -> None:
    documents = [document for document in await store.get_many(refs) if document is not None]
    await _mark(store, clock, documents, state, reason)


async def _mark(
    store: DocumentStore,
    clock: Clock,
    documents: Sequence[Document],
    state: DeliveryState,
    reason: str = "",
) -> list[Document]:
    """Those documents that nobody else has changed meanwhile, now in `state`."""
    data = {"delivery": state.value, "reason": reason[:200], "updated_at": iso(clock.now())}
    updates = {document.ref: Update(document.ref, data, document.version) for document in documents}
    if not updates:
        return []
    try:
        await store.commit(list(updates.values()))
    except ConflictError:
        return [document for document in documents if await _won(store, updates[document.ref])]
    except TransientError:
        if not await _is_written(store, list(updates.values())):
            raise
    return list(documents)


async def _is_written(store: DocumentStore, updates: Sequence[Update]) -> bool:
    """Whether a commit whose answer was lost was applied: else what it took would be nobody's."""
    found = await store.get_many([update.ref for update in updates])
    return all(
        document is not None and update.data.items() <= document.data.items()
        for document, update in zip(found, updates, strict=True)
    )


async def _won(store: DocumentStore, update: Update) -> bool:
    try:
        await store.commit([update])
    except ConflictError:
        return False
    return True
