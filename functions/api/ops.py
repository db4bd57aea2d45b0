"""Halting, reducing and resuming: the platform's trading state, changed by compare-and-set."""

from common.audit import audit_write
from common.books import ORDER_INTENTS
from common.documents import load, put
from common.domain.events import OutboxMessage
from common.domain.identifiers import prefixed_id
from common.domain.notification import Notification, NotificationKind
from common.domain.order import IntentStatus
from common.errors import ConflictError, DeniedError
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord
from common.notifications import notification_writes
from common.ports import Clock, DocumentStore, Query, Where

TRIES = 8
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
    where = (Where("status", "==", IntentStatus.UNRESOLVED.value),)
    count = await store.count(Query(ORDER_INTENTS, where))
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
