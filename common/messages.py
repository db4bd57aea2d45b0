"""The messages that more than one function sends: each id is made in one place."""

from datetime import datetime

from common.domain.events import (
    CancelRequested,
    FlattenRequested,
    KeySubmitted,
    OrderPlanned,
    OutboxMessage,
    ParentOrderDue,
    PositionChanged,
    SignalCreated,
    TradingStateChanged,
)
from common.domain.identifiers import digest
from common.domain.instrument import Venue
from common.domain.order import OrderPlan
from common.domain.position import Position
from common.domain.scope import Scope


def signal_message(book: str, signal_id: str, *, created_at: datetime) -> OutboxMessage:
    """Starts a signal's fan-out."""
    return OutboxMessage(
        message_id=f"signal-created:{signal_id}",
        topic="signal-created",
        event=SignalCreated(book=book, signal_id=signal_id),
        occurred_at=created_at,
    )


def attempt_message(
    plan: OrderPlan, attempt: int, *, now: datetime, deliver_at: datetime | None = None
) -> OutboxMessage:
    """Asks `execute` for attempt 1, 2, ... of a plan; the one before it is proven dead."""
    return OutboxMessage(
        message_id=f"attempt:{plan.intent_id}:{attempt}",
        topic="order-planned",
        event=OrderPlanned(plan=plan, attempt=attempt),
        occurred_at=now,
        deliver_at=deliver_at,
    )


def key_message(
    book: str, deployment_id: str, venue: Venue, key_version: int, *, now: datetime
) -> OutboxMessage:
    """Asks `execute` to open and check a key that was stored unread."""
    return OutboxMessage(
        message_id=f"key-submitted:{deployment_id}:{venue}:{key_version}",
        topic="key-submitted",
        event=KeySubmitted(book=book, deployment_id=deployment_id, venue=venue),
        occurred_at=now,
    )


def parent_message(parent_order_id: str, cause: str, *, now: datetime) -> OutboxMessage:
    """Asks `advance` to look at a parent order; `cause` tells one reason from the next."""
    return OutboxMessage(
        message_id=f"parent:{parent_order_id}:{digest(cause)[:16]}",
        topic="parent-order-due",
        event=ParentOrderDue(parent_order_id=parent_order_id),
        occurred_at=now,
    )


def position_message(position: Position, intent_id: str, *, now: datetime) -> OutboxMessage:
    """Tells `monitor` that a fill of `intent_id` has been booked; once for each fill."""
    return OutboxMessage(
        message_id=f"position:{position.position_id}:{position.fill_count}",
        topic="position-changed",
        event=PositionChanged(
            book=position.book,
            position_id=position.position_id,
            intent_id=intent_id,
            fill_count=position.fill_count,
        ),
        occurred_at=now,
    )


def cancel_message(intent_id: str, reason: str, cause: str, *, now: datetime) -> OutboxMessage:
    """Asks `settle` to cancel an open order; `cause` tells one request from the next."""
    return OutboxMessage(
        message_id=f"cancel:{intent_id}:{digest(cause)[:16]}",
        topic="cancel-requested",
        event=CancelRequested(intent_id=intent_id, reason=reason),
        occurred_at=now,
    )


def state_message(scope: Scope, epoch: int, *, now: datetime) -> OutboxMessage:
    """Asks `settle` to cancel the entries that a halt, or a reduction, leaves behind."""
    return OutboxMessage(
        message_id=f"trading-state:{scope.key}:{epoch}",
        topic="trading-state-changed",
        event=TradingStateChanged(scope=scope.key, epoch=epoch),
        occurred_at=now,
    )


def flatten_message(
    flatten_id: str, step: str, *, now: datetime, deliver_at: datetime | None = None
) -> OutboxMessage:
    """Asks `settle` for the next step of a flatten; `step` names how far it has come."""
    return OutboxMessage(
        message_id=f"flatten:{flatten_id}:{digest(step)[:16]}",
        topic="flatten-requested",
        event=FlattenRequested(flatten_id=flatten_id),
        occurred_at=now,
        deliver_at=deliver_at,
    )
