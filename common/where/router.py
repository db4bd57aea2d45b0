"""Agent Where: the first enabled venue, in priority order, that really can take the trade.

Pure: tables, breakers and size in; the checks of every venue and the usable ones in order out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from common.config import BreakerSettings
from common.domain.instrument import Instrument, InstrumentTable, Venue, price_bound
from common.domain.money import ZERO
from common.domain.order import OrderSide, VenueCandidate
from common.domain.rounding import PRICE_NOT_ON_TICK, check_order, round_price, round_quantity
from common.domain.routing import VenueCheck
from common.errors import InvalidInputError
from common.where.breaker import Breaker, BreakerStatus, would_admit


class RouteCode(StrEnum):
    AVAILABLE = "AVAILABLE"
    VENUE_NOT_ENABLED = "VENUE_NOT_ENABLED"
    INSTRUMENTS_NOT_LOADED = "INSTRUMENTS_NOT_LOADED"
    PAIR_NOT_LISTED = "PAIR_NOT_LISTED"
    MARKET_CLOSED = "MARKET_CLOSED"
    BREAKER_OPEN = "BREAKER_OPEN"
    SHORT_NOT_POSSIBLE = "SHORT_NOT_POSSIBLE"
    NO_VENUE_HAS_PAIR = "NO_VENUE_HAS_PAIR"
    NO_VENUE_AVAILABLE = "NO_VENUE_AVAILABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRequest:
    symbol: str
    side: OrderSide
    quantity: Decimal  # base units, before lot rounding
    price: Decimal  # mark, > 0
    slippage_max: Decimal  # fraction of the mark that the price may be worse
    held: Mapping[Venue, Decimal]  # signed quantity at each venue; a spot sale draws on it
    enabled: frozenset[Venue]  # by the user; a configured order may name others


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`candidates` are the venues that can take it, best first; empty means skipped, and why."""

    checks: tuple[VenueCheck, ...]
    candidates: tuple[VenueCandidate, ...]
    selected: Venue | None
    code: str
    reason: str


def choose_venue(
    request: RouteRequest,
    venues: Sequence[Venue],
    *,
    tables: Mapping[Venue, InstrumentTable | None],
    breakers: Mapping[Venue, Breaker],
    breaker_settings: BreakerSettings,
    now: datetime,
) -> Route:
    """Ask every venue in order, so that the record explains each one, chosen or not."""
    checks: list[VenueCheck] = []
    candidates: list[VenueCandidate] = []
    for venue in venues:
        check, candidate = _ask(
            request,
            venue,
            table=tables.get(venue),
            breaker=breakers.get(venue),
            breaker_settings=breaker_settings,
            now=now,
        )
        checks.append(check)
        if candidate is not None:
            candidates.append(candidate)
    if candidates:
        chosen = next(check for check in checks if check.ok)
        return Route(
            checks=tuple(checks),
            candidates=tuple(candidates),
            selected=candidates[0].venue,
            code=RouteCode.AVAILABLE,
            reason=chosen.reason,
        )
    code, reason = _why_none(request.symbol, checks)
    return Route(checks=tuple(checks), candidates=(), selected=None, code=code, reason=reason)


def _ask(
    request: RouteRequest,
    venue: Venue,
    *,
    table: InstrumentTable | None,
    breaker: Breaker | None,
    breaker_settings: BreakerSettings,
    now: datetime,
) -> tuple[VenueCheck, VenueCandidate | None]:
    instrument = table.find(request.symbol) if table else None
    quantity = round_quantity(instrument, request.quantity) if instrument else None
    price = _limit_price(request, instrument) if instrument else None
    refusal = _refusal(
        request, venue, table=table, instrument=instrument, quantity=quantity, price=price
    )
    if refusal is None and breaker is not None:
        refusal = _breaker_refusal(venue, breaker, breaker_settings, now)
    count = table.pair_count if table else None
    code, reason = refusal or (
        RouteCode.AVAILABLE,
        f"{request.symbol} available on {venue.label} ({count} pairs)",
    )
    check = VenueCheck(
        venue=venue,
        ok=refusal is None,
        code=code,
        reason=reason,
        pair_count=count,
        breaker=breaker.status if breaker else BreakerStatus.CLOSED,
        quantity=quantity,
        table_age_s=int((now - table.refreshed_at).total_seconds()) if table else None,
    )
    if refusal is not None or instrument is None or quantity is None or price is None:
        return check, None
    return check, VenueCandidate(
        venue=venue, instrument_id=instrument.instrument_id, quantity=quantity, price=price
    )


def _limit_price(request: RouteRequest, instrument: Instrument) -> Decimal | None:
    """The worst price that the order would carry; None when the venue has none that low."""
    buy = request.side is OrderSide.BUY
    bound = price_bound(request.price, buy=buy, slippage=request.slippage_max)
    try:
        return round_price(instrument, bound, buy=buy)
    except InvalidInputError:
        return None


def _refusal(
    request: RouteRequest,
    venue: Venue,
    *,
    table: InstrumentTable | None,
    instrument: Instrument | None,
    quantity: Decimal | None,
    price: Decimal | None,
) -> tuple[str, str] | None:
    symbol, label = request.symbol, venue.label
    if venue not in request.enabled:
        return RouteCode.VENUE_NOT_ENABLED, f"{label} is not enabled for this deployment"
    if table is None:
        return RouteCode.INSTRUMENTS_NOT_LOADED, f"{label}'s pairs are not loaded yet"
    if instrument is None or quantity is None:
        return (
            RouteCode.PAIR_NOT_LISTED,
            f"{symbol} is not listed on {label} ({table.pair_count} pairs)",
        )
    if not instrument.is_open:
        return RouteCode.MARKET_CLOSED, f"{label}'s market for {symbol} is closed now"
    sells = request.side is OrderSide.SELL and not instrument.shortable
    if sells and request.held.get(venue, ZERO) < quantity:
        return RouteCode.SHORT_NOT_POSSIBLE, f"{symbol} cannot be sold short on {label}"
    code = PRICE_NOT_ON_TICK if price is None else check_order(instrument, quantity, price)
    if code is not None:
        return code, f"{symbol} on {label}: the size is outside the venue's limits ({code})"
    return None


def _breaker_refusal(
    venue: Venue, breaker: Breaker, settings: BreakerSettings, now: datetime
) -> tuple[str, str] | None:
    if would_admit(breaker, now=now, settings=settings):
        return None
    return RouteCode.BREAKER_OPEN, f"{venue.label} is paused by its circuit breaker"


def _why_none(symbol: str, checks: Sequence[VenueCheck]) -> tuple[str, str]:
    asked = [check for check in checks if check.code != RouteCode.VENUE_NOT_ENABLED]
    if not asked:
        return RouteCode.NO_VENUE_AVAILABLE, "No venue is enabled"
    listed = [check for check in asked if check.code != RouteCode.PAIR_NOT_LISTED]
    if not listed:
        return RouteCode.NO_VENUE_HAS_PAIR, "No venue has this pair"
    reasons = "; ".join(check.reason for check in listed)
    return RouteCode.NO_VENUE_AVAILABLE, f"No venue can take {symbol} now: {reasons}"
