"""Ticks once: Cloud Scheduler calls at least once, and a job may be slower than its schedule.

https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules: a repeated call has the job
and the scheduled time of the first, and nothing keeps two times of one job apart.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from common.books import TICK_CLAIMS
from common.domain.events import Tick
from common.domain.moment import from_iso, iso
from common.errors import ConflictError, InvalidInputError, StaleError
from common.ports import Clock, Create, DocumentStore, Ref, Update
from common.wire import JsonObject

AGE_MAX = timedelta(minutes=10)
AHEAD_MAX = timedelta(minutes=10)
"""A run by hand may carry the job's next time."""
REMEMBERED = 16
"""Ticks of a job, more than any schedule of ours has in `AGE_MAX`."""


class Skip(Enum):
    """Why a tick is none to act on."""

    REPEATED = "done before"
    OVERLAPS = "another tick of the job runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A tick that this call alone runs until `until`, or until it gives it back."""

    tick: Tick
    until: str  # RFC 3339


def check_age(tick: Tick, now: datetime) -> None:
    """Raises StaleError or InvalidInputError: its time is not now, and later ticks do its work."""
    if now - tick.scheduled_at > AGE_MAX:
        raise StaleError(f"the tick was for {iso(tick.scheduled_at)}", code="STALE_TICK")
    if tick.scheduled_at - now > AHEAD_MAX:
        raise InvalidInputError("the tick is from the future", code="FUTURE_TICK")


class TickClaims:
    """One document a job: the ticks that are done, and until when one may be running.

    A claim that was never given back (its instance died) ends by itself. What is done in a tick is
    safe to do twice all the same: every write of it is a compare-and-set.
    """

    def __init__(self, store: DocumentStore, clock: Clock, *, longest: timedelta) -> None:
        """`longest` is the time after which no call of the job runs any more."""
        self._store = store
        self._clock = clock
        self._longest = longest

    async def take(self, tick: Tick) -> Claim | Skip:
        """Raises TransientError when the store does not answer."""
        now = self._clock.now()
        ref = Ref(TICK_CLAIMS, tick.job)
        claim = Claim(tick=tick, until=iso(now + self._longest))
        running = {"running": tick.tick_id, "until": claim.until}
        document = await self._store.get(ref)
        try:
            if document is None:
                await self._store.commit([Create(ref, {"job": tick.job, "done": []} | running)])
                return claim
            if tick.tick_id in document.data["done"]:
                return Skip.REPEATED
            if self._is_another_running(document.data, tick, now):
                return Skip.OVERLAPS
            await self._store.commit([Update(ref, running, document.version)])
        except ConflictError:
            return Skip.OVERLAPS  # another call has just claimed
        return claim

    def _is_another_running(self, data: JsonObject, tick: Tick, now: datetime) -> bool:
        """No claim is longer than `longest`: one from before the clock was set back is none.

        A tick that comes again had no answer: its first call has most likely died, so that this one
        takes over instead of waiting for the claim to end.
        """
        if data["running"] in {"", tick.tick_id}:
            return False
        return now < from_iso(data["until"]) <= now + self._longest

    async def give_back(self, claim: Claim, *, done: bool) -> None:
        """The next tick may run; this one may come again unless it is `done`.

        Raises TransientError; the claim then ends by itself.
        """
        ref = Ref(TICK_CLAIMS, claim.tick.job)
        document = await self._store.get(ref)
        own = {"running": claim.tick.tick_id, "until": claim.until}
        if document is None or any(document.data[name] != value for name, value in own.items()):
            return  # it took too long, and another call has claimed
        known = [*document.data["done"], claim.tick.tick_id] if done else document.data["done"]
        data = {"running": "", "until": claim.until, "done": known[-REMEMBERED:]}
        await self._store.commit([Update(ref, data, document.version)])
