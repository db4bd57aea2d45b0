"""The last gate: everything that must hold right before the wire, read anew."""

from dataclasses import dataclass
from datetime import timedelta

from common.books import BREAKERS, EXPOSURES, ORDER_INTENTS
from common.domain.exposure import Exposure
from common.domain.instrument import Venue
from common.domain.order import IntentStatus, Order, OrderIntent, SignedRequest
from common.errors import InvalidInputError
from common.execution.request import request_hash
from common.how.denial import Denial
from common.how.limits import Refusal
from common.how.trading_state import PLATFORM, state_of, state_refusal
from common.ports import Clock, DocumentStore, Ref
from common.where.breaker import Breaker, Ticket, still_admits
from common.wire import from_document


@dataclass(frozen=True, slots=True)
class Superseded:
    """Somebody else holds this effect now; whatever is known here must not be sent."""

    reason: str


def breaker_refusal(venue: Venue) -> Refusal:
    return Refusal(Denial.BREAKER_OPEN, f"{venue.label} is paused by its circuit breaker")


async def last_gate(
    store: DocumentStore,
    order: Order,
    request: SignedRequest,
    *,
    ticket: Ticket,
    clock: Clock,
    request_timeout: timedelta,
    allowed: frozenset[IntentStatus],
) -> Refusal | Superseded | None:
    """None when `request` may go to the wire at once. `allowed`: what the intent may be at.

    The time is read after the state: an instance may be paused in between.
    """
    state, intended, exposed, guarded = await store.get_many(
        [
            PLATFORM,
            Ref(ORDER_INTENTS, order.intent_id),
            Ref(EXPOSURES, order.account_id),
            Ref(BREAKERS, order.venue),
        ]
    )
    if intended is None or exposed is None:
        return Superseded("the intent or its reservation is gone")
    try:
        intent = from_document(OrderIntent, intended.data)
        exposure = from_document(Exposure, exposed.data)
        breaker = from_document(Breaker, guarded.data) if guarded else None
    except InvalidInputError as error:
        return Superseded(f"what guards the order cannot be read: {error}")
    if order.intent_id not in exposure.reservations:
        return Superseded("the order is not reserved")
    if request_hash(request) != order.payload_hash:
        return Superseded("the request is not the one that was written ahead")
    if intent.client_order_id != order.client_order_id or intent.status not in allowed:
        return Superseded(f"the intent is {intent.status} with {intent.client_order_id}")
    if not still_admits(breaker, ticket):
        return breaker_refusal(order.venue)
    if clock.now() + request_timeout > order.expires_at:
        return Refusal(Denial.SIGNAL_EXPIRED, "The order would reach the venue after its expiry")
    remaining = intent.plan.candidates[intent.candidate].quantity - intent.filled_qty
    if order.quantity > remaining:
        return Superseded("the quantity is above what remains of the intent")
    held = exposure.left_to_reduce(order.intent_id, order.venue, order.symbol, order.side)
    return state_refusal(state_of(state), side=order.side, quantity=order.quantity, held=held)
