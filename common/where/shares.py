"""SW-10 in the router: an order's shares as legs, each with its own failover."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Context, Decimal

from common.domain.instrument import Venue
from common.domain.money import ZERO, plain, round_to
from common.domain.order import VenueCandidate
from common.domain.routing import RoutedShare
from common.where.checks import Offer, RouteRequest, expected_bps
from common.where.splitting import VENUES_MAX, Split, SplitVenue, split

_UP = Context(prec=200, rounding=ROUND_CEILING)


@dataclass(frozen=True, slots=True)
class Leg:
    """One share of an order, or all of it: the next candidate only when the last is proven dead."""

    candidates: tuple[VenueCandidate, ...]  # at least one


@dataclass(frozen=True, slots=True)
class Sharing:
    """How an order is shared. `offers` are those asked, with what the split made of each."""

    offers: tuple[Offer, ...]
    legs: tuple[Leg, ...]  # the largest share first
    shares: tuple[RoutedShare, ...]  # in the order of the legs
    left_over: Decimal
    reason: str


def share_out(request: RouteRequest, offers: Sequence[Offer]) -> Sharing | str:
    """Split the order over the usable venues that tell their liquidity; or why it is not split."""
    venues = [venue for offer in offers if (venue := _split_venue(offer)) is not None]
    if len(venues) < 2:
        return "not split: fewer than two venues that could take it tell their liquidity"
    result = split(request.quantity, request.price, venues[:VENUES_MAX])
    quantities = {share.venue: share.quantity for share in result.shares}
    legs = _legs(offers, quantities)
    shares = tuple(
        RoutedShare(venue=leg.candidates[0].venue, quantity=leg.candidates[0].quantity)
        for leg in legs
    )
    return Sharing(
        offers=tuple(_told(offer, quantities, request.price) for offer in offers),
        legs=legs,
        shares=shares,
        left_over=result.left_over,
        reason=_reason(request, result, legs, offers),
    )


def _split_venue(offer: Offer) -> SplitVenue | None:
    """None when it is refused, or its liquidity is not known."""
    instrument = offer.instrument
    if instrument is None or not instrument.liquidity:
        return None
    return SplitVenue(
        venue=offer.venue,
        liquidity=instrument.liquidity,
        fee=instrument.taker_fee,
        lot=instrument.size_increment,
        # The venue judges the notional at the price that the order carries, not at the mark.
        min_quantity=max(instrument.min_quantity, _UP.divide(instrument.min_notional, offer.price)),
        max_quantity=offer.room,
    )


def _legs(offers: Sequence[Offer], quantities: Mapping[Venue, Decimal]) -> tuple[Leg, ...]:
    """A venue without a share stands in for as many legs as its room covers together."""
    sharing = sorted(
        (offer for offer in offers if offer.venue in quantities),
        key=lambda offer: -quantities[offer.venue],
    )
    spare = [offer for offer in offers if offer.venue not in quantities]
    promised = dict.fromkeys((offer.venue for offer in spare), ZERO)
    legs = []
    for first in sharing:
        quantity = quantities[first.venue]
        candidates = [first.candidate(quantity)]
        for other in spare:
            candidate = other.candidate(quantity)
            if candidate is None or not other.has_room(promised[other.venue] + candidate.quantity):
                continue
            promised[other.venue] += candidate.quantity
            candidates.append(candidate)
        legs.append(Leg(tuple(candidate for candidate in candidates if candidate is not None)))
    return tuple(legs)


def _told(offer: Offer, quantities: Mapping[Venue, Decimal], price: Decimal) -> Offer:
    """What the split made of it: the share and its cost, or why it has none."""
    if offer.instrument is None:
        return offer
    share = quantities.get(offer.venue)
    if share is not None:
        cost_bps = expected_bps(offer.instrument, share, price)
        return replace(offer, check=replace(offer.check, quantity=share, cost_bps=cost_bps))
    why = "the others take it for less" if offer.check.liquidity else "its liquidity is not known"
    reason = f"{offer.check.reason}; no share, because {why}"
    return replace(offer, check=replace(offer.check, reason=reason))


def _reason(
    request: RouteRequest, result: Split, legs: Sequence[Leg], offers: Sequence[Offer]
) -> str:
    sizes = {leg.candidates[0].venue: leg.candidates[0].quantity for leg in legs}
    total = sum(sizes.values(), ZERO)
    bps = plain(round_to(result.cost / (total * request.price) * 10_000, Decimal("0.1")))
    left = f"; {plain(result.left_over)} is left over" if result.left_over else ""
    if len(sizes) == 1:
        told = next(offer.check.reason for offer in offers if offer.venue in sizes)
        return f"{told}; not divided, as the cheapest (expected cost {bps} bps){left}"
    parts = ", ".join(f"{venue.label} {size / total * 100:.1f} %" for venue, size in sizes.items())
    return f"{request.symbol} over {len(sizes)} venues: {parts} (expected cost {bps} bps){left}"
