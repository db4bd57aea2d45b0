"""Why a plan is not to be sent now, and how it ends then. Nothing has been written or sent yet."""

from dataclasses import replace
from datetime import datetime

from common.audit import audit_write, head_after
from common.books import ORDER_INTENTS, book_named
from common.documents import create
from common.domain.agent import DeploymentStatus
from common.domain.events import OutboxMessage
from common.domain.money import ZERO, plain
from common.domain.order import IntentStatus, OrderIntent, OrderPlan, OrderPurpose
from common.domain.parent_order import ParentOrder, ParentStatus
from common.domain.scope import deployment_scope
from common.domain.signal import SignalStatus
from common.errors import DeniedError
from common.execution.algorithms.parent import with_child_outcome
from common.execution.closing import closes, left_to_close
from common.execution.deliveries import End, intent_ends
from common.execution.exposures import exposure_writes
from common.execution.parents import child_ended, with_rest_reserved
from common.execution.signals import finish_signal
from common.how.denial import Denial
from common.how.limits import Refusal
from common.how.message_counts import check_rate
from common.how.risk import OrderRisk, assess
from common.how.trading_state import state_refusal
from common.outbox import outbox_write
from common.ports import Ref, Write
from functions.execute.desk import Desk, Found


def refusal_of(desk: Desk, found: Found, now: datetime) -> Refusal | None:
    """The limits, before anything is written; the reservation then makes them hold."""
    plan, candidate = found.plan, found.candidate
    if now >= plan.expires_at:
        return Refusal(Denial.SIGNAL_EXPIRED, "The signal expired before the order was sent")
    if plan.paper != (desk.settings.mode == "paper"):
        return Refusal(
            Denial.DEPLOYMENT_MODE_MISMATCH, "The plan was made before the mode was changed"
        )
    if candidate.venue not in desk.venues:
        return Refusal(Denial.NO_EXECUTION_CLIENT, f"{candidate.venue.label} is not connected here")
    return (
        _parent_refusal(found)
        or _deployment_refusal(found)
        or _state_refusal(found)
        or _risk_refusal(desk, found, now)
    )


def _parent_refusal(found: Found) -> Refusal | None:
    parent = found.parent.value if found.parent else None
    if parent is None or parent.status is ParentStatus.ACTIVE:
        return None
    return Refusal(Denial.PARENT_NOT_ACTIVE, f"The parent order is {parent.status.lower()}")


def _deployment_refusal(found: Found) -> Refusal | None:
    """One that was paused, or frozen, after the plan was made opens nothing more."""
    plan, candidate = found.plan, found.candidate
    if found.state.deployment.status is DeploymentStatus.ACTIVE:
        return None
    held = left_to_close(found.reserved(), plan, candidate.venue)
    if closes(held, plan, candidate.quantity):
        return None
    return Refusal(Denial.DEPLOYMENT_NOT_ACTIVE, "The deployment is paused")


def _state_refusal(found: Found) -> Refusal | None:
    plan, candidate = found.plan, found.candidate
    held = left_to_close(found.reserved(), plan, candidate.venue)
    standing = found.state.standings[candidate.venue]
    return state_refusal(standing, side=plan.side, quantity=candidate.quantity, held=held)


def _risk_refusal(desk: Desk, found: Found, now: datetime) -> Refusal | None:
    """An exit is asked whether it closes and how many messages went out: no limit of exposure or
    of losses keeps anybody from getting out.
    """
    plan, candidate = found.plan, found.candidate
    limits = found.state.limits_at(candidate.venue, desk.settings.limits)
    if isinstance(limits, Refusal):
        return limits
    too_many = check_rate(found.counts, limits, deployment_scope(plan.deployment_id))
    if too_many is not None:
        return too_many
    if plan.purpose is not OrderPurpose.ENTRY:
        held = left_to_close(found.state.held, plan, candidate.venue)
        if closes(held, plan, candidate.quantity):
            return None
        detail = (
            f"{plan.symbol}: less is held than {plain(candidate.quantity)}, which it is to close"
        )
        return Refusal(Denial.REDUCE_ONLY_WOULD_INCREASE_POSITION, detail)
    order = OrderRisk(
        intent_id=plan.intent_id,
        venue=candidate.venue,
        symbol=plan.symbol,
        side=plan.side,
        quantity=candidate.quantity,
        price=candidate.price,
        after=found.reserved(),
    )
    return assess(order, found.state, limits, now=now, settings=desk.settings.limits)


