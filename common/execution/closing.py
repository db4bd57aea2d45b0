"""How much of a holding an order may close."""

from decimal import Decimal

from common.domain.exposure import Exposure
from common.domain.money import ZERO
from common.domain.order import OrderPlan, OrderPurpose


def left_to_close(exposure: Exposure, plan: OrderPlan, venue: str) -> Decimal:
    """Signed base quantity at `venue` that an order of `plan` finds there to be closed.

    An entry finds what other orders of its side leave, as if they had filled. An exit finds what
    other exits leave: it is reduce-only at the venue, which cuts it to what is there by then, and
    an entry that rests on its side for hours must not keep it away.
    """
    if plan.purpose is OrderPurpose.ENTRY:
        return exposure.left_to_reduce(plan.intent_id, venue, plan.symbol, plan.side)
    if plan.is_protective:
        return exposure.held(venue, plan.symbol)
    return exposure.left_after_exits(plan.intent_id, venue, plan.symbol)


def closes(held: Decimal, plan: OrderPlan, quantity: Decimal) -> bool:
    """Whether `quantity` (> 0) closes all or part of `held`, and nothing more."""
    return held * plan.side.sign < ZERO and quantity <= abs(held)
