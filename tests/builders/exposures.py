"""What a deployment holds and has reserved, at GMX unless told otherwise."""

from decimal import Decimal

from common.domain.exposure import Exposure, Reservation
from common.domain.order import OrderSide


def a_reservation(
    side: OrderSide = OrderSide.BUY,
    quantity: object = 1,
    *,
    price: object = 100,
    venue: str = "GMX",
    symbol: str = "ETH",
) -> Reservation:
    return Reservation(
        venue=venue,
        symbol=symbol,
        side=side,
        quantity=Decimal(str(quantity)),
        price=Decimal(str(price)),
    )


def an_exposure(quantity: object, *, price: object = 100, venue: str = "GMX") -> Exposure:
    """Of `quantity` ETH, signed."""
    return Exposure.empty("dep_1").hold(
        venue=venue, symbol="ETH", signed_qty=Decimal(str(quantity)), price=Decimal(str(price))
    )
