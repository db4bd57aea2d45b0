"""What is at stake, and where."""

from decimal import Decimal

from common.domain.instrument import Venue
from common.domain.position import Position
from common.reporting.exposure import exposure_figures
from common.reporting.portfolio import value_portfolio
from tests.builders import a_position


def held(symbol: str, venue: Venue, quantity: str, cost: str) -> Position:
    return a_position(
        f"{venue}:{symbol}",
        venue=venue,
        symbol=symbol,
        signed_qty=Decimal(quantity),
        open_cost=Decimal(cost),
    )


POSITIONS = [
    held("ETH", Venue.GMX, "2", "180"),
    held("ETH", Venue.OSTIUM, "-1", "90"),
    held("WIF", Venue.OSTIUM, "-10", "40"),
]
MARKS = {"ETH": Decimal(100)}


def test_exposure_when_long_and_short_then_gross_adds_and_net_offsets() -> None:
    figures = exposure_figures(value_portfolio(POSITIONS, MARKS, capital=Decimal(90)))

    assert (figures.gross, figures.net) == (Decimal(340), Decimal(60))
    assert figures.unmarked == ("WIF",)  # at its cost of 40
    assert figures.leverage == Decimal(340) / 100  # equity: 90 + 20 - 10
    eth, wif = figures.by_symbol
    assert (eth.name, eth.gross, eth.net) == ("ETH", Decimal(300), Decimal(100))
    assert (wif.name, wif.gross, wif.net) == ("WIF", Decimal(40), Decimal(-40))
    gmx, ostium = figures.by_venue
    assert (gmx.name, gmx.net) == ("GMX", Decimal(200))
    assert (ostium.name, ostium.gross, ostium.net) == ("OSTIUM", Decimal(140), Decimal(-140))


def test_exposure_when_nothing_is_left_then_there_is_no_leverage() -> None:
    figures = exposure_figures(value_portfolio(POSITIONS, MARKS, capital=Decimal(-10)))
    assert figures.leverage is None


def test_exposure_when_flat_then_nothing() -> None:
    figures = exposure_figures(value_portfolio([a_position()], {}, capital=Decimal(10)))
    assert (figures.gross, figures.net, figures.leverage) == (Decimal(0),) * 3
    assert (figures.by_symbol, figures.by_venue, figures.unmarked) == ((), (), ())
