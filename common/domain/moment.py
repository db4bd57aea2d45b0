"""Moments: aware UTC datetimes, fixed-width on the wire so that text order is time order."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, PlainSerializer

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(moment: datetime) -> str:
    """Return `2026-11-20T08:15:40.000000Z`: UTC, microseconds always present."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_iso(text: str) -> datetime:
    """Parse what `iso` wrote. Raises ValueError: no moment, no offset, or no year of UTC."""
    return _aware(datetime.fromisoformat(text))


def to_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970-01-01 UTC, exact (no float on the way)."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_ms(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=milliseconds)


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment needs a UTC offset")
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # 9999-12-31T23:59-14:00 is a year that UTC does not have
        raise ValueError("outside the years 1 to 9999 in UTC") from None


UtcDatetime = Annotated[
    datetime, AfterValidator(_aware), PlainSerializer(iso, return_type=str, when_used="json")
]
