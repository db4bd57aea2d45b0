"""The equity curve at the marks, a document a day; `monitor` appends to it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from common.documents import create
from common.domain.moment import to_ms
from common.ports import Create, Document, Ref, Update
from common.reporting.equity import EquityPoint
from common.wire import from_document, to_document

PLATFORM = "platform"
RESOLUTION = timedelta(minutes=5)
_RESOLUTION_MS = RESOLUTION // timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityDay:
    """The document under `equity_days`, id = `equity_day_id`."""

    subject_id: str  # a deployment, or PLATFORM for all of them together
    day: str  # 20261127, UTC
    points: tuple[EquityPoint, ...]  # oldest first, one each RESOLUTION at most


def equity_day_id(subject_id: str, moment: datetime) -> str:
    return f"{subject_id}:{day_name(moment)}"


def day_name(moment: datetime) -> str:
    return f"{moment:%Y%m%d}"


def with_point(day: EquityDay | None, subject_id: str, point: EquityPoint) -> EquityDay:
    """`day` with the point, which takes the place of the last one of its window of RESOLUTION.

    Windows begin at whole multiples of it. A point older than the last changes nothing. `day` is
    what `equity_day_id` of the subject and the point's moment names; None: there is none yet.
    """
    if day is None:
        return EquityDay(subject_id=subject_id, day=day_name(point.at), points=(point,))
    last = day.points[-1]
    if point.at < last.at:
        return day
    kept = day.points[:-1] if _window(point.at) == _window(last.at) else day.points
    return replace(day, points=(*kept, point))


def point_write(
    ref: Ref, document: Document | None, subject_id: str, point: EquityPoint
) -> Create | Update | None:
    """The write that makes `with_point` of a stored day; None where the point changes nothing.

    Of the points that are there only the last one is read: there are up to 288, and one comes
    every minute.
    """
    if document is None:
        return create(ref, with_point(None, subject_id, point))
    *kept, newest = document.data["points"]
    last = EquityDay(
        subject_id=subject_id,
        day=day_name(point.at),
        points=(from_document(EquityPoint, newest),),
    )
    day = with_point(last, subject_id, point)
    if day is last:
        return None
    points = [to_document(each) for each in day.points]
    return Update(ref, {"points": [*kept, *points]}, document.version)


def days_between(start: datetime, end: datetime) -> list[datetime]:
    """A moment of each UTC day from `start` to `end`, both included."""
    count = (end.date() - start.date()).days
    return [start + timedelta(days=number) for number in range(count + 1)]


def points_between(
    days: Iterable[EquityDay], start: datetime, end: datetime
) -> tuple[EquityPoint, ...]:
    """Of `days` (oldest first), the points from `start` to `end`, both included."""
    return tuple(point for day in days for point in day.points if start <= point.at <= end)


def thinned(points: Sequence[EquityPoint], most: int) -> tuple[EquityPoint, ...]:
    """At most about `most` points (>= 1): the last of each window, as wide as that needs.

    The first point stays too, so that the curve begins where it began.
    """
    if len(points) <= most:
        return tuple(points)
    span = to_ms(points[-1].at) - to_ms(points[0].at)
    width = max(-(-span // most), _RESOLUTION_MS)
    last = [list(group)[-1] for _, group in groupby(points, lambda each: to_ms(each.at) // width)]
    return tuple(last) if last[0] is points[0] else (points[0], *last)


def _window(moment: datetime) -> int:
    return to_ms(moment) // _RESOLUTION_MS
