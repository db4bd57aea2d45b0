"""A window of time that a request asks for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Depends, Query

from common.domain.moment import EPOCH, from_iso
from common.errors import InvalidInputError
from infra.web.requests import RuntimeOf

WINDOW_DEFAULT = timedelta(days=7)
WINDOW_MAX = timedelta(days=92)


@dataclass(frozen=True, slots=True)
class Window:
    start: datetime
    end: datetime


async def _window(
    runtime: RuntimeOf,
    since: Annotated[str | None, Query(alias="from", max_length=40)] = None,
    until: Annotated[str | None, Query(alias="to", max_length=40)] = None,
) -> Window:
    end = _moment(until, "to") if until else runtime.clock.now()
    start = _moment(since, "from") if since else end - WINDOW_DEFAULT
    if not start < end:
        raise _invalid("from", "must be before `to`")
    if end - start > WINDOW_MAX:
        raise _invalid("from", f"at most {WINDOW_MAX.days} days before `to`")
    return Window(start, end)


def _moment(text: str, name: str) -> datetime:
    try:
        moment = from_iso(text)
    except ValueError:
        raise _invalid(name, "must be a moment such as 2026-11-20T08:15:40Z") from None
    if moment - EPOCH < WINDOW_DEFAULT:
        raise _invalid(name, "must be a moment of this era")
    return moment


def _invalid(name: str, detail: str) -> InvalidInputError:
    return InvalidInputError(detail, code="INVALID_FIELD", where=f"query.{name}")


WindowOf = Annotated[Window, Depends(_window)]
"""`?from=` and `?to=`: aware moments, up to 92 days apart; the last 7 days where left out."""
