"""One order plan to its venue: signed, written ahead, gated, sent once, its outcome recorded."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from common.audit import audit_write, head_after
from common.books import ORDER_INTENTS, ORDERS, SIGNED_REQUESTS
from common.config import Settings
from common.contention import retry_on_conflict
from common.documents import create
from common.domain.events import OrderPlanned, OutboxMessage
from common.domain.instrument import Venue
from common.domain.money import plain
from common.domain.order import IntentStatus, Order, OrderPlan, SignedRequest
from common.errors import DeniedError
from common.execution.attempts import new_intent, new_order, next_intent, with_request
from common.execution.closing import closes, left_to_close
from common.execution.deliveries import awaits_first_attempt, executing
from common.execution.exposures import exposure_writes
from common.execution.outcome import unknown
from common.execution.sender import Sender, Unprepared
from common.how.message_counts import count_message_writes
from common.ports import Clock, Create, DocumentStore, ExecutionVenue, Ref, Write
from functions.execute.desk import Desk, Found, find, last_look
from functions.execute.refusing import key_refusal, refusal_of, refuse


@dataclass(frozen=True, slots=True)
class _WrittenAhead:
    """An order in the store and what may now be sent for it."""

    order: Order
    prepared: SignedRequest | Unprepared


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
    desk = Desk(store, clock, settings, venues, Sender(store, clock, settings, venues))

    async def once() -> list[OutboxMessage] | _WrittenAhead:
        now = desk.clock.now()
        found = await find(desk, event.plan, now)
        if not _is_due(event, found):
            return await _ask_if_sending(desk, event, found)
        refusal = refusal_of(desk, found, now)
        if refusal is not None:
            return await refuse(desk, found, refusal, now)
        order = _order(desk, event, found, now)
        try:
            prepared = await desk.sender.prepare(order)
        except DeniedError as error:
            return await refuse(desk, found, key_refusal(error), desk.clock.now())
        return await _write_ahead(desk, found, order, prepared)

    done = await retry_on_conflict(once, what=f"intent {event.plan.intent_id}")
    if isinstance(done, _WrittenAhead):
        return await desk.sender.send(event.plan, done.order, done.prepared)
    return done


def _is_due(event: OrderPlanned, found: Found) -> bool:
    if found.intent is not None:
        intent = found.intent.value
        return intent.status is IntentStatus.RETRYING and event.attempt == intent.attempt + 1
    if event.attempt != 1:
        return False
    if found.parent is not None:
        return event.plan.intent_id in found.parent.value.open_children
    if found.delivery is not None:
        return awaits_first_attempt(found.delivery.value, event.plan.intent_id)
    return True


async def _ask_if_sending(desk: Desk, event: OrderPlanned, found: Found) -> list[OutboxMessage]:
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


def _order(desk: Desk, event: OrderPlanned, found: Found, now: datetime) -> Order:
    """Reduce-only where all of it closes what is held: it cannot open the other way by mistake."""
    plan, chosen = event.plan, found.candidate
    order = new_order(
        plan,
        desk.venues[chosen.venue].capabilities,
        attempt=event.attempt,
        candidate=found.index,
        now=now,
    )
    held = left_to_close(found.state.held, plan, chosen.venue)
    return replace(order, reduce_only=plan.reduce_only or closes(held, plan, chosen.quantity))


async def _write_ahead(
    desk: Desk, found: Found, order: Order, prepared: SignedRequest | Unprepared
) -> _WrittenAhead:
    """Intent, order, signed request, reservation and audit in one commit, before the wire.

    An order that could not be prepared has no payload hash: nothing of it can have been sent.
    """
    now, plan = desk.clock.now(), found.plan
    if isinstance(prepared, SignedRequest):
        order = with_request(order, prepared)
    else:
        order = replace(order, payload_hash="")
    head = found.intent.value.audit_head if found.intent else ""
    audit = _sending_audit(order, now, head)
    writes: list[Write] = [create(Ref(ORDERS, order.client_order_id), order), audit]
    writes += await exposure_writes(
        desk.store, found.exposure, found.reserved(), book=plan.book, agent_id=plan.agent_id
    )
    scopes = last_look(plan, order.venue, now).scopes
    writes += await count_message_writes(desk.store, scopes, now=now)
    if isinstance(prepared, SignedRequest):
        writes.append(create(Ref(SIGNED_REQUESTS, order.client_order_id), prepared))
    writes += _intent_writes(found, plan, order, head_after(audit), now)
    if found.parent is not None:  # its version is the lock of all its children
        writes.append(found.parent.update(replace(found.parent.value, updated_at=now)))
    await desk.store.commit(writes)
    return _WrittenAhead(order, prepared)


def _intent_writes(
    found: Found, plan: OrderPlan, order: Order, audit_head: str, now: datetime
) -> list[Write]:
    if found.intent is not None:
        following = next_intent(found.intent.value, order, now=now)
        return [found.intent.update(replace(following, audit_head=audit_head))]
    intent = new_intent(plan, order, candidate=found.index, now=now)
    writes: list[Write] = [
        create(Ref(ORDER_INTENTS, plan.intent_id), replace(intent, audit_head=audit_head))
    ]
    if found.delivery is not None and found.parent is None:
        begun = executing(found.delivery.value, plan.intent_id, now=now)
        writes.append(found.delivery.update(begun))
    return writes


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
