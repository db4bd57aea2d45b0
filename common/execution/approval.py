"""Which plans may be executed: those that route, `advance`, `monitor` or a flatten have made.

A delivery holds the hash of the plan that route made for it. A child of a parent order, and an
exit, have no delivery that waits for them alone: their approval is a document of its own, created
with the message that asks for them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from common.books import PLAN_APPROVALS
from common.domain.moment import UtcDatetime
from common.domain.order import OrderPlan
from common.domain.signal import Delivery
from common.execution.deliveries import approved_hash
from common.execution.plan import plan_hash
from common.ports import Create, Document, Ref
from common.wire import to_document

KEPT = timedelta(days=7)
"""Beyond every redelivery of the message that it was created with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanApproval:
    """The document under `plan_approvals`, id = intent id; never changed."""

    plan_hash: str
    by: str  # advance, monitor, settle
    approved_at: UtcDatetime


def has_own_approval(plan: OrderPlan) -> bool:
    """Whether it is a child or an exit: nothing that a delivery's end depends on directly."""
    return bool(plan.parent_order_id) or not plan.delivery_id


def approval_write(plan: OrderPlan, by: str, *, now: datetime) -> Create:
    approval = PlanApproval(plan_hash=plan_hash(plan), by=by, approved_at=now)
    return Create(approval_ref(plan), to_document(approval), expires_at=plan.expires_at + KEPT)


def approval_ref(plan: OrderPlan) -> Ref:
    return Ref(PLAN_APPROVALS, plan.intent_id)


def is_approved(plan: OrderPlan, delivery: Delivery | None, approval: Document | None) -> bool:
    """Catalogue case 85: not a plan that nobody made, nor one that was altered on the way.

    `delivery` is the plan's, `approval` what is stored at its `approval_ref`.
    """
    if not has_own_approval(plan):
        return delivery is not None and approved_hash(delivery, plan.intent_id) == plan_hash(plan)
    return approval is not None and approval.data.get("plan_hash") == plan_hash(plan)
