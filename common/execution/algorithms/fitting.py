"""What a venue takes of a parent order at this moment: how priced, how small, how much."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from common.domain.instrument import (
    Capabilities,
    Instrument,
    OrderType,
    TimeInForce,
    Venue,
    price_bound,
)
from common.domain.order import OrderSide, VenueCandidate
from common.domain.parent_order import ExecAlgorithm, ParentOrder
from common.domain.rounding import check_order, round_price, round_quantity
from common.errors import InvalidInputError
from common.how.limits import Refusal

RESTING = frozenset({ExecAlgorithm.LIMIT, ExecAlgorithm.ICEBERG})
"""Their children rest in the book where a venue lets them, and so have to be canceled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueView:
    instrument: Instrument
    capabilities: Capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketView:
    """What is known when a parent order is looked at."""

    mark: Decimal | None  # quote per base unit; None: there is no fresh price
    venues: Mapping[Venue, VenueView]  # without one whose instruments are not known now
    refusal: Refusal | None = None  # of the trading state, which a reduce-only parent may pass


@dataclass(frozen=True, slots=True)
class Terms:
    order_type: OrderType
    time_in_force: TimeInForce

    @property
    def rests(self) -> bool:
        return self.time_in_force is TimeInForce.GTC

    def are_known_to(self, capabilities: Capabilities) -> bool:
        return (
            self.order_type in capabilities.order_types
            and self.time_in_force in capabilities.time_in_force
        )


_AT_ONCE = Terms(OrderType.MARKET, TimeInForce.IOC)
_AT_ITS_PRICE = Terms(OrderType.LIMIT, TimeInForce.IOC)
_IN_THE_BOOK = Terms(OrderType.LIMIT, TimeInForce.GTC)


def terms_of(algorithm: ExecAlgorithm, capabilities: Capabilities) -> Terms:
    """How the algorithm's children are sent, by what their first venue can do.

    A MARKET order carries its worst price too, so it stands in for a LIMIT IOC.
    """
    if algorithm in RESTING and _IN_THE_BOOK.are_known_to(capabilities):
        return _IN_THE_BOOK
    wants_limit = algorithm in RESTING or algorithm is ExecAlgorithm.SNIPER
    if wants_limit and _AT_ITS_PRICE.are_known_to(capabilities):
        return _AT_ITS_PRICE
    return _AT_ONCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One venue for the next child. Quantities in base units, whole lots."""

    instrument: Instrument
    capabilities: Capabilities
    price: Decimal  # the worst acceptable, on the tick
    least: Decimal  # the smallest order that it takes at that price
    room: Decimal | None  # the largest one; None: no limit

    def lots(self, quantity: Decimal) -> Decimal:
        return round_quantity(self.instrument, quantity)

    def candidate(self, quantity: Decimal) -> VenueCandidate | None:
        """An order over `quantity` or what there is room for; None when it would be refused."""
        most = quantity if self.room is None else min(quantity, self.room)
        rounded = self.lots(most)
        if check_order(self.instrument, rounded, self.price) is not None:
            return None
        return VenueCandidate(
            venue=self.instrument.venue,
            instrument_id=self.instrument.instrument_id,
            quantity=rounded,
            price=self.price,
        )


def offers_of(parent: ParentOrder, view: MarketView, mark: Decimal) -> tuple[Offer, ...]:
    """The parent's venues that can be traded at now, in its order."""
    found = (_offer(parent, candidate, view, mark) for candidate in parent.candidates)
    return tuple(offer for offer in found if offer is not None)


def on_terms(offers: Sequence[Offer], terms: Terms) -> tuple[Offer, ...]:
    return tuple(offer for offer in offers if terms.are_known_to(offer.capabilities))


def worst_price(
    side: OrderSide, mark: Decimal, *, slippage_max: Decimal, limit_price: Decimal | None
) -> Decimal:
    """The slippage bound around the mark, and never worse than the limit price; not on the tick."""
    buy = side is OrderSide.BUY
    bound = price_bound(mark, buy=buy, slippage=slippage_max)
    if limit_price is None:
        return bound
    return min(bound, limit_price) if buy else max(bound, limit_price)


def has_reached_limit(parent: ParentOrder, mark: Decimal) -> bool:
    """Whether the mark is at the limit price or better; true when there is no limit price."""
    if parent.limit_price is None:
        return True
    if parent.side is OrderSide.BUY:
        return mark <= parent.limit_price
    return mark >= parent.limit_price


def _offer(
    parent: ParentOrder, candidate: VenueCandidate, view: MarketView, mark: Decimal
) -> Offer | None:
    seen = view.venues.get(candidate.venue)
    if seen is None:
        return None
    instrument = seen.instrument
    listed = instrument.instrument_id == candidate.instrument_id and instrument.refusal is None
    if not listed or not instrument.is_open:
        return None
    worst = worst_price(
        parent.side, mark, slippage_max=parent.slippage_max, limit_price=parent.limit_price
    )
    try:
        price = round_price(instrument, worst, buy=parent.side is OrderSide.BUY)
    except InvalidInputError:
        return None
    return Offer(
        instrument=instrument,
        capabilities=seen.capabilities,
        price=price,
        least=smallest_order(instrument, price),
        room=_room(instrument, price, mark),
    )


def smallest_order(instrument: Instrument, price: Decimal) -> Decimal:
    """The fewest whole lots that the venue takes at `price` (> 0)."""
    lot = instrument.size_increment
    by_size = _lots_up(instrument.min_quantity, lot)
    by_notional = _lots_up(instrument.min_notional, lot * price)
    return max(by_size, by_notional, Decimal(1)) * lot


def _room(instrument: Instrument, price: Decimal, mark: Decimal) -> Decimal | None:
    """The venue's maximum is judged at the order's own price, its liquidity at the mark."""
    lot = instrument.size_increment
    limits = []
    if instrument.max_notional is not None:
        limits.append(instrument.max_notional // (price * lot) * lot)
    if instrument.liquidity is not None:
        limits.append(instrument.liquidity // (mark * lot) * lot)
    return min(limits) if limits else None


def _lots_up(value: Decimal, lot: Decimal) -> Decimal:
    count = value // lot
    return count if count * lot >= value else count + 1
