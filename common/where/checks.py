"""What one venue says to an order: each check in turn, and the evidence behind the answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Context, Decimal
from enum import StrEnum

from common.config import BreakerSettings
from common.domain.instrument import Instrument, InstrumentTable, Venue, price_bound
from common.domain.money import ZERO, round_to
from common.domain.order import OrderSide, VenueCandidate
from common.domain.rounding import PRICE_NOT_ON_TICK, check_order, round_price, round_quantity
from common.domain.routing import VenueCheck
from common.errors import InvalidInputError
from common.where.breaker import Breaker, BreakerStatus, would_admit
from common.where.splitting import IMPACT

TABLE_AGE_MAX = timedelta(hours=1)
"""fetch_market reads a table again every 15 minutes, so an older one has failed to come often."""

_BPS = Decimal(10_000)
_BPS_INCREMENT = Decimal("0.01")
_EXACT = Context(prec=200)

Refusal = tuple[str, str]
"""A code, and the reason for people."""


class RouteCode(StrEnum):
    AVAILABLE = "AVAILABLE"
    VENUE_NOT_ENABLED = "VENUE_NOT_ENABLED"
    VENUE_UNAVAILABLE = "VENUE_UNAVAILABLE"
    INSTRUMENTS_NOT_LOADED = "INSTRUMENTS_NOT_LOADED"
    INSTRUMENTS_STALE = "INSTRUMENTS_STALE"
    PAIR_NOT_LISTED = "PAIR_NOT_LISTED"
    INSTRUMENT_REFUSED = "INSTRUMENT_REFUSED"
    MARKET_CLOSED = "MARKET_CLOSED"
    SHORT_NOT_POSSIBLE = "SHORT_NOT_POSSIBLE"
    LIQUIDITY_TOO_THIN = "LIQUIDITY_TOO_THIN"
    BREAKER_OPEN = "BREAKER_OPEN"
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
    unavailable: Mapping[Venue, str] = field(default_factory=dict)  # venue -> why, now or for good


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is known of the venues at the moment of routing."""

    tables: Mapping[Venue, InstrumentTable | None]
    breakers: Mapping[Venue, Breaker]
    breaker_settings: BreakerSettings
    now: datetime
    table_age_max: timedelta


@dataclass(frozen=True, slots=True)
class Offer:
    """A venue's check, and what an order there would look like; no instrument when refused."""

    venue: Venue
    check: VenueCheck
    instrument: Instrument | None = None
    price: Decimal = ZERO  # the worst that the order would carry
    room: Decimal | None = None  # base units, whole lots, that one order may have; None: no limit

    @property
    def is_usable(self) -> bool:
        return self.instrument is not None

    def has_room(self, quantity: Decimal) -> bool:
        return self.room is None or quantity <= self.room

    def candidate(self, quantity: Decimal) -> VenueCandidate | None:
        """An order over `quantity`, rounded down; None when the venue would not take it."""
        if self.instrument is None:
            return None
        rounded = round_quantity(self.instrument, quantity)
        if not self.has_room(rounded):
            return None
        if check_order(self.instrument, rounded, self.price) is not None:
            return None
        return VenueCandidate(
            venue=self.venue,
            instrument_id=self.instrument.instrument_id,
            quantity=rounded,
            price=self.price,
        )


def ask(request: RouteRequest, venue: Venue, known: Surroundings, *, in_parts: bool) -> Offer:
    """Ask for the whole order, or with `in_parts` for as much of it as the venue has room for."""
    table, breaker = known.tables.get(venue), known.breakers.get(venue)
    instrument = table.find(request.symbol) if table else None
    order = _order(request, instrument, in_parts=in_parts) if instrument else None
    refusal = _venue_refusal(request, venue, table, known)
    if refusal is None and table is not None:
        refusal = _pair_refusal(request, venue, table, instrument)
    if refusal is None and order is not None:
        refusal = _size_refusal(request, order.instrument, order.quantity, order.price)
    if refusal is None and breaker is not None:
        refusal = _breaker_refusal(venue, breaker, known)
    check = _check(request, venue, known, order, refusal)
    if refusal is not None or order is None or order.price is None:
        return Offer(venue, check)
    return Offer(venue, check, order.instrument, order.price, order.room)


@dataclass(frozen=True, slots=True)
class _Order:
    """What the order would be at one venue, whether or not it takes it."""

    instrument: Instrument
    quantity: Decimal
    price: Decimal | None
    room: Decimal | None


def _order(request: RouteRequest, instrument: Instrument, *, in_parts: bool) -> _Order:
    price = _limit_price(request, instrument)
    room = _room(request, instrument, price) if price is not None else None
    quantity = round_quantity(instrument, request.quantity)
    if in_parts and room is not None and room < quantity:
        refused = _size_refusal(request, instrument, room, price) is not None
        quantity = quantity if refused else room
    return _Order(instrument, quantity, price, room)


