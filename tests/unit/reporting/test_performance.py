"""Figures over an account's course, against values worked out by hand."""

from decimal import Decimal

import pytest

from common.reporting.performance import max_drawdown, performance, trade_figures

DAY_MS = 86_400_000


def money(*values: str) -> list[Decimal]:
    return [Decimal(value) for value in values]


def test_performance_when_the_account_rises_and_falls_then_is_as_by_hand() -> None:
    # returns +10 %, -10 %, +10 %: mean 1/30, sample deviation sqrt(0.04 / 3), downside 0.1 / sqrt 3
    figures = performance(money("100", "110", "99", "108.9"), bar_ms=DAY_MS)

    assert figures.total_return == pytest.approx(0.089)
    assert figures.max_drawdown == pytest.approx(0.1)
    assert figures.sharpe == pytest.approx((0.1 / 3) / (0.04 / 3) ** 0.5 * 365**0.5)
    assert figures.sortino == pytest.approx((0.1 / 3) / (0.1 / 3**0.5) * 365**0.5)


def test_performance_when_the_bar_is_shorter_then_the_year_has_more_of_them() -> None:
    equity = money("100", "110", "99", "108.9")
    daily, hourly = (performance(equity, bar_ms=ms) for ms in (DAY_MS, DAY_MS // 24))

    assert daily.sharpe is not None
    assert hourly.sharpe == pytest.approx(daily.sharpe * 24**0.5)


@pytest.mark.parametrize("equity", [("100",), ("100", "100", "100")])
def test_performance_when_nothing_moves_then_ratios_are_undefined(equity: tuple[str, ...]) -> None:
    figures = performance(money(*equity), bar_ms=DAY_MS)

    assert (figures.total_return, figures.max_drawdown) == (0.0, 0.0)
    assert (figures.sharpe, figures.sortino) == (None, None)


def test_performance_when_nothing_is_ever_lost_then_sortino_is_undefined() -> None:
    figures = performance(money("100", "110", "120"), bar_ms=DAY_MS)

    assert figures.sharpe is not None
    assert figures.sortino is None


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
