"""How an equity curve is shown."""

from common.domain.moment import iso
from common.domain.money import plain
from common.reporting.equity_days import thinned
from common.reporting.performance import course
from common.wire import JsonObject
from functions.api.holdings import Curve

POINTS_MAX = 1000


def curve_view(curve: Curve) -> JsonObject:
    """About 1,000 points at most; the measures are of all of them.

    `drawdown_longest_s` runs from a peak to where it is reached again. Ratios are annualised from
    daily closes, and null with fewer than two.
    """
    measured = course(curve.points)
    return {
        "source": curve.source,
        "points": [
            {"ts": iso(each.at), "equity": plain(each.equity), "capital": plain(each.capital)}
            for each in thinned(curve.points, POINTS_MAX)
        ],
        "total_return": measured.total_return if measured else 0.0,
        "max_drawdown": measured.max_drawdown if measured else 0.0,
        "drawdown": measured.drawdown if measured else 0.0,
        "drawdown_longest_s": int(measured.drawdown_longest.total_seconds()) if measured else 0,
        "sharpe": measured.sharpe if measured else None,
        "sortino": measured.sortino if measured else None,
        "calmar": measured.calmar if measured else None,
    }
