"""The equity curve and what is measured on it."""

from datetime import timedelta
from decimal import Decimal

import pytest

from common.domain.order import FillRecord
from common.reporting.equity import DAY_MS, daily_closes, equity_curve
from common.reporting.performance import max_drawdown, performance, trade_figures
from tests.builders import NOON, a_fill, a_fill_record


def a_result(hours: int, realized: str, commission: str = "0") -> FillRecord:
    fill = a_fill(commission=Decimal(commission), ts_event=NOON + timedelta(hours=hours))
    return a_fill_record(fill, realized_pnl=Decimal(realized))


def test_curve_when_worked_back_from_now_then_it_ends_there() -> None:
    curve = equity_curve(
        [a_result(0, "0", "1"), a_result(1, "10", "1"), a_result(2, "-3")],
        now_realized=Decimal(1005),
    )
    assert [point.equity for point in curve] == [Decimal(999), Decimal(1008), Decimal(1005)]
    assert curve[-1].at == NOON + timedelta(hours=2)
    assert equity_curve([], now_realized=Decimal(5)) == ()


def test_daily_closes_when_a_day_has_several_then_its_last() -> None:
    results = [a_result(0, "1"), a_result(1, "1"), a_result(24, "1"), a_result(72, "-1")]
    curve = equity_curve(results, now_realized=Decimal(102))
    assert daily_closes(curve) == [Decimal(102), Decimal(103), Decimal(102)]


def test_performance_when_equity_moves_then_the_known_ratios() -> None:
    figures = performance([Decimal(100), Decimal(110), Decimal(99), Decimal(108)], bar_ms=DAY_MS)
    assert figures.total_return == pytest.approx(0.08)
    assert figures.max_drawdown == pytest.approx(0.1)
    # returns 0.1, -0.1, 1/11: mean 1/33, sample deviation 0.1129, downside sqrt(0.01/3)
    assert figures.sharpe == pytest.approx(0.0303030 / 0.1129308 * 365**0.5, rel=1e-4)
    assert figures.sortino == pytest.approx(0.0303030 / 0.0577350 * 365**0.5, rel=1e-4)


def test_performance_when_equity_never_falls_or_moves_then_undefined_ratios() -> None:
    rising = performance([Decimal(100), Decimal(110), Decimal(130)], bar_ms=DAY_MS)
    assert rising.sortino is None
    flat = performance([Decimal(100)], bar_ms=DAY_MS)
    assert (flat.sharpe, flat.sortino, flat.max_drawdown) == (None, None, 0)


def test_max_drawdown_when_it_recovers_then_the_deepest_counts() -> None:
    assert max_drawdown([100, 80, 120, 90, 119]) == pytest.approx(0.25)


def test_trade_figures_when_results_differ_then_only_closing_ones_count() -> None:
    figures = trade_figures([Decimal(0), Decimal(6), Decimal(-2), Decimal(-1)])
    assert (figures.closed, figures.wins) == (3, 1)
    assert figures.win_rate == pytest.approx(1 / 3)
    assert figures.profit_factor == 2
    empty = trade_figures([])
    assert (empty.win_rate, empty.profit_factor) == (None, None)
