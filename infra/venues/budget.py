"""One venue's request weight per minute, shared by every instance through the store.

A token bucket, kept as the one moment at which it will be full again (GCRA): a document that a
compare-and-set moves. Instances lease chunks of weight, so not every request writes; what is leased
and not used within `LEASE` is lost. The bucket fills at 70 % of the venue's rate and holds 20 % of
it, so in no minute, leases included, is the venue's limit reached.

Weight runs out for the least important first: reading in bulk stops at half of the bucket, new
orders at a quarter, and what settles and cancels may have the rest.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from common.books import REQUEST_BUDGETS
from common.contention import retry_on_conflict
from common.documents import load, put
from common.domain.instrument import Venue
from common.domain.moment import UtcDatetime
from common.errors import RateLimitedError
from common.ports import Clock, DocumentStore, Ref

LEASE = timedelta(seconds=5)
CHUNK = 8
"""Leased at least, where there is enough: fewer writes, against weight lost with idle instances."""

SUSTAINED_PERCENT = 70
BURST_PERCENT = 20


class Purpose(Enum):
    """How much of the bucket, in percent, must be left when a request of this kind goes out."""

    READ = 50  # instruments, prices
    ORDER = 25  # new orders
    SETTLE = 0  # cancels, and asking what became of an order


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRecord:
    """The document under `request_budgets`, id = venue."""

    full_at: UtcDatetime  # when the bucket would be full with nothing more taken
    updated_at: UtcDatetime


@dataclass(slots=True)
class _Lease:
    weight: int
    until: datetime


class RequestBudget:
    """`per_minute` is the venue's own limit in its own weights."""

    def __init__(
        self, store: DocumentStore, clock: Clock, venue: Venue, *, per_minute: int
    ) -> None:
        self._store = store
        self._clock = clock
        self._venue = venue
        self._ref = Ref(REQUEST_BUDGETS, venue.value)
        self._burst = per_minute * BURST_PERCENT // 100
        self._cost = timedelta(minutes=1) / (per_minute * SUSTAINED_PERCENT // 100)
        self._leases: dict[Purpose, _Lease] = {}
        self._owed = 0

    async def take(self, weight: int, purpose: Purpose) -> None:
        """Spend `weight` (at most the bucket's share that `purpose` may use) before a request.

        Raises:
            RateLimitedError: not enough is left; with the seconds until there is.
            TransientError: the store does not answer, or the budget is contended.
        """
        lease = self._leases.get(purpose)
        if lease is None or self._clock.now() >= lease.until:
            lease = _Lease(0, self._clock.now() + LEASE)
        if lease.weight < weight:
            lease.weight += await self._lease(weight - lease.weight, purpose)
        lease.weight -= weight
        self._leases[purpose] = lease

    def owe(self, weight: int) -> None:
        """What an answer turned out to cost beyond what was taken; paid with the next lease."""
        self._owed += weight

    async def drain(self, wait_s: float | None) -> None:
        """The venue itself said that it is enough: nobody asks for `wait_s`, or for 10 seconds."""
        now = self._clock.now()
        self._leases.clear()
        full_at = now + self._cost * self._burst + timedelta(seconds=wait_s or 10.0)

        async def once() -> None:
            stored = await load(self._store, BudgetRecord, self._ref)
            if stored is None or stored.value.full_at < full_at:
                record = BudgetRecord(full_at=full_at, updated_at=now)
                await self._store.commit([put(stored, self._ref, record)])

        await retry_on_conflict(once, what=f"the request budget of {self._venue}")

    async def _lease(self, weight: int, purpose: Purpose) -> int:
        """At least `weight`, and a chunk where there is enough. What is owed is paid either way."""
        owed = self._owed

        async def once() -> tuple[int, int]:
            now = self._clock.now()
            stored = await load(self._store, BudgetRecord, self._ref)
            full_at = (max(stored.value.full_at, now) if stored else now) + self._cost * owed
            used = -((now - full_at) // self._cost)  # rounded up
            usable = self._burst - used - self._burst * purpose.value // 100
            leased = max(weight, min(CHUNK, usable)) if usable >= weight else 0
            if leased or owed:
                record = BudgetRecord(full_at=full_at + self._cost * leased, updated_at=now)
                await self._store.commit([put(stored, self._ref, record)])
            return leased, usable

        leased, usable = await retry_on_conflict(once, what=f"the request budget of {self._venue}")
        self._owed -= owed
        if not leased:
            raise self._too_many(weight - usable, purpose)
        return leased

    def _too_many(self, missing: int, purpose: Purpose) -> RateLimitedError:
        wait_s = max(missing, 1) * self._cost.total_seconds()
        return RateLimitedError(
            f"{self._venue.label}: our own limit of requests is used up ({purpose.name.lower()})",
            retry_after_s=wait_s,
        )
