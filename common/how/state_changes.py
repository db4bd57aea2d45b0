"""A change of a trading state: the document, its audit row, and who is told, in one commit."""

from common.audit import audit_write
from common.documents import Stored, put
from common.domain.events import OutboxMessage
from common.domain.identifiers import prefixed_id
from common.domain.notification import Notification, NotificationKind
from common.domain.scope import PLATFORM_SCOPE, Scope
from common.how.trading_state import TradingState, TradingStateRecord, state_ref
from common.messages import state_message
from common.notifications import notification_writes
from common.outbox import outbox_write
from common.ports import Write

_NAMES = {
    TradingState.ACTIVE: "Trading resumed",
    TradingState.REDUCING: "Trading reduces only",
    TradingState.HALTED: "Trading HALTED",
}


def state_writes(
    scope: Scope, stored: Stored[TradingStateRecord] | None, record: TradingStateRecord
) -> tuple[list[Write], list[OutboxMessage]]:
    """The writes that put `record` in the place of `stored`, and the messages to publish then.

    What reduces or halts has the entries that rest at the venues canceled.
    """
    told, notified = notification_writes(_notification(scope, record))
    audit = audit_write(
        "trading-state-changed",
        scope.key,
        at=record.changed_at,
        step=record.epoch,
        facts={"state": record.state.value, "reason": record.reason, "by": record.changed_by},
    )
    writes: list[Write] = [put(stored, state_ref(scope), record), audit, *told]
    if record.state is TradingState.ACTIVE:
        return writes, [notified]
    changed = state_message(scope, record.epoch, now=record.changed_at)
    return [*writes, outbox_write(changed)], [changed, notified]


def _notification(scope: Scope, record: TradingStateRecord) -> Notification:
    where = "" if scope == PLATFORM_SCOPE else f" for {scope.label}"
    return Notification(
        notification_id=prefixed_id("ntf", "trading-state", scope.key, record.epoch),
        kind=NotificationKind.RISK,
        text=f"{_NAMES[record.state]}{where} by {record.changed_by}: {record.reason}",
        subject_id=scope.key,
        created_at=record.changed_at,
    )
