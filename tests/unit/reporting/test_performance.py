"""Figures over an account's course, against values worked out by hand."""

from datetime import timedelta
from decimal import Decimal

import pytest

from common.reporting.equity import DAY_MS, EquityPoint
from common.reporting.performance import course, max_drawdown, performance, trade_figures
from tests.builders import NOON


def money(*values: str) -> list[Decimal]:
    return [Decimal(value) for value in values]


def test_performance_when_the_account_rises_and_falls_then_is_as_by_hand() -> None:
    # returns +10 %, -10 %, +10 %: mean 1/30, sample deviation sqrt(0.04 / 3), downside 0.1 / sqrt 3
    figures = performance(money("100", "110", "99", "108.9"), bar_ms=DAY_MS)

    assert figures.total_return == pytest.approx(0.089)
    assert figures.max_drawdown == pytest.approx(0.1)
    assert figures.sharpe == pytest.approx((0.1 / 3) / (0.04 / 3) ** 0.5 * 365**0.5)
    assert figures.sortino == pytest.approx((0.1 / 3) / (0.1 / 3**0.5) * 365**0.5)
    assert figures.calmar == pytest.approx((1.089 ** (365 / 3) - 1) / 0.1)


def test_performance_when_the_bar_is_shorter_then_the_year_has_more_of_them() -> None:
    equity = money("100", "110", "99", "108.9")
    daily, hourly = (performance(equity, bar_ms=ms) for ms in (DAY_MS, DAY_MS // 24))

    assert daily.sharpe is not None
    assert hourly.sharpe == pytest.approx(daily.sharpe * 24**0.5)


@pytest.mark.parametrize("equity", [("100",), ("100", "100", "100")])
def test_performance_when_nothing_moves_then_ratios_are_undefined(equity: tuple[str, ...]) -> None:
    figures = performance(money(*equity), bar_ms=DAY_MS)

    assert (figures.total_return, figures.max_drawdown) == (0.0, 0.0)
    assert (figures.sharpe, figures.sortino, figures.calmar) == (None, None, None)


def test_performance_when_nothing_is_ever_lost_then_sortino_and_calmar_are_undefined() -> None:
    figures = performance(money("100", "110", "120"), bar_ms=DAY_MS)

    assert figures.sharpe is not None
    assert (figures.sortino, figures.calmar) == (None, None)


@pytest.mark.parametrize(
    ("equity", "bar_ms"),
    [
        (("100", "90", "110"), DAY_MS // 3),  # two thirds of a day say nothing of a year
        (("1", "0.5", "1000000"), DAY_MS),  # 10^6 in two days: 10^1095 in a year
        (("100", "50", "-1"), DAY_MS),
    ],
)
def test_performance_when_a_year_cannot_be_said_then_calmar_is_undefined(
    equity: tuple[str, ...], bar_ms: int
) -> None:
    assert performance(money(*equity), bar_ms=bar_ms).calmar is None


def a_point(hours: int, equity: str, capital: str = "100") -> EquityPoint:
    return EquityPoint(
        at=NOON + timedelta(hours=hours), equity=Decimal(equity), capital=Decimal(capital)
    )


def test_course_when_it_falls_and_recovers_then_as_by_hand() -> None:
    # Closes of the days: 1, 1.2, 0.9, 1.08; the intraday low of 0.6 counts for the fall alone.
    points = [
        a_point(0, "100"),
        a_point(24, "120"),
        a_point(36, "60"),
        a_point(48, "90"),
        a_point(72, "108"),
    ]
    figures = course(points)

    assert figures is not None
    assert figures.total_return == pytest.approx(0.08)
    assert figures.max_drawdown == pytest.approx(0.5)
    assert figures.drawdown == pytest.approx(0.1)
    assert figures.drawdown_longest == timedelta(hours=48)
    daily = performance(money("100", "120", "90", "108"), bar_ms=DAY_MS)
    assert (figures.sharpe, figures.sortino) == pytest.approx((daily.sharpe, daily.sortino))
    assert figures.calmar == pytest.approx((1.08 ** (365 / 3) - 1) / 0.5)


def test_course_when_the_peak_is_reached_again_then_the_fall_ended_there() -> None:
    points = [a_point(0, "100"), a_point(1, "90"), a_point(5, "100"), a_point(6, "99")]
    figures = course([*points, a_point(7, "101")])

    assert figures is not None
    assert figures.drawdown == 0
    assert figures.drawdown_longest == timedelta(hours=5)


def test_course_when_capital_comes_then_there_is_no_rise_and_no_fall() -> None:
    figures = course([a_point(0, "100"), a_point(24, "300", "300"), a_point(48, "100", "100")])

    assert figures is not None
    assert (figures.total_return, figures.max_drawdown) == (0, 0)
    assert figures.drawdown_longest == timedelta(0)


def test_course_when_all_was_lost_then_ratios_are_undefined() -> None:
    figures = course([a_point(0, "100"), a_point(24, "0"), a_point(48, "0")])

    assert figures is not None
    assert (figures.max_drawdown, figures.drawdown, figures.total_return) == (1, 1, -1)
    assert (figures.sharpe, figures.sortino, figures.calmar) == (None, None, None)


def test_course_when_there_is_one_point_or_none_then_nothing_is_made_up() -> None:
    assert course([]) is None
    figures = course([a_point(0, "100")])
    assert figures is not None
    assert (figures.total_return, figures.sharpe, figures.calmar) == (0, None, None)


def test_drawdown_when_a_later_fall_is_smaller_then_the_larger_one_counts() -> None:
    assert max_drawdown([100, 80, 200, 150, 210]) == pytest.approx(0.25)


def test_trades_when_some_win_then_rates_leave_out_what_only_opened() -> None:
    figures = trade_figures(money("0", "10", "-4", "0", "5", "-1"))

    assert (figures.closed, figures.wins) == (4, 2)
    assert (figures.gross_profit, figures.gross_loss) == (Decimal(15), Decimal(-5))
    assert figures.win_rate == 0.5
    assert figures.profit_factor == 3.0


def test_trades_when_none_closed_or_none_lost_then_rates_are_undefined() -> None:
    assert trade_figures(money("0", "0")).win_rate is None
    assert trade_figures(money("3")).profit_factor is None
