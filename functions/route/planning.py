"""A routed delivery: its record, its plans or parent orders, and their messages in one commit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from common.audit import audit_write
from common.books import PARENT_ORDERS
from common.documents import Stored, create, load, put
from common.domain.events import OutboxMessage
from common.domain.identifiers import intent_id
from common.domain.instrument import OrderType
from common.domain.money import ZERO, plain
from common.domain.order import OrderPlan
from common.domain.parent_order import ExecAlgorithm, ParentOrder
from common.domain.routing import RoutingDecision
from common.domain.signal import Delivery, DeliveryLeg, SignalStatus
from common.execution.algorithms.selection import Choice
from common.execution.exposures import exposure_writes
from common.execution.parents import with_rest_reserved
from common.execution.plan import plan_hash
from common.how.duplicates import DuplicateGuard, check_duplicate, guard_ref
from common.how.limits import Refusal
from common.how.throttles import throttle_writes
from common.messages import attempt_message, parent_message
from common.outbox import outbox_write
from common.ports import Ref, Write
from common.where.router import Leg, Route
from functions.route.checking import RiskLeg, throttled
from functions.route.desk import Case, Desk, Wanted
from functions.route.endings import refuse
from functions.route.working import make_parent


@dataclass(frozen=True, slots=True)
class _Course:
    """How a delivery goes on: its legs, and what starts them."""

    legs: tuple[DeliveryLeg, ...]  # one or more
    writes: list[Write]
    messages: list[OutboxMessage]
    status: SignalStatus


async def plan(
    desk: Desk,
    case: Case,
    wanted: Wanted,
    choice: Choice,
    routed: tuple[Route, RoutingDecision, Sequence[RiskLeg]],
) -> list[OutboxMessage]:
    """Guard against repetition, then write all that follows in one commit."""
    chosen, record, legs = routed
    now = record.created_at
    throttle, refusal = throttled(desk, case, wanted, legs, now)
    known = wanted.state.throttle
    stored = known if isinstance(known, Stored) else None
    moved, alerts = throttle_writes(stored, throttle) if throttle is not None else ([], [])
    if refusal is not None:
        await refuse(desk, case, refusal, now, wanted=wanted, more=moved)
        return alerts
    guard, refusal = await _duplicate_guard(desk, case, legs, now)
    if refusal is not None:
        return await refuse(desk, case, refusal, now, wanted=wanted)
    course = await _course(desk, case, wanted, choice, (chosen, now))
    if isinstance(course, Refusal):
        return await refuse(desk, case, course, now, wanted=wanted)
    after = _routed(case.delivery.value, chosen, course, now)
    writes: list[Write] = [
        case.delivery.update(after),
        create(Ref(case.book.routing_history, record.routing_id), record),
        *guard,
        *moved,
        *course.writes,
        *(outbox_write(message) for message in course.messages),
    ]
    await desk.store.commit(writes)
    return [*course.messages, *alerts]


async def _duplicate_guard(
    desk: Desk, case: Case, legs: Sequence[RiskLeg], now: datetime
) -> tuple[list[Write], Refusal | None]:
    deployment_id, symbol = case.deployment.deployment_id, case.signal.symbol
    guard = DuplicateGuard(
        delivery_id=case.delivery.value.delivery_id,
        quantity=sum((leg.first.quantity for leg in legs), ZERO),
        routed_at=now,
    )
    place = guard_ref(deployment_id, symbol, case.side)
    last = await load(desk.store, DuplicateGuard, place)
    refusal = check_duplicate(
        last.value if last else None, guard, symbol=symbol, now=now, limits=desk.settings.limits
    )
    return [put(last, place, guard)], refusal


async def _course(
    desk: Desk, case: Case, wanted: Wanted, choice: Choice, routed: tuple[Route, datetime]
) -> _Course | Refusal:
    chosen, now = routed
    if choice.algorithm is ExecAlgorithm.MARKET:
        plans = tuple(
            _order_plan(desk, case, wanted, (number, leg), now=now)
            for number, leg in enumerate(chosen.legs)
        )
        return _Course(
            legs=tuple(_leg(each, SignalStatus.ROUTED) for each in plans),
            writes=[],
            messages=[attempt_message(each, 1, now=now) for each in plans],
            status=SignalStatus.ROUTED,
        )
    parents: list[ParentOrder] = []
    for numbered in enumerate(chosen.legs):
        made = await make_parent(desk, case, wanted, choice, numbered, now=now)
        if isinstance(made, Refusal):
            return made
        parents.append(made)
    return _Course(
        legs=tuple(_parent_leg(each) for each in parents),
        writes=await _parent_writes(desk, case, wanted, parents, now),
        messages=[parent_message(each.parent_order_id, "begin", now=now) for each in parents],
        status=SignalStatus.EXECUTING,
    )


async def _parent_writes(
    desk: Desk, case: Case, wanted: Wanted, parents: Sequence[ParentOrder], now: datetime
) -> list[Write]:
    """Each parent, and all of it reserved from its first moment."""
    stored = wanted.state.exposure
    exposure = wanted.state.held
    for parent in parents:
        exposure = with_rest_reserved(exposure, parent)
    writes: list[Write] = [
        create(Ref(PARENT_ORDERS, parent.parent_order_id), parent) for parent in parents
    ]
    writes += await exposure_writes(
        desk.store, stored, exposure, book=case.book.name, agent_id=case.signal.agent_id
    )
    writes += [_parent_audit(parent, wanted, now) for parent in parents]
    return writes


def _parent_audit(parent: ParentOrder, wanted: Wanted, now: datetime) -> Write:
    facts = {
        "algorithm": parent.exec_algorithm_id,
        "because": parent.chosen_because,
        "side": parent.side,
        "quantity": plain(parent.quantity),
        "slices": len(parent.schedule),
        "policy": parent.policy_version,
        "size": wanted.verdict.words,
    }
    return audit_write("parent-begun", parent.parent_order_id, at=now, step=0, facts=facts)


def _routed(delivery: Delivery, chosen: Route, course: _Course, now: datetime) -> Delivery:
    first = course.legs[0]
    return replace(
        delivery,
        status=course.status,
        reason_code=chosen.code,
        reason=chosen.reason,
        venue=chosen.selected,
        intent_id=first.intent_id,
        plan_hash=first.plan_hash or None,
        legs=course.legs if len(course.legs) > 1 else (),
        updated_at=now,
    )


def _leg(each: OrderPlan, status: SignalStatus) -> DeliveryLeg:
    return DeliveryLeg(
        intent_id=each.intent_id,
        plan_hash=plan_hash(each),
        status=status,
        reason_code=status,
        reason="",
        venue=each.candidates[0].venue,
    )


def _parent_leg(parent: ParentOrder) -> DeliveryLeg:
    return DeliveryLeg(
        intent_id=parent.parent_order_id,
        plan_hash="",
        status=SignalStatus.EXECUTING,
        reason_code=parent.exec_algorithm_id,
        reason="",
        venue=parent.candidates[0].venue,
    )


def _order_plan(
    desk: Desk, case: Case, wanted: Wanted, numbered: tuple[int, Leg], *, now: datetime
) -> OrderPlan:
    deployment, signal = case.deployment, case.signal
    number, leg = numbered
    return OrderPlan(
        intent_id=intent_id(signal.agent_id, deployment.deployment_id, signal.signal_id, number, 0),
        book=case.book.name,
        agent_id=signal.agent_id,
        deployment_id=deployment.deployment_id,
        delivery_id=case.delivery.value.delivery_id,
        signal_id=signal.signal_id,
        symbol=signal.symbol,
        side=case.side,
        order_type=OrderType.MARKET,
        candidates=leg.candidates,
        reference_price=wanted.mark.price,
        slippage_max=desk.settings.limits.slippage_max,
        policy_version=wanted.verdict.version,
        created_at=now,
        expires_at=signal.expires_at,
        paper=deployment.paper,
        reduce_only=wanted.verdict.only_closes,
        exits=wanted.verdict.exits,
    )
