"""What became of one effect: asked of its venue, sent again or fenced off where that is safe."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from common.books import ORDERS, RETIRED_AGENT_ADDRESSES, SIGNED_REQUESTS
from common.config import Settings
from common.documents import Stored, load
from common.domain.events import OutboxMessage
from common.domain.instrument import TimeInForce, Venue
from common.domain.order import (
    ORDER_MOVES,
    IntentStatus,
    Order,
    OrderIntent,
    OrderReport,
    OrderStatus,
    SignedRequest,
)
from common.errors import ConflictError, SapphireError
from common.execution.outcome import absent, from_report, never_sent
from common.execution.positions import venue_agrees
from common.execution.recorder import Recorder
from common.execution.sender import Sender, answer_of
from common.how.denial import Denial
from common.how.limits import Refusal
from common.ports import Clock, DocumentStore, ExecutionVenue, Ref
from functions.settle.asking import Lines

GTC = TimeInForce.GTC


@dataclass(frozen=True, slots=True)
class Desk:
    store: DocumentStore
    clock: Clock
    settings: Settings
    venues: Mapping[Venue, ExecutionVenue]
    sender: Sender
    lines: Lines = field(default_factory=Lines)

    @property
    def recorder(self) -> Recorder:
        return self.sender.recorder

    @property
    def patience(self) -> timedelta:
        """How long an order may stay unproven after time alone should have proved it."""
        return self.settings.limits.unresolved_after


@dataclass(frozen=True, slots=True)
class _Open:
    """An intent that has not ended, the order it stands on, and that order's venue."""

    intent: Stored[OrderIntent]
    order: Order
    venue: ExecutionVenue
    asked_at: datetime  # before the venue was asked: an answer is no younger than its question

    @property
    def ids(self) -> tuple[str, str]:
        return self.order.intent_id, self.order.client_order_id


async def attend(desk: Desk, stored: Stored[OrderIntent]) -> list[OutboxMessage]:
    """Resolve what can be resolved. After asking in vain for long enough, a person is called.

    An order that rests by its nature may rest as long as its venue is silent: reconciliation and
    the breaker tell of that.
    """
    try:
        return await resolve(desk, stored)
    except SapphireError as error:
        intent = stored.value
        rests = intent.status is IntentStatus.WORKING and intent.plan.time_in_force is GTC
        if rests or desk.clock.now() - intent.updated_at <= desk.patience:
            return []
        async with desk.lines.turn(intent.plan.deployment_id):
            return await desk.recorder.unresolved(
                intent.plan.intent_id, intent.client_order_id, f"the venue cannot be asked: {error}"
            )


async def resolve(desk: Desk, stored: Stored[OrderIntent]) -> list[OutboxMessage]:
    """Ask the venue once and write what its answer proves.

    Raises TransientError: the venue did not answer.
    """
    intent = stored.value
    other_mode = intent.plan.paper != (desk.settings.mode == "paper")
    if intent.status.is_terminal or other_mode:  # those venues are not the ones it was sent to
        return []
    if intent.status is IntentStatus.RETRYING:
        return await _give_up_retry(desk, intent)
    order = await load(desk.store, Order, Ref(ORDERS, intent.client_order_id))
    venue = desk.venues.get(order.value.venue) if order else None
    if order is None or venue is None:
        return await desk.recorder.unresolved(
            intent.plan.intent_id, intent.client_order_id, "its venue is not connected here"
        )
    if order.value.status.is_terminal:
        return []
    if not order.value.payload_hash:
        unsent = never_sent("It could not be prepared, and its sender died")
        return await desk.recorder.record(intent.plan.intent_id, intent.client_order_id, unsent)
    case = _Open(stored, order.value, venue, desk.clock.now())
    report = await desk.lines.ask(venue, lambda: venue.query_order(case.order))
    if report is not None and _still_rests(case, report):
        return await _overdue(desk, case)
    async with desk.lines.turn(case.order.account_id):
        return await _conclude(desk, case, report)


async def _conclude(desk: Desk, case: _Open, report: OrderReport | None) -> list[OutboxMessage]:
    """Write what the answer proves."""
    if report is None:
        return await _absent(desk, case)
    messages = await desk.recorder.record(*case.ids, from_report(report))
    if messages:
        return messages
    return await (_untold if report.status.is_terminal else _overdue)(desk, case)


def _still_rests(case: _Open, report: OrderReport) -> bool:
    """Nothing has filled, and it is open as before: most answers, with nothing to write."""
    order, accepted = case.order, OrderStatus.ACCEPTED
    known = case.intent.value.status is IntentStatus.WORKING and order.status is accepted
    nothing = not (order.filled_qty or report.filled_qty or report.fills)
    return known and nothing and report.status is accepted


def _final_at(case: _Open) -> timedelta:
    return case.venue.capabilities.absence_is_final_after


async def _untold(desk: Desk, case: _Open) -> list[OutboxMessage]:
    """An order that ended at the venue without its fills told: in time, a person must look."""
    known = await load(desk.store, Order, Ref(ORDERS, case.order.client_order_id))
    limit = case.order.submitted_at + _final_at(case) + desk.patience
    if known is None or known.value.status.is_terminal or desk.clock.now() <= limit:
        return []
    reason = f"{case.order.venue.label} ended the order and does not tell all of its fills"
    return await desk.recorder.unresolved(*case.ids, reason)