def key_refusal(error: DeniedError) -> Refusal:
    """A key that may not be used, as the denial that it is."""
    try:
        return Refusal(Denial(error.code), error.message)
    except ValueError:
        return Refusal(Denial.DEPLOYMENT_NOT_READY, error.message)


async def refuse(desk: Desk, found: Found, refusal: Refusal, now: datetime) -> list[OutboxMessage]:
    """End without having sent: the intent, its reservation, its parent's part, its delivery."""
    plan = found.plan
    before = found.intent.value if found.intent else None
    audit = audit_write(
        "order-denied",
        plan.intent_id,
        at=now,
        step=before.attempt if before else 0,
        facts={"intent_id": plan.intent_id, "code": refusal.code, "reason": refusal.reason},
        previous=before.audit_head if before else "",
    )
    intent = _denied(plan, before, refusal, now)
    intent = replace(intent, audit_head=head_after(audit))
    writes: list[Write] = [audit]
    if found.intent is not None:
        writes.append(found.intent.update(intent))
    elif found.has_own_end:
        writes.append(create(Ref(ORDER_INTENTS, plan.intent_id), intent))
    parent = _parent_after(found, refusal, now)
    if found.parent is not None and parent is not None:
        writes.append(found.parent.update(parent))
    writes += await _released(desk, found, parent)
    messages = []
    if parent is not None:
        message = child_ended(parent, f"{plan.intent_id}:{intent.audit_head}", now=now)
        writes.append(outbox_write(message))
        messages.append(message)
    elif found.delivery is not None:
        end = _end(refusal)
        writes += await intent_ends(desk.store, found.delivery, plan.intent_id, end, now=now)
    await desk.store.commit(writes)
    if plan.delivery_id:
        await finish_signal(desk.store, book_named(plan.book), plan.signal_id)
    return messages


def _end(refusal: Refusal) -> End:
    status = SignalStatus.EXPIRED if refusal.code is Denial.SIGNAL_EXPIRED else SignalStatus.DENIED
    return End(status=status, reason_code=refusal.code, reason=refusal.reason, venue=None)


def _denied(
    plan: OrderPlan, before: OrderIntent | None, refusal: Refusal, now: datetime
) -> OrderIntent:
    """Also where there was none: who planned a child or an exit looks for what became of it."""
    known = before or OrderIntent(
        plan=plan,
        status=IntentStatus.DENIED,
        attempt=0,
        candidate=0,
        client_order_id="",
        client_order_ids=(),
        filled_qty=ZERO,
        reason_code="",
        reason="",
        queries=0,
        created_at=now,
        updated_at=now,
    )
    return replace(
        known,
        status=IntentStatus.DENIED,
        reason_code=refusal.code,
        reason=refusal.reason,
        updated_at=now,
    )


def _parent_after(found: Found, refusal: Refusal, now: datetime) -> ParentOrder | None:
    if found.parent is None:
        return None
    return with_child_outcome(
        found.parent.value,
        found.plan.intent_id,
        new_qty=ZERO,
        new_notional=ZERO,
        new_commission=ZERO,
        ended=True,
        unresolved=False,
        code=refusal.code,
        reason=refusal.reason,
        now=now,
    )


async def _released(desk: Desk, found: Found, parent: ParentOrder | None) -> list[Write]:
    if found.exposure is None:
        return []
    exposure = found.exposure.value.release(found.plan.intent_id)
    if parent is not None:
        exposure = with_rest_reserved(exposure, parent)
    if exposure == found.exposure.value:
        return []
    plan = found.plan
    return await exposure_writes(
        desk.store, found.exposure, exposure, book=plan.book, agent_id=plan.agent_id
    )
