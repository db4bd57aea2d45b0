"""An account's equity, fill by fill."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from common.domain.money import ZERO
from common.domain.order import FillRecord

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityPoint:
    at: datetime
    equity: Decimal  # realised, after commissions; open positions count at cost


def equity_curve(fills: Sequence[FillRecord], *, now_realized: Decimal) -> tuple[EquityPoint, ...]:
    """The curve over `fills` (oldest first), which ends at `now_realized`.

    It is worked out backwards from the present, so that it is exact however many older fills
    are left out.
    """
    results = [record.realized_pnl - record.fill.commission for record in fills]
    equity = now_realized - sum(results, ZERO)
    points = []
    for record, result in zip(fills, results, strict=True):
        equity += result
        points.append(EquityPoint(at=record.fill.ts_event, equity=equity))
    return tuple(points)


def daily_closes(curve: Sequence[EquityPoint]) -> list[Decimal]:
    """The last equity of each UTC day that has a fill, oldest first."""
    closes: dict[date, Decimal] = {point.at.date(): point.equity for point in curve}
    return list(closes.values())
