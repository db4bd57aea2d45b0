"""Ticks, notifications and messages on the bus."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from common.domain.events import Event, NotificationRaised, OutboxMessage, SignalCreated, Tick
from common.domain.notification import Notification, NotificationKind
from tests.builders.story import INTENT_ID, NOON, SIGNAL_ID

TOPIC_OF = {
    "MarketUpdated": "market-updated",
    "SignalCreated": "signal-created",
    "DeploymentSignal": "deployment-signal",
    "OrderPlanned": "order-planned",
    "OrderUnknown": "order-unknown",
    "KeySubmitted": "key-submitted",
    "ParentOrderDue": "parent-order-due",
    "PositionChanged": "position-changed",
    "CancelRequested": "cancel-requested",
    "TradingStateChanged": "trading-state-changed",
    "FlattenRequested": "flatten-requested",
    "NotificationRaised": "notifications",
}


def a_tick(job: str = "fetch_market", *, scheduled_at: datetime = NOON) -> Tick:
    return Tick(job=job, scheduled_at=scheduled_at)


def a_notification(notification_id: str = "not_1", **changes: Any) -> Notification:
    notification = Notification(
        notification_id=notification_id,
        kind=NotificationKind.TRADE,
        text="Bought 0.3333 ETH at 3001 on Hyperliquid",
        subject_id=INTENT_ID,
        created_at=NOON,
    )
    return replace(notification, **changes)


def a_message(
    event: Event | None = None, *, message_id: str = "msg_1", occurred_at: datetime = NOON
) -> OutboxMessage:
    """`event` (a SignalCreated unless given) on its own topic."""
    event = event or SignalCreated(book="v3", signal_id=SIGNAL_ID)
    return OutboxMessage(
        message_id=message_id,
        topic=TOPIC_OF[type(event).__name__],
        event=event,
        occurred_at=occurred_at,
    )


def a_notification_message(notification: Notification | None = None) -> OutboxMessage:
    notification = notification or a_notification()
    return a_message(
        NotificationRaised(notification=notification), message_id=notification.notification_id
    )
