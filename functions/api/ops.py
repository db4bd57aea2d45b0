"""Halting, reducing and resuming by compare-and-set; ending an UNRESOLVED order by hand."""

from dataclasses import dataclass

from common.audit import audit_write
from common.books import ORDER_INTENTS, ORDERS
from common.config import Settings
from common.documents import every, load, load_many, put
from common.domain.events import OutboxMessage
from common.domain.identifiers import prefixed_id
from common.domain.notification import Notification, NotificationKind
from common.domain.order import IntentStatus, Order, OrderIntent
from common.errors import ConflictError, DeniedError
from common.execution.by_hand import Sighting
from common.execution.recorder import Recorder
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord
from common.notifications import notification_writes
from common.ports import Clock, DocumentStore, Query, Ref, Where
from common.wire import from_document
from functions.api.records import required

TRIES = 8
_IS_UNRESOLVED = Where("status", "==", IntentStatus.UNRESOLVED.value)
_NAMES = {
    TradingState.ACTIVE: "Trading resumed",
    TradingState.REDUCING: "Trading reduces only",
    TradingState.HALTED: "Trading HALTED",
}


async def change_state(
    wanted: TradingState, *, reason: str, by: str, store: DocumentStore, clock: Clock
) -> tuple[TradingStateRecord, list[OutboxMessage]]:
    """Persist `wanted`. The state it is in already stays as it is, epoch and reason included.

    Raises:
        DeniedError: UNRESOLVED_ORDERS when trading would resume while a person must look first.
        ConflictError: others kept changing it.
    """
    if wanted is TradingState.ACTIVE:
        await _require_resolved(store)
    conflict: ConflictError | None = None
    for _ in range(TRIES):
        stored = await load(store, TradingStateRecord, PLATFORM)
        if stored is not None and stored.value.state is wanted:
            return stored.value, []
        record = TradingStateRecord(
            state=wanted,
            epoch=stored.value.epoch + 1 if stored else 1,
            reason=reason,
            changed_by=by,
            changed_at=clock.now(),
        )
        writes, message = notification_writes(_notification(record))
        audit = audit_write(
            "trading-state-changed",
            PLATFORM.id,
            at=record.changed_at,
            step=record.epoch,
            facts={"state": wanted.value, "reason": reason, "by": by},
        )
        try:
            await store.commit([put(stored, PLATFORM, record), audit, *writes])
        except ConflictError as error:
            conflict = error
            continue
        return record, [message]
    raise conflict or ConflictError(
        "contended", collection=PLATFORM.collection, document_id=PLATFORM.id
    )


async def _require_resolved(store: DocumentStore) -> None:
    count = await store.count(Query(ORDER_INTENTS, (_IS_UNRESOLVED,)))
    if count:
        detail = f"{count} order(s) are UNRESOLVED; a person must settle them first"
        raise DeniedError("UNRESOLVED_ORDERS", detail)


def _notification(record: TradingStateRecord) -> Notification:
    return Notification(
        notification_id=prefixed_id("ntf", "trading-state", record.epoch),
        kind=NotificationKind.RISK,
        text=f"{_NAMES[record.state]}: {record.reason}",
        subject_id=PLATFORM.id,
        created_at=record.changed_at,
    )


@dataclass(frozen=True, slots=True)
class IntentAndOrder:
    """An intent and its latest order, the one that nothing proves while it is UNRESOLVED."""

    intent: OrderIntent
    order: Order


async def unresolved_orders(store: DocumentStore) -> list[IntentAndOrder]:
    """Every one, those that have waited longest first."""
    found = every(store, ORDER_INTENTS, _IS_UNRESOLVED)
    intents = [from_document(OrderIntent, document.data) async for document in found]
    refs = [Ref(ORDERS, intent.client_order_id) for intent in intents]
    orders = await load_many(store, Order, refs) if refs else []
    pairs = zip(intents, orders, strict=True)
    listed = [IntentAndOrder(intent, order.value) for intent, order in pairs if order is not None]
    return sorted(listed, key=lambda each: each.intent.updated_at)


async def settle_by_hand(
    intent_id: str, seen: Sighting, *, store: DocumentStore, clock: Clock, settings: Settings
) -> tuple[IntentAndOrder, list[OutboxMessage]]:
    """End an UNRESOLVED intent as a person saw it; the intent and its order as they are then.

    Raises:
        NotFoundError: INTENT_NOT_FOUND.
        DeniedError: INTENT_NOT_UNRESOLVED.
        InvalidInputError: its order cannot have come to that.
    """
    ref = Ref(ORDER_INTENTS, intent_id)
    await required(store, OrderIntent, ref, "intent")
    recorder = Recorder(store, clock, max_attempts=settings.limits.max_attempts)
    messages = await recorder.settle_by_hand(intent_id, seen)
    intent = await required(store, OrderIntent, ref, "intent")
    order = await required(store, Order, Ref(ORDERS, intent.client_order_id), "order")
    return IntentAndOrder(intent, order), messages
