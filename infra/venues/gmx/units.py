"""GMX's whole numbers and ours: USD with 30 decimals, prices in USD per smallest unit of a token.

A contract price is USD x 10^(30 - decimals), so that amount x price is USD x 10^30. Nothing here
rounds unless its name says so.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from common.errors import InvalidInputError

USD_DECIMALS = 30
_EXACT = Context(prec=200)
_FAR = 10  # a price in the wrong unit is wrong by at least 10^6


def usd(raw: int) -> Decimal:
    return Decimal(raw).scaleb(-USD_DECIMALS, _EXACT)


def usd_down(value: Decimal) -> int:
    return int(value.scaleb(USD_DECIMALS, _EXACT).to_integral_value(ROUND_FLOOR, _EXACT))


def tokens(raw: int, decimals: int) -> Decimal:
    return Decimal(raw).scaleb(-decimals, _EXACT)


def units_down(amount: Decimal, decimals: int) -> int:
    return int(amount.scaleb(decimals, _EXACT).to_integral_value(ROUND_FLOOR, _EXACT))


def units_up(amount: Decimal, decimals: int) -> int:
    return int(amount.scaleb(decimals, _EXACT).to_integral_value(ROUND_CEILING, _EXACT))


def times(left: Decimal, right: Decimal) -> Decimal:
    return _EXACT.multiply(left, right)


def contract_price(price: Decimal, decimals: int, *, up: bool) -> int:
    """The contract's whole number nearest to `price` from below, or from above."""
    scaled = price.scaleb(USD_DECIMALS - decimals, _EXACT)
    return int(scaled.to_integral_value(ROUND_CEILING if up else ROUND_FLOOR, _EXACT))


def from_contract_price(raw: int, decimals: int) -> Decimal:
    return Decimal(raw).scaleb(decimals - USD_DECIMALS, _EXACT)


def told_price(raw: int, decimals: int, *, near: Decimal, where: str) -> Decimal:
    """USD per token from a field that may be in either unit: the API documents neither.

    Raises InvalidInputError: within a factor of ten of `near` in neither unit.
    """
    for price in (from_contract_price(raw, decimals), usd(raw)):
        if near / _FAR < price < near * _FAR:
            return price
    raise InvalidInputError("a price far from the order's in every unit", where=where)
