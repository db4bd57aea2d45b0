"""What every check answers with, and how old a price may be."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from common.config import LimitSettings
from common.domain.market import INTERVAL_MS, MarketSnapshot
from common.how.denial import Denial


@dataclass(frozen=True, slots=True)
class Refusal:
    code: Denial
    reason: str


def price_age_max(interval: str, limits: LimitSettings) -> timedelta:
    """A price may be one candle interval old and `snapshot_age_max` more."""
    return timedelta(milliseconds=INTERVAL_MS[interval]) + limits.snapshot_age_max


def check_price_age(
    snapshot: MarketSnapshot, *, now: datetime, limits: LimitSettings
) -> Refusal | None:
    return price_age_refusal(
        snapshot.symbol,
        snapshot.observed_at,
        allowed=price_age_max(snapshot.interval, limits),
        now=now,
    )


def price_age_refusal(
    symbol: str, observed_at: datetime, *, allowed: timedelta, now: datetime
) -> Refusal | None:
    """A price from the future is as bad as an old one: one of the two clocks is wrong."""
    age = now - observed_at
    if -allowed <= age <= allowed:
        return None
    seconds = int(age.total_seconds())
    when = f"{seconds} s old" if seconds >= 0 else f"{-seconds} s ahead of the clock"
    return Refusal(
        Denial.PRICE_STALE,
        f"the price of {symbol} is {when}, at most {int(allowed.total_seconds())} s is allowed",
    )
