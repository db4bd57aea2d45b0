"""The emulator backend's publisher: it knows what is still to be answered, and keeps what is early.

Pub/Sub pushes at once, and Cloud Tasks, which waits for it in the cloud, has no emulator.
"""

import asyncio
import logging
from collections.abc import Sequence

from common.domain.events import OutboxMessage
from common.errors import SapphireError, TransientError
from common.outbox import OnlyInMemoryError, clear
from common.ports import Clock, DocumentStore, Publisher
from infra.local.stack.waiting_room import WaitingRoom
from infra.pipeline import Pipeline

_IDLE_MAX_S = 180.0  # beyond every backoff of one message's first attempts
_Expected = set[tuple[str, str]]  # (function, message id)

_log = logging.getLogger(__name__)


class TrackedPublisher:
    """Publishes through `publisher`; what is early waits here until its time.

    What waits is lost with the process, so its row stays in the outbox of `store` until it is
    published, by this or by the relay.
    """

    def __init__(self, publisher: Publisher, pipeline: Pipeline, store: DocumentStore) -> None:
        self._publisher = publisher
        self._pipeline = pipeline
        self._store = store
        self._room = WaitingRoom(self._release)
        self._waiting: _Expected = set()
        self._sending: set[asyncio.Task[None]] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()

    def start(self, clock: Clock) -> None:
        """From now on, what waits goes out as `clock` comes to its time."""
        self._room.start(clock)

    async def publish(self, messages: Sequence[OutboxMessage]) -> None:
        """A message counts from before it is sent: its answer may come before this returns.

        Raises:
            OnlyInMemoryError: those that are early wait; the others are published.
            TransientError: the bus did not take the others.
        """
        early = [message for message in messages if self._room.is_early(message)]
        for message in early:
            self._room.take(message)
            self._quiet.clear()
        at_once = [message for message in messages if message not in early]
        try:
            if at_once:
                await self._push(at_once, self._expect(at_once))
        finally:
            self._look()
        if early:
            raise OnlyInMemoryError(early)

    def answered(self, function: str, message_id: str) -> None:
        self._waiting.discard((function, message_id))
        self._look()

    async def idle(self) -> None:
        """Once nothing waits, for its time or for its answer.

        Raises TransientError when a push stays without a good answer for 3 minutes.
        """
        while not self._quiet.is_set():
            try:
                async with asyncio.timeout(self._room.real_seconds_left() + _IDLE_MAX_S):
                    await self._quiet.wait()
            except TimeoutError:
                if not self._room.real_seconds_left():
                    raise TransientError(self._stuck()) from None

    async def close(self) -> None:
        """Send nothing more."""
        self._room.close()
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    def _expect(self, messages: Sequence[OutboxMessage]) -> _Expected:
        expected = {
            (function, message.message_id)
            for message in messages
            for function in self._pipeline.subscribers(message.topic)
        } - self._waiting
        self._waiting |= expected
        if expected:
            self._quiet.clear()
        return expected

    async def _push(self, messages: Sequence[OutboxMessage], expected: _Expected) -> None:
        try:
            await self._publisher.publish(messages)
        except TransientError:
            for each in expected:  # the outbox keeps it, and the relay publishes it again
                self.answered(*each)
            raise

    def _release(self, message: OutboxMessage) -> None:
        task = asyncio.create_task(self._push_late(message, self._expect([message])))
        self._sending.add(task)
        task.add_done_callback(self._sent)

    async def _push_late(self, message: OutboxMessage, expected: _Expected) -> None:
        try:
            await self._push([message], expected)
            await clear([message], self._store)
        except SapphireError as error:
            _log.warning("left in the outbox: %s: %s", message.message_id, error)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._look()

    def _look(self) -> None:
        """Where time stands still, the earliest goes once nothing else is left to do."""
        if self._waiting or self._sending:
            return
        self._room.release_earliest()
        if not self._sending and not self._room:
            self._quiet.set()

    def _stuck(self) -> str:
        stuck = ", ".join(f"{name} {message}" for name, message in sorted(self._waiting)[:5])
        return f"still not handled after {_IDLE_MAX_S:g} s: {stuck}"
