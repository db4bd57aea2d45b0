"""An UNRESOLVED order that a person ends: what they saw, and what its venue tells later. Pure.

The order is marked `settled_by_hand`. From then on the venue's fills of it are counted together,
and only what goes beyond the quantity that is booked is booked too.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Context, Decimal, localcontext

from common.domain.identifiers import prefixed_id
from common.domain.money import ZERO, Money, plain
from common.domain.order import (
    Fill,
    IntentStatus,
    LiquiditySide,
    Order,
    OrderIntent,
    OrderStatus,
)
from common.domain.position import EXACT
from common.errors import DeniedError, InvalidInputError
from common.execution.outcome import Outcome

BY_HAND = "by-hand"
_SIGNIFICANT = Context(prec=28)  # digits of a share of a commission
PRICE_BAND = Decimal("0.5")  # of the plan's reference price: farther off is a slip of the keyboard


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What a person saw at the venue.

    `filled_qty` is the order's in all, as the venue shows it: fills that were booked before, or
    while the person looked, are in it. Price and commission are of the part not booked yet.
    """

    filled_qty: Money  # base units, >= 0
    avg_px: Money | None
    commission: Money  # quote currency, >= 0
    reason: str
    by: str


def outcome_by_hand(intent: OrderIntent, order: Order, seen: Sighting, *, now: datetime) -> Outcome:
    """The end of the order as the person saw it, with one fill for what is not booked yet.

    Raises:
        DeniedError: INTENT_NOT_UNRESOLVED; the venue or another person was quicker.
        InvalidInputError: a quantity, price or commission that this order cannot have.
    """
    if intent.status is not IntentStatus.UNRESOLVED:
        raise DeniedError("INTENT_NOT_UNRESOLVED", f"this order is {intent.status}")
    rest = _rest(order, seen)
    fills = (_fill(intent, order, rest, seen, now),) if rest else ()
    if not rest and seen.commission:
        raise _invalid("commission", "nothing new has filled that it could be paid for")
    return Outcome(
        status=OrderStatus.CANCELED,
        code="SETTLED_BY_HAND",
        reason=f"Settled by hand: {seen.reason}",
        fills=fills,
        filled_qty=seen.filled_qty,
        by=seen.by,
    )


def beyond_booked(order: Order, told: Iterable[Fill], fresh: Iterable[Fill]) -> tuple[Fill, ...]:
    """The part of the `fresh` fills that the order's booked quantity does not cover yet.

    A report has every fill that the venue knows of the order (`told`), so their sum beside the
    order's says how much is new, whichever of them the person saw. The youngest are taken for it.
    """
    left = sum((fill.last_qty for fill in told), ZERO) - order.filled_qty
    taken: list[Fill] = []
    for fill in sorted(fresh, key=lambda each: (each.ts_event, each.trade_id), reverse=True):
        if left <= 0:
            break
        taken.append(fill if fill.last_qty <= left else _part(fill, left))
        left -= fill.last_qty
    return tuple(reversed(taken))


def _rest(order: Order, seen: Sighting) -> Decimal:
    if seen.filled_qty > order.quantity:
        raise _invalid("filled_qty", f"the order was for {plain(order.quantity)}")
    if seen.filled_qty < order.filled_qty:
        booked = plain(order.filled_qty)
        raise _invalid("filled_qty", f"{booked} of it is booked already, as the venue told it")
    return seen.filled_qty - order.filled_qty


def _fill(
    intent: OrderIntent, order: Order, quantity: Decimal, seen: Sighting, now: datetime
) -> Fill:
    price, reference = seen.avg_px, intent.plan.reference_price
    if price is None:
        raise _invalid("avg_px", "needed for what has filled")
    if abs(price - reference) > reference * PRICE_BAND:
        raise _invalid("avg_px", f"more than 50 % from {plain(reference)}, the plan's price")
    if seen.commission > price * quantity:
        raise _invalid("commission", "more than the trade is worth")
    return Fill(
        trade_id=prefixed_id("hnd", intent.plan.intent_id, BY_HAND, plain(order.filled_qty)),
        client_order_id=order.client_order_id,
        venue_order_id=order.venue_order_id or BY_HAND,
        account_id=order.account_id,
        venue=order.venue,
        instrument_id=order.instrument_id,
        symbol=order.symbol,
        side=order.side,
        last_qty=quantity,
        last_px=price,
        commission=seen.commission,
        liquidity_side=LiquiditySide.TAKER,
        ts_event=now,
    )


def _part(fill: Fill, quantity: Decimal) -> Fill:
    with localcontext(EXACT):
        share = quantity / fill.last_qty
        return replace(
            fill,
            last_qty=quantity,
            commission=_SIGNIFICANT.multiply(fill.commission, share),
            base_withheld=_SIGNIFICANT.multiply(fill.base_withheld, share),
        )


def _invalid(field: str, message: str) -> InvalidInputError:
    return InvalidInputError(message, code="INVALID_FIELD", where=f"body.{field}")
