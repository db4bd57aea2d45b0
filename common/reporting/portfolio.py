"""What positions are worth at the last marks: exact, nothing read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from common.domain.instrument import Instrument, Venue
from common.domain.money import ZERO
from common.domain.position import EXACT, Position
from common.domain.rounding import round_quantity

HUNDRED = Decimal(100)

Listing = Callable[[Venue, str], Instrument | None]
"""What a venue lists a symbol as; None where its table is not there, or does not have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuedPosition:
    """`mark`, `pnl` and `pnl_percent` are None while the symbol has no price."""

    position: Position
    mark: Decimal | None
    pnl: Decimal | None  # unrealised, quote currency, before commissions
    pnl_percent: Decimal | None  # of what the open quantity cost
    is_dust: bool | None = None  # too small for an order of the venue; None: nobody knows


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueTotal:
    """All positions at one venue, closed ones included."""

    venue: Venue
    open_positions: int
    realized_pnl: Decimal
    unrealized_pnl: Decimal
    commissions: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """`positions` holds the open ones; the sums are over all, closed ones included."""

    positions: tuple[ValuedPosition, ...]
    venues: tuple[VenueTotal, ...]  # by name
    capital: Decimal
    realized_pnl: Decimal
    unrealized_pnl: Decimal
    commissions: Decimal
    funding: Decimal  # received; paid is negative
    complete: bool = True  # False: there is more than was read and added up

    @property
    def total_value(self) -> Decimal:
        return EXACT.add(self.realized_value, self.unrealized_pnl)

    @property
    def realized_value(self) -> Decimal:
        """With open positions at cost."""
        with localcontext(EXACT):
            return self.capital + self.realized_pnl - self.commissions + self.funding


def value_portfolio(
    positions: Sequence[Position],
    marks: Mapping[str, Decimal],
    *,
    capital: Decimal,
    funding: Decimal = ZERO,
    listing: Listing | None = None,
) -> Portfolio:
    """A symbol without a mark counts at cost: its unrealised result is taken as 0."""
    open_ones = [position for position in positions if position.signed_qty]
    valued = tuple(_value(each, marks.get(each.symbol), listing) for each in open_ones)
    venues = sorted({position.venue for position in positions})
    totals = tuple(_venue_total(venue, positions, valued) for venue in venues)
    with localcontext(EXACT):
        return Portfolio(
            positions=valued,
            venues=totals,
            capital=capital,
            realized_pnl=sum((each.realized_pnl for each in totals), ZERO),
            unrealized_pnl=sum((each.unrealized_pnl for each in totals), ZERO),
            commissions=sum((each.commissions for each in totals), ZERO),
            funding=funding,
        )


def _venue_total(
    venue: Venue, positions: Sequence[Position], valued: Sequence[ValuedPosition]
) -> VenueTotal:
    here = [position for position in positions if position.venue is venue]
    held = [each for each in valued if each.position.venue is venue]
    with localcontext(EXACT):
        return VenueTotal(
            venue=venue,
            open_positions=len(held),
            realized_pnl=sum((each.realized_pnl for each in here), ZERO),
            unrealized_pnl=sum((each.pnl for each in held if each.pnl is not None), ZERO),
            commissions=sum((each.commissions for each in here), ZERO),
        )


def _value(position: Position, mark: Decimal | None, listing: Listing | None) -> ValuedPosition:
    pnl = position.unrealized_pnl(mark) if mark is not None else None
    percent = pnl / position.open_cost * HUNDRED if pnl is not None and position.open_cost else None
    instrument = listing(position.venue, position.symbol) if listing else None
    return ValuedPosition(
        position=position,
        mark=mark,
        pnl=pnl,
        pnl_percent=percent,
        is_dust=is_dust(position, instrument, mark) if instrument else None,
    )


def is_dust(position: Position, instrument: Instrument, mark: Decimal | None) -> bool:
    """Whether what is held (not flat) is too small to be closed by an order of its own.

    Less than a lot or the venue's minimum quantity; or, at `mark`, less than its minimum notional.
    """
    quantity = round_quantity(instrument, abs(position.signed_qty))
    if quantity == 0 or quantity < instrument.min_quantity:
        return True
    return mark is not None and EXACT.multiply(quantity, mark) < instrument.min_notional
