"""Trading sessions, against a walk over every minute of a week."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.domain.policy import TradingSession
from common.how.sessions import is_open, session_problem

MONDAY = datetime(2026, 1, 12, tzinfo=UTC)
WEEK = 7 * 1440


def a_session(days: tuple[int, ...] = (0,), start: int = 480, end: int = 990) -> TradingSession:
    return TradingSession(days=days, start_minute=start, end_minute=end)


def open_minutes(sessions: list[TradingSession]) -> set[int]:
    """Of the week: each session's minutes walked one by one from its start to its end."""
    found = set()
    for session in sessions:
        for day in session.days:
            minute = day * 1440 + session.start_minute
            while True:
                found.add(minute % WEEK)
                minute += 1
                if minute % 1440 == session.end_minute % 1440:
                    break
    return found


any_session = st.builds(
    TradingSession,
    days=st.lists(st.integers(0, 6), min_size=1, max_size=7, unique=True).map(tuple),
    start_minute=st.integers(0, 1439),
    end_minute=st.integers(1, 1440),
)


@settings(max_examples=30, deadline=None)
@given(sessions=st.lists(any_session, max_size=3))
def test_is_open_when_walked_minute_by_minute_then_as_the_walk_says(
    sessions: list[TradingSession],
) -> None:
    expected = open_minutes(sessions)
    found = {
        minute for minute in range(WEEK) if is_open(sessions, MONDAY + timedelta(minutes=minute))
    }
    assert found == expected
    assert all(session_problem(session) is None for session in sessions)


@given(
    session=any_session,
    minute=st.integers(0, WEEK - 1),
    second=st.decimals("0", "59.999999", places=6),
    weeks=st.integers(-500, 500),
    offset=st.integers(-14 * 60, 14 * 60),
)
def test_is_open_when_within_a_minute_of_any_week_and_zone_then_as_at_its_start(
    session: TradingSession, minute: int, second: float, weeks: int, offset: int
) -> None:
    start = MONDAY + timedelta(minutes=minute)
    moment = start + timedelta(weeks=weeks, seconds=float(second))
    local = moment.astimezone(timezone(timedelta(minutes=offset)))
    assert is_open([session], local) is is_open([session], start)


@pytest.mark.parametrize(
    ("session", "clock", "expected"),
    [
        (a_session((0,), 480, 990), "Mon 07:59", False),
        (a_session((0,), 480, 990), "Mon 08:00", True),
        (a_session((0,), 480, 990), "Mon 16:29", True),
        (a_session((0,), 480, 990), "Mon 16:30", False),
        (a_session((0,), 480, 990), "Tue 08:00", False),
        (a_session((0,), 1320, 360), "Mon 05:00", False),
        (a_session((0,), 1320, 360), "Mon 22:00", True),
        (a_session((0,), 1320, 360), "Tue 05:59", True),
        (a_session((0,), 1320, 360), "Tue 06:00", False),
        (a_session((0,), 1320, 360), "Tue 22:00", False),
        (a_session((6,), 1320, 360), "Mon 05:59", True),
        (a_session((0,), 600, 600), "Mon 09:59", False),
        (a_session((0,), 600, 600), "Tue 09:59", True),
        (a_session((0,), 0, 1440), "Mon 23:59", True),
        (a_session((0,), 0, 1440), "Tue 00:00", False),
    ],
)
def test_is_open_when_at_an_edge_then_the_start_counts_and_the_end_does_not(
    session: TradingSession, clock: str, expected: bool
) -> None:
    day, time = clock.split()
    hour, minute = map(int, time.split(":"))
    ahead = timedelta(days=("Mon", "Tue").index(day), hours=hour, minutes=minute)
    assert is_open([session], MONDAY + ahead) is expected


@pytest.mark.parametrize(
    "session",
    [
        a_session(()),
        a_session((7,)),
        a_session((-1, 2)),
        a_session(start=-1),
        a_session(start=1440),
        a_session(end=0),
        a_session(end=1441),
    ],
)
def test_session_problem_when_it_never_opens_or_is_no_time_then_told(
    session: TradingSession,
) -> None:
    assert session_problem(session) is not None
