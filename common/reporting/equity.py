"""An account's equity over time: at its marks, or fill by fill where it never was marked."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import pairwise

from common.domain.moment import UtcDatetime
from common.domain.money import ZERO, Money
from common.domain.order import FillRecord
from common.domain.position import EXACT

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityPoint:
    at: UtcDatetime
    equity: Money  # quote currency
    capital: Money  # paid in by then: what it grows by between two points is no result


def equity_curve(
    fills: Sequence[FillRecord], *, now_realized: Decimal, capital: Decimal
) -> tuple[EquityPoint, ...]:
    """The curve over `fills` (oldest first), which ends at `now_realized`.

    Realised, after commissions; open positions count at cost. It is worked out backwards from the
    present, so that it is exact however many older fills are left out.
    """
    points = []
    with localcontext(EXACT):
        results = [record.realized_pnl - record.fill.commission for record in fills]
        equity = now_realized - sum(results, ZERO)
        for record, result in zip(fills, results, strict=True):
            equity += result
            point = EquityPoint(at=record.fill.ts_event, equity=equity, capital=capital)
            points.append(point)
    return tuple(points)


def growth(points: Sequence[EquityPoint]) -> list[float]:
    """What 1 at the first point has become at each, as if no capital had come or gone since.

    Time-weighted: each step is (equity after - capital that came) / equity before. Nothing comes
    back from 0.
    """
    index = [1.0] if points else []
    for before, after in pairwise(points):
        came = after.capital - before.capital
        step = (after.equity - came) / before.equity if before.equity > 0 else ZERO
        index.append(index[-1] * max(float(step), 0.0))
    return index


def daily_closes(points: Sequence[EquityPoint], values: Sequence[float]) -> list[float]:
    """The last of `values`, one for each point, of every UTC day that has one; oldest first."""
    return list(
        {point.at.date(): value for point, value in zip(points, values, strict=True)}.values()
    )
