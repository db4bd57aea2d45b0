"""Decimal arithmetic for prices, quantities and cash: exact, never a float."""

import re
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer

ZERO = Decimal(0)
ONE = Decimal(1)
CASH_INCREMENT = Decimal("1e-12")
"""Shares of a cost are rounded to this, and the rest stays in the cost, so that no cash is lost."""

_DECIMAL_TEXT = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,60})?", re.ASCII)


def plain(value: Decimal) -> str:
    """The shortest fixed-point text: `1E+2` is `100`, `1.500` is `1.5`, `-0` is `0`."""
    if not value:
        return "0"
    text = str(value)  # a third of format's time, and mostly the same text
    if "E" in text:
        text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse_decimal(value: object) -> Decimal:
    """A Decimal from plain ASCII text, an int or a finite Decimal.

    Raises:
        ValueError: a float, a bool, an exponent, spaces, other digits, or over 30 + 60 digits.
    """
    if isinstance(value, str):  # first: the text of messages and documents
        if _DECIMAL_TEXT.fullmatch(value):
            return Decimal(value)
    elif isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("must be finite")
        return value
    elif isinstance(value, int) and not isinstance(value, bool):
        return parse_decimal(str(value))
    raise ValueError("must be decimal text such as 0.25")


def round_to(value: Decimal, increment: Decimal) -> Decimal:
    """The multiple of `increment` (> 0) nearest to `value`, ties to even."""
    return (value / increment).to_integral_value(rounding=ROUND_HALF_EVEN) * increment


Money = Annotated[
    Decimal,
    Field(allow_inf_nan=False),
    BeforeValidator(parse_decimal),
    PlainSerializer(plain, return_type=str, when_used="json"),
]
"""A finite Decimal; a string in JSON, never a float."""
