"""What a paper venue makes of an order: refused with a code, or filled as far as its bound goes."""

from datetime import datetime, timedelta
from decimal import Decimal

from common.domain.instrument import Capabilities, Instrument
from common.domain.market import INTERVAL_MS, MarketSnapshot
from common.domain.money import ZERO, plain
from common.domain.order import Order, OrderSide, OrderStatus
from common.domain.rounding import check_order, round_quantity
from common.errors import InvalidInputError
from common.ports import Document
from common.wire import from_document
from infra.venues.paper.faults import FaultKind, FaultRule
from infra.venues.paper.fills import executions
from infra.venues.paper.ledger import PaperOrder, fills_of, outcome
from infra.venues.paper.profile import PaperProfile

Refusal = tuple[str, str]


def decide(
    order: Order,
    profile: PaperProfile,
    *,
    at: datetime,
    instrument: Instrument | None,
    snapshot: Document | None,
    held: Decimal,
    fault: FaultRule | None,
) -> PaperOrder:
    """The order's outcome when it reaches the venue at `at`. Pure."""
    kind = fault.kind if fault else None
    market = _read(snapshot)
    refusal = _refusal(order, profile.capabilities, at=at, instrument=instrument, held=held)
    if fault is not None and kind is FaultKind.REJECTED:
        refusal = fault.code, "refused because the fault plan says so"
    refusal = refusal or _no_price(market, profile, at)
    if refusal is not None or instrument is None or market is None:
        code, reason = refusal or ("NO_PRICE", "no market")
        return outcome(order, OrderStatus.REJECTED, at=at, code=code, reason=reason)
    wanted = order.quantity
    if fault is not None and kind is FaultKind.PART_FILLED:
        wanted = round_quantity(instrument, wanted * fault.fraction)
    fills = fills_of(order, instrument, executions(order, instrument, market, wanted), at=at)
    filled = sum((fill.last_qty for fill in fills), ZERO)
    lag = fault.delay_s if fault is not None and kind is FaultKind.READ_LAG else ZERO
    whole = filled == order.quantity
    return outcome(
        order,
        OrderStatus.FILLED if whole else OrderStatus.CANCELED,
        at=at,
        reason="" if whole else _why_part(order, filled),
        fills=fills,
        visible_at=at + timedelta(seconds=float(lag)),
    )


def _why_part(order: Order, filled: Decimal) -> str:
    return f"filled {plain(filled)} of {plain(order.quantity)} within {plain(order.price)}"


def _read(snapshot: Document | None) -> MarketSnapshot | None:
    """None also for a snapshot that does not read: there is no price to be had from it."""
    if snapshot is None:
        return None
    try:
        return from_document(MarketSnapshot, snapshot.data)
    except InvalidInputError:
        return None


def _refusal(
    order: Order,
    capabilities: Capabilities,
    *,
    at: datetime,
    instrument: Instrument | None,
    held: Decimal,
) -> Refusal | None:
    venue = order.venue.label
    if at > order.expires_at:
        return "ORDER_EXPIRED", f"reached {venue} after its expiry"
    if order.order_type not in capabilities.order_types:
        return "ORDER_TYPE_NOT_SUPPORTED", f"{venue} has no {order.order_type} orders"
    if order.time_in_force not in capabilities.time_in_force:
        return "TIME_IN_FORCE_NOT_SUPPORTED", f"{venue} has no {order.time_in_force}"
    if instrument is None or instrument.instrument_id != order.instrument_id:
        return "INSTRUMENT_NOT_LISTED", f"{venue} does not list {order.instrument_id}"
    if not instrument.is_open:
        return "MARKET_CLOSED", f"{venue}'s market for {order.symbol} is closed"
    code = check_order(instrument, order.quantity, order.price)
    if code is not None:
        return code, f"{plain(order.quantity)} {order.symbol} at {plain(order.price)}"
    if order.side is OrderSide.SELL and not instrument.shortable and held < order.quantity:
        return "SHORT_NOT_POSSIBLE", f"holds {plain(held)} {order.symbol} on {venue}"
    return None


def _no_price(market: MarketSnapshot | None, profile: PaperProfile, at: datetime) -> Refusal | None:
    if market is None:
        return "NO_PRICE", "there is no market snapshot"
    limit = profile.snapshot_age_max + timedelta(milliseconds=INTERVAL_MS.get(market.interval, 0))
    age = at - market.observed_at
    if age > limit:
        return "NO_PRICE", f"the market snapshot is {int(age.total_seconds())} s old"
    return None
