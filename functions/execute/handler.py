"""One order plan to its venue: written ahead, gated, sent once, and its outcome recorded."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from common.audit import audit_write
from common.books import EXPOSURES, ORDER_INTENTS, ORDERS, book_named
from common.config import Settings
from common.contention import retry_on_conflict
from common.documents import Stored, create, load, put
from common.domain.events import OrderPlanned, OutboxMessage
from common.domain.exposure import Exposure, Reservation
from common.domain.instrument import Venue
from common.domain.money import plain
from common.domain.order import IntentStatus, Order, OrderIntent, OrderPlan, OrderStatus
from common.domain.signal import Delivery, SignalStatus
from common.errors import (
    InvalidInputError,
    OutcomeUnknownError,
    RejectedError,
    TransientError,
)
from common.execution.attempts import new_intent, new_order, next_intent
from common.execution.gate import Superseded, breaker_refusal, last_gate
from common.execution.outcome import (
    Outcome,
    denied,
    from_report,
    never_sent,
    rejected,
    unknown,
)
from common.execution.plan import plan_hash
from common.execution.recorder import Recorder
from common.execution.signals import delivery_ends, finish_signal
from common.how.denial import Denial
from common.how.limits import Refusal, check_exposure
from common.how.trading_state import read_state, state_refusal
from common.ports import Clock, DocumentStore, ExecutionVenue, Ref, Write
from common.where.breaker import Ticket
from common.where.breakers import Breakers


@dataclass(frozen=True, slots=True)
class _Desk:
    store: DocumentStore
    clock: Clock
    settings: Settings
    venues: Mapping[Venue, ExecutionVenue]
    recorder: Recorder
    breakers: Breakers


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
    recorder = Recorder(store, clock, max_attempts=settings.limits.max_attempts)
    breakers = Breakers(store, clock, settings.breaker)
    desk = _Desk(store, clock, settings, venues, recorder, breakers)

    async def once() -> list[OutboxMessage] | Order:
        found = await _find(desk, event.plan)
        if not _is_due(event, found):
            return await _ask_if_sending(desk, event, found)
        refusal = await _refusal(desk, event.plan, found)
        if refusal is not None:
            return await _refuse(desk, found, refusal)
        return await _write_ahead(desk, event, found)

    done = await retry_on_conflict(once, what=f"intent {event.plan.intent_id}")
    return await _send(desk, event.plan, done) if isinstance(done, Order) else done


async def _find(desk: _Desk, plan: OrderPlan) -> _Found:
    book = book_named(plan.book)
    intent = await load(desk.store, OrderIntent, Ref(ORDER_INTENTS, plan.intent_id))
    delivery = await load(desk.store, Delivery, Ref(book.deliveries, plan.delivery_id))
    exposure = await load(desk.store, Exposure, Ref(EXPOSURES, plan.deployment_id))
    if delivery is None:
        raise TransientError(f"delivery {plan.delivery_id} is not in {book.deliveries} yet")
    if delivery.value.plan_hash != plan_hash(plan):
        # Catalogue case 85: a plan that route did not approve, or that was altered on the way.
        raise InvalidInputError(
            "the plan is not the one that route approved",
            code="PLAN_NOT_APPROVED",
            where=plan.intent_id,
        )
    return _Found(intent, delivery, exposure)


def _is_due(event: OrderPlanned, found: _Found) -> bool:
    if found.intent is None:
        return event.attempt == 1 and found.delivery.value.status is SignalStatus.ROUTED
    intent = found.intent.value
    return intent.status is IntentStatus.RETRYING and event.attempt == intent.attempt + 1


async def _ask_if_sending(desk: _Desk, event: OrderPlanned, found: _Found) -> list[OutboxMessage]:
    """A redelivery of an attempt that is at the wire, or was when its sender died: settle asks."""
    if found.intent is None:
        return []
    intent = found.intent.value
    if intent.status is not IntentStatus.SENDING or event.attempt != intent.attempt:
        return []
    return await desk.recorder.record(
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


async def _refuse(desk: _Desk, found: _Found, refusal: Refusal) -> list[OutboxMessage]:
    """End without having sent: the intent, if there is one, its reservation and the delivery."""
    now = desk.clock.now()
    status = SignalStatus.EXPIRED if refusal.code is Denial.SIGNAL_EXPIRED else SignalStatus.DENIED
    ended = replace(
        found.delivery.value,
        status=status,
        reason_code=refusal.code,
        reason=refusal.reason,
        updated_at=now,
    )
    writes: list[Write] = await delivery_ends(desk.store, found.delivery, ended)
    if found.intent is not None:
        intent = replace(
            found.intent.value,
            status=IntentStatus.DENIED,
            reason_code=refusal.code,
            reason=refusal.reason,
            updated_at=now,
        )
        writes.append(found.intent.update(intent))
        if found.exposure is not None:
            left = found.exposure.value.release(intent.plan.intent_id)
            writes.append(found.exposure.update(left))
    writes.append(
        audit_write(
            "order-denied",
            ended.delivery_id,
            at=now,
            step=found.intent.value.attempt if found.intent else 0,
            facts={"code": refusal.code, "reason": refusal.reason},
        )
    )
    await desk.store.commit(writes)
    await finish_signal(desk.store, book_named(ended.book), ended.signal_id)
    return []


async def _write_ahead(desk: _Desk, event: OrderPlanned, found: _Found) -> Order:
    """Intent, order, reservation and audit in one commit, before the wire."""
    plan, now = event.plan, desk.clock.now()
    index = found.intent.value.candidate if found.intent else 0
    capabilities = desk.venues[plan.candidates[index].venue].capabilities
    order = new_order(plan, capabilities, attempt=event.attempt, candidate=index, now=now)
    before = found.exposure.value if found.exposure else Exposure.empty(plan.deployment_id)
    exposure = before.reserve(plan.intent_id, _reservation(plan, index))
    writes: list[Write] = [
        create(Ref(ORDERS, order.client_order_id), order),
        put(found.exposure, Ref(EXPOSURES, plan.deployment_id), exposure),
        _sending_audit(order, now),
    ]
    if found.intent is None:
        intent = new_intent(plan, order, candidate=index, now=now)
        writes.append(create(Ref(ORDER_INTENTS, plan.intent_id), intent))
        executing = replace(found.delivery.value, status=SignalStatus.EXECUTING, updated_at=now)
        writes.append(found.delivery.update(executing))
    else:
        writes.append(found.intent.update(next_intent(found.intent.value, order, now=now)))
    await desk.store.commit(writes)
    return order


def _sending_audit(order: Order, now: datetime) -> Write:
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
            "payload_hash": order.payload_hash,
        },
    )


async def _send(desk: _Desk, plan: OrderPlan, order: Order) -> list[OutboxMessage]:
    ticket = await desk.breakers.admit(order.venue, order.client_order_id)
    if ticket is None:
        refused = denied(breaker_refusal(order.venue))
        return await desk.recorder.record(plan.intent_id, order.client_order_id, refused)
    venue = desk.venues[order.venue]
    verdict = await last_gate(
        desk.store,
        order,
        ticket=ticket,
        clock=desk.clock,
        request_timeout=venue.capabilities.request_timeout,
    )
    if isinstance(verdict, Superseded):
        await desk.breakers.release(ticket)
        return []
    if verdict is not None:
        await desk.breakers.release(ticket)
        return await desk.recorder.record(plan.intent_id, order.client_order_id, denied(verdict))
    outcome, problem = await _submit(venue, order)
    try:
        return await desk.recorder.record(plan.intent_id, order.client_order_id, outcome)
    finally:
        await _report(desk, ticket, problem)


async def _submit(venue: ExecutionVenue, order: Order) -> tuple[Outcome, str | None]:
    """What the venue proves, and why it counts against the venue's breaker (None: it does not)."""
    timeout_s = venue.capabilities.request_timeout.total_seconds()
    try:
        async with asyncio.timeout(timeout_s):
            outcome = from_report(await venue.submit(order))
            return outcome, outcome.reason if outcome.status is OrderStatus.UNKNOWN else None
    except RejectedError as error:
        return rejected(error.code, error.message), None
    except TransientError as error:
        return never_sent(str(error)), str(error)
    except (OutcomeUnknownError, TimeoutError) as error:
        reason = str(error) or "no answer in time"
        return unknown(reason), reason
    except Exception as error:  # noqa: BLE001 - at the wire, what is not proven is unknown
        reason = f"{type(error).__name__}: {error}"
        return unknown(reason), reason


async def _report(desk: _Desk, ticket: Ticket, problem: str | None) -> None:
    if problem is None:
        await desk.breakers.succeeded(ticket)
    else:
        await desk.breakers.failed(ticket, problem)
