"""Numbers and moments as people read them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

_CENT = Decimal("0.01")


def money(value: Decimal) -> str:
    """`$1,234.57`, `-$0.12`."""
    rounded = value.quantize(_CENT, rounding=ROUND_HALF_EVEN)
    return f"{'-' if rounded < 0 else ''}${abs(rounded):,.2f}"


def gain(value: Decimal) -> str:
    """Money with its sign always shown: `+$12.30`, `-$4.00`, `$0.00`."""
    text = money(value)
    return f"+{text}" if not text.startswith("-") and text != "$0.00" else text


def missing_prices(failed: Mapping[str, str]) -> str:
    """`no price of BTC, ETH: the venue did not answer`; empty when there is nothing to say."""
    by_reason: dict[str, list[str]] = {}
    for symbol, why in sorted(failed.items()):
        by_reason.setdefault(why, []).append(symbol)
    told = (f"no price of {', '.join(symbols)}: {why}" for why, symbols in by_reason.items())
    return "; ".join(told)


def clock_time(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}"


def full_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
