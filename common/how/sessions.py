"""When a policy lets entries through."""

from collections.abc import Iterable
from datetime import UTC, datetime

from common.domain.policy import TradingSession

DAYS = 7
MINUTES = 1440


def is_open(sessions: Iterable[TradingSession], now: datetime) -> bool:
    """Whether one of `sessions` holds the minute of `now`, in UTC. Of none: never."""
    moment = now.astimezone(UTC)
    minute = moment.hour * 60 + moment.minute
    return any(_holds(session, moment.weekday(), minute) for session in sessions)


def _holds(session: TradingSession, weekday: int, minute: int) -> bool:
    begun_today = weekday in session.days and minute >= session.start_minute
    if session.end_minute > session.start_minute:
        return begun_today and minute < session.end_minute
    begun_yesterday = (weekday - 1) % DAYS in session.days
    return begun_today or (begun_yesterday and minute < session.end_minute)


def session_problem(session: TradingSession) -> str | None:
    """Why it is none; None when it opens as it says."""
    if not session.days or not all(0 <= day < DAYS for day in session.days):
        return "a session needs days from 0 to 6"
    if not 0 <= session.start_minute < MINUTES or not 0 < session.end_minute <= MINUTES:
        return "a session starts at minute 0 to 1439 and ends at minute 1 to 1440"
    return None
