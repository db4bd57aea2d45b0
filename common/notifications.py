"""Raising a notification: its document and its event, both for the commit that gives the reason."""

from enum import StrEnum

from common.books import NOTIFICATIONS
from common.domain.events import NotificationRaised, OutboxMessage
from common.domain.moment import iso
from common.domain.notification import Notification
from common.outbox import outbox_write
from common.ports import Create, Ref, Write
from common.wire import JsonObject, from_document, to_document

TOPIC = "notifications"


class DeliveryState(StrEnum):
    """The `delivery` field of a document under `notifications`."""

    PENDING = "PENDING"  # not sent yet
    SENDING = "SENDING"  # a call has taken it; `updated_at` says when
    SENT = "SENT"
    NO_CHANNEL = "NO_CHANNEL"  # no messenger is set up; the terminal and the API show it
    FAILED = "FAILED"  # the messenger refused it for good; `reason` says why


def notification_writes(notification: Notification) -> tuple[list[Write], OutboxMessage]:
    """The writes that raise `notification` (document and outbox row), and the message to return.

    Put the writes into the commit of what is told; the notification's id must be a pure function
    of that cause, so that a retry conflicts instead of telling twice.
    """
    message = OutboxMessage(
        message_id=f"notify:{notification.notification_id}",
        topic=TOPIC,
        event=NotificationRaised(notification=notification),
        occurred_at=notification.created_at,
    )
    ref = Ref(NOTIFICATIONS, notification.notification_id)
    return [Create(ref, notification_document(notification)), outbox_write(message)], message


def notification_document(notification: Notification) -> JsonObject:
    """The document under `notifications` before anything was sent."""
    return {
        "notification": to_document(notification),
        "delivery": DeliveryState.PENDING.value,
        "reason": "",
        "updated_at": iso(notification.created_at),
    }


def notification_of(data: JsonObject) -> Notification:
    """The notification that a document under `notifications` holds.

    Raises:
        InvalidInputError: the document has another shape.
    """
    return from_document(Notification, data.get("notification", {}))
