"""The plan's fingerprint: execute takes the plan that route approved and no other."""

from common.domain.identifiers import digest
from common.domain.order import OrderPlan
from common.wire import canonical_json, to_document


def plan_hash(plan: OrderPlan) -> str:
    return digest(canonical_json(to_document(plan)))
