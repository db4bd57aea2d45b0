"""The in-process bus: at least once, durable, with the push envelope of Google's Pub/Sub."""

import asyncio
import contextvars
import heapq
import json
import logging
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

from common.domain.events import OutboxMessage
from common.domain.moment import EPOCH, from_iso, iso
from common.errors import ConfigurationError, NotFoundError, TransientError
from common.ports import Clock
from common.wire import JsonObject, decode_message
from infra.gcp.envelope import message_attributes, message_data, wrap_push
from infra.local.bus.delivery import (
    BusCounts,
    DeadLetter,
    Deliver,
    DeliveryPolicy,
    Reply,
)
from infra.local.bus.faults import PLAIN, BusFaults
from infra.local.bus.journal import UNROUTED, Held, Journal, MemoryJournal, SqliteJournal, route
from infra.local.clock import speed_of

BUS_FILE = "bus.sqlite"  # in the data directory

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Parcel:
    held: Held
    order: int
    copy: bool = False  # the fault knob's duplicate: delivered once, whatever is answered


@dataclass(slots=True)
class _Lane:
    """One subscription: its endpoint and what waits for it."""

    topic: str
    name: str
    deliver: Deliver
    concurrency: int
    ready: deque[_Parcel] = field(default_factory=deque)
    in_flight: int = 0


