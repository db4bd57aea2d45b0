"""How much an order may close: an entry what others leave, an exit all that is held."""

from decimal import Decimal

import pytest

from common.domain.exposure import Exposure, Reservation
from common.domain.instrument import Venue
from common.domain.order import OrderPurpose, OrderSide
from common.execution.closing import closes, left_to_close
from tests.builders import DEPLOYMENT_ID, INTENT_ID, a_plan

HL, OSTIUM = Venue.HYPERLIQUID, Venue.OSTIUM
BUY, SELL = OrderSide.BUY, OrderSide.SELL
EXITS = [purpose for purpose in OrderPurpose if purpose is not OrderPurpose.ENTRY]


def holding(quantity: str, *under_way: tuple[str, OrderSide, str]) -> Exposure:
    """ETH at Hyperliquid, with other orders there: name, side, quantity."""
    exposure = Exposure.empty(DEPLOYMENT_ID).hold(
        venue=HL, symbol="ETH", signed_qty=Decimal(quantity), price=Decimal(3000)
    )
    for name, side, size in under_way:
        exposure = exposure.reserve(
            name,
            Reservation(
                venue=HL, symbol="ETH", side=side, quantity=Decimal(size), price=Decimal(3000)
            ),
        )
    return exposure


def test_left_to_close_when_an_entry_asks_then_what_others_of_its_side_leave() -> None:
    exposure = holding("3", ("int_other", SELL, "1"), ("int_buys", BUY, "5"))

    assert left_to_close(exposure, a_plan(side=SELL), HL) == 2
    assert left_to_close(exposure, a_plan(side=SELL), OSTIUM) == 0
    assert left_to_close(exposure, a_plan(side=SELL, symbol="BTC"), HL) == 0


@pytest.mark.parametrize("purpose", OrderPurpose)
def test_left_to_close_when_it_is_reserved_itself_then_that_does_not_count(
    purpose: OrderPurpose,
) -> None:
    exposure = holding("3", (INTENT_ID, SELL, "3"))

    assert left_to_close(exposure, a_plan(side=SELL, purpose=purpose), HL) == 3


@pytest.mark.parametrize("purpose", EXITS)
def test_left_to_close_when_an_exit_asks_then_all_that_is_held(purpose: OrderPurpose) -> None:
    """An entry that rests on its side for hours keeps nobody from getting out."""
    exposure = holding("3", ("int_rests", SELL, "3"))

    assert left_to_close(exposure, a_plan(side=SELL, purpose=purpose), HL) == 3


@pytest.mark.parametrize(
    ("held", "side", "quantity", "expected"),
    [
        ("2", SELL, "2", True),
        ("2", SELL, "0.5", True),
        ("2", SELL, "2.0001", False),
        ("2", BUY, "1", False),
        ("-2", BUY, "2", True),
        ("-2", BUY, "2.0001", False),
        ("-2", SELL, "1", False),
        ("0", SELL, "1", False),
        ("0", BUY, "1", False),
    ],
)
def test_closes_when_asked_then_only_what_makes_the_holding_smaller_and_never_turns_it(
    held: str, side: OrderSide, quantity: str, expected: bool
) -> None:
    assert closes(Decimal(held), a_plan(side=side), Decimal(quantity)) is expected
