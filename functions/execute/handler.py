"""One order plan to its venue: signed, written ahead, gated, sent once, its outcome recorded."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from common.audit import audit_write, head_after
from common.books import EXPOSURES, ORDER_INTENTS, ORDERS, SIGNED_REQUESTS, book_named
from common.config import Settings
from common.contention import retry_on_conflict
from common.documents import Stored, create, load, put
from common.domain.events import OrderPlanned, OutboxMessage
from common.domain.exposure import Exposure, Reservation
from common.domain.instrument import Venue
from common.domain.money import plain
from common.domain.order import IntentStatus, Order, OrderIntent, OrderPlan, SignedRequest
from common.domain.signal import Delivery, SignalStatus
from common.errors import DeniedError, InvalidInputError, TransientError
from common.execution.attempts import new_intent, new_order, next_intent, with_request
from common.execution.deliveries import (
    End,
    approved_hash,
    awaits_first_attempt,
    executing,
    intent_ends,
)
from common.execution.outcome import unknown
from common.execution.plan import plan_hash
from common.execution.sender import Sender, Unprepared
from common.execution.signals import finish_signal
from common.how.denial import Denial
from common.how.limits import Refusal, check_exposure
from common.how.trading_state import read_state, state_refusal
from common.ports import Clock, Create, DocumentStore, ExecutionVenue, Ref, Write


@dataclass(frozen=True, slots=True)
class _Desk:
    store: DocumentStore
    clock: Clock
    settings: Settings
    venues: Mapping[Venue, ExecutionVenue]
    sender: Sender


@dataclass(frozen=True, slots=True)
class _WrittenAhead:
    """An order in the store and what may now be sent for it."""

    order: Order
    prepared: SignedRequest | Unprepared


@dataclass(frozen=True, slots=True)
class _Found:
    """What the store holds for a plan before its next attempt is written ahead."""

    intent: Stored[OrderIntent] | None
    delivery: Stored[Delivery]
    exposure: Stored[Exposure] | None


async def execute(
    event: OrderPlanned,
    *,
    store: DocumentStore,
    clock: Clock,
    settings: Settings,
    venues: Mapping[Venue, ExecutionVenue],
) -> list[OutboxMessage]:
    """Run one attempt of a plan. A repeated message never sends again.

    What a crash leaves behind in SENDING is asked for by `settle`, never resent from here.
    """
    desk = _Desk(store, clock, settings, venues, Sender(store, clock, settings, venues))

    async def once() -> list[OutboxMessage] | _WrittenAhead:
        found = await _find(desk, event.plan)
        if not _is_due(event, found):
            return await _ask_if_sending(desk, event, found)
        refusal = await _refusal(desk, event.plan, found)
        if refusal is not None:
            return await _refuse(desk, event.plan, found, refusal)
        order = _order(desk, event, found)
        try:
            prepared = await desk.sender.prepare(order)
        except DeniedError as error:
            return await _refuse(desk, event.plan, found, _key_refusal(error))
        return await _write_ahead(desk, event.plan, found, order, prepared)

    done = await retry_on_conflict(once, what=f"intent {event.plan.intent_id}")
    if isinstance(done, _WrittenAhead):
        return await desk.sender.send(event.plan, done.order, done.prepared)
    return done


async def _find(desk: _Desk, plan: OrderPlan) -> _Found:
    book = book_named(plan.book)
    intent = await load(desk.store, OrderIntent, Ref(ORDER_INTENTS, plan.intent_id))
    delivery = await load(desk.store, Delivery, Ref(book.deliveries, plan.delivery_id))
    exposure = await load(desk.store, Exposure, Ref(EXPOSURES, plan.deployment_id))
    if delivery is None:
        raise TransientError(f"delivery {plan.delivery_id} is not in {book.deliveries} yet")
    if approved_hash(delivery.value, plan.intent_id) != plan_hash(plan):
        # Catalogue case 85: a plan that route did not approve, or that was altered on the way.
        raise InvalidInputError(
            "the plan is not the one that route approved",
            code="PLAN_NOT_APPROVED",
            where=plan.intent_id,
        )
    return _Found(intent, delivery, exposure)


def _is_due(event: OrderPlanned, found: _Found) -> bool:
    if found.intent is None:
        return event.attempt == 1 and awaits_first_attempt(
            found.delivery.value, event.plan.intent_id
        )
    intent = found.intent.value
    return intent.status is IntentStatus.RETRYING and event.attempt == intent.attempt + 1


async def _ask_if_sending(desk: _Desk, event: OrderPlanned, found: _Found) -> list[OutboxMessage]:
    """A redelivery of an attempt that is at the wire, or was when its sender died: settle asks."""
    if found.intent is None:
        return []
    intent = found.intent.value
    if intent.status is not IntentStatus.SENDING or event.attempt != intent.attempt:
        return []
    return await desk.sender.recorder.record(
        event.plan.intent_id,
        intent.client_order_id,
        unknown("The message was delivered again while the order was at the wire"),
    )


async def _refusal(desk: _Desk, plan: OrderPlan, found: _Found) -> Refusal | None:
    """The limits, before anything is written; the reservation then makes them hold."""
    now = desk.clock.now()
    index = found.intent.value.candidate if found.intent else 0
    candidate = plan.candidates[index]
    if now >= plan.expires_at:
        return Refusal(Denial.SIGNAL_EXPIRED, "The signal expired before the order was sent")
    if plan.paper != (desk.settings.mode == "paper"):
        return Refusal(
            Denial.DEPLOYMENT_MODE_MISMATCH, "The plan was made before the mode was changed"
        )
    if candidate.venue not in desk.venues:
        return Refusal(Denial.NO_EXECUTION_CLIENT, f"{candidate.venue.label} is not connected here")
    exposure = found.exposure.value if found.exposure else Exposure.empty(plan.deployment_id)
    state = await read_state(desk.store)
    held = exposure.left_to_reduce(plan.intent_id, candidate.venue, plan.symbol, plan.side)
    halted = state_refusal(state, side=plan.side, quantity=candidate.quantity, held=held)
    if halted is not None:
        return halted
    return check_exposure(exposure, plan.intent_id, _reservation(plan, index), desk.settings.limits)


def _reservation(plan: OrderPlan, index: int) -> Reservation:
    candidate = plan.candidates[index]
    return Reservation(
        venue=candidate.venue,
        symbol=plan.symbol,
        side=plan.side,
        quantity=candidate.quantity,
        price=max(plan.reference_price, candidate.price),
    )


async def _refuse(
    desk: _Desk, plan: OrderPlan, found: _Found, refusal: Refusal
) -> list[OutboxMessage]:
    """End without having sent: the intent, if there is one, its reservation and the delivery."""
    now = desk.clock.now()
    status = SignalStatus.EXPIRED if refusal.code is Denial.SIGNAL_EXPIRED else SignalStatus.DENIED
    end = End(status=status, reason_code=refusal.code, reason=refusal.reason, venue=None)
    writes = await intent_ends(desk.store, found.delivery, plan.intent_id, end, now=now)
    before = found.intent.value if found.intent else None
    audit = audit_write(
        "order-denied",
        plan.intent_id,
        at=now,
        step=before.attempt if before else 0,
        facts={"code": refusal.code, "reason": refusal.reason},
        previous=before.audit_head if before else "",
    )
    if found.intent is not None:
        intent = replace(
            found.intent.value,
            status=IntentStatus.DENIED,
            reason_code=refusal.code,
            reason=refusal.reason,
            updated_at=now,
            audit_head=head_after(audit),
        )
        writes.append(found.intent.update(intent))
        if found.exposure is not None:
            left = found.exposure.value.release(plan.intent_id)
            writes.append(found.exposure.update(left))
    await desk.store.commit([*writes, audit])
    await finish_signal(desk.store, book_named(plan.book), plan.signal_id)
    return []


def _key_refusal(error: DeniedError) -> Refusal:
    """A key that may not be used, as the denial that it is."""
    try:
        return Refusal(Denial(error.code), error.message)
    except ValueError:
        return Refusal(Denial.DEPLOYMENT_NOT_READY, error.message)


def _order(desk: _Desk, event: OrderPlanned, found: _Found) -> Order:
    """Reduce-only where all of it closes what is held: it cannot open the other way by mistake."""
    plan, index = event.plan, found.intent.value.candidate if found.intent else 0
    chosen = plan.candidates[index]
    order = new_order(
        plan,
        desk.venues[chosen.venue].capabilities,
        attempt=event.attempt,
        candidate=index,
        now=desk.clock.now(),
    )
    if found.exposure is None:
        return order
    held = found.exposure.value.left_to_reduce(plan.intent_id, chosen.venue, plan.symbol, plan.side)
    closes = held * plan.side.sign < 0 and abs(held) >= chosen.quantity
    return replace(order, reduce_only=closes)


async def _write_ahead(
    desk: _Desk,
    plan: OrderPlan,
    found: _Found,
    order: Order,
    prepared: SignedRequest | Unprepared,
) -> _WrittenAhead:
    """Intent, order, signed request, reservation and audit in one commit, before the wire.

    An order that could not be prepared has no payload hash: nothing of it can have been sent.
    """
    now = desk.clock.now()
    index = found.intent.value.candidate if found.intent else 0
    before = found.exposure.value if found.exposure else Exposure.empty(plan.deployment_id)
    exposure = before.reserve(plan.intent_id, _reservation(plan, index))
    if isinstance(prepared, SignedRequest):
        order = with_request(order, prepared)
    else:
        order = replace(order, payload_hash="")
    head = found.intent.value.audit_head if found.intent else ""
    audit = _sending_audit(order, now, head)
    writes: list[Write] = [
        create(Ref(ORDERS, order.client_order_id), order),
        put(found.exposure, Ref(EXPOSURES, plan.deployment_id), exposure),
        audit,
    ]
    if isinstance(prepared, SignedRequest):
        writes.append(create(Ref(SIGNED_REQUESTS, order.client_order_id), prepared))
    if found.intent is None:
        intent = new_intent(plan, order, candidate=index, now=now)
        intent = replace(intent, audit_head=head_after(audit))
        writes.append(create(Ref(ORDER_INTENTS, plan.intent_id), intent))
        writes.append(
            found.delivery.update(executing(found.delivery.value, plan.intent_id, now=now))
        )
    else:
        intent = replace(
            next_intent(found.intent.value, order, now=now), audit_head=head_after(audit)
        )
        writes.append(found.intent.update(intent))
    await desk.store.commit(writes)
    return _WrittenAhead(order, prepared)


def _sending_audit(order: Order, now: datetime, previous: str) -> Create:
    return audit_write(
        "order-sending",
        order.client_order_id,
        at=now,
        step=order.attempt,
        facts={
            "intent_id": order.intent_id,
            "venue": order.venue,
            "side": order.side,
            "quantity": plain(order.quantity),
            "price": plain(order.price),
            "signer": order.signer,
            "nonce": order.nonce,
            "payload_hash": order.payload_hash,
        },
        previous=previous,
    )
