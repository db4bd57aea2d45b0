"""The last gate: everything that must hold right before the wire, read anew."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from common.books import BREAKERS, EXPOSURES, ORDER_INTENTS, PARENT_ORDERS
from common.config import LimitSettings
from common.domain.exposure import Exposure
from common.domain.instrument import Venue
from common.domain.money import ZERO
from common.domain.order import IntentStatus, Order, OrderIntent, OrderPlan, SignedRequest
from common.domain.parent_order import ParentOrder, ParentStatus
from common.domain.scope import Scope, order_scopes
from common.errors import InvalidInputError
from common.execution.closing import closes, left_to_close
from common.execution.request import request_hash
from common.how.denial import Denial
from common.how.last_look import LastLook
from common.how.limits import Refusal
from common.how.trading_state import standing, state_ref, state_refusal
from common.ports import Clock, Document, DocumentStore, Ref
from common.where.breaker import Breaker, Ticket, still_admits
from common.wire import from_document

Found = Mapping[Ref, Document | None]


@dataclass(frozen=True, slots=True)
class Superseded:
    """Somebody else holds this effect now; whatever is known here must not be sent."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Guards:
    """What guards the order, as it stands at this moment."""

    intent: OrderIntent
    exposure: Exposure
    breaker: Breaker | None
    parent: ParentOrder | None


def breaker_refusal(venue: Venue) -> Refusal:
    return Refusal(Denial.BREAKER_OPEN, f"{venue.label} is paused by its circuit breaker")


async def last_gate(
    store: DocumentStore,
    plan: OrderPlan,
    order: Order,
    request: SignedRequest,
    *,
    ticket: Ticket,
    clock: Clock,
    request_timeout: timedelta,
    allowed: frozenset[IntentStatus],
    limits: LimitSettings,
) -> Refusal | Superseded | None:
    """None when `request` may go to the wire at once. `allowed`: what the intent may be at.

    The time is read after the state: an instance may be paused in between.
    """
    scopes = _scopes(plan, order)
    look = LastLook(
        book=plan.book,
        agent_id=plan.agent_id,
        deployment_id=plan.deployment_id,
        venue=order.venue,
        at=clock.now(),
    )
    own = _own_refs(plan, order)
    refs = [*own, *map(state_ref, scopes), *look.refs]
    found = dict(zip(refs, await store.get_many(refs), strict=True))
    guards = _read(plan, order, found)
    if isinstance(guards, Superseded):
        return guards
    superseded = _superseded(guards, order, request, allowed)
    if superseded is not None:
        return superseded
    if guards.intent.cancel_wanted:
        return Refusal(Denial.CANCEL_REQUESTED, "It was canceled before it was sent")
    if not still_admits(guards.breaker, ticket):
        return breaker_refusal(order.venue)
    now = clock.now()
    if now + request_timeout > order.expires_at:
        return Refusal(Denial.SIGNAL_EXPIRED, "The order would reach the venue after its expiry")
    refusal = _parent_refusal(guards.parent, plan, order)
    if refusal is not None:
        return refusal
    held = left_to_close(guards.exposure, plan, order.venue)
    in_force = standing(scopes, [found[state_ref(scope)] for scope in scopes], now)
    refusal = state_refusal(in_force, side=order.side, quantity=order.quantity, held=held)
    if refusal is not None:
        return refusal
    adds = not (order.reduce_only or closes(held, plan, order.quantity))
    return look.refusal([found[ref] for ref in look.refs], adds=adds, settings=limits)


def _scopes(plan: OrderPlan, order: Order) -> tuple[Scope, ...]:
    return order_scopes(
        book=plan.book,
        agent_id=plan.agent_id,
        deployment_id=plan.deployment_id,
        symbol=order.symbol,
        venues=(order.venue,),
    )


def _own_refs(plan: OrderPlan, order: Order) -> list[Ref]:
    refs = [
        Ref(ORDER_INTENTS, order.intent_id),
        Ref(EXPOSURES, order.account_id),
        Ref(BREAKERS, order.venue),
    ]
    return [*refs, Ref(PARENT_ORDERS, plan.parent_order_id)] if plan.parent_order_id else refs


def _read(plan: OrderPlan, order: Order, found: Found) -> _Guards | Superseded:
    intended, exposed, guarded, *rest = (found[ref] for ref in _own_refs(plan, order))
    if intended is None or exposed is None or (rest and rest[0] is None):
        return Superseded("the intent, its reservation or its parent order is gone")
    try:
        return _Guards(
            intent=from_document(OrderIntent, intended.data),
            exposure=from_document(Exposure, exposed.data),
            breaker=from_document(Breaker, guarded.data) if guarded else None,
            parent=from_document(ParentOrder, rest[0].data) if rest and rest[0] else None,
        )
    except InvalidInputError as error:
        return Superseded(f"what guards the order cannot be read: {error}")


def _superseded(
    guards: _Guards, order: Order, request: SignedRequest, allowed: frozenset[IntentStatus]
) -> Superseded | None:
    intent = guards.intent
    if order.intent_id not in guards.exposure.reservations:
        return Superseded("the order is not reserved")
    if request_hash(request) != order.payload_hash:
        return Superseded("the request is not the one that was written ahead")
    if intent.client_order_id != order.client_order_id or intent.status not in allowed:
        return Superseded(f"the intent is {intent.status} with {intent.client_order_id}")
    remaining = intent.plan.candidates[intent.candidate].quantity - intent.filled_qty
    if order.quantity > remaining:
        return Superseded("the quantity is above what remains of the intent")
    return None


def _parent_refusal(parent: ParentOrder | None, plan: OrderPlan, order: Order) -> Refusal | None:
    """R10: what goes out is part of what came in, and of what is still wanted."""
    if parent is None:
        return None
    if parent.status is not ParentStatus.ACTIVE:
        return Refusal(Denial.PARENT_NOT_ACTIVE, f"The parent order is {parent.status.lower()}")
    child = parent.open_children.get(plan.intent_id)
    if child is None or order.quantity > child.quantity or parent.unspawned_qty < ZERO:
        return Refusal(
            Denial.PARENT_QUANTITY_EXCEEDED, "More would be out than the parent order is for"
        )
    return None
