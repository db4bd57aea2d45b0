"""Unix-cron, in UTC: when a schedule fires next, and when it fired last.

The numeric subset of https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules: `*`,
`5`, `1-5`, `*/15`, `1-30/5`, and lists of these. Weekdays run from 0 (Sunday) to 6, and 7 is Sunday
again. Where day of month and day of week are both restricted, either one is enough.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from common.errors import InvalidInputError

_FIELDS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of month", 1, 31),
    ("month", 1, 12),
    ("day of week", 0, 7),
)
_SHORT_MONTHS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_DAYS_MAX = 8 * 366  # from one 29 February to the next across 2100


@dataclass(frozen=True, slots=True)
class Schedule:
    text: str
    minutes: tuple[int, ...]  # of the day, from 0 to 1439, ascending
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # Sunday is 0
    either_day: bool

    def next_after(self, moment: datetime) -> datetime:
        """The first fire time later than `moment`."""
        start = _aware(moment)
        earliest = start.hour * 60 + start.minute + 1
        for day in self._days_from(start.date(), 1):
            place = bisect_left(self.minutes, earliest) if day == start.date() else 0
            if place < len(self.minutes):
                return _at(day, self.minutes[place])
        raise AssertionError(f"{self.text} never fires")  # parse_schedule refused such a text

    def last_by(self, moment: datetime) -> datetime:
        """The last fire time that is not later than `moment`."""
        end = _aware(moment)
        latest = end.hour * 60 + end.minute
        for day in self._days_from(end.date(), -1):
            place = bisect_right(self.minutes, latest if day == end.date() else 1439)
            if place:
                return _at(day, self.minutes[place - 1])
        raise AssertionError(f"{self.text} never fires")

    def _days_from(self, first: date, step: int) -> Iterator[date]:
        days = (first + timedelta(days=step * number) for number in range(_DAYS_MAX + 1))
        return (day for day in days if self._has(day))

    def _has(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (in_month or in_week) if self.either_day else (in_month and in_week)


def parse_schedule(text: str) -> Schedule:
    """Read five unix-cron fields.

    Raises:
        InvalidInputError: another number of fields, a field that is no number, list, range or step,
            a number out of range, or a date that no year has.
    """
    parts = text.split()
    if len(parts) != len(_FIELDS):
        raise _bad(text, f"has {len(parts)} fields instead of five")
    minutes, hours, days, months, weekdays = (
        _field(text, part, *field) for part, field in zip(parts, _FIELDS, strict=True)
    )
    either_day = not (parts[2].startswith("*") or parts[4].startswith("*"))
    if not either_day and min(days) > max(_SHORT_MONTHS.get(month, 31) for month in months):
        raise _bad(text, "names a day that its months do not have")
    return Schedule(
        text=text,
        minutes=tuple(hour * 60 + minute for hour in sorted(hours) for minute in sorted(minutes)),
        days=days,
        months=months,
        weekdays=frozenset(weekday % 7 for weekday in weekdays),
        either_day=either_day,
    )


def _field(text: str, field: str, name: str, low: int, high: int) -> frozenset[int]:
    values: set[int] = set()
    for part in field.split(","):
        reach, slash, step = part.partition("/")
        first, dash, last = reach.partition("-")
        start, end = low, high  # also the end of `5/10`, whose 5 is where the steps begin
        if reach != "*":
            start = _number(text, name, first)
            if dash or not slash:
                end = _number(text, name, last if dash else first)
        stride = _number(text, name, step) if slash else 1
        if not low <= start <= end <= high or stride < 1:
            raise _bad(text, f"{name} {part!r} is not within {low} to {high}")
        values.update(range(start, end + 1, stride))
    return frozenset(values)


def _number(text: str, name: str, digits: str) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 4):
        raise _bad(text, f"{name} {digits!r} is not a number")
    return int(digits)


def _bad(text: str, problem: str) -> InvalidInputError:
    return InvalidInputError(problem, code="INVALID_SCHEDULE", where=f"schedule {text[:80]!r}")


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a schedule needs a moment with a UTC offset")
    return moment.astimezone(UTC)


def _at(day: date, minute: int) -> datetime:
    return datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=UTC)
