"""What a person is told of an order's outcome."""

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from common.domain.events import OutboxMessage
from common.domain.identifiers import prefixed_id
from common.domain.money import ZERO
from common.domain.notification import Notification, NotificationKind
from common.domain.order import (
    Fill,
    IntentStatus,
    Order,
    OrderIntent,
    OrderPurpose,
    OrderStatus,
)
from common.domain.position import EXACT
from common.notifications import notification_writes
from common.ports import Write
from common.text import price, quantity

_RISKS = {
    IntentStatus.REJECTED: "rejected",
    IntentStatus.EXPIRED: "never reached the venue",
    IntentStatus.UNRESOLVED: "UNRESOLVED: check the venue by hand",
}


def telling(
    before: OrderIntent,
    after: OrderIntent,
    order: Order,
    fills: tuple[Fill, ...],
    *,
    now: datetime,
    by: str = "",
) -> tuple[list[Write], list[OutboxMessage]]:
    """What `tell` says as the writes of the commit, and the messages to publish after it."""
    notification = tell(before, after, order, fills, now=now, by=by)
    if notification is None:
        return [], []
    writes, message = notification_writes(notification)
    return writes, [message]


def tell(
    before: OrderIntent,
    after: OrderIntent,
    order: Order,
    fills: tuple[Fill, ...],
    *,
    now: datetime,
    by: str = "",
) -> Notification | None:
    """A trade for new fills, a risk for an end without them; None for what needs nobody.

    `by` is the person who settled it by hand.
    """
    if by:
        kind = NotificationKind.RISK
        text = f"SETTLED BY HAND by {by}: {_settled(before, order, fills)}: {after.reason}"
        cause = f"by-hand:{before.audit_head}"
    elif fills:
        text = _trade(before, order, fills)
        kind = NotificationKind.TRADE
        if order.filled_qty > order.quantity:
            kind = NotificationKind.RISK
            text = f"OVERFILL: more filled than was ordered. {text}"
        elif before.status.is_terminal or before.status is IntentStatus.UNRESOLVED:
            kind = NotificationKind.RISK
            text = f"LATE FILL: the order was held for ended. {text}"
        elif overfilled(after, order):
            kind = NotificationKind.RISK
            text = f"FILLED TWICE: an order of the same signal was held for dead and filled. {text}"
        cause = fills[0].trade_id
    elif after.status in _RISKS and after.status is not before.status:
        kind = NotificationKind.RISK
        text = (
            f"{order.side} {quantity(order.quantity)} {order.symbol} on {order.venue.label}"
            f" {_RISKS[after.status]}: {after.reason or after.reason_code}"
        )
        cause = f"{after.status}:{before.audit_head}"  # it may come to that a second time
    else:
        return None
    return Notification(
        notification_id=prefixed_id("ntf", order.client_order_id, kind, cause),
        kind=kind,
        text=text,
        subject_id=after.plan.intent_id,
        created_at=now,
    )


def overfilled(intent: OrderIntent, order: Order) -> bool:
    """Whether more has filled than was ordered, or, by all its orders, than the intent wanted."""
    wanted = intent.plan.candidates[intent.candidate].quantity
    return order.filled_qty > order.quantity or intent.filled_qty > max(wanted, order.quantity)


def _settled(intent: OrderIntent, order: Order, fills: tuple[Fill, ...]) -> str:
    if fills:
        return _trade(intent, order, fills)
    wish = f"{order.side} {quantity(order.quantity)} {order.symbol} on {order.venue.label}"
    if order.filled_qty:
        return f"{wish} filled no more than the {quantity(order.filled_qty)} booked before"
    return f"{wish} did not fill"


def _trade(intent: OrderIntent, order: Order, fills: tuple[Fill, ...]) -> str:
    filled = sum((fill.last_qty for fill in fills), ZERO)
    spent = sum((fill.last_qty * fill.last_px for fill in fills), ZERO)
    fee = sum((fill.commission for fill in fills), ZERO)
    part = "" if order.status is OrderStatus.FILLED else f" of {quantity(order.quantity)}"
    return (
        f"{order.side} {quantity(filled)}{part} {order.symbol} on {order.venue.label}"
        f" at {price(spent / filled)}, {_cents(spent)} USD, fee {_cents(fee)}"
        f" ({intent.plan.agent_id}){_why(intent.plan.purpose)}"
    )


def _why(purpose: OrderPurpose) -> str:
    """`(stop loss)`, `(take profit)`; nothing of an entry, which its signal tells of."""
    if purpose is OrderPurpose.ENTRY:
        return ""
    return f" ({purpose.lower().replace('_', ' ')})"


def _cents(value: Decimal) -> str:
    with localcontext(EXACT):
        return f"{value.quantize(Decimal('0.01'), rounding=ROUND_HALF_EVEN):,}"
