"""Our size in Symphony's measure: a percentage of the subscriber's balance. Pure.

    collateral = weight / 100 x balance        position = collateral x leverage

The weight is rounded down to 0.01 %, is counted on the larger of the two balances that the API
tells, and at the lowest price within the order's bound. So the position is never larger than the
order as long as the price stays within that bound, and mostly a little smaller: exact it cannot be.
"""

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from common.domain.money import ZERO, plain
from common.domain.order import Order, OrderSide
from common.errors import RejectedError

LEVERAGE = Decimal("1.1")  # the lowest that the API takes
WEIGHT_STEP = Decimal("0.01")
MIN_COLLATERAL = Decimal(5)  # USDC


@dataclass(frozen=True, slots=True)
class Balance:
    """Of one subscriber, USDC. The docs do not say which of the two a weight is taken of."""

    available: Decimal
    equity: Decimal


def weight_of(order: Order, price: Decimal, balance: Balance) -> Decimal:
    """The weight to open `order` with at the market's `price` (> 0).

    Raises:
        RejectedError: the price is beyond the order's bound, the position would be under the
            venue's minimum, or the balance does not carry it.
    """
    buy = order.side is OrderSide.BUY
    if price > order.price if buy else price < order.price:
        raise RejectedError(
            "NOT_FILLED_WITHIN_BOUND", f"Symphony's price {plain(price)} is beyond the order's"
        )
    lowest = max(2 * price - order.price, ZERO) if buy else order.price
    collateral = order.quantity * lowest / LEVERAGE
    basis = max(balance.available, balance.equity)
    if basis <= 0 or collateral > balance.available:
        raise RejectedError(
            "INSUFFICIENT_MARGIN",
            f"Symphony: {plain(round(balance.available, 2))} USDC do not carry the order",
        )
    weight = (collateral / basis * 100).quantize(WEIGHT_STEP, rounding=ROUND_FLOOR)
    smallest = min(balance.available, balance.equity) * weight / 100
    if smallest < MIN_COLLATERAL:
        raise RejectedError(
            "NOTIONAL_BELOW_MINIMUM", f"Symphony opens no position of under {MIN_COLLATERAL} USDC"
        )
    return weight
