"""Positions at their marks."""

from dataclasses import replace
from decimal import Decimal

import pytest

from common.domain.instrument import Instrument, Venue
from common.reporting.portfolio import is_dust, value_portfolio
from tests.builders import a_position, an_instrument


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


def test_portfolio_when_funding_was_paid_then_it_is_missing_from_the_value() -> None:
    portfolio = value_portfolio([], {}, capital=Decimal(5), funding=Decimal("-0.25"))
    assert (portfolio.total_value, portfolio.realized_value) == (Decimal("4.75"), Decimal("4.75"))


def test_portfolio_when_digits_are_many_then_no_sum_drops_one() -> None:
    position = a_position(realized_pnl=Decimal("1000000000000.000000000000000000000000000001"))
    assert value_portfolio([position], {}, capital=Decimal(1)).total_value == Decimal(
        "1000000000001.000000000000000000000000000001"
    )


def test_portfolio_when_venues_differ_then_each_has_its_total() -> None:
    positions = [
        a_position(venue=Venue.GMX, signed_qty=Decimal(1), open_cost=Decimal(90)),
        a_position("pos_2", venue=Venue.GMX, realized_pnl=Decimal(3), commissions=Decimal(1)),
        a_position("pos_3", symbol="WIF", signed_qty=Decimal(-1), open_cost=Decimal(2)),
    ]
    portfolio = value_portfolio(positions, {"ETH": Decimal(100)}, capital=Decimal(0))
    gmx, hyperliquid = portfolio.venues

    assert (gmx.venue, gmx.open_positions) == (Venue.GMX, 1)
    assert (gmx.realized_pnl, gmx.unrealized_pnl, gmx.commissions) == (
        Decimal(3),
        Decimal(10),
        Decimal(1),
    )
    assert (hyperliquid.open_positions, hyperliquid.unrealized_pnl) == (1, Decimal(0))


LOTS = an_instrument(
    size_increment=Decimal("0.01"), min_quantity=Decimal("0.05"), min_notional=Decimal(10)
)


@pytest.mark.parametrize(
    ("quantity", "mark", "dust"),
    [
        ("0.009", "100000", True),  # less than a lot
        ("0.049", "100000", True),  # less than the minimum
        ("-0.05", "100000", False),
        ("0.05", "199", True),  # 9.95 of 10
        ("-0.059", "199", True),  # the part beyond the lot could not be sold
        ("0.06", "199", False),
        ("0.05", None, False),  # nobody knows its worth
    ],
)
def test_dust_when_no_order_of_the_venue_could_close_it_then_it_is(
    quantity: str, mark: str | None, dust: bool
) -> None:
    position = a_position(signed_qty=Decimal(quantity), open_cost=Decimal(1))
    assert is_dust(position, LOTS, Decimal(mark) if mark else None) is dust
    no_minimum = replace(LOTS, min_quantity=Decimal(0), min_notional=Decimal(0))
    less_than_a_lot = abs(Decimal(quantity)) < Decimal("0.01")
    assert is_dust(position, no_minimum, Decimal(1)) is less_than_a_lot


def test_dust_when_the_venue_does_not_list_it_then_nobody_knows() -> None:
    listed = {(Venue.HYPERLIQUID, "ETH"): LOTS}

    def listing(venue: Venue, symbol: str) -> Instrument | None:
        return listed.get((venue, symbol))

    eth = a_position(signed_qty=Decimal("0.001"), open_cost=Decimal(3))
    wif = replace(eth, position_id="pos_2", symbol="WIF")
    portfolio = value_portfolio([eth, wif], {}, capital=Decimal(0), listing=listing)
    assert [each.is_dust for each in portfolio.positions] == [True, None]
    unknown = value_portfolio([eth], {}, capital=Decimal(0))
    assert unknown.positions[0].is_dust is None
