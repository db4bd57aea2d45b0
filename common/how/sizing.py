"""From a signal's size model to a quantity."""

from decimal import Decimal

from common.domain.signal import SizeModel, SizeType


def target_quantity(size: SizeModel, *, capital: Decimal, price: Decimal) -> Decimal:
    """Base units before the venue's lot rounding; `price` > 0 in quote currency.

    A percentage is of the deployment's capital, so that its size does not drift with open profit.
    """
    if size.type is SizeType.QUANTITY:
        return size.value
    notional = capital * size.value / 100 if size.type is SizeType.PERCENTAGE else size.value
    return notional / price
