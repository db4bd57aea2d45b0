"""Decimals without the ceremony."""

from decimal import Decimal


def amounts(*values: object) -> tuple[Decimal, ...]:
    """Each as it is written: `amounts("0.1", 3)`."""
    return tuple(Decimal(str(value)) for value in values)
