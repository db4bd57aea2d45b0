"""What an order that a candle has triggered, or that rests, pays: hand-worked, and properties."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from common.domain.instrument import OrderType
from common.domain.market import Candle
from common.domain.order import Order, OrderSide
from infra.venues.paper.fills import Execution, rested, triggered
from tests.builders import an_instrument
from tests.unit.infra.venues.paper.desk import a_limit, a_stop

ETH = an_instrument(price_decimals_max=2)
BAR = Candle(0, Decimal(100), Decimal(101), Decimal(99), Decimal(100), Decimal(10_000))
"""Its volatility by Parkinson is 2 / 100 / 1.66511 = 0.0120112."""


def stop(trigger: str, bound: str, quantity: str = "1", **changes: object) -> Order:
    return a_stop(1, trigger, bound, quantity=Decimal(quantity), **changes)


def fill(order: Order, candle: Candle = BAR) -> tuple[Execution, ...]:
    return triggered(order, ETH, candle, order.quantity)


def test_triggered_when_within_the_bar_then_from_the_trigger_on_by_the_square_root_law() -> None:
    # 1 of 10,000: 1 % of the volatility. 99.5 x (1 - 0.000120112) = 99.48804..., rounded down.
    assert fill(stop("99.5", "90")) == (Execution(Decimal(1), Decimal("99.48")),)
    # 100 of 10,000: a tenth of it. 99.5 x (1 - 0.00120112) = 99.38048...
    assert fill(stop("99.5", "90", "100")) == (Execution(Decimal(100), Decimal("99.38")),)


def test_triggered_when_the_bar_opens_beyond_a_stop_then_from_the_open_on() -> None:
    assert fill(stop("105", "90"))[0].price == Decimal("99.98")  # 100 x (1 - 0.000120112)
    buy = stop("95", "110", side=OrderSide.BUY)
    assert fill(buy)[0].price == Decimal("100.02")


def test_triggered_when_touched_then_from_the_trigger_on_wherever_the_bar_opened() -> None:
    touched = stop("98", "90", order_type=OrderType.MARKET_IF_TOUCHED)
    assert fill(touched)[0].price == Decimal("97.98")  # 98 x (1 - 0.000120112) = 97.98822...
    later = replace(touched, trigger_price=Decimal("100.5"))
    assert fill(later)[0].price == Decimal("100.48")


def test_triggered_when_the_bound_cuts_then_what_its_impact_allows() -> None:
    # room 0.1 %: (0.001 / 0.0120112)^2 x 10,000 = 69.31... units, at the bound.
    (part,) = fill(stop("100", "99.9", "100"))
    assert part.price == Decimal("99.9")
    assert Decimal("69.31") < part.quantity < Decimal("69.32")


def test_triggered_when_it_starts_beyond_the_bound_then_nothing() -> None:
    assert fill(stop("99.5", "99.6")) == ()


def test_triggered_when_nothing_was_traded_then_nothing() -> None:
    assert fill(stop("99.5", "90"), replace(BAR, volume=Decimal(0))) == ()


def test_triggered_when_there_is_no_trigger_then_nothing() -> None:
    assert fill(a_limit(1, "110")) == ()


def test_triggered_when_more_is_wanted_than_was_traded_then_no_more_than_that() -> None:
    (part,) = fill(stop("99.5", "1", "20000"))
    assert part.quantity == 10_000


def test_rested_when_filled_then_whole_lots_at_its_own_price() -> None:
    order = a_limit(1, "99.5", quantity=Decimal(3))
    depth = Decimal("1.23456")
    assert rested(order, ETH, depth, Decimal(3)) == (Execution(Decimal("1.2345"), Decimal("99.5")),)
    assert rested(order, ETH, Decimal(9), Decimal(2))[0].quantity == 2
    assert rested(order, ETH, Decimal("0.00009"), Decimal(3)) == ()


amounts = st.decimals(min_value=Decimal("0.0001"), max_value=Decimal(50_000), places=4)
prices = st.decimals(min_value=Decimal(90), max_value=Decimal(110), places=2)


@given(
    quantity=amounts,
    volume=amounts,
    numbers=st.tuples(prices, prices, prices, prices),
    trigger=prices,
    bound=prices,
    side=st.sampled_from(OrderSide),
    order_type=st.sampled_from([OrderType.STOP_MARKET, OrderType.MARKET_IF_TOUCHED]),
)
def test_triggered_when_any_order_then_within_bound_and_volume_and_never_better_than_asked(
    *,
    quantity: Decimal,
    volume: Decimal,
    numbers: tuple[Decimal, ...],
    trigger: Decimal,
    bound: Decimal,
    side: OrderSide,
    order_type: OrderType,
) -> None:
    low, first, last, high = sorted(numbers)
    candle = Candle(0, first, high, low, last, volume)
    order = stop("100", "100", side=side, order_type=order_type)
    order = replace(order, trigger_price=trigger, price=bound, quantity=quantity)
    for part in fill(order, candle):
        assert 0 < part.quantity <= min(quantity, volume)
        assert part.quantity % ETH.size_increment == 0
        worse = (part.price - trigger) * side.sign
        assert worse >= 0
        assert (bound - part.price) * side.sign >= 0
        if order_type is OrderType.STOP_MARKET:
            assert (part.price - first) * side.sign >= 0
    assert fill(order, candle) == fill(order, candle)
