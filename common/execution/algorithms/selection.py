"""SW-08: which algorithm works an order, by its size against the market and by volatility."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from itertools import pairwise

from common.config import ExecutionSettings
from common.domain.market import Candle
from common.domain.money import ZERO, plain, round_to
from common.domain.parent_order import ExecAlgorithm, ExecutionWish

YEAR_MS = 365 * 86_400_000  # these markets never close
HOUR_MS = 3_600_000
RETURNS_MIN = 20
"""Below that many returns a standard deviation says little: its own error is over 16 %."""

_PRECISE = Context(prec=40)
_VOLATILITY_INCREMENT = Decimal("0.000001")
_PERCENT_INCREMENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Choice:
    algorithm: ExecAlgorithm
    reason: str  # for people, with the figures


def choose(
    wish: ExecutionWish | None,
    *,
    quantity: Decimal,
    hourly_volume: Decimal | None,
    volatility: Decimal | None,
    settings: ExecutionSettings,
) -> Choice:
    """The wish where it says, else the matrix of SW-08.

    `quantity` and `hourly_volume` in base units, `volatility` annualised as a fraction; None or 0
    volume is unknown. What is not known is taken for the worse: an order whose share of the market
    cannot be told is not sent whole, and one that may meet any volatility needs no profile.
    """
    wished = _as_wished(wish)
    if wished is not None:
        return wished
    if not hourly_volume or hourly_volume < 0:
        return Choice(
            ExecAlgorithm.TWAP, "the market's volume is not known, so the order goes in slices"
        )
    with localcontext(_PRECISE):
        share = quantity / hourly_volume
    told = (
        f"{plain(quantity)} is {_percent(share)} of the"
        f" {plain(round_to(hourly_volume, _PERCENT_INCREMENT))} that are traded in an hour"
    )
    if share < settings.small_fraction:
        return Choice(
            ExecAlgorithm.MARKET, f"{told}: small, below {_percent(settings.small_fraction)}"
        )
    if share >= settings.large_fraction:
        return Choice(
            ExecAlgorithm.ICEBERG, f"{told}: large, from {_percent(settings.large_fraction)} on"
        )
    return _medium(told, volatility, settings)


def _as_wished(wish: ExecutionWish | None) -> Choice | None:
    if wish is None:
        return None
    if wish.algorithm is not None:
        return Choice(wish.algorithm, "the signal asks for it")
    if wish.visible_quantity is not None:
        visible = plain(wish.visible_quantity)
        return Choice(ExecAlgorithm.ICEBERG, f"the signal wants {visible} to be visible at a time")
    if wish.limit_price is not None:
        price = plain(wish.limit_price)
        return Choice(ExecAlgorithm.SNIPER, f"the signal has a price as its target: {price}")
    return None


def _medium(told: str, volatility: Decimal | None, settings: ExecutionSettings) -> Choice:
    bound = _percent(settings.high_volatility)
    if volatility is None:
        return Choice(ExecAlgorithm.TWAP, f"{told}: medium; the volatility is not known")
    found = f"{told}: medium; volatility is {_percent(volatility)} a year"
    if volatility >= settings.high_volatility:
        return Choice(ExecAlgorithm.TWAP, f"{found}: high, from {bound} on")
    return Choice(ExecAlgorithm.VWAP, f"{found}: low, below {bound}")


def _percent(fraction: Decimal) -> str:
    percent = fraction * 100
    rounded = round_to(percent, _PERCENT_INCREMENT)
    return f"{plain(rounded if rounded else percent.normalize(Context(prec=2)))} %"


def realised_volatility(candles: Sequence[Candle], interval_ms: int) -> Decimal | None:
    """Annualised: the sample standard deviation of log returns times the root of periods a year.

        s = sqrt(sum((r - mean r)^2) / (n - 1)) * sqrt(YEAR_MS / interval_ms),  r = ln(c_i / c_i-1)

    As a fraction, to six places (Hull, Options, Futures, and Other Derivatives, estimating
    volatility from historical data). Returns over a gap in time are left out. None: fewer than
    `RETURNS_MIN` are left.
    """
    with localcontext(_PRECISE):
        returns = [
            (after.close / before.close).ln()
            for before, after in pairwise(candles)
            if after.open_time_ms - before.open_time_ms == interval_ms
            and before.close > 0
            and after.close > 0
        ]
        if len(returns) < RETURNS_MIN:
            return None
        mean = sum(returns, ZERO) / len(returns)
        variance = sum(((each - mean) ** 2 for each in returns), ZERO) / (len(returns) - 1)
        annual = (variance * YEAR_MS / interval_ms).sqrt()
        return round_to(annual, _VOLATILITY_INCREMENT)


def average_hourly_volume(candles: Sequence[Candle], interval_ms: int) -> Decimal | None:
    """Base units traded in an hour: the candles' mean volume, scaled. None: there are none."""
    if not candles:
        return None
    with localcontext(_PRECISE):
        total = sum((candle.volume for candle in candles), ZERO)
        return total * HOUR_MS / (interval_ms * len(candles))
