"""What a deployment holds and has reserved."""

from decimal import Decimal

import pytest

from common.domain.exposure import Exposure
from common.domain.order import OrderSide
from tests.builders import a_reservation, an_exposure

BUY, SELL = OrderSide.BUY, OrderSide.SELL


def test_exposure_when_empty_then_nothing_is_held() -> None:
    empty = Exposure.empty("dep_1")

    assert empty.held("GMX", "ETH") == 0
    assert empty.release("int_1") == empty


def test_exposure_when_held_then_flat_removes_it() -> None:
    assert an_exposure(-2).held("GMX", "ETH") == -2
    flat = an_exposure(-2).hold(venue="GMX", symbol="ETH", signed_qty=Decimal(0), price=Decimal(1))
    assert flat == Exposure.empty("dep_1")


@pytest.mark.parametrize(
    ("held", "side", "left"), [("5", SELL, "3"), ("5", BUY, "6"), ("-5", BUY, "-4")]
)
def test_left_to_reduce_when_others_are_under_way_then_they_count_as_filled(
    held: str, side: OrderSide, left: str
) -> None:
    exposure = (
        an_exposure(held)
        .reserve("mine", a_reservation(side, 4))
        .reserve("sell", a_reservation(SELL, 2))
        .reserve("buy", a_reservation(BUY, 1))
        .reserve("elsewhere", a_reservation(side, 9, venue="OSTIUM"))
        .reserve("other", a_reservation(side, 9, symbol="BTC"))
    )

    assert exposure.left_to_reduce("mine", "GMX", "ETH", side) == Decimal(left)
