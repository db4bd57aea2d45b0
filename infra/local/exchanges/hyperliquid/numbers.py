"""Hyperliquid's decimal texts."""

from decimal import Decimal, InvalidOperation


class MalformedError(Exception):
    """The JSON does not have the shape of the request; the venue answers 422."""


def wire(value: Decimal) -> str:
    """Plain digits with at least one decimal: "30135.0", "0.00021"."""
    text = f"{value.normalize():f}" if value else "0"
    return text if "." in text else f"{text}.0"


def bare(value: Decimal) -> str:
    """As actions are hashed: no trailing zeros, no ".0"."""
    return f"{value.normalize():f}" if value else "0"


def decimal_of(value: object) -> Decimal:
    """A decimal text that is finite and not below zero; else MalformedError."""
    if not isinstance(value, str):
        raise MalformedError("a price or size is text")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise MalformedError("a price or size is no number") from None
    if not number.is_finite() or number < 0:
        raise MalformedError("a price or size is no number of the venue")
    return number