async def _overdue(desk: Desk, case: _Open) -> list[OutboxMessage]:
    """An order that was to fill at once or not at all, and that the venue still holds open."""
    resting = case.order.time_in_force is GTC
    now = desk.clock.now()
    if resting or now <= case.order.submitted_at + _final_at(case):
        return []
    report = await answer_of(case.venue, case.venue.cancel(case.order))
    if report is not None:
        messages = await desk.recorder.record(*case.ids, from_report(report))
        if messages:
            return messages
    if now <= case.order.submitted_at + _final_at(case) + desk.patience:
        return []
    reason = f"{case.order.venue.label} keeps the order open and does not cancel it"
    return await desk.recorder.unresolved(*case.ids, reason)


async def _absent(desk: Desk, case: _Open) -> list[OutboxMessage]:
    """ "Not found" proves nothing before the order's expiry, clock skew and read lag are over.

    Until then the same bytes may be sent again where the venue takes them once. The answer that
    counts must be asked for after that moment, and the venue's position must agree: a position
    that we cannot explain may be this very order. An order that the venue has accepted once
    cannot be absent, and one that has no expiry may still come until a fence stands before it.
    """
    now, order = case.asked_at, case.order
    final_at = order.submitted_at + _final_at(case)
    if now <= final_at:
        messages = await _send_again(desk, case)
        if not messages:
            await _asked(desk, case.intent)
        return messages
    doubt = _doubt(order, case.venue)
    if doubt is None and await _positions_agree(desk, case):
        reason = f"{order.venue.label} does not have it, asked after its expiry"
        return await desk.recorder.record(*case.ids, absent(reason))
    if doubt is not None and case.venue.capabilities.cancel_is_a_fence:
        messages = await _fence(desk, case)
        if messages:
            return messages
    if now <= final_at + desk.patience:
        await _asked(desk, case.intent)
        return []
    reason = f"{order.venue.label} does not know the order, "
    return await desk.recorder.unresolved(
        *case.ids, reason + (doubt or "and its position is not the one we hold")
    )


async def _positions_agree(desk: Desk, case: _Open) -> bool:
    plan = case.intent.value.plan
    return await answer_of(case.venue, venue_agrees(desk.store, case.venue, plan, case.order))


def _doubt(order: Order, venue: ExecutionVenue) -> str | None:
    """Why "not found" can never be final for this order at this venue; None when time proves it."""
    if OrderStatus.EXPIRED not in ORDER_MOVES[order.status]:
        return "which it had accepted"
    if not venue.capabilities.expires_after:
        return "and would still take it, because its orders have no expiry"
    return None


async def _send_again(desk: Desk, case: _Open) -> list[OutboxMessage]:
    """The stored bytes once more; whoever else sends them too, the venue takes one.

    Not while their first sender may still be waiting for its answer.
    """
    able = case.venue.capabilities
    sent = {OrderStatus.SUBMITTED, OrderStatus.UNKNOWN}
    waiting = desk.clock.now() <= case.order.submitted_at + able.request_timeout
    unwanted = case.intent.value.cancel_wanted
    if not able.resends or waiting or unwanted or case.order.status not in sent:
        return []
    ref = Ref(SIGNED_REQUESTS, case.order.client_order_id)
    request = await load(desk.store, SignedRequest, ref)
    if request is None or await _is_retired(desk, case.order.signer):
        return []
    return await desk.sender.resend(case.intent.value.plan, case.order, request.value)


async def _is_retired(desk: Desk, signer: str) -> bool:
    """A venue may forget the nonces of a key that was deregistered: nothing of it is sent again."""
    if not signer:
        return False
    return await desk.store.get(Ref(RETIRED_AGENT_ADDRESSES, signer)) is not None


async def _fence(desk: Desk, case: _Open) -> list[OutboxMessage]:
    """Make the order impossible, then take the venue's proof of it, here or at the next look."""
    report = await answer_of(case.venue, case.venue.cancel(case.order))
    if report is None:
        report = await answer_of(case.venue, case.venue.query_order(case.order))
    return await desk.recorder.record(*case.ids, from_report(report)) if report else []


async def _asked(desk: Desk, stored: Stored[OrderIntent]) -> None:
    """Count the query; a lost race means that somebody has learned more, which is as good."""
    intent = stored.value
    status = IntentStatus.UNKNOWN if intent.status is IntentStatus.SENDING else intent.status
    asked = replace(intent, status=status, queries=intent.queries + 1, updated_at=desk.clock.now())
    try:
        await desk.store.commit([stored.update(asked)])
    except ConflictError:
        return


async def _give_up_retry(desk: Desk, intent: OrderIntent) -> list[OutboxMessage]:
    """A further attempt that was allowed and whose message never came through."""
    if desk.clock.now() < intent.plan.expires_at + desk.settings.limits.delivery_grace:
        return []
    late = Refusal(Denial.SIGNAL_EXPIRED, "The signal expired before the next attempt began")
    return await desk.recorder.abandon_retry(intent.plan.intent_id, late)
