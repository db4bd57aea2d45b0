"""A world that one seed decides: time, the order of steps, crashes and pauses.

Every store, bus and venue call of the product is one step. At each step the seed chooses which
of the waiting tasks goes on, so handlers interleave at every input and output; a task may also
die there, or sleep for minutes and wake as a zombie.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

START = datetime(2026, 1, 5, tzinfo=UTC)


class Crash(BaseException):
    """The instance dies here. No `except Exception` of the product can catch it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRates:
    """Probabilities for each site; 0 everywhere is a quiet world."""

    crash_before: float = 0.0
    crash_after: float = 0.0
    commit_answer_lost: float = 0.0
    store_down: float = 0.0
    pause: float = 0.0
    publish_fails: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    lost_before_venue: float = 0.0
    answer_lost: float = 0.0
    arrives_late: float = 0.0
    rejected: float = 0.0
    part_filled: float = 0.0
    not_sent: float = 0.0
    query_fails: float = 0.0
    read_lag: float = 0.0
    tampered: float = 0.0  # an order plan reaches execute altered, beside the real one
    sent_twice: float = 0.0  # a person sends the same signal twice
    halted: float = 0.0  # the operator halts trading, and resumes it later
    conflict: float = 0.0  # a commit loses a race that nobody ran (Firestore's ABORTED)
    prepare_fails: float = 0.0
    prepare_refused: float = 0.0
    garbled: float = 0.0  # an answer of another shape than was agreed
    fills_repeated: float = 0.0  # told twice, and in another order
    overfilled: float = 0.0  # more than was ordered
    cancel_fails: float = 0.0
    traded_by_hand: float = 0.0  # the user trades in the same account, without us
    flattened: float = 0.0  # the operator has something closed
    parent_moved: float = 0.0  # somebody pauses or cancels a parent order
    stop_sticks: float = 0.0  # a resting stop triggers and finds nobody
    funding_paid: float = 0.0
    chat_down: float = 0.0


QUIET = FaultRates()


@dataclass(slots=True)
class _Waiting:
    future: asyncio.Future[None]
    not_before: datetime
    name: str


@dataclass(slots=True)
class World:
    seed: int
    rates: FaultRates
    random: Random = field(init=False)
    time: datetime = START
    fired: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    undisturbed: bool = False  # the scenario's own writes are no part of the game
    closed: bool = False
    _waiting: list[_Waiting] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _errors: list[BaseException] = field(default_factory=list)
    _trace: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)

    # The Clock port.
    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        await self.step("sleep", after=timedelta(seconds=seconds))

    def chance(self, fault: str) -> bool:
        """Whether `fault` strikes now; counted when it does."""
        rate: float = getattr(self.rates, fault)
        if rate and self.random.random() < rate:
            self.fired[fault] += 1
            return True
        return False

    async def step(self, name: str, *, after: timedelta = timedelta(0)) -> None:
        """Let the seed choose who goes on, and when."""
        if self.closed:
            raise asyncio.CancelledError
        not_before = self.time + after
        if self.chance("pause"):
            not_before += timedelta(seconds=self.random.uniform(1, 600))
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(future, not_before, name))
        await future

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guard(coroutine))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            await coroutine
        except Crash:
            return
        except BaseException as error:  # noqa: BLE001 - whatever it is, the run must fail with it
            self._errors.append(error)

    async def _until_all_wait(self) -> None:
        """All waiting in here is for a `step`: then nothing is left that the loop could run."""
        ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
        while ready:  # noqa: ASYNC110 - no event says so
            await asyncio.sleep(0)

    async def run_until(self, moment: datetime) -> None:
        """Go on, step by step, until nothing can happen before `moment`; then stand there."""
        while True:
            await self._until_all_wait()
            if self._errors:
                raise self._errors[0]
            due = [waiting for waiting in self._waiting if waiting.not_before <= self.time]
            if not due:
                following = min((w.not_before for w in self._waiting), default=moment)
                if following >= moment:
                    self.time = max(self.time, moment)
                    return
                self.time = following
                continue
            self._go_on(due[self.random.randrange(len(due))])

    def _go_on(self, chosen: _Waiting) -> None:
        self._waiting.remove(chosen)
        self.steps += 1
        self._trace.update(f"{chosen.name}@{self.time.timestamp()};".encode())
        self.time += timedelta(microseconds=self.random.randrange(1, 40_000))
        if not chosen.future.cancelled():
            chosen.future.set_result(None)

    @property
    def trace(self) -> str:
        return self._trace.hexdigest()

    async def close(self) -> None:
        """Drop whatever still sleeps, and whatever it would do on its way out."""
        self.closed = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
