"""A venue's circuit breaker (SW-07): pure moves over a state that lives in the store.

CLOSED -> OPEN after `failures_to_open` failures in a row. OPEN -> HALF_OPEN after `open_for`,
which lets one request through at a time. `successes_to_close` successes in a row of that
generation close it; one failure opens it again. A result that left under an older generation
changes nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from common.config import BreakerSettings
from common.domain.moment import UtcDatetime


class BreakerStatus(StrEnum):
    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The document under `breakers`, id = venue."""

    venue: str
    status: BreakerStatus
    generation: int  # grows whenever it opens
    failures: int  # in a row while CLOSED
    successes: int  # in a row while HALF_OPEN
    opened_at: UtcDatetime | None
    probe_id: str | None  # the one request under way while HALF_OPEN
    probe_until: UtcDatetime | None  # a probe that never reported frees its place then
    reason: str  # of the last failure
    updated_at: UtcDatetime


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave to call the venue, under the generation in force; hand it back with the result."""

    venue: str
    generation: int
    probe_id: str | None


def closed(venue: str, *, now: datetime) -> Breaker:
    return Breaker(
        venue=venue,
        status=BreakerStatus.CLOSED,
        generation=0,
        failures=0,
        successes=0,
        opened_at=None,
        probe_id=None,
        probe_until=None,
        reason="",
        updated_at=now,
    )


def would_admit(breaker: Breaker, *, now: datetime, settings: BreakerSettings) -> bool:
    """Whether a call made now would be let through; takes no place."""
    if breaker.status is BreakerStatus.CLOSED:
        return True
    if breaker.status is BreakerStatus.OPEN:
        return breaker.opened_at is not None and now - breaker.opened_at >= settings.open_for
    return breaker.probe_until is None or now >= breaker.probe_until


def admit(
    breaker: Breaker, request_id: str, *, now: datetime, settings: BreakerSettings
) -> tuple[Breaker, Ticket | None]:
    """The state after asking for leave, and the ticket; None means not now."""
    if not would_admit(breaker, now=now, settings=settings):
        return breaker, None
    if breaker.status is BreakerStatus.CLOSED:
        return breaker, Ticket(breaker.venue, breaker.generation, None)
    opening = breaker.status is BreakerStatus.OPEN
    probing = replace(
        breaker,
        status=BreakerStatus.HALF_OPEN,
        successes=0 if opening else breaker.successes,
        probe_id=request_id,
        probe_until=now + settings.probe_timeout,
        updated_at=now,
    )
    return probing, Ticket(breaker.venue, breaker.generation, request_id)


def still_admits(breaker: Breaker | None, ticket: Ticket) -> bool:
    """Whether leave that was given still holds: it may have opened, or the place been lost."""
    if breaker is None:
        return ticket.generation == 0
    if breaker.generation != ticket.generation or breaker.status is BreakerStatus.OPEN:
        return False
    return breaker.status is BreakerStatus.CLOSED or breaker.probe_id == ticket.probe_id


def succeed(
    breaker: Breaker, ticket: Ticket, *, now: datetime, settings: BreakerSettings
) -> Breaker:
    """The state after an answer that proves the venue works; a refusal proves it too."""
    if ticket.generation != breaker.generation:
        return breaker
    if breaker.status is BreakerStatus.CLOSED:
        return replace(breaker, failures=0, updated_at=now) if breaker.failures else breaker
    if breaker.status is BreakerStatus.OPEN or ticket.probe_id != breaker.probe_id:
        return breaker
    successes = breaker.successes + 1
    free = replace(breaker, successes=successes, probe_id=None, probe_until=None, updated_at=now)
    if successes < settings.successes_to_close:
        return free
    return replace(free, status=BreakerStatus.CLOSED, failures=0, successes=0, opened_at=None)


def fail(
    breaker: Breaker,
    ticket: Ticket,
    *,
    now: datetime,
    settings: BreakerSettings,
    reason: str,
) -> Breaker:
    """The state after a failure. An unknown outcome is a failure here: it is never a success."""
    if ticket.generation != breaker.generation or breaker.status is BreakerStatus.OPEN:
        return breaker
    if breaker.status is BreakerStatus.HALF_OPEN and ticket.probe_id != breaker.probe_id:
        return breaker
    failures = breaker.failures + 1
    if breaker.status is BreakerStatus.CLOSED and failures < settings.failures_to_open:
        return replace(breaker, failures=failures, reason=reason[:200], updated_at=now)
    return replace(
        breaker,
        status=BreakerStatus.OPEN,
        generation=breaker.generation + 1,
        failures=failures,
        successes=0,
        opened_at=now,
        probe_id=None,
        probe_until=None,
        reason=reason[:200],
        updated_at=now,
    )


def release(breaker: Breaker, ticket: Ticket, *, now: datetime) -> Breaker:
    """The state after leave was not used: the place is free again and nothing is learned."""
    if ticket.probe_id is None or ticket.probe_id != breaker.probe_id:
        return breaker
    return replace(breaker, probe_id=None, probe_until=None, updated_at=now)
