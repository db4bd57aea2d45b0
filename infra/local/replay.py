"""Drives recorded candles through the pipeline: one tick at a time, each to its very end."""

import asyncio
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from common.books import BOOKS, ORDER_INTENTS, OUTBOX, PARENT_ORDERS
from common.documents import load, put
from common.domain.instrument import TimeInForce
from common.domain.market import INTERVAL_MS
from common.domain.order import IntentStatus
from common.domain.parent_order import ParentStatus
from common.domain.signal import SignalStatus
from common.ports import DocumentStore, Query, Ref, Where
from infra.feeds.replay import ReplayFeed
from infra.local.clock import ManualClock

REPLAY_PROGRESS = "replay_progress"
_CURRENT = Ref(REPLAY_PROGRESS, "current")
_SETTLE_STEP = timedelta(seconds=31)  # the relay takes what has waited for more than 30 s
_LAST_BAR = timedelta(minutes=20)  # after the last tick no next bar cuts the asking short
_OPEN_SIGNALS = tuple(status.value for status in SignalStatus if not status.is_terminal)
_UNDER_WAY = tuple(
    status.value
    for status in IntentStatus
    if not status.is_terminal and status not in {IntentStatus.UNRESOLVED, IntentStatus.WORKING}
)
_MINUTE = timedelta(minutes=1)
_OPEN_PARENTS = Query(
    PARENT_ORDERS,
    where=(
        Where("status", "in", tuple(each.value for each in ParentStatus if not each.is_terminal)),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayProgress:
    """The document `replay_progress/current`: written once a tick is quiet, never before."""

    run_key: str  # what is replayed: folder, interval, symbols
    next_tick: int
    complete: bool


async def read_progress(store: DocumentStore) -> ReplayProgress | None:
    stored = await load(store, ReplayProgress, _CURRENT)
    return stored.value if stored else None


class Pipeline(Protocol):
    """What the driver needs of a stack."""

    async def run_job(self, job: str, scheduled_at: datetime) -> None:
        """Raises TransientError when the function did not take it."""

    async def idle(self) -> None:
        """Return once every published message has been answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    ticks: int  # driven by this process
    elapsed_s: float
    next_tick: int
    total: int
    complete: bool


def warm_up_before(ticks: int | None, recorded: int, *, history: int) -> int:
    """How many candles stand before the first tick, as history that indicators warm up on.

    A replay of a whole recording starts at its first candle. One of `ticks` cycles leaves as many
    candles before them as there are to spare, `history` at most.
    """
    return 0 if ticks is None else min(history, max(0, recorded - ticks))


class ReplayDriver:
    """Stands the clock on each candle's close, runs the due jobs, and waits for silence."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        store: DocumentStore,
        feed: ReplayFeed,
        clock: ManualClock,
        interval: str,
        run_key: str,
        speed: float = math.inf,
        ticks: int | None = None,
        warm_up: int = 0,
    ) -> None:
        """`speed` 1 is real time; the first tick is the close of candle `warm_up`."""
        self._pipeline = pipeline
        self._store = store
        self._clock = clock
        self._moments = list(feed.ticks())[warm_up:][:ticks]
        self._bar = timedelta(milliseconds=INTERVAL_MS[interval])
        self._run_key = run_key
        self._speed = speed
        self.total = len(self._moments)
        self.next_tick = 0
        self.started_at: float | None = None
        self.first_tick = 0

    async def prepare(self) -> None:
        """Take up where a former process stopped; stand the clock there."""
        stored = await load(self._store, ReplayProgress, _CURRENT)
        if stored is not None:
            self.next_tick = min(stored.value.next_tick, self.total)
        self.first_tick = self.next_tick
        at = self._moments[min(self.next_tick, self.total - 1)]
        self._clock.advance_to(max(at, self._clock.now()))

    async def run(self, stop: asyncio.Event) -> ReplayResult:
        """Until the last tick or `stop`, which is obeyed between ticks."""
        self.started_at = time.perf_counter()
        while self.next_tick < self.total and not stop.is_set():
            due = time.perf_counter() + self._bar.total_seconds() / self._speed
            last = self.next_tick + 1 == self.total
            await self._tick(self._moments[self.next_tick], last=last)
            self.next_tick += 1
            await self._save(complete=self.next_tick == self.total)
            await _pause(due, stop)
        return ReplayResult(
            ticks=self.next_tick - self.first_tick,
            elapsed_s=time.perf_counter() - self.started_at,
            next_tick=self.next_tick,
            total=self.total,
            complete=self.next_tick == self.total,
        )

    async def _tick(self, moment: datetime, *, last: bool) -> None:
        self._clock.advance_to(max(moment, self._clock.now()))
        await self._run_jobs(("fetch_market", "monitor", "advance", "settle", "relay"), moment)
        room = max(self._bar, _LAST_BAR) if last else self._bar
        await self._settle(moment + room)

    async def _settle(self, until: datetime) -> None:
        """What has not ended needs time to pass: it passes inside the bar, in fixed steps.

        A parent order is worked at whole minutes, as the scheduler would.
        """
        while await unfinished(self._store):
            now = self._clock.now()
            later = now + _SETTLE_STEP
            if await self._store.count(_OPEN_PARENTS):
                later = now.replace(second=0, microsecond=0) + _MINUTE
            if later >= until:
                return
            self._clock.advance_to(later)
            await self._run_jobs(("monitor", "advance", "settle", "relay"), later)

    async def _run_jobs(self, jobs: Sequence[str], moment: datetime) -> None:
        for job in jobs:
            await self._pipeline.run_job(job, moment)
            await self._pipeline.idle()

    async def _save(self, *, complete: bool) -> None:
        stored = await load(self._store, ReplayProgress, _CURRENT)
        progress = ReplayProgress(
            run_key=self._run_key, next_tick=self.next_tick, complete=complete
        )
        await self._store.commit([put(stored, _CURRENT, progress)])


async def unfinished(store: DocumentStore) -> int:
    """How many messages, signals and order effects have not reached their end.

    What rests at a venue is not among them: a stop may rest for ever, and a limit order's signal
    is open as long as it rests.
    """
    count = await store.count(Query(OUTBOX))
    intents = Query(ORDER_INTENTS, where=(Where("status", "in", _UNDER_WAY),))
    working = Query(
        ORDER_INTENTS,
        where=(
            Where("status", "==", IntentStatus.WORKING.value),
            Where("plan.time_in_force", "==", TimeInForce.IOC.value),
        ),
    )
    count += await store.count(intents) + await store.count(working)
    for book in BOOKS.values():
        for collection in (book.signals, book.deliveries):
            still_open = Query(collection, where=(Where("status", "in", _OPEN_SIGNALS),))
            count += await store.count(still_open)
    return count


async def _pause(due: float, stop: asyncio.Event) -> None:
    remaining = due - time.perf_counter()
    if remaining > 0:
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), remaining)
    else:
        await asyncio.sleep(0)  # the HTTP server and the view share this loop
