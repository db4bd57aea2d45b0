"""What is at risk when reservations fill in the worst order: worked examples, and every order."""

import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.exposure import Exposure
from common.domain.order import OrderSide
from common.how.worst_case import gross, notionals
from tests.builders import a_reservation, an_exposure

BUY, SELL = OrderSide.BUY, OrderSide.SELL


def test_notionals_when_empty_then_nothing_is_at_risk() -> None:
    empty = Exposure.empty("dep_1")

    assert gross(notionals(empty)) == 0


def test_notionals_when_reserved_then_it_counts_until_released() -> None:
    exposure = Exposure.empty("dep_1").reserve("int_1", a_reservation(quantity=2))

    assert gross(notionals(exposure)) == 200
    assert gross(notionals(exposure.reserve("int_1", a_reservation(quantity=3)))) == 300
    assert gross(notionals(exposure.release("int_1"))) == 0


def test_notionals_when_short_then_it_counts_as_much() -> None:
    assert gross(notionals(an_exposure(-2))) == 200


def test_notionals_when_venues_differ_then_long_and_short_do_not_cancel() -> None:
    both = an_exposure(2).hold(
        venue="OSTIUM", symbol="ETH", signed_qty=Decimal(-3), price=Decimal(100)
    )

    assert gross(notionals(both)) == 500


@pytest.mark.parametrize(
    ("held", "side", "quantity", "worst"),
    [
        ("1", BUY, "2", "300"),
        ("1", SELL, "0.5", "100"),
        ("1", SELL, "3", "200"),
        ("-1", BUY, "0.5", "100"),
        ("-1", SELL, "2", "300"),
    ],
)
def test_notionals_when_an_order_is_under_way_then_the_worst_of_filling_and_not_counts(
    held: str, side: OrderSide, quantity: str, worst: str
) -> None:
    assert gross(
        notionals(an_exposure(held).reserve("i", a_reservation(side, quantity)))
    ) == Decimal(worst)


def test_notionals_when_prices_differ_then_the_highest_counts() -> None:
    assert (
        gross(notionals(an_exposure(1, price=90).reserve("i", a_reservation(BUY, 1, price=110))))
        == 220
    )
    assert (
        gross(notionals(an_exposure(1, price=110).reserve("i", a_reservation(BUY, 1, price=90))))
        == 220
    )


sides = st.sampled_from(OrderSide)
sizes = st.integers(0, 20)


@given(
    held=st.integers(-20, 20),
    orders=st.lists(st.tuples(sides, sizes), max_size=5),
)
def test_notionals_when_any_orders_then_no_order_of_fills_is_worse(
    held: int, orders: list[tuple[OrderSide, int]]
) -> None:
    exposure = an_exposure(held) if held else Exposure.empty("dep_1")
    for number, (side, size) in enumerate(orders):
        exposure = exposure.reserve(f"int_{number}", a_reservation(side, size))
    outcomes = itertools.product((0, 1), repeat=len(orders))
    worst = max(
        abs(held + sum(f * side.sign * size for f, (side, size) in zip(fills, orders, strict=True)))
        for fills in outcomes
    )

    assert gross(notionals(exposure)) == worst * 100
    for number in range(len(orders)):
        assert gross(notionals(exposure.release(f"int_{number}"))) <= gross(notionals(exposure))


def test_notionals_when_orders_are_for_different_things_then_each_is_counted_by_itself() -> None:
    exposure = (
        an_exposure(1)
        .reserve("buy", a_reservation(BUY, 1))
        .reserve("elsewhere", a_reservation(SELL, 4, venue="OSTIUM"))
        .reserve("other", a_reservation(SELL, 8, symbol="BTC"))
    )

    assert gross(notionals(exposure)) == 200 + 400 + 800
