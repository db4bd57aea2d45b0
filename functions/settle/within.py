"""Which of some scopes an order, a parent order or an account lies within."""

from collections.abc import Collection, Iterable

from common.domain.order import OrderPlan
from common.domain.parent_order import ParentOrder
from common.domain.scope import Scope, order_scopes


def scope_around(
    subject: OrderPlan | ParentOrder, venues: Iterable[str], scopes: Collection[Scope]
) -> Scope | None:
    """The widest of `scopes` that it is within at one of `venues`; None: it is within none."""
    around = order_scopes(
        book=subject.book,
        agent_id=subject.agent_id,
        deployment_id=subject.deployment_id,
        symbol=subject.symbol,
        venues=venues,
    )
    return next((scope for scope in around if scope in scopes), None)


def candidate_venues(subject: OrderPlan | ParentOrder) -> tuple[str, ...]:
    """Where it may go: all that is known before it has its venue."""
    return tuple(each.venue for each in subject.candidates)
