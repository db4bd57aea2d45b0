"""The equity curve: fill by fill, and what a unit grows to whatever capital comes."""

from datetime import timedelta
from decimal import Decimal

import pytest

from common.domain.order import FillRecord
from common.reporting.equity import EquityPoint, daily_closes, equity_curve, growth
from tests.builders import NOON, a_fill, a_fill_record

CAPITAL = Decimal(1000)


def a_result(hours: int, realized: str, commission: str = "0") -> FillRecord:
    fill = a_fill(commission=Decimal(commission), ts_event=NOON + timedelta(hours=hours))
    return a_fill_record(fill, realized_pnl=Decimal(realized))


def a_point(hours: int, equity: str, capital: str = "100") -> EquityPoint:
    return EquityPoint(
        at=NOON + timedelta(hours=hours), equity=Decimal(equity), capital=Decimal(capital)
    )


def test_curve_when_worked_back_from_now_then_it_ends_there() -> None:
    curve = equity_curve(
        [a_result(0, "0", "1"), a_result(1, "10", "1"), a_result(2, "-3")],
        now_realized=Decimal(1005),
        capital=CAPITAL,
    )
    assert [point.equity for point in curve] == [Decimal(999), Decimal(1008), Decimal(1005)]
    assert {point.capital for point in curve} == {CAPITAL}
    assert curve[-1].at == NOON + timedelta(hours=2)
    assert equity_curve([], now_realized=Decimal(5), capital=CAPITAL) == ()


def test_daily_closes_when_a_day_has_several_then_its_last() -> None:
    points = [a_point(hours, "1") for hours in (0, 1, 24, 72)]
    assert daily_closes(points, [1.0, 2.0, 3.0, 4.0]) == [2.0, 3.0, 4.0]


def test_growth_when_capital_comes_or_goes_then_it_is_no_result() -> None:
    points = [
        a_point(0, "100"),
        a_point(1, "110"),
        a_point(2, "220", capital="210"),  # 110 came with a second deployment: nothing was won
        a_point(3, "198", capital="210"),
        a_point(4, "99", capital="111"),  # 99 went
    ]
    assert growth(points) == pytest.approx([1, 1.1, 1.1, 0.99, 0.99])
    assert growth([]) == []
    assert growth(points[:1]) == [1.0]


@pytest.mark.parametrize("lost", ["0", "-5"])
def test_growth_when_all_was_lost_then_nothing_comes_back(lost: str) -> None:
    points = [a_point(0, "100"), a_point(1, lost), a_point(2, "50"), a_point(3, "60")]
    assert growth(points) == [1, 0, 0, 0]
