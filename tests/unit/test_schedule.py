"""Unix-cron."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InvalidInputError
from common.schedule import parse_schedule


def at(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "moment", "next_one", "last_one"),
    [
        ("* * * * *", "2026-11-20 08:15", "2026-11-20 08:16", "2026-11-20 08:15"),
        ("*/5 * * * *", "2026-11-20 08:14", "2026-11-20 08:15", "2026-11-20 08:10"),
        ("3/20 * * * *", "2026-11-20 08:44", "2026-11-20 09:03", "2026-11-20 08:43"),
        ("10-30/10 * * * *", "2026-11-20 08:31", "2026-11-20 09:10", "2026-11-20 08:30"),
        ("0,30 9-17 * * *", "2026-11-20 17:45", "2026-11-21 09:00", "2026-11-20 17:30"),
        ("0 0 * * *", "2026-12-31 23:59", "2027-01-01 00:00", "2026-12-31 00:00"),
        ("0 3 * * 1", "2026-11-20 08:00", "2026-11-23 03:00", "2026-11-16 03:00"),
        ("0 3 * * 7", "2026-11-20 08:00", "2026-11-22 03:00", "2026-11-15 03:00"),
        ("0 3 * * 1-5", "2026-11-21 08:00", "2026-11-23 03:00", "2026-11-20 03:00"),
        ("0 0 31 * *", "2026-11-20 08:00", "2026-12-31 00:00", "2026-10-31 00:00"),
        ("0 0 29 2 *", "2097-01-01 00:00", "2104-02-29 00:00", "2096-02-29 00:00"),
        # Friday the 20th: either of day of month and day of week is enough.
        ("0 12 25 * 0", "2026-11-20 08:00", "2026-11-22 12:00", "2026-11-15 12:00"),
        ("0 12 30 2 0", "2026-11-20 08:00", "2027-02-07 12:00", "2026-02-22 12:00"),
        # A step from * restricts, but does not make an alternative.
        ("0 12 */2 * 0", "2026-11-20 08:00", "2026-11-29 12:00", "2026-11-15 12:00"),
    ],
)
def test_schedule_when_asked_then_it_knows_the_next_and_the_last_fire_time(
    cron: str, moment: str, next_one: str, last_one: str
) -> None:
    schedule = parse_schedule(cron)
    assert schedule.text == cron
    assert schedule.next_after(at(moment)) == at(next_one)
    assert schedule.last_by(at(moment)) == at(last_one)


def test_schedule_when_the_moment_has_seconds_and_another_offset_then_utc_minutes_count() -> None:
    moment = datetime(2026, 11, 20, 10, 15, 59, 999999, tzinfo=timezone(timedelta(hours=2)))
    schedule = parse_schedule("* * * * *")
    assert schedule.next_after(moment) == at("2026-11-20 08:16")
    assert schedule.last_by(moment) == at("2026-11-20 08:15")


@pytest.mark.parametrize(
    ("cron", "problem"),
    [
        ("", "has 0 fields instead of five"),
        ("* * * *", "has 4 fields instead of five"),
        ("* * * * * *", "has 6 fields instead of five"),
        ("60 * * * *", "minute '60' is not within 0 to 59"),
        ("* 24 * * *", "hour '24' is not within 0 to 23"),
        ("* * 0 * *", "day of month '0' is not within 1 to 31"),
        ("* * * 13 *", "month '13' is not within 1 to 12"),
        ("* * * * 8", "day of week '8' is not within 0 to 7"),
        ("30-10 * * * *", "minute '30-10' is not within 0 to 59"),
        ("*/0 * * * *", "minute '*/0' is not within 0 to 59"),
        ("* * * JAN *", "month 'JAN' is not a number"),
        ("-5 * * * *", "minute '' is not a number"),
        ("1,,2 * * * *", "minute '' is not a number"),
        ("²  * * * *", "minute '²' is not a number"),
        ("99999 * * * *", "minute '99999' is not a number"),
        ("0 0 30 2 *", "names a day that its months do not have"),
        ("0 0 31 4,6 *", "names a day that its months do not have"),
    ],
)
def test_schedule_when_the_text_is_wrong_then_it_is_refused_with_the_place(
    cron: str, problem: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_schedule(cron)
    assert refused.value.code == "INVALID_SCHEDULE"
    assert str(refused.value) == f"schedule {cron!r}: {problem}"


def test_schedule_when_the_moment_has_no_offset_then_it_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        parse_schedule("* * * * *").next_after(datetime(2026, 1, 1))  # noqa: DTZ001 - the bad input


CRONS = st.sampled_from(
    ["* * * * *", "*/7 * * * *", "5 4 * * *", "0 0 1 * *", "30 6 * * 1,3", "0 12 13 * 5"]
)
MOMENTS = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis wants these naive
    max_value=datetime(2090, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.just(UTC),
)


@given(CRONS, MOMENTS)
def test_schedule_when_stepping_on_and_back_then_nothing_lies_between(
    cron: str, moment: datetime
) -> None:
    schedule = parse_schedule(cron)
    before, after = schedule.last_by(moment), schedule.next_after(moment)
    assert before <= moment < after
    assert schedule.last_by(before) == before
    assert schedule.next_after(before) == after
    assert schedule.last_by(after - timedelta(microseconds=1)) == before
