"""The duplicate block: the same order for the same deployment twice within a short window."""

from dataclasses import dataclass
from datetime import datetime

from common.books import DUPLICATE_GUARDS
from common.config import LimitSettings
from common.domain.identifiers import prefixed_id
from common.domain.moment import UtcDatetime
from common.domain.money import Money, plain
from common.domain.order import OrderSide
from common.how.denial import Denial
from common.how.limits import Refusal
from common.ports import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateGuard:
    """The last order of one deployment, symbol and side; two at once collide on its version."""

    delivery_id: str
    quantity: Money
    routed_at: UtcDatetime


def guard_ref(deployment_id: str, symbol: str, side: OrderSide) -> Ref:
    return Ref(DUPLICATE_GUARDS, prefixed_id("dup", deployment_id, symbol, side))


def check_duplicate(
    last: DuplicateGuard | None,
    candidate: DuplicateGuard,
    *,
    symbol: str,
    now: datetime,
    limits: LimitSettings,
) -> Refusal | None:
    """Refuse the same quantity within `duplicate_window`; a delivery is no duplicate of itself."""
    if last is None or last.delivery_id == candidate.delivery_id:
        return None
    if last.quantity != candidate.quantity or now - last.routed_at >= limits.duplicate_window:
        return None
    return Refusal(
        Denial.DUPLICATE_ORDER,
        f"{symbol}: the same order over {plain(last.quantity)} was routed"
        f" {int((now - last.routed_at).total_seconds() * 1000)} ms ago",
    )
