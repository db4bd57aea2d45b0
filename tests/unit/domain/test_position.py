"""Positions beside a model that only moves cash: to the last digit, also through zero."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.order import Fill, OrderSide
from common.domain.position import Position, apply_fill
from common.domain.signal import PositionSide
from tests.builders import NOON, a_fill, a_position

BUY, SELL = OrderSide.BUY, OrderSide.SELL


def filled(side: OrderSide, quantity: str, price: str, commission: str = "0") -> Fill:
    return a_fill(
        side=side,
        last_qty=Decimal(quantity),
        last_px=Decimal(price),
        commission=Decimal(commission),
    )


def after(*fills: Fill, position: Position | None = None) -> Position:
    position = position or a_position()
    for fill in fills:
        position = apply_fill(position, fill, now=NOON)
    return position


def test_position_when_flat_then_no_side_no_price_and_nothing_unrealized() -> None:
    flat = a_position()

    assert flat.side is PositionSide.FLAT
    assert flat.avg_px_open == 0
    assert flat.unrealized_pnl(Decimal(5)) == 0


def test_position_when_added_to_then_the_average_is_weighted() -> None:
    position = after(filled(BUY, "1", "10", "0.1"), filled(BUY, "3", "14", "0.2"))

    assert (position.side, position.signed_qty) == (PositionSide.LONG, Decimal(4))
    assert position.avg_px_open == 13
    assert (position.commissions, position.fill_count) == (Decimal("0.3"), 2)
    assert position.unrealized_pnl(Decimal(15)) == 8


@pytest.mark.parametrize(
    ("first", "second", "realized"),
    [
        (filled(BUY, "4", "10"), filled(SELL, "1", "12"), "2"),
        (filled(BUY, "4", "10"), filled(SELL, "4", "9"), "-4"),
        (filled(SELL, "4", "10"), filled(BUY, "1", "12"), "-2"),
        (filled(SELL, "4", "10"), filled(BUY, "4", "9"), "4"),
    ],
)
def test_position_when_reduced_then_the_closed_share_is_realized(
    first: Fill, second: Fill, realized: str
) -> None:
    position = after(first, second)

    assert position.realized_pnl == Decimal(realized)
    left = first.last_qty - second.last_qty
    assert position.open_cost == left * 10


@pytest.mark.parametrize(("first", "second", "realized"), [(BUY, SELL, "4"), (SELL, BUY, "-4")])
def test_position_when_it_crosses_zero_then_closed_first_and_the_rest_opens_at_the_fill(
    first: OrderSide, second: OrderSide, realized: str
) -> None:
    position = after(filled(first, "2", "10"), filled(second, "5", "12"))

    assert position.realized_pnl == Decimal(realized)
    assert position.signed_qty == 3 * second.sign
    assert position.avg_px_open == 12
    assert position.side is (PositionSide.SHORT if second is SELL else PositionSide.LONG)


def test_position_when_reopened_then_opened_at_is_new_but_not_when_added_to() -> None:
    later = NOON + timedelta(hours=1)
    opened = apply_fill(a_position(), filled(BUY, "1", "10"), now=later)
    added = apply_fill(opened, filled(BUY, "1", "10"), now=later + timedelta(hours=1))

    assert (opened.opened_at, added.opened_at) == (later, later)
    assert added.updated_at > added.opened_at


def test_position_when_a_share_does_not_divide_then_the_rest_stays_in_the_cost() -> None:
    position = after(filled(BUY, "3", "3.3333333333333"), filled(SELL, "1", "5"))
    position = after(filled(SELL, "2", "5"), position=position)

    assert position.open_cost == 0
    assert position.realized_pnl == Decimal("5.0000000000001")


def test_position_when_the_venue_keeps_some_of_a_purchase_then_only_the_rest_is_held() -> None:
    """Its value is in the commission: what was paid is all there."""
    fill = a_fill(
        side=BUY,
        last_qty=Decimal(2),
        last_px=Decimal(100),
        commission=Decimal("0.6"),
        base_withheld=Decimal("0.006"),
    )
    position = after(fill)

    assert position.signed_qty == Decimal("1.994")
    assert position.open_cost == Decimal("199.4")
    assert position.avg_px_open == 100
    assert position.commissions == Decimal("0.6")
    assert position.open_cost + position.commissions == 200


def test_position_when_a_short_is_bought_back_and_some_is_kept_then_the_rest_stays_short() -> None:
    kept = a_fill(
        side=BUY,
        last_qty=Decimal(2),
        last_px=Decimal(90),
        commission=Decimal("0.9"),
        base_withheld=Decimal("0.01"),
    )
    position = after(filled(SELL, "2", "100"), kept)

    assert position.signed_qty == Decimal("-0.01")
    assert position.realized_pnl == Decimal("19.9")
    assert position.open_cost == 1


def amount(places: int, most: str) -> st.SearchStrategy[Decimal]:
    return st.decimals(min_value=Decimal(1).scaleb(-places), max_value=Decimal(most), places=places)


fills = st.builds(
    lambda side, quantity, price, fee: a_fill(
        side=side, last_qty=quantity, last_px=price, commission=fee
    ),
    st.sampled_from(OrderSide),
    st.one_of(amount(4, "100"), amount(18, "1000000000")),
    st.one_of(amount(2, "90000"), amount(18, "1000000000")),
    amount(12, "50"),
)


@given(trades=st.lists(fills, max_size=15), mark=amount(18, "100000"))
def test_position_when_any_fills_then_cash_is_conserved_to_the_last_digit(
    trades: list[Fill], mark: Decimal
) -> None:
    """I05: realized + unrealized = cash flows + holdings at the mark, exactly."""
    position = after(*trades)

    with localcontext(prec=300):
        cash = sum((-fill.side.sign * fill.last_qty * fill.last_px for fill in trades), Decimal(0))
        quantity = sum((fill.side.sign * fill.last_qty for fill in trades), Decimal(0))
        fees = sum((fill.commission for fill in trades), Decimal(0))
        pnl = position.realized_pnl + position.unrealized_pnl(mark)
        assert position.signed_qty == quantity
        assert pnl == cash + quantity * mark
        assert position.commissions == fees
        assert position.open_cost >= 0
        if quantity == 0:
            assert position.open_cost == 0
            assert position.realized_pnl == cash


@given(trades=st.lists(fills, min_size=1, max_size=8))
def test_position_when_every_trade_is_mirrored_then_the_result_is_the_negative(
    trades: list[Fill],
) -> None:
    mirrored = [
        replace(fill, side=SELL if fill.side is BUY else BUY, commission=Decimal(0))
        for fill in trades
    ]
    one, other = after(*trades), after(*mirrored)

    assert one.signed_qty == other.signed_qty.copy_negate()
    assert one.realized_pnl == other.realized_pnl.copy_negate()
    assert one.open_cost == other.open_cost


def with_fee(side: OrderSide, quantity: Decimal, price: Decimal, kept_ppm: int) -> Fill:
    """A purchase pays its fee in what was bought, a sale in what it brought."""
    fee = quantity * kept_ppm / 1_000_000
    return a_fill(
        side=side,
        last_qty=quantity,
        last_px=price,
        commission=fee * price,
        base_withheld=fee if side is BUY else Decimal(0),
    )


spot_fills = st.builds(
    with_fee,
    st.sampled_from(OrderSide),
    amount(4, "100"),
    amount(2, "90000"),
    st.integers(min_value=0, max_value=50_000),
)


@given(trades=st.lists(spot_fills, max_size=12), mark=amount(6, "100000"))
def test_position_when_fees_are_kept_in_base_units_then_cash_is_still_exact(
    trades: list[Fill], mark: Decimal
) -> None:
    """I05: a purchase costs its price times its size and no more; the fee is what came short."""
    position = after(*trades)

    with localcontext(prec=300):
        cash = sum(
            (
                -fill.last_qty * fill.last_px
                if fill.side is BUY
                else fill.last_qty * fill.last_px - fill.commission
                for fill in trades
            ),
            Decimal(0),
        )
        quantity = sum(
            (fill.side.sign * fill.last_qty - fill.base_withheld for fill in trades), Decimal(0)
        )
        pnl = position.realized_pnl + position.unrealized_pnl(mark) - position.commissions
        assert position.signed_qty == quantity
        assert pnl == cash + quantity * mark
