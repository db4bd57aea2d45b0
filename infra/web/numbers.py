"""Decimals as JSON numbers, for the few shapes that show numbers."""

from decimal import Context, Decimal

_FIFTEEN_DIGITS = Context(prec=15)
"""Every decimal of 15 significant digits survives the way through a double and back unchanged."""


def number(value: Decimal) -> float:
    """For JSON alone: prints as the decimal itself (0.1), rounded to 15 significant digits."""
    return float(_FIFTEEN_DIGITS.plus(value))


def number_or_none(value: Decimal | None) -> float | None:
    return None if value is None else number(value)