class EmbeddedBus:
    """Topics to push endpoints, at least once, in the order of publishing unless something fails.

    A message stays in the bus's own file (with `path` None: in memory) until its endpoint answers
    2xx. Anything else, an exception or the ack deadline (which cancels the call, as a push request
    is dropped) brings it again after a backoff, and after the last attempt makes it a dead letter.

    Backoffs and the way to a message's `deliver_at` are seconds of `clock`: real ones divided by
    its speed. Under a ManualClock they only order what waits: the earliest is delivered as soon as
    nothing else is left to do.

    Everything runs on the event loop that called `start`; a delivery sees the context of that call.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        clock: Clock,
        delivery: DeliveryPolicy | None = None,
        faults: BusFaults | None = None,
        in_flight_max: int | None = None,
        project: str = "sapphire-local",
    ) -> None:
        """`in_flight_max` bounds the deliveries of all subscriptions together (None: unbounded)."""
        self.counts = BusCounts()
        self._journal: Journal = MemoryJournal() if path is None else SqliteJournal(path)
        self._clock = clock
        self._speed = speed_of(clock)
        self._policy = delivery or DeliveryPolicy()
        self._faults = faults
        self._in_flight_max = in_flight_max or math.inf
        self._project = project
        self._lanes: dict[str, _Lane] = {}
        self._orders = count(1)
        self._running = False
        self._context = contextvars.copy_context()
        self._reset()

    def _reset(self) -> None:
        self._open = 0  # parcels ready, in flight or waiting for their time
        self._in_flight = 0
        self._reached = EPOCH  # how far a ManualClock's waits have led, ahead of the clock
        self._waiting: list[tuple[datetime, int, _Lane, _Parcel]] = []  # a ManualClock's, as a heap
        self._timers: dict[int, asyncio.TimerHandle] = {}  # other clocks', by order
        self._tasks: set[asyncio.Task[None]] = set()
        self._settled = asyncio.Event()
        self._settled.set()
        for lane in self._lanes.values():
            lane.ready.clear()
            lane.in_flight = 0

    def subscribe(self, topic: str, name: str, deliver: Deliver, *, concurrency: int = 1) -> None:
        """Push every message of `topic` to `deliver`, at most `concurrency` of them at a time.

        Raises:
            ConfigurationError: the bus runs already, or has a subscription of that name.
        """
        if self._running:
            raise ConfigurationError(f"subscribe {name} before the bus is started")
        if name in self._lanes or name == UNROUTED or concurrency < 1:
            raise ConfigurationError(f"subscription {name!r}: taken, empty or without concurrency")
        self._lanes[name] = _Lane(topic, name, deliver, concurrency)

    async def publish(self, messages: Sequence[OutboxMessage]) -> None:
        groups = [self._drafts(message) for message in messages]
        self._journal.add(groups)
        self.counts.published += len(messages)
        if self._running:
            for group in groups:
                for held in group:
                    self._admit(held)
            self._pump()
        await asyncio.sleep(0)  # as any bus would: a tight loop of publishing starves nobody

    async def start(self) -> None:
        """Deliver what is held from before, and from now on what is published."""
        if self._running:
            return
        self._forget_old_dead_letters()
        topics: dict[str, list[str]] = {}
        for lane in self._lanes.values():
            topics.setdefault(lane.topic, []).append(lane.name)
        route(self._journal, topics)
        self._reset()
        self._context = contextvars.copy_context()
        self._running = True
        for held in self._journal.living():
            self._admit(held)
        self._pump()

    async def stop(self, *, grace_s: float = 5.0) -> None:
        """Start nothing more, give what is in flight `grace_s` real seconds, then cancel it.

        What was not acknowledged stays held and comes again after the next `start`.
        """
        self._running = False
        for timer in self._timers.values():
            timer.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._settled.set()
        self._journal.close()

    async def idle(self) -> None:
        """Return once nothing is queued, in flight or waiting for its time.

        Raises:
            TransientError: the bus does not run, or was stopped meanwhile.
        """
        while self._running and self._open:
            await self._settled.wait()
        if not self._running:
            raise TransientError("the bus is not running: nothing is delivered")

    def dead_letters(self) -> list[DeadLetter]:
        """Oldest first."""
        return [
            DeadLetter(
                id=held.id,
                subscription=held.subscription,
                message=decode_message(json.loads(held.body)),
                attempts=held.attempts,
                status=held.status,
                reason=held.reason,
                dead_at=from_iso(held.dead_at or ""),
            )
            for held in self._journal.dead()
        ]

    def republish(self, dead_letter_id: int) -> None:
        """Give a dead letter all its attempts again. Raises NotFoundError when there is none."""
        for held in self._journal.dead():
            if held.id == dead_letter_id:
                self._journal.save(revived := replace(held, attempts=0, dead_at=None))
                if self._running:
                    self._admit(revived)
                    self._pump()
                return
        raise NotFoundError(f"there is no dead letter {dead_letter_id}")

    def _drafts(self, message: OutboxMessage) -> list[Held]:
        names = [lane.name for lane in self._lanes.values() if lane.topic == message.topic]
        draft = Held(
            id=0,
            number=0,
            topic=message.topic,
            subscription=UNROUTED,
            message_id=message.message_id,
            type=message_attributes(message)["type"],
            body=message_data(message).decode(),
            published_at=iso(self._clock.now()),
            deliver_at=None if message.deliver_at is None else iso(message.deliver_at),
            trace=json.dumps(message.trace) if message.trace else "",
        )
        return [replace(draft, subscription=name) for name in names] or [draft]

    def _admit(self, held: Held) -> None:
        lane = self._lanes.get(held.subscription)
        if lane is None:
            return  # held for a subscription that this process does not serve
        faults = self._faults
        fate = PLAIN if faults is None else faults.fate(held.message_id, held.subscription)
        self._open += 1 + fate.copies
        self._settled.clear()
        early = self._early(held)
        parcel = _Parcel(held, next(self._orders))
        if early or fate.delay_s:
            delay = timedelta(seconds=fate.delay_s)
            self._wait(lane, parcel, (early or self._now()) + delay)
        else:
            ahead_of = math.ceil(len(lane.ready) * fate.overtakes)
            lane.ready.insert(len(lane.ready) - ahead_of, parcel)
        for _ in range(fate.copies):
            copy = _Parcel(held, next(self._orders), copy=True)
            if early:
                self._wait(lane, copy, early)
            else:
                lane.ready.append(copy)

    def _early(self, held: Held) -> datetime | None:
        """Its `deliver_at` while that lies ahead of the clock."""
        if held.deliver_at is None:
            return None
        due = from_iso(held.deliver_at)
        return due if due > self._clock.now() else None

    def _now(self) -> datetime:
        return max(self._clock.now(), self._reached)

    def _pump(self) -> None:
        """Start every delivery that may start now."""
        while self._running and self._in_flight < self._in_flight_max:
            free = [x for x in self._lanes.values() if x.ready and x.in_flight < x.concurrency]
            if not free and not self._skip_ahead():
                return
            if free:
                self._send(min(free, key=lambda lane: lane.ready[0].order))

    def _skip_ahead(self) -> bool:
        """Under a ManualClock: bring the earliest wait to its end once nothing else is left."""
        if self._in_flight or not self._waiting:
            return False
        due, _, lane, parcel = heapq.heappop(self._waiting)
        self._reached = max(self._reached, due)
        lane.ready.append(parcel)
        return True

    def _send(self, lane: _Lane) -> None:
        parcel = lane.ready.popleft()
        lane.in_flight += 1
        self._in_flight += 1
        task = asyncio.get_running_loop().create_task(
            self._deliver(lane, parcel), context=self._context.copy()
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, lane: _Lane, parcel: _Parcel) -> None:
        held = parcel.held
        if not parcel.copy:
            held.attempts += 1
        reply = await self._ask(lane, held)
        lane.in_flight -= 1
        self._in_flight -= 1
        if parcel.copy or self._acknowledged(held, reply):
            self._close_one()
        else:
            self._fail(lane, parcel, reply)
        self._pump()

    async def _ask(self, lane: _Lane, held: Held) -> Reply:
        attempt = max(1, held.attempts)
        deadline = asyncio.timeout(self._policy.ack_deadline_s)
        try:
            async with deadline:
                answer = await lane.deliver(self._envelope(held, attempt), attempt)
        except asyncio.CancelledError:
            if not self._running:
                raise  # `stop` gave up on this one
            return Reply(0, reason="the endpoint cancelled the call")
        except Exception as error:  # noqa: BLE001 - no endpoint may end the bus; kept as the reason
            if isinstance(error, TimeoutError) and deadline.expired():
                return Reply(0, reason=f"no answer within {self._policy.ack_deadline_s:g} s")
            return Reply(0, reason=f"{type(error).__name__}: {error}")
        return Reply(answer) if isinstance(answer, int) else answer

    def _envelope(self, held: Held, attempt: int) -> JsonObject:
        return wrap_push(
            held.body.encode(),
            {"type": held.type, "id": held.message_id}
            | (json.loads(held.trace) if held.trace else {}),
            bus_message_id=str(held.number),
            subscription=f"projects/{self._project}/subscriptions/{held.subscription}",
            publish_time=held.published_at,
            delivery_attempt=attempt,
        )

    def _acknowledged(self, held: Held, reply: Reply) -> bool:
        if not 200 <= reply.status < 300:
            return False
        faults = self._faults
        if faults and faults.loses_ack(held.message_id, held.subscription, held.attempts):
            return False
        try:
            self._journal.remove(held)
        except TransientError:
            _log.exception("the ack of %s was not written: it comes again", held.message_id)
            return False
        self.counts.acknowledged += 1
        return True

    def _fail(self, lane: _Lane, parcel: _Parcel, reply: Reply) -> None:
        held = parcel.held
        held.status = reply.status or None
        held.reason = (reply.reason or f"HTTP {reply.status}")[:500]
        last = held.attempts >= self._policy.max_attempts
        held.dead_at = iso(self._clock.now()) if last else None
        try:
            self._journal.save(held)
        except TransientError:
            _log.exception("attempt %d of %s was not written", held.attempts, held.message_id)
        told = (lane.name, held.message_id, held.attempts, held.reason)
        if last:
            _log.error("%s: %s is a dead letter after attempt %d: %s", *told)
            self.counts.dead += 1
            self._close_one()
            return
        _log.info("%s: %s comes again after attempt %d: %s", *told)
        self.counts.redelivered += 1
        asked = (reply.retry_after_s or 0.0) if reply.status in {429, 503} else 0.0
        wait_s = max(asked, self._policy.backoff_s(held.attempts))
        self._wait(lane, parcel, self._now() + timedelta(seconds=wait_s))

    def _wait(self, lane: _Lane, parcel: _Parcel, due: datetime) -> None:
        if not self._running:
            return  # stopping: the journal has it
        parcel.order = next(self._orders)
        if math.isinf(self._speed):
            heapq.heappush(self._waiting, (due, parcel.order, lane, parcel))
            return
        seconds = (due - self._clock.now()).total_seconds()
        self._timers[parcel.order] = asyncio.get_running_loop().call_later(
            seconds / self._speed, self._due, lane, parcel
        )

    def _due(self, lane: _Lane, parcel: _Parcel) -> None:
        del self._timers[parcel.order]
        early = self._early(parcel.held)
        if early:  # the clock was set back meanwhile
            self._wait(lane, parcel, early)
            return
        lane.ready.append(parcel)
        self._pump()

    def _close_one(self) -> None:
        self._open -= 1
        if not self._open:
            self._settled.set()

    def _forget_old_dead_letters(self) -> None:
        horizon = self._clock.now() - timedelta(days=self._policy.dead_letter_retention_d)
        for held in self._journal.dead():
            if from_iso(held.dead_at or "") < horizon:
                self._journal.remove(held)
