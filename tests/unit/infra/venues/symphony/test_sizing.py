"""Our size as a percentage of a balance: never larger than asked."""

from decimal import Decimal
from random import Random

import pytest

from common.domain.instrument import Venue
from common.domain.order import Order, OrderSide
from common.errors import RejectedError
from infra.venues.symphony.sizing import LEVERAGE, Balance, weight_of
from tests.builders import an_order

RICH = Balance(Decimal(10_000), Decimal(10_000))


def order(quantity: str, price: str, side: OrderSide = OrderSide.BUY) -> Order:
    return an_order(
        venue=Venue.SYMPHONY, quantity=Decimal(quantity), price=Decimal(price), side=side
    )


def test_weight_when_plain_figures_then_the_formula_rounded_down() -> None:
    """0.3333 x 2985 / 1.1 / 10,000 = 9.0445... %."""
    assert weight_of(order("0.3333", "3015"), Decimal(3000), RICH) == Decimal("9.04")
    sell = order("0.3333", "2985", OrderSide.SELL)
    assert weight_of(sell, Decimal(3000), RICH) == Decimal("9.04")


def test_weight_when_drawn_then_the_position_is_never_larger_than_the_order() -> None:
    """10,000 draws: whichever balance the venue counts on, whatever price within the bound."""
    random = Random(7)
    sized = 0
    for _ in range(10_000):
        price = Decimal(random.randint(1, 10**9)) / Decimal(10 ** random.randint(0, 9))
        slippage = Decimal(random.randint(0, 300)) / 10_000
        buy = random.random() < 0.5
        bound = price * (1 + slippage) if buy else price * (1 - slippage)
        balance = Balance(
            Decimal(random.randint(1, 10**9)) / 100, Decimal(random.randint(1, 10**9)) / 100
        )
        quantity = Decimal(random.randint(1, 10**7)) / 100 / price
        asked = an_order(
            quantity=quantity, price=bound, side=OrderSide.BUY if buy else OrderSide.SELL
        )
        try:
            weight = weight_of(asked, price, balance)
        except RejectedError:
            continue
        sized += 1
        assert 0 < weight <= 100
        assert weight == weight.quantize(Decimal("0.01"))
        cheapest = 2 * price - bound if buy else bound
        for counted in (balance.available, balance.equity):
            size = counted * weight / 100 * LEVERAGE
            assert size / cheapest <= quantity * (1 + Decimal("1e-20"))
    assert sized > 1_000


@pytest.mark.parametrize(
    ("asked", "price", "balance", "code"),
    [
        (order("0.3333", "3015"), "3015.01", RICH, "NOT_FILLED_WITHIN_BOUND"),
        (order("0.3333", "2985", OrderSide.SELL), "2984", RICH, "NOT_FILLED_WITHIN_BOUND"),
        (order("0.0018", "3015"), "3000", RICH, "NOTIONAL_BELOW_MINIMUM"),
        (order("0.3333", "6001"), "3000", RICH, "NOTIONAL_BELOW_MINIMUM"),
        (order("4", "3015"), "3000", RICH, "INSUFFICIENT_MARGIN"),
        (order("1", "3015"), "3000", Balance(Decimal(0), Decimal(0)), "INSUFFICIENT_MARGIN"),
        (order("1", "3015"), "3000", Balance(Decimal(100), Decimal(9999)), "INSUFFICIENT_MARGIN"),
    ],
)
def test_weight_when_it_cannot_be_then_rejected_with_its_code(
    asked: Order, price: str, balance: Balance, code: str
) -> None:
    with pytest.raises(RejectedError) as refusal:
        weight_of(asked, Decimal(price), balance)
    assert refusal.value.code == code
