"""Attempts at one effect: the first order, and what follows from each outcome. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from common.domain.events import OrderUnknown, OutboxMessage
from common.domain.identifiers import client_order_id, digest
from common.domain.instrument import Capabilities, TimeInForce
from common.domain.moment import iso, to_ms
from common.domain.money import ZERO, plain
from common.domain.order import (
    Fill,
    IntentStatus,
    Order,
    OrderIntent,
    OrderPlan,
    OrderStatus,
    SignedRequest,
)
from common.execution.outcome import Outcome, code_of_canceled
from common.execution.request import request_hash
from common.how.denial import Denial
from common.messages import attempt_message


def new_order(
    plan: OrderPlan,
    capabilities: Capabilities,
    *,
    attempt: int,
    candidate: int,
    now: datetime,
) -> Order:
    """The order of this attempt, complete before anything is sent.

    `expires_at` is of its way to the venue; what rests there is ended by a cancel.
    """
    chosen = plan.candidates[candidate]
    order_id = client_order_id(plan.intent_id, attempt)
    expires_at = now + capabilities.order_ttl
    payload = digest(
        order_id,
        chosen.instrument_id,
        plan.side,
        plain(chosen.quantity),
        plain(chosen.price),
        iso(expires_at),
    )
    return Order(
        client_order_id=order_id,
        intent_id=plan.intent_id,
        attempt=attempt,
        account_id=plan.deployment_id,
        venue=chosen.venue,
        instrument_id=chosen.instrument_id,
        symbol=plan.symbol,
        side=plan.side,
        order_type=plan.order_type,
        time_in_force=plan.time_in_force,
        quantity=chosen.quantity,
        price=chosen.price,
        nonce=to_ms(now),
        payload_hash=payload,
        status=OrderStatus.SUBMITTED,
        venue_order_id=None,
        filled_qty=ZERO,
        avg_px=None,
        reason="",
        submitted_at=now,
        expires_at=expires_at,
        updated_at=now,
        reduce_only=plan.reduce_only,
        trigger_price=plan.trigger_price,
        parent_order_id=plan.parent_order_id,
        exec_spawn_id=plan.parent_order_id,
        exec_algorithm_id=plan.exec_algorithm_id,
    )


def with_request(order: Order, request: SignedRequest) -> Order:
    """The order as it is written ahead: with its signer and nonce, and the request's fingerprint.

    A request may die before the order's own time; what is sent is dead then.
    """
    return replace(
        order,
        nonce=request.nonce,
        signer=request.signer,
        request_key=request.request_key,
        payload_hash=request_hash(request),
        expires_at=min(order.expires_at, request.expires_at),
    )


def new_intent(plan: OrderPlan, order: Order, *, candidate: int, now: datetime) -> OrderIntent:
    return OrderIntent(
        plan=plan,
        status=IntentStatus.SENDING,
        attempt=order.attempt,
        candidate=candidate,
        client_order_id=order.client_order_id,
        client_order_ids=(order.client_order_id,),
        filled_qty=ZERO,
        reason_code="SENDING",
        reason="",
        queries=0,
        created_at=now,
        updated_at=now,
    )


def next_intent(intent: OrderIntent, order: Order, *, now: datetime) -> OrderIntent:
    """The intent with a further attempt written ahead; the one before it is proven dead."""
    return replace(
        intent,
        status=IntentStatus.SENDING,
        attempt=order.attempt,
        client_order_id=order.client_order_id,
        client_order_ids=(*intent.client_order_ids, order.client_order_id),
        reason_code="SENDING",
        reason="",
        queries=0,
        updated_at=now,
    )


def order_after(
    order: Order, outcome: Outcome, new_fills: tuple[Fill, ...], *, now: datetime
) -> Order:
    """The order with the outcome and the fills that were not known before.

    One that has ended does not open again, though the venue may say that more has filled than it
    tells: reconciliation goes on asking.
    """
    quantity = sum((fill.last_qty for fill in new_fills), ZERO)
    filled = order.filled_qty + quantity
    spent = (order.avg_px or ZERO) * order.filled_qty + sum(
        (fill.last_px * fill.last_qty for fill in new_fills), ZERO
    )
    status = _status_after(outcome, filled, order.quantity)
    if order.status.is_terminal and not status.is_terminal:
        status = order.status
    return replace(
        order,
        status=status,
        venue_order_id=outcome.venue_order_id or order.venue_order_id,
        filled_qty=filled,
        avg_px=spent / filled if filled else None,
        reason=outcome.reason,
        updated_at=now,
    )


def _status_after(outcome: Outcome, filled: Decimal, quantity: Decimal) -> OrderStatus:
    """Fills are the stronger evidence: an order that is filled in full is FILLED, whatever was
    said.
    """
    if filled >= quantity:
        return OrderStatus.FILLED
    ended_with_more = outcome.status.is_terminal and outcome.filled_qty > filled
    if outcome.status is OrderStatus.FILLED or ended_with_more:
        # The venue says that more has filled than it has told yet: keep asking.
        return OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.UNKNOWN
    if outcome.status is OrderStatus.ACCEPTED and filled:
        return OrderStatus.PARTIALLY_FILLED
    return outcome.status


@dataclass(frozen=True, slots=True)
class Retry:
    """The next attempt that the proof of death allows."""

    attempt: int
    candidate: int


def retry_after(
    intent: OrderIntent, outcome: Outcome, *, max_attempts: int, now: datetime
) -> Retry | None:
    """Whether a dead attempt may be followed by another, and at which venue.

    A refusal moves on to the next venue; an order that never arrived may be tried again where it
    was. Nothing is tried once any of it has filled, the plan is out of time, it is not wanted any
    more, or a person was called.
    """
    if intent.status is IntentStatus.UNRESOLVED or intent.cancel_wanted:
        return None
    if intent.attempt >= max_attempts or intent.filled_qty > 0 or now >= intent.plan.expires_at:
        return None
    if outcome.status is OrderStatus.EXPIRED:
        return Retry(intent.attempt + 1, intent.candidate)
    if outcome.status is OrderStatus.DENIED and outcome.code != Denial.BREAKER_OPEN:
        return None
    following = intent.candidate + 1
    if following >= len(intent.plan.candidates):
        return None
    return Retry(intent.attempt + 1, following)


def intent_after(
    intent: OrderIntent,
    order: Order,
    outcome: Outcome,
    *,
    new_quantity: Decimal,
    max_attempts: int,
    now: datetime,
) -> tuple[OrderIntent, Retry | None]:
    """The intent after its current order came to `order`; with a retry when one is allowed."""
    filled = intent.filled_qty + new_quantity
    known = replace(
        intent,
        filled_qty=filled,
        reason_code=outcome.code,
        reason=outcome.reason,
        updated_at=now,
    )
    status = _LIVE.get(order.status)
    if status is not None:
        return replace(known, status=status), None
    if order.status is OrderStatus.FILLED:
        return replace(known, status=IntentStatus.FILLED, reason_code="FILLED"), None
    if filled > 0:
        return replace(known, status=IntentStatus.PARTIAL, reason_code="PARTIALLY_FILLED"), None
    if order.status is OrderStatus.CANCELED and order.time_in_force is TimeInForce.GTC:
        code = code_of_canceled(outcome)
        return replace(known, status=IntentStatus.CANCELED, reason_code=code), None
    retry = retry_after(known, outcome, max_attempts=max_attempts, now=now)
    if retry is not None:
        return replace(known, status=IntentStatus.RETRYING, candidate=retry.candidate), retry
    return replace(known, status=_DEAD[order.status]), None


def follow_up(
    before: OrderIntent, intent: OrderIntent, order: Order, retry: Retry | None, now: datetime
) -> list[OutboxMessage]:
    """The messages that this step asks others with: for the next attempt, or for an answer."""
    if retry is not None:
        return [attempt_message(intent.plan, retry.attempt, now=now)]
    if intent.status is IntentStatus.UNKNOWN and before.status is IntentStatus.SENDING:
        return [
            OutboxMessage(
                message_id=f"unknown:{order.client_order_id}",
                topic="order-unknown",
                event=OrderUnknown(intent_id=intent.plan.intent_id),
                occurred_at=now,
            )
        ]
    return []


_LIVE = {
    OrderStatus.UNKNOWN: IntentStatus.UNKNOWN,
    OrderStatus.ACCEPTED: IntentStatus.WORKING,
    OrderStatus.PARTIALLY_FILLED: IntentStatus.WORKING,
}
_DEAD = {
    OrderStatus.CANCELED: IntentStatus.REJECTED,
    OrderStatus.REJECTED: IntentStatus.REJECTED,
    OrderStatus.EXPIRED: IntentStatus.EXPIRED,
    OrderStatus.DENIED: IntentStatus.DENIED,
}
