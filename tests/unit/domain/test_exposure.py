"""What a deployment holds and has reserved."""

from decimal import Decimal

import pytest

from common.domain.exposure import Exposure, Reservation
from common.domain.order import OrderSide

BUY, SELL = OrderSide.BUY, OrderSide.SELL


def reserved(
    side: OrderSide = BUY,
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


def holding(quantity: object, *, price: object = 100, venue: str = "GMX") -> Exposure:
    return Exposure.empty("dep_1").hold(
        venue=venue, symbol="ETH", signed_qty=Decimal(str(quantity)), price=Decimal(str(price))
    )


def test_exposure_when_empty_then_nothing_is_held() -> None:
    empty = Exposure.empty("dep_1")

    assert empty.held("GMX", "ETH") == 0
    assert empty.release("int_1") == empty


def test_exposure_when_held_then_flat_removes_it() -> None:
    assert holding(-2).held("GMX", "ETH") == -2
    flat = holding(-2).hold(venue="GMX", symbol="ETH", signed_qty=Decimal(0), price=Decimal(1))
    assert flat == Exposure.empty("dep_1")


@pytest.mark.parametrize(
    ("held", "side", "left"), [("5", SELL, "3"), ("5", BUY, "6"), ("-5", BUY, "-4")]
)
def test_left_to_reduce_when_others_are_under_way_then_they_count_as_filled(
    held: str, side: OrderSide, left: str
) -> None:
    exposure = (
        holding(held)
        .reserve("mine", reserved(side, 4))
        .reserve("sell", reserved(SELL, 2))
        .reserve("buy", reserved(BUY, 1))
        .reserve("elsewhere", reserved(side, 9, venue="OSTIUM"))
        .reserve("other", reserved(side, 9, symbol="BTC"))
    )

    assert exposure.left_to_reduce("mine", "GMX", "ETH", side) == Decimal(left)
