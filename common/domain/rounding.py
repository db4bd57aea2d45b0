"""What a venue accepts as a price and a size, and how ours become that. Sizes only ever shrink."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from common.domain.instrument import Instrument
from common.errors import InvalidInputError

QUANTITY_BELOW_MINIMUM = "QUANTITY_BELOW_MINIMUM"
QUANTITY_NOT_ON_LOT = "QUANTITY_NOT_ON_LOT"
PRICE_NOT_ON_TICK = "PRICE_NOT_ON_TICK"
NOTIONAL_BELOW_MINIMUM = "NOTIONAL_BELOW_MINIMUM"
NOTIONAL_EXCEEDS_MAXIMUM = "NOTIONAL_EXCEEDS_MAXIMUM"

_EXACT = Context(prec=200)  # the default 28 digits could round a long quotient up to the next lot


def price_step(instrument: Instrument, price: Decimal) -> Decimal:
    """The distance between the prices that the venue accepts around `price` (> 0).

    A tick, or with significant figures the coarser of the figures and the decimals, and at
    most 1: whole prices are always allowed (Hyperliquid docs, Tick and lot size).
    """
    if instrument.price_increment is not None:
        return instrument.price_increment
    decimals = Decimal(1).scaleb(-instrument.price_decimals_max)
    if instrument.price_significant_figures is None:
        return decimals
    figures = Decimal(1).scaleb(price.adjusted() - instrument.price_significant_figures + 1)
    return min(max(figures, decimals), Decimal(1))


def round_price(instrument: Instrument, price: Decimal, *, buy: bool) -> Decimal:
    """The nearest price that the venue accepts and that is no worse for us than `price`.

    Down for a buy, up for a sell: a bound is never loosened.

    Raises:
        InvalidInputError: `price` is not above 0, or a buy is below the smallest price.
    """
    rounded = price if price <= 0 else _to_step(instrument, price, up=not buy)
    if rounded <= 0:
        raise InvalidInputError(
            f"{instrument.instrument_id} has no price at or below {price}", code=PRICE_NOT_ON_TICK
        )
    return rounded


def is_valid_price(instrument: Instrument, price: Decimal) -> bool:
    return price > 0 and price == _to_step(instrument, price, up=False)


def _to_step(instrument: Instrument, price: Decimal, *, up: bool) -> Decimal:
    return _multiple(price, price_step(instrument, price), ROUND_CEILING if up else ROUND_FLOOR)


def round_quantity(instrument: Instrument, quantity: Decimal) -> Decimal:
    """Whole lots, never more than `quantity`; 0 when not one lot is left."""
    if quantity <= 0:
        return Decimal(0)
    return _multiple(quantity, instrument.size_increment, ROUND_FLOOR)


def _multiple(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    count = _EXACT.divide(value, step).to_integral_value(rounding=rounding, context=_EXACT)
    return _EXACT.multiply(count, step)


def check_order(instrument: Instrument, quantity: Decimal, price: Decimal) -> str | None:
    """Why the venue would refuse this size at this price, as a code; None when it would not.

    The notional is judged at `price`, so ask with the price that the order will carry.
    """
    if quantity < instrument.min_quantity or quantity <= 0:
        return QUANTITY_BELOW_MINIMUM
    if quantity != round_quantity(instrument, quantity):
        return QUANTITY_NOT_ON_LOT
    if not is_valid_price(instrument, price):
        return PRICE_NOT_ON_TICK
    notional = _EXACT.multiply(quantity, price)
    if notional < instrument.min_notional:
        return NOTIONAL_BELOW_MINIMUM
    if instrument.max_notional is not None and notional > instrument.max_notional:
        return NOTIONAL_EXCEEDS_MAXIMUM
    return None
