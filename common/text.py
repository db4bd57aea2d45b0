"""Prices and quantities as people read them, the same in a notification, a view and a report."""

from decimal import ROUND_HALF_EVEN, Decimal

from common.domain.money import plain

_SIGNIFICANT = 6


def price(value: Decimal) -> str:
    """Two decimals from 100 up, else six significant figures: `107,749.30`, `0.00001234`."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.2f}"
    step = Decimal(1).scaleb(value.adjusted() - _SIGNIFICANT + 1)
    return plain(value.quantize(step, rounding=ROUND_HALF_EVEN))


def quantity(value: Decimal) -> str:
    """As exact as it is, with thousands separated: `1,250,000`, `-0.0123`."""
    text = plain(value)
    whole, dot, fraction = text.partition(".")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.lstrip('-')):,}{dot}{fraction}"
