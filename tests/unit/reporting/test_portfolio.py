"""Positions at their marks."""

from decimal import Decimal

from common.reporting.portfolio import value_portfolio
from tests.builders import a_position


def test_portfolio_when_positions_are_open_and_flat_then_the_sums_are_over_all() -> None:
    long = a_position(
        signed_qty=Decimal(2),
        open_cost=Decimal(200),
        realized_pnl=Decimal(7),
        commissions=Decimal(1),
    )
    short = a_position("pos_2", symbol="BTC", signed_qty=Decimal(-1), open_cost=Decimal(50))
    flat = a_position("pos_3", realized_pnl=Decimal(-3), commissions=Decimal(2))
    marks = {"ETH": Decimal(110), "BTC": Decimal(60)}
    portfolio = value_portfolio([long, short, flat], marks, capital=Decimal(1000))
    assert [each.pnl for each in portfolio.positions] == [Decimal(20), Decimal(-10)]
    assert [each.pnl_percent for each in portfolio.positions] == [Decimal(10), Decimal(-20)]
    assert portfolio.realized_pnl == 4
    assert portfolio.unrealized_pnl == 10
    assert portfolio.commissions == 3
    assert portfolio.total_value == 1011


def test_portfolio_when_a_mark_is_missing_then_the_position_counts_at_cost() -> None:
    position = a_position(signed_qty=Decimal(1), open_cost=Decimal(5))
    portfolio = value_portfolio([position], {}, capital=Decimal(10))
    (valued,) = portfolio.positions
    assert (valued.mark, valued.pnl, valued.pnl_percent) == (None, None, None)
    assert portfolio.total_value == 10


def test_portfolio_when_the_open_quantity_cost_nothing_then_no_percentage() -> None:
    position = a_position(signed_qty=Decimal(1), open_cost=Decimal(0))
    (valued,) = value_portfolio([position], {"ETH": Decimal(3)}, capital=Decimal(0)).positions
    assert (valued.pnl, valued.pnl_percent) == (Decimal(3), None)


def test_portfolio_when_empty_then_the_capital() -> None:
    assert value_portfolio([], {}, capital=Decimal(5)).total_value == 5
