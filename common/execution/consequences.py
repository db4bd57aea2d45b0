"""What follows from one order's outcome for everything that depends on it. Pure."""

from dataclasses import replace
from datetime import datetime
from decimal import localcontext

from common.domain.events import OutboxMessage
from common.domain.exposure import Exposure
from common.domain.instrument import TimeInForce
from common.domain.money import ZERO
from common.domain.order import (
    ORDER_MOVES,
    Fill,
    IntentStatus,
    Order,
    OrderIntent,
    OrderStatus,
)
from common.domain.parent_order import ParentOrder
from common.domain.position import EXACT
from common.execution.algorithms.parent import with_child_outcome
from common.execution.booking import Booking
from common.execution.case import Case
from common.execution.parents import child_ended, filled_at, with_rest_reserved
from common.messages import position_message


def is_news(case: Case, after: Order) -> bool:
    """Whether it moves on. A resting order that was given up and is seen again does, too."""
    before, intent = case.order.value, case.intent.value
    given_up = intent.status is IntentStatus.UNRESOLVED
    if given_up and after.time_in_force is TimeInForce.GTC and after.status in _RESTS:
        return after.client_order_id == intent.client_order_id
    return after.status in ORDER_MOVES[before.status] and after.status is not before.status


_RESTS = frozenset({OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED})


def parent_after(
    case: Case, intent: OrderIntent, fills: tuple[Fill, ...], now: datetime
) -> ParentOrder | None:
    """The parent of a child with what is new of it: its fills, and its end."""
    if case.parent is None:
        return None
    unresolved = intent.status is IntentStatus.UNRESOLVED
    found_again = case.intent.value.status is IntentStatus.UNRESOLVED and not unresolved
    if not (fills or intent.status.is_terminal or unresolved or found_again):
        return case.parent.value
    with localcontext(EXACT):
        notional = sum((fill.last_qty * fill.last_px for fill in fills), ZERO)
    known = filled_at(case.parent.value, (fill.venue for fill in fills))
    return with_child_outcome(
        known,
        intent.plan.intent_id,
        new_qty=sum((fill.last_qty for fill in fills), ZERO),
        new_notional=notional,
        new_commission=sum((fill.commission for fill in fills), ZERO),
        ended=intent.status.is_terminal,
        unresolved=unresolved,
        code=intent.reason_code,
        reason=intent.reason,
        now=now,
    )


def exposure_after(
    case: Case,
    intent: OrderIntent,
    order: Order,
    booking: Booking | None,
    parent: ParentOrder | None,
) -> Exposure:
    exposure = case.exposure.value
    if booking is not None:
        exposure = booking.held_in(exposure)
    exposure = reserve_what_is_open(exposure, intent, order)
    return with_rest_reserved(exposure, parent) if parent is not None else exposure


def reserve_what_is_open(exposure: Exposure, intent: OrderIntent, order: Order) -> Exposure:
    """Hold what may still fill; let go of it only when the intent has ended."""
    held = exposure.reservations.get(intent.plan.intent_id)
    if held is None:
        return exposure
    if intent.status.is_terminal:
        return exposure.release(intent.plan.intent_id)
    if order.client_order_id != intent.client_order_id:
        return exposure
    left = max(order.quantity - order.filled_qty, ZERO)
    return exposure.reserve(intent.plan.intent_id, replace(held, quantity=left))


def news_of(
    case: Case, intent: OrderIntent, booking: Booking | None, now: datetime
) -> list[OutboxMessage]:
    """For `monitor`, that a position has changed; for `advance`, that a child has ended."""
    messages = []
    if booking is not None:
        messages.append(position_message(booking.position, intent.plan.intent_id, now=now))
    ended = intent.status.is_terminal or intent.status is IntentStatus.UNRESOLVED
    if case.parent is not None and ended:
        messages.append(child_ended(case.parent.value, intent.audit_head, now=now))
    return messages
