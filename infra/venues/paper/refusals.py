"""Why a paper venue refuses an order: a code, and a sentence. Pure."""

from datetime import datetime
from decimal import Decimal

from common.domain.instrument import Capabilities, Instrument, OrderType, TimeInForce
from common.domain.market import MarketSnapshot
from common.domain.money import plain
from common.domain.order import Order, OrderSide
from common.domain.rounding import (
    NOTIONAL_BELOW_MINIMUM,
    PRICE_NOT_ON_TICK,
    check_order,
    is_valid_price,
)
from common.text import quantity
from infra.venues.paper.resting import TRIGGERED_TYPES, room_to_reduce, trigger_is_reached

Refusal = tuple[str, str]


def refusal(
    order: Order,
    capabilities: Capabilities,
    *,
    at: datetime,
    instrument: Instrument | None,
    signed: Decimal,
) -> Refusal | None:
    """What is wrong with the order whatever the market's price; `signed` is what is held."""
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
    return (
        _of_numbers(order, instrument) or _of_terms(order) or _of_holding(order, instrument, signed)
    )


def _of_numbers(order: Order, instrument: Instrument) -> Refusal | None:
    """A reduce-only order may be below the minimum value: a position can be closed."""
    code = check_order(instrument, order.quantity, order.price)
    if code is not None and not (code == NOTIONAL_BELOW_MINIMUM and order.reduce_only):
        return code, f"{plain(order.quantity)} {order.symbol} at {plain(order.price)}"
    return None


def _of_terms(order: Order) -> Refusal | None:
    """What the type, the time in force and the flags ask for together."""
    waits = order.order_type in TRIGGERED_TYPES
    rests = order.time_in_force is TimeInForce.GTC
    if order.post_only and order.order_type is not OrderType.LIMIT:
        return "ORDER_TYPE_NOT_SUPPORTED", f"a {order.order_type} order cannot be post-only"
    if order.post_only and not rests:
        return "TIME_IN_FORCE_NOT_SUPPORTED", "a post-only order rests: GTC"
    if waits and not rests:
        return "TIME_IN_FORCE_NOT_SUPPORTED", f"a {order.order_type} order rests: GTC"
    if order.order_type is OrderType.MARKET and rests:
        return "TIME_IN_FORCE_NOT_SUPPORTED", "a market order does not rest"
    if waits and order.trigger_price is None:
        return "TRIGGER_PRICE_MISSING", f"a {order.order_type} order needs one"
    return None


def _of_holding(order: Order, instrument: Instrument, signed: Decimal) -> Refusal | None:
    """An order with a trigger is judged when it triggers: what it closes may come meanwhile."""
    held = f"the account holds {quantity(signed)} {order.symbol} at {order.venue.label}"
    if order.side is OrderSide.SELL and not instrument.shortable and signed < order.quantity:
        wanted = f"{quantity(order.quantity)} cannot be sold, and nothing is sold short there"
        return "SHORT_NOT_POSSIBLE", f"{held}: {wanted}"
    waits = order.order_type in TRIGGERED_TYPES
    if order.reduce_only and not waits and room_to_reduce(order, signed) == 0:
        side = order.side.lower()
        return "REDUCE_ONLY_WOULD_INCREASE_POSITION", f"{held}: a {side} would not make it smaller"
    return None


def refusal_at_market(
    order: Order, instrument: Instrument, market: MarketSnapshot
) -> Refusal | None:
    """What is wrong with the order at the market's price now."""
    trigger = order.trigger_price
    if order.order_type in TRIGGERED_TYPES and trigger is not None:
        if not is_valid_price(instrument, trigger):
            return PRICE_NOT_ON_TICK, f"trigger {plain(trigger)}"
        if trigger_is_reached(order.order_type, order.side, trigger, market.mark, market.mark):
            return (
                "TRIGGER_ALREADY_PASSED",
                f"{plain(trigger)}, and the mark is {plain(market.mark)}",
            )
    buys, book = order.side is OrderSide.BUY, market.book
    if order.post_only and (order.price >= book.ask if buys else order.price <= book.bid):
        best = book.ask if buys else book.bid
        return "POST_ONLY_WOULD_TAKE", f"{plain(order.price)}, and the best is {plain(best)}"
    return None
