"""Agent Where: the enabled venues that really can take the trade, in order, and where it goes.

Pure: tables, breakers and size in; what every venue said and the legs to execute out. Three modes:
the first usable venue (PRIORITY), the cheapest (COST), or shares over several (SPLIT).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from common.config import BreakerSettings
from common.domain.instrument import InstrumentTable, Venue
from common.domain.money import ZERO, plain
from common.domain.order import VenueCandidate
from common.domain.routing import RoutedShare, RoutingMode, VenueCheck
from common.where.breaker import Breaker
from common.where.checks import TABLE_AGE_MAX, Offer, RouteCode, RouteRequest, Surroundings, ask
from common.where.shares import Leg, Sharing, share_out

__all__ = ["Leg", "Route", "RouteCode", "RouteRequest", "choose_venue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """No legs means skipped, and why. One leg, unless the order is split."""

    checks: tuple[VenueCheck, ...]  # every venue asked, in the order asked
    legs: tuple[Leg, ...]
    selected: Venue | None  # the first of the first leg
    code: str
    reason: str
    requested_mode: RoutingMode
    mode: RoutingMode  # in force: a split that is not possible goes by priority
    shares: tuple[RoutedShare, ...] = ()  # of a split
    left_over: Decimal = ZERO  # base units that a split found no place for

    @property
    def candidates(self) -> tuple[VenueCandidate, ...]:
        """Of the first leg, best first."""
        return self.legs[0].candidates if self.legs else ()


def choose_venue(
    request: RouteRequest,
    venues: Sequence[Venue],
    *,
    tables: Mapping[Venue, InstrumentTable | None],
    breakers: Mapping[Venue, Breaker],
    breaker_settings: BreakerSettings,
    now: datetime,
    mode: RoutingMode = RoutingMode.PRIORITY,
    table_age_max: timedelta = TABLE_AGE_MAX,
) -> Route:
    """Ask every venue in order, so that the record explains each one, chosen or not."""
    known = Surroundings(
        tables=tables,
        breakers=breakers,
        breaker_settings=breaker_settings,
        now=now,
        table_age_max=table_age_max,
    )
    note = ""
    if mode is RoutingMode.SPLIT:
        offers = [ask(request, venue, known, in_parts=True) for venue in venues]
        sharing = share_out(request, offers)
        if isinstance(sharing, Sharing):
            return _split_route(sharing)
        note = sharing
    offers = [ask(request, venue, known, in_parts=False) for venue in venues]
    return _whole_route(request, offers, mode, note)


def _split_route(sharing: Sharing) -> Route:
    return Route(
        checks=tuple(offer.check for offer in sharing.offers),
        legs=sharing.legs,
        selected=sharing.legs[0].candidates[0].venue,
        code=RouteCode.AVAILABLE,
        reason=sharing.reason,
        requested_mode=RoutingMode.SPLIT,
        mode=RoutingMode.SPLIT,
        shares=sharing.shares,
        left_over=sharing.left_over,
    )


def _whole_route(
    request: RouteRequest, offers: Sequence[Offer], requested: RoutingMode, note: str
) -> Route:
    mode = RoutingMode.COST if requested is RoutingMode.COST else RoutingMode.PRIORITY
    checks = tuple(offer.check for offer in offers)
    usable = [offer for offer in offers if offer.is_usable]
    if not usable:
        code, reason = _why_none(request.symbol, checks)
        return Route(
            checks=checks,
            legs=(),
            selected=None,
            code=code,
            reason=reason,
            requested_mode=requested,
            mode=mode,
        )
    if mode is RoutingMode.COST:
        usable.sort(key=_cost)  # stable: of equal cost the one asked first
        if len(usable) > 1:
            note = f"{plain(_cost(usable[0]))} bps, the least of {len(usable)} venues"
    found = (offer.candidate(request.quantity) for offer in usable)
    chosen = usable[0].check.reason
    return Route(
        checks=checks,
        legs=(Leg(tuple(candidate for candidate in found if candidate is not None)),),
        selected=usable[0].venue,
        code=RouteCode.AVAILABLE,
        reason=f"{chosen}; {note}" if note else chosen,
        requested_mode=requested,
        mode=mode,
    )


def _cost(offer: Offer) -> Decimal:
    return offer.check.cost_bps or ZERO


def _why_none(symbol: str, checks: Sequence[VenueCheck]) -> tuple[str, str]:
    asked = [check for check in checks if check.code != RouteCode.VENUE_NOT_ENABLED]
    if not asked:
        return RouteCode.NO_VENUE_AVAILABLE, "No venue is enabled"
    listed = [check for check in asked if check.code != RouteCode.PAIR_NOT_LISTED]
    if not listed:
        return RouteCode.NO_VENUE_HAS_PAIR, "No venue has this pair"
    reasons = "; ".join(check.reason for check in listed)
    return RouteCode.NO_VENUE_AVAILABLE, f"No venue can take {symbol} now: {reasons}"
