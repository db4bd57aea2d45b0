"""The messages that more than one function sends: each id is made in one place."""

from datetime import datetime

from common.domain.events import KeySubmitted, OrderPlanned, OutboxMessage, SignalCreated
from common.domain.instrument import Venue
from common.domain.order import OrderPlan


def signal_message(book: str, signal_id: str, *, created_at: datetime) -> OutboxMessage:
    """Starts a signal's fan-out."""
    return OutboxMessage(
        message_id=f"signal-created:{signal_id}",
        topic="signal-created",
        event=SignalCreated(book=book, signal_id=signal_id),
        occurred_at=created_at,
    )


def attempt_message(plan: OrderPlan, attempt: int, *, now: datetime) -> OutboxMessage:
    """Asks `execute` for attempt 1, 2, ... of a plan; the one before it is proven dead."""
    return OutboxMessage(
        message_id=f"attempt:{plan.intent_id}:{attempt}",
        topic="order-planned",
        event=OrderPlanned(plan=plan, attempt=attempt),
        occurred_at=now,
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
