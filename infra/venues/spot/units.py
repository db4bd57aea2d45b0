"""Between quantities and a token's base units: exact, and rounded so that we never overspend."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from common.domain.money import ZERO

PRICE_FIGURES = 12
_EXACT = Context(prec=200)
_UP = Context(prec=PRICE_FIGURES, rounding=ROUND_CEILING)
_DOWN = Context(prec=PRICE_FIGURES, rounding=ROUND_FLOOR)


def to_units(quantity: Decimal, decimals: int) -> int:
    """Whole base units, never more than `quantity`."""
    scaled = _EXACT.scaleb(quantity, decimals)
    return int(scaled.to_integral_value(rounding=ROUND_FLOOR, context=_EXACT))


def from_units(units: int, decimals: int) -> Decimal:
    return _EXACT.scaleb(Decimal(units), -decimals)


def whole_lots(quantity: Decimal, lot: Decimal) -> Decimal:
    """Down: what strangers send to a wallet to disturb its books is less than a lot."""
    return quantity.quantize(lot, rounding=ROUND_FLOOR, context=_EXACT)


def spend_max(quantity: Decimal, price: Decimal, decimals: int) -> int:
    """The most base units of the quote token that a buy may cost: rounded down."""
    return to_units(_EXACT.multiply(quantity, price), decimals)


def receive_min(quantity: Decimal, price: Decimal, decimals: int) -> int:
    """The least base units of the quote token that a sale must bring: rounded up."""
    scaled = _EXACT.scaleb(_EXACT.multiply(quantity, price), decimals)
    return int(scaled.to_integral_value(rounding=ROUND_CEILING, context=_EXACT))


def price_and_rest(base: Decimal, quote: Decimal, *, buy: bool) -> tuple[Decimal, Decimal]:
    """A price of 12 figures, and what it leaves of the cash, at least 0.

    A pool's price has no tick and may never end. Rounded in our favour, with the rest booked as
    commission, the cash of a fill is exact: `base x price + rest` spent, or `- rest` received. The
    rest is below 1e-11 of the notional.
    """
    price = (_DOWN if buy else _UP).divide(quote, base)
    cash = _EXACT.multiply(base, price)
    rest = _EXACT.subtract(quote, cash) if buy else _EXACT.subtract(cash, quote)
    return price, max(rest, ZERO)
