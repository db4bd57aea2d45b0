"""An account's course over time, and what is usually said of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from common.domain.money import ZERO
from common.reporting.equity import DAY_MS, EquityPoint, daily_closes, growth

_YEAR_MS = 365 * DAY_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """Ratios are floats: they describe, nothing is booked from them. None where undefined."""

    total_return: float  # 0.05 = 5 %
    max_drawdown: float  # largest fall from a peak, as a fraction of the peak
    sharpe: float | None  # annualised, no risk-free rate, per-bar returns
    sortino: float | None  # annualised, downside deviation against 0
    calmar: float | None  # compound annual growth over the largest fall (Young, 1991)


def performance(equity: Sequence[Decimal | float], *, bar_ms: int) -> Performance:
    """`equity` is the account's worth at each bar's close, the starting one first; all > 0."""
    values = [float(value) for value in equity]
    returns = [after / before - 1 for before, after in pairwise(values)]
    bars_a_year = _YEAR_MS / bar_ms
    fall = max_drawdown(values)
    return Performance(
        total_return=values[-1] / values[0] - 1,
        max_drawdown=fall,
        sharpe=_ratio(returns, _deviation(returns), bars_a_year),
        sortino=_ratio(returns, _downside(returns), bars_a_year),
        calmar=_calmar(values[-1] / values[0], len(returns) / bars_a_year, fall),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What is said of an equity curve, whatever capital came and went under way.

    Ratios are of daily closes, annualised; None with fewer than two, or once all was lost.
    """

    total_return: float
    max_drawdown: float
    drawdown: float  # at the last point
    drawdown_longest: timedelta  # from a peak to the point that reaches it again, or to the last
    sharpe: float | None
    sortino: float | None
    calmar: float | None


def course(points: Sequence[EquityPoint]) -> Course | None:
    """`points` oldest first; None where there is none."""
    if not points:
        return None
    values = growth(points)
    closes = daily_closes(points, values)
    fall = max_drawdown(values)
    years = (points[-1].at - points[0].at) / timedelta(milliseconds=_YEAR_MS)
    measured = performance(closes, bar_ms=DAY_MS) if len(closes) > 1 and min(closes) > 0 else None
    return Course(
        total_return=values[-1] - 1,
        max_drawdown=fall,
        drawdown=1 - values[-1] / max(values),
        drawdown_longest=_longest_below([point.at for point in points], values),
        sharpe=measured.sharpe if measured else None,
        sortino=measured.sortino if measured else None,
        calmar=_calmar(values[-1], years, fall) if measured else None,
    )


def _longest_below(moments: Sequence[datetime], values: Sequence[float]) -> timedelta:
    peak, since, longest, below = values[0], moments[0], timedelta(0), False
    for moment, value in zip(moments, values, strict=True):
        if below or value < peak:
            longest = max(longest, moment - since)
        below = value < peak
        if not below:
            peak, since = value, moment
    return longest


def _calmar(grown: float, years: float, fall: float) -> float | None:
    """None without a fall, for less than a day, and where a year exceeds what a float can be."""
    if fall == 0 or grown <= 0 or years < DAY_MS / _YEAR_MS:
        return None
    if math.log(grown) / years > math.log(1e300):
        return None
    return (math.pow(grown, 1 / years) - 1) / fall


def max_drawdown(values: Sequence[float]) -> float:
    peak, worst = values[0], 0.0
    for value in values:
        peak = max(peak, value)
        worst = max(worst, (peak - value) / peak)
    return worst


def _ratio(returns: Sequence[float], deviation: float, bars_a_year: float) -> float | None:
    if deviation == 0:
        return None
    return sum(returns) / len(returns) / deviation * math.sqrt(bars_a_year)


def _deviation(returns: Sequence[float]) -> float:
    """Sample standard deviation; 0 with fewer than two returns."""
    if len(returns) < 2:
        return 0.0
    mean = sum(returns) / len(returns)
    return math.sqrt(sum((value - mean) ** 2 for value in returns) / (len(returns) - 1))


def _downside(returns: Sequence[float]) -> float:
    """Root mean square of the losing bars over all bars."""
    if not returns:
        return 0.0
    return math.sqrt(sum(min(value, 0.0) ** 2 for value in returns) / len(returns))


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeFigures:
    """Of closing fills: those that realised a result."""

    closed: int
    wins: int
    gross_profit: Decimal
    gross_loss: Decimal  # <= 0

    @property
    def win_rate(self) -> float | None:
        return self.wins / self.closed if self.closed else None

    @property
    def profit_factor(self) -> float | None:
        if self.gross_loss == 0:
            return None
        return float(self.gross_profit / -self.gross_loss)


def trade_figures(results: Sequence[Decimal]) -> TradeFigures:
    """`results` are realised results before fees; zeros opened or added."""
    closing = [value for value in results if value != 0]
    return TradeFigures(
        closed=len(closing),
        wins=sum(value > 0 for value in closing),
        gross_profit=sum((value for value in closing if value > 0), ZERO),
        gross_loss=sum((value for value in closing if value < 0), ZERO),
    )
