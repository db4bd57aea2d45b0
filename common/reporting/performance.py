"""An account's course over time, and what is usually said of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from common.domain.money import ZERO

_YEAR_MS = 365 * 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """Ratios are floats: they describe, nothing is booked from them. None where undefined."""

    total_return: float  # 0.05 = 5 %
    max_drawdown: float  # largest fall from a peak, as a fraction of the peak
    sharpe: float | None  # annualised, no risk-free rate, per-bar returns
    sortino: float | None  # annualised, downside deviation against 0


def performance(equity: Sequence[Decimal], *, bar_ms: int) -> Performance:
    """`equity` is the account's worth at each bar's close, the starting one first; all > 0."""
    values = [float(value) for value in equity]
    returns = [after / before - 1 for before, after in pairwise(values)]
    bars_a_year = _YEAR_MS / bar_ms
    return Performance(
        total_return=values[-1] / values[0] - 1,
        max_drawdown=max_drawdown(values),
        sharpe=_ratio(returns, _deviation(returns), bars_a_year),
        sortino=_ratio(returns, _downside(returns), bars_a_year),
    )


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
