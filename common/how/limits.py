"""Hard limits that no policy can raise. Each check returns a denial, or None."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from common.config import LimitSettings
from common.domain.exposure import Exposure, Reservation
from common.domain.market import INTERVAL_MS, MarketSnapshot
from common.domain.money import ZERO, plain
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


def check_notional(
    symbol: str, *, quantity: Decimal, price: Decimal, limits: LimitSettings
) -> Refusal | None:
    notional = quantity * price
    if notional <= limits.max_notional_per_order:
        return None
    return Refusal(
        Denial.NOTIONAL_EXCEEDS_MAX_PER_ORDER,
        f"{symbol}: notional={plain(notional.quantize(Decimal('0.01')))}"
        f" max={plain(limits.max_notional_per_order)}",
    )


def check_exposure(
    exposure: Exposure, intent_id: str, reservation: Reservation, limits: LimitSettings
) -> Refusal | None:
    """The worst case with this order added. What does not add to the risk always passes."""
    worst = exposure.reserve(intent_id, reservation).notional()
    if worst <= limits.max_exposure_per_deployment:
        return None
    # At the order's own price, so that a risen price alone does not block what reduces.
    idle = exposure.reserve(intent_id, replace(reservation, quantity=ZERO)).notional()
    if worst <= max(idle, exposure.notional()):
        return None
    return Refusal(
        Denial.EXPOSURE_EXCEEDS_MAX_PER_DEPLOYMENT,
        f"{reservation.symbol}: exposure={plain(worst.quantize(Decimal('0.01')))}"
        f" max={plain(limits.max_exposure_per_deployment)}",
    )
