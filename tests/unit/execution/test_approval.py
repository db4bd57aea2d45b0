"""Which plans may be executed: the one that was made, to the letter, and no other."""

from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import PLAN_APPROVALS
from common.domain.instrument import OrderType, TimeInForce
from common.domain.order import OrderPlan, OrderPurpose, OrderSide
from common.domain.signal import Delivery, DeliveryLeg, SignalStatus
from common.errors import ConflictError
from common.execution.approval import (
    KEPT,
    approval_ref,
    approval_write,
    has_own_approval,
    is_approved,
)
from common.execution.plan import plan_hash
from common.ports import Delete, Ref
from infra.local.store.memory import MemoryStore
from tests.builders import INTENT_ID, NOON, a_delivery, a_plan

ENTRY = a_plan()
CHILD = a_plan(parent_order_id="par_1", exec_algorithm_id="TWAP", slice_no=1)
EXIT = a_plan(delivery_id="", purpose=OrderPurpose.STOP_LOSS, reduce_only=True)

CHANGES: dict[str, Any] = {
    "intent_id": "int_other",
    "book": "v2",
    "agent_id": "another",
    "deployment_id": "dep_2",
    "signal_id": "sig_2",
    "symbol": "BTC",
    "side": OrderSide.SELL,
    "order_type": OrderType.LIMIT,
    "candidates": (replace(ENTRY.candidates[0], quantity=Decimal("0.3334")),),
    "reference_price": Decimal(3001),
    "slippage_max": Decimal("0.5"),
    "policy_version": "policy-2",
    "created_at": NOON + timedelta(seconds=1),
    "expires_at": NOON + timedelta(hours=1),
    "paper": False,
    "time_in_force": TimeInForce.GTC,
    "trigger_price": Decimal(2900),
    "reduce_only": None,
    "purpose": OrderPurpose.FLATTEN,
    "position_id": "pos_2",
    "exec_algorithm_id": "SNIPER",
    "slice_no": 2,
    "exits": None,
    "delivery_id": None,
    "parent_order_id": None,
}
SAME = {"reduce_only", "exits", "delivery_id", "parent_order_id"}
"""Changed in tests of their own."""


def routed(plan: OrderPlan) -> Delivery:
    return a_delivery(
        status=SignalStatus.ROUTED, intent_id=plan.intent_id, plan_hash=plan_hash(plan)
    )


async def allowed(store: MemoryStore, plan: OrderPlan, delivery: Delivery | None) -> bool:
    return is_approved(plan, delivery, await store.get(approval_ref(plan)))


async def approved(*plans: OrderPlan) -> MemoryStore:
    store = MemoryStore()
    await store.commit([approval_write(plan, "advance", now=NOON) for plan in plans])
    return store


@pytest.mark.parametrize(("plan", "own"), [(ENTRY, False), (CHILD, True), (EXIT, True)])
def test_has_own_approval_when_a_child_or_an_exit_then_it_does(plan: OrderPlan, own: bool) -> None:
    assert has_own_approval(plan) is own


async def test_is_approved_when_route_made_it_then_by_its_delivery_alone() -> None:
    store = MemoryStore()

    assert await allowed(store, ENTRY, routed(ENTRY))
    assert not await allowed(store, ENTRY, None)
    assert not await allowed(store, ENTRY, replace(routed(ENTRY), plan_hash=None))
    assert not await allowed(store, ENTRY, replace(routed(ENTRY), intent_id="int_other"))
    assert not await allowed(await approved(ENTRY), ENTRY, None)


async def test_is_approved_when_the_delivery_was_split_then_by_the_leg_of_its_own() -> None:
    other = replace(ENTRY, intent_id="int_2", slippage_max=Decimal("0.01"))
    legs = tuple(
        DeliveryLeg(
            intent_id=plan.intent_id,
            plan_hash=plan_hash(plan),
            status=SignalStatus.ROUTED,
            reason_code="",
            reason="",
            venue=None,
        )
        for plan in (ENTRY, other)
    )
    delivery = a_delivery(status=SignalStatus.ROUTED, legs=legs)

    assert await allowed(MemoryStore(), other, delivery)
    assert not await allowed(MemoryStore(), replace(other, intent_id=INTENT_ID), delivery)


@pytest.mark.parametrize("plan", [CHILD, EXIT], ids=["child", "exit"])
async def test_is_approved_when_it_has_an_approval_of_its_own_then_that_alone_counts(
    plan: OrderPlan,
) -> None:
    store = await approved(plan)

    assert await allowed(store, plan, None)
    assert not await allowed(MemoryStore(), plan, routed(plan))
    await store.commit([Delete(Ref(PLAN_APPROVALS, plan.intent_id))])
    assert not await allowed(store, plan, routed(plan))


def test_changes_when_listed_then_every_field_of_a_plan_is_among_them() -> None:
    assert set(CHANGES) == {field.name for field in fields(OrderPlan)}


@pytest.mark.parametrize("field", sorted(set(CHANGES) - SAME))
@pytest.mark.parametrize("plan", [ENTRY, CHILD, EXIT], ids=["entry", "child", "exit"])
async def test_is_approved_when_any_field_was_altered_then_not(plan: OrderPlan, field: str) -> None:
    """Catalogue case 85."""
    altered = replace(plan, **{field: CHANGES[field]})
    assert altered != plan
    store = await approved(plan)

    assert not await allowed(store, altered, routed(plan))


@pytest.mark.parametrize("plan", [CHILD, EXIT], ids=["child", "exit"])
async def test_is_approved_when_reduce_only_was_altered_then_not(plan: OrderPlan) -> None:
    altered = replace(plan, reduce_only=not plan.reduce_only)

    assert not await allowed(await approved(plan), altered, None)


async def test_is_approved_when_a_child_passes_for_another_kind_then_not() -> None:
    """Neither without its parent, nor without its delivery, nor as a plan of route's."""
    store = await approved(CHILD)

    for altered in (
        replace(CHILD, parent_order_id=""),
        replace(CHILD, parent_order_id="par_2"),
        replace(CHILD, delivery_id=""),
        replace(CHILD, delivery_id="del_2"),
    ):
        assert not await allowed(store, altered, routed(CHILD))


async def test_approval_when_made_twice_then_the_second_gives_way() -> None:
    """The id is the intent's: whoever plans the same effect finds the first plan."""
    store = await approved(CHILD)

    with pytest.raises(ConflictError):
        await store.commit([approval_write(replace(CHILD, slice_no=2), "settle", now=NOON)])

    assert await allowed(store, CHILD, None)


def test_approval_when_written_then_it_outlives_every_redelivery() -> None:
    write = approval_write(EXIT, "monitor", now=NOON)

    assert write.ref == Ref(PLAN_APPROVALS, EXIT.intent_id)
    assert write.expires_at == EXIT.expires_at + KEPT
    assert write.data == {
        "plan_hash": plan_hash(EXIT),
        "by": "monitor",
        "approved_at": "2026-01-15T12:00:00.000000Z",
    }