def _check(
    request: RouteRequest,
    venue: Venue,
    known: Surroundings,
    order: _Order | None,
    refusal: Refusal | None,
) -> VenueCheck:
    table, breaker = known.tables.get(venue), known.breakers.get(venue)
    count = table.pair_count if table else None
    code, reason = refusal or (
        RouteCode.AVAILABLE,
        f"{request.symbol} available on {venue.label} ({count} pairs)",
    )
    return VenueCheck(
        venue=venue,
        ok=refusal is None,
        code=code,
        reason=reason,
        pair_count=count,
        breaker=breaker.status if breaker else BreakerStatus.CLOSED,
        quantity=order.quantity if order else None,
        table_age_s=int((known.now - table.refreshed_at).total_seconds()) if table else None,
        fee=order.instrument.taker_fee if order else None,
        liquidity=order.instrument.liquidity if order else None,
        cost_bps=(expected_bps(order.instrument, order.quantity, request.price) if order else None),
    )


def expected_bps(instrument: Instrument, quantity: Decimal, price: Decimal) -> Decimal:
    """Fee and impact (`splitting`) in basis points of the notional, to 0.01.

    The fee alone where the venue does not tell its liquidity, or has none.
    """
    cost = instrument.taker_fee
    if instrument.liquidity:
        cost += IMPACT * quantity * price / instrument.liquidity
    return round_to(cost * _BPS, _BPS_INCREMENT)


def _limit_price(request: RouteRequest, instrument: Instrument) -> Decimal | None:
    """The worst price that the order would carry; None when the venue has none that low."""
    buy = request.side is OrderSide.BUY
    bound = price_bound(request.price, buy=buy, slippage=request.slippage_max)
    try:
        return round_price(instrument, bound, buy=buy)
    except InvalidInputError:
        return None


def _room(request: RouteRequest, instrument: Instrument, price: Decimal) -> Decimal | None:
    """The most that one order may have, in whole lots; None when nothing limits it.

    The venue's maximum is judged at the price that the order carries, liquidity at the mark.
    """
    lot = instrument.size_increment
    limits: list[Decimal] = []
    if instrument.max_notional is not None:
        limits.append(_lots(instrument.max_notional, price, lot))
    if instrument.liquidity is not None:
        limits.append(_lots(instrument.liquidity, request.price, lot))
    if request.side is OrderSide.SELL and not instrument.shortable:
        limits.append(round_quantity(instrument, request.held.get(instrument.venue, ZERO)))
    return min(limits) if limits else None


def _lots(notional: Decimal, price: Decimal, lot: Decimal) -> Decimal:
    count = _EXACT.divide_int(notional, _EXACT.multiply(price, lot))
    return _EXACT.multiply(count, lot)


def _venue_refusal(
    request: RouteRequest, venue: Venue, table: InstrumentTable | None, known: Surroundings
) -> Refusal | None:
    label = venue.label
    if venue not in request.enabled:
        return RouteCode.VENUE_NOT_ENABLED, f"{label} is not enabled for this deployment"
    if venue in request.unavailable:
        return RouteCode.VENUE_UNAVAILABLE, f"{label} is unavailable: {request.unavailable[venue]}"
    if table is None:
        return RouteCode.INSTRUMENTS_NOT_LOADED, f"{label}'s pairs are not loaded yet"
    age = known.now - table.refreshed_at
    if age > known.table_age_max:
        minutes = int(age.total_seconds() // 60)
        return RouteCode.INSTRUMENTS_STALE, f"{label}'s pairs were last loaded {minutes} min ago"
    return None


def _pair_refusal(
    request: RouteRequest, venue: Venue, table: InstrumentTable, instrument: Instrument | None
) -> Refusal | None:
    symbol, label = request.symbol, venue.label
    if instrument is None:
        return (
            RouteCode.PAIR_NOT_LISTED,
            f"{symbol} is not listed on {label} ({table.pair_count} pairs)",
        )
    if instrument.refusal is not None:
        return (
            RouteCode.INSTRUMENT_REFUSED,
            f"{symbol} on {label} is not traded: {instrument.refusal}",
        )
    if not instrument.is_open:
        return RouteCode.MARKET_CLOSED, f"{label}'s market for {symbol} is closed now"
    return None


def _size_refusal(
    request: RouteRequest, instrument: Instrument, quantity: Decimal, price: Decimal | None
) -> Refusal | None:
    symbol, label = request.symbol, instrument.venue.label
    sells = request.side is OrderSide.SELL and not instrument.shortable
    if sells and request.held.get(instrument.venue, ZERO) < quantity:
        return RouteCode.SHORT_NOT_POSSIBLE, f"{symbol} cannot be sold short on {label}"
    code = PRICE_NOT_ON_TICK if price is None else check_order(instrument, quantity, price)
    if code is not None:
        return code, f"{symbol} on {label}: the size is outside the venue's limits ({code})"
    notional, liquidity = _EXACT.multiply(quantity, request.price), instrument.liquidity
    if liquidity is not None and notional > liquidity:
        return (
            RouteCode.LIQUIDITY_TOO_THIN,
            f"{label} can take {liquidity:,.0f} {instrument.quote_currency} of {symbol} at once, "
            f"less than the order's {notional:,.0f}",
        )
    return None


def _breaker_refusal(venue: Venue, breaker: Breaker, known: Surroundings) -> Refusal | None:
    if would_admit(breaker, now=known.now, settings=known.breaker_settings):
        return None
    return RouteCode.BREAKER_OPEN, f"{venue.label} is paused by its circuit breaker"
