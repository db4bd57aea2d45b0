"""What a paper order costs: hand-worked books and bars, and properties over any of them."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from common.domain.instrument import TimeInForce
from common.domain.market import Candle, MarketSnapshot, TopOfBook
from common.domain.order import OrderSide
from common.domain.rounding import is_valid_price
from infra.venues.paper.fills import Execution, executions
from tests.builders import a_snapshot, an_instrument, an_order

ETH = an_instrument(price_decimals_max=2)
BOOK = TopOfBook(
    bid=Decimal(99), ask=Decimal(100), bid_size=Decimal(2), ask_size=Decimal(4), modelled=False
)
BAR = Candle(0, Decimal(100), Decimal(101), Decimal(99), Decimal(100), Decimal(10_000))


def snapshot(book: TopOfBook = BOOK, bar: Candle = BAR) -> MarketSnapshot:
    return a_snapshot(book=book, candles=(bar,))


def fill(quantity: str, bound: str, side: OrderSide = OrderSide.BUY) -> tuple[Execution, ...]:
    order = an_order(side=side, quantity=Decimal(quantity), price=Decimal(bound))
    return executions(order, ETH, snapshot(), order.quantity)


def modelled(quantity: str, bound: str, bar: Candle = BAR) -> tuple[Execution, ...]:
    order = an_order(quantity=Decimal(quantity), price=Decimal(bound))
    return executions(order, ETH, snapshot(replace(BOOK, modelled=True), bar), order.quantity)


def test_executions_when_the_best_level_is_enough_then_its_price() -> None:
    assert fill("4", "110") == (Execution(Decimal(4), Decimal(100)),)
    assert fill("2", "90", OrderSide.SELL) == (Execution(Decimal(2), Decimal(99)),)


def test_executions_when_more_is_wanted_then_the_rest_pays_the_average_of_its_walk() -> None:
    # 4 more units on a book 4 deep a spread of 1: the price walks 100 -> 101, on average 100.5.
    assert fill("8", "110")[1] == Execution(Decimal(4), Decimal("100.5"))
    assert fill("4", "90", OrderSide.SELL)[1] == Execution(Decimal(2), Decimal("98.5"))


def test_executions_when_the_bound_cuts_the_walk_then_it_stops_there() -> None:
    parts = fill("8", "100.5")
    assert parts[1] == Execution(Decimal(2), Decimal("100.25"))


def test_executions_when_the_best_price_is_beyond_the_bound_then_nothing() -> None:
    assert fill("1", "99.99") == ()
    assert fill("1", "99.01", OrderSide.SELL) == ()


def test_executions_when_from_a_bar_then_the_square_root_law() -> None:
    # sigma = 2 / 100 / 1.66511 = 0.0120112; 1 of 10,000: impact sqrt(1/10000) = 1 % of it.
    (part,) = modelled("1", "110")
    assert part == Execution(Decimal(1), Decimal("100.02"))  # 100.0120112, rounded against us
    (part,) = modelled("100", "110")
    assert part == Execution(Decimal(100), Decimal("100.13"))  # 100 x (1 + 0.0120112 x 0.1)


def test_executions_when_the_bound_cuts_the_bar_then_what_its_impact_allows() -> None:
    # room 0.1 %: (0.001 / 0.0120112)^2 x 10,000 = 69.31... units.
    (part,) = modelled("100", "100.1")
    assert part.price == Decimal("100.1")
    assert Decimal("69.31") < part.quantity < Decimal("69.32")


def test_executions_when_more_than_the_bar_traded_then_no_more_than_that() -> None:
    (part,) = modelled("20000", "200")
    assert part.quantity == 10_000


def test_executions_when_the_bar_did_not_move_then_half_a_spread_alone() -> None:
    flat = replace(BAR, high=Decimal(100), low=Decimal(100))
    assert modelled("5", "110", flat) == (Execution(Decimal(5), Decimal(100)),)


def test_executions_when_the_bar_has_no_volume_then_the_modelled_sizes() -> None:
    assert modelled("4", "110", replace(BAR, volume=Decimal(0)))[0].quantity == 4


def test_executions_when_there_is_no_bar_then_the_modelled_sizes() -> None:
    order = an_order(quantity=Decimal(4), price=Decimal(110))
    market = replace(snapshot(replace(BOOK, modelled=True)), candles=())
    assert executions(order, ETH, market, Decimal(4)) == (Execution(Decimal(4), Decimal(100)),)


def test_executions_when_the_level_is_empty_then_nothing() -> None:
    order = an_order(quantity=Decimal(1), price=Decimal(110))
    assert executions(order, ETH, snapshot(replace(BOOK, ask_size=Decimal(0))), Decimal(1)) == ()


def test_executions_when_fok_and_not_whole_then_nothing() -> None:
    order = an_order(quantity=Decimal(8), price=Decimal("100.5"), time_in_force=TimeInForce.FOK)
    assert executions(order, ETH, snapshot(), order.quantity) == ()
    whole = replace(order, price=Decimal(110))
    assert sum(part.quantity for part in executions(whole, ETH, snapshot(), Decimal(8))) == 8


def test_executions_when_the_price_is_below_a_tick_then_nothing() -> None:
    dust = TopOfBook(
        bid=Decimal("0.001"),
        ask=Decimal("0.002"),
        bid_size=Decimal(9),
        ask_size=Decimal(9),
        modelled=False,
    )
    order = an_order(side=OrderSide.SELL, quantity=Decimal(1), price=Decimal("0.01"))
    assert executions(order, ETH, snapshot(dust), Decimal(1)) == ()


amounts = st.decimals(min_value=Decimal("0.0001"), max_value=Decimal(50_000), places=4)


@given(
    quantity=amounts,
    bid=st.decimals(min_value=Decimal(90), max_value=Decimal(110), places=3),
    spread=st.decimals(min_value=Decimal("0.001"), max_value=Decimal(2), places=3),
    size=amounts,
    bound=st.decimals(min_value=Decimal(90), max_value=Decimal(115), places=2),
    side=st.sampled_from(OrderSide),
    from_bar=st.booleans(),
)
def test_executions_when_any_order_then_within_bound_book_lot_and_tick(
    *,
    quantity: Decimal,
    bid: Decimal,
    spread: Decimal,
    size: Decimal,
    bound: Decimal,
    side: OrderSide,
    from_bar: bool,
) -> None:
    book = TopOfBook(bid=bid, ask=bid + spread, bid_size=size, ask_size=size, modelled=from_bar)
    order = an_order(side=side, quantity=quantity, price=bound)
    parts = executions(order, ETH, snapshot(book), quantity)
    assert sum((part.quantity for part in parts), Decimal(0)) <= quantity
    for part in parts:
        assert part.quantity > 0
        assert part.quantity % ETH.size_increment == 0
        assert part.price == bound or is_valid_price(ETH, part.price)
        if side is OrderSide.BUY:
            assert book.ask <= part.price <= bound
        else:
            assert bound <= part.price <= book.bid
    assert executions(order, ETH, snapshot(book), quantity) == parts
