"""What risk checks need of a market snapshot, without reading its hundreds of candles."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from common.config import LimitSettings
from common.domain.market import INTERVAL_MS
from common.domain.moment import from_iso, to_ms
from common.domain.money import parse_decimal
from common.how.limits import Refusal, price_age_max, price_age_refusal
from common.ports import Document

_UNUSABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Mark:
    """The mark of one symbol: finite, above 0."""

    symbol: str
    price: Decimal
    observed_at: datetime
    interval: str
    _candles: Sequence[Any] = ()

    def refusal(self, *, now: datetime, settings: LimitSettings) -> Refusal | None:
        """PRICE_STALE where it is too old, or from the future."""
        allowed = price_age_max(self.interval, settings)
        return price_age_refusal(self.symbol, self.observed_at, allowed=allowed, now=now)

    def range_over(
        self, period_s: int, *, settings: LimitSettings
    ) -> tuple[Decimal, Decimal] | None:
        """The lowest and the highest price of the candles that closed in the `period_s` before the
        mark; of the newest one in any case.

        None where they tell nothing: none, one that is no candle, or the newest is older than the
        period by more than a price may be old.
        """
        step, end = INTERVAL_MS[self.interval], to_ms(self.observed_at)
        stale = period_s * 1000 + price_age_max(self.interval, settings) // _MS
        lows: list[Decimal] = []
        highs: list[Decimal] = []
        try:
            for candle in reversed(self._candles):
                age = end - (candle["open_time_ms"] + step)
                if age > stale or (lows and age >= period_s * 1000):
                    break
                lows.append(_price(candle["low"]))
                highs.append(_price(candle["high"]))
        except _UNUSABLE:
            return None
        return (min(lows), max(highs)) if lows else None


_MS = timedelta(milliseconds=1)


def mark_of(document: Document | None) -> Mark | None:
    """The mark of a document under `market_snapshots`; None where there is no usable one."""
    if document is None:
        return None
    data = document.data
    try:
        mark = Mark(
            data["symbol"],
            _price(data["mark"]),
            from_iso(data["observed_at"]),
            data["interval"],
            data["candles"],
        )
        known = mark.interval in INTERVAL_MS and mark.symbol == document.ref.id
    except _UNUSABLE:
        return None
    return mark if known else None


def _price(text: object) -> Decimal:
    price = parse_decimal(text)
    if price <= 0:
        raise ValueError("no price")
    return price
