"""The marked curve: one point each five minutes, a document a day."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.books import EQUITY_DAYS
from common.ports import Create, Document, Ref, Update
from common.reporting.equity import EquityPoint
from common.reporting.equity_days import (
    PLATFORM,
    RESOLUTION,
    EquityDay,
    days_between,
    equity_day_id,
    point_write,
    points_between,
    thinned,
    with_point,
)
from common.wire import from_document, to_document
from tests.builders import NOON


def a_point(at: datetime, equity: str = "1") -> EquityPoint:
    return EquityPoint(at=at, equity=Decimal(equity), capital=Decimal(1))


def after(*moments: datetime, day: EquityDay | None = None) -> EquityDay:
    for number, at in enumerate(moments):
        day = with_point(day, "dep_1", a_point(at, str(number)))
    assert day is not None
    return day


def test_day_when_the_first_point_comes_then_it_begins_with_it() -> None:
    day = with_point(None, PLATFORM, a_point(NOON))

    assert (day.subject_id, day.day) == ("platform", "20260115")
    assert equity_day_id(PLATFORM, NOON) == "platform:20260115"
    assert equity_day_id("dep_1", NOON + timedelta(hours=12)) == "dep_1:20260116"
    assert from_document(EquityDay, to_document(day)) == day


def test_day_when_two_points_share_a_window_then_the_later_one_stays() -> None:
    day = after(NOON, NOON + timedelta(minutes=4, seconds=59), NOON + timedelta(minutes=5))

    assert [(point.at - NOON, point.equity) for point in day.points] == [
        (timedelta(minutes=4, seconds=59), Decimal(1)),
        (timedelta(minutes=5), Decimal(2)),
    ]


@given(st.lists(st.integers(0, 3_600), min_size=1, max_size=30))
def test_point_write_when_points_come_one_by_one_then_the_document_is_the_day_with_them(
    seconds: list[int],
) -> None:
    """Whatever the order they come in: a clock may step back."""
    ref = Ref(EQUITY_DAYS, "dep_1:20260115")
    day: EquityDay | None = None
    document: Document | None = None
    for number, second in enumerate(seconds):
        point = a_point(NOON + timedelta(seconds=second), str(number))
        before, day = day, with_point(day, "dep_1", point)
        write = point_write(ref, document, "dep_1", point)
        assert (write is None) == (day is before)
        if isinstance(write, Create):
            document = Document(ref, write.data, "1")
        elif isinstance(write, Update):
            assert document is not None
            assert write.version == document.version
            document = Document(ref, document.data | write.data, str(number))
        assert document is not None
        assert from_document(EquityDay, document.data) == day


@pytest.mark.parametrize("back", [timedelta(seconds=1), timedelta(minutes=6)])
def test_day_when_the_clock_jumps_back_then_nothing_changes(back: timedelta) -> None:
    day = after(NOON, NOON + timedelta(minutes=6, seconds=30))

    assert with_point(day, "dep_1", a_point(day.points[-1].at - back, "9")) is day


@given(st.lists(st.integers(min_value=0, max_value=86_399), min_size=1, max_size=60))
def test_day_when_points_come_in_any_order_then_one_a_window_and_oldest_first(
    seconds: list[int],
) -> None:
    midnight = NOON - timedelta(hours=12)
    day = after(*(midnight + timedelta(seconds=each) for each in seconds))

    moments = [point.at for point in day.points]
    windows = [(at - midnight) // RESOLUTION for at in moments]
    assert moments == sorted(moments)
    assert len(set(windows)) == len(windows) <= 288
    assert moments[-1] == midnight + timedelta(seconds=max(seconds))


def test_days_when_a_window_goes_over_midnight_then_every_day_of_it() -> None:
    start, end = NOON + timedelta(hours=11), NOON + timedelta(days=2, hours=-11)
    names = [equity_day_id("x", day) for day in days_between(start, end)]

    assert names == ["x:20260115", "x:20260116", "x:20260117"]
    assert [equity_day_id("x", day) for day in days_between(NOON, NOON)] == ["x:20260115"]


def test_points_when_a_window_is_asked_for_then_both_ends_count() -> None:
    moments = [NOON + timedelta(minutes=5 * number) for number in range(5)]
    found = points_between([after(*moments[:3]), after(*moments[3:])], moments[1], moments[3])

    assert [point.at for point in found] == moments[1:4]


def test_thinned_when_there_are_few_then_all_of_them() -> None:
    points = [a_point(NOON), a_point(NOON + timedelta(minutes=5))]
    assert thinned(points, 2) == tuple(points)
    assert thinned([], 2) == ()


@given(count=st.integers(min_value=1, max_value=600), most=st.integers(min_value=1, max_value=50))
def test_thinned_when_there_are_many_then_few_with_both_ends(count: int, most: int) -> None:
    points = [a_point(NOON + RESOLUTION * number) for number in range(count)]
    kept = thinned(points, most)

    assert len(kept) <= max(most, 1) + 2
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert len({id(point) for point in kept}) == len(kept)
    assert list(kept) == sorted(kept, key=lambda point: point.at)
