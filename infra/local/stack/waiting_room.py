"""Messages that wait in this process, on the stack's clock, for their `deliver_at`."""

import asyncio
import math
from collections.abc import Callable
from datetime import datetime

from common.domain.events import OutboxMessage
from common.ports import Clock
from infra.local.clock import speed_of


class WaitingRoom:
    """Hands each message to `release` once the clock has come to its time, never before.

    Until `start` has named the clock, and under a ManualClock, nothing is due by itself: under the
    latter, `release_earliest` is for when nothing else is left to do.
    """

    def __init__(self, release: Callable[[OutboxMessage], None]) -> None:
        self._release = release
        self._clock: Clock | None = None
        self._held: dict[str, OutboxMessage] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._held)

    def start(self, clock: Clock) -> None:
        self._clock = clock
        for message in self._held.values():
            self._set_timer(message, clock)

    def is_early(self, message: OutboxMessage) -> bool:
        return self._seconds_left(message) > 0

    def take(self, message: OutboxMessage) -> None:
        """Keep it, unless it is here already."""
        if message.message_id not in self._held:
            self._held[message.message_id] = message
            if self._clock is not None:
                self._set_timer(message, self._clock)

    def release_earliest(self) -> None:
        """Under a ManualClock; elsewhere, and where nobody waits, nothing happens."""
        if self._held and self._clock is not None and math.isinf(speed_of(self._clock)):
            self._let_go(min(self._held.values(), key=_deliver_at))

    def real_seconds_left(self) -> float:
        """Until the last one goes; 0 under a ManualClock."""
        speed = 1.0 if self._clock is None else speed_of(self._clock)
        return max(map(self._seconds_left, self._held.values()), default=0.0) / speed

    def close(self) -> None:
        """Forget them all: their rows are in the outbox."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._held.clear()

    def _set_timer(self, message: OutboxMessage, clock: Clock) -> None:
        speed = speed_of(clock)
        if math.isfinite(speed):
            self._timers[message.message_id] = asyncio.get_running_loop().call_later(
                self._seconds_left(message) / speed, self._ring, message, clock
            )

    def _ring(self, message: OutboxMessage, clock: Clock) -> None:
        if self.is_early(message):  # the clock was set back meanwhile
            self._set_timer(message, clock)
        else:
            self._let_go(message)

    def _let_go(self, message: OutboxMessage) -> None:
        self._timers.pop(message.message_id, None)
        del self._held[message.message_id]
        self._release(message)

    def _seconds_left(self, message: OutboxMessage) -> float:
        if message.deliver_at is None:
            return 0.0
        if self._clock is None:
            return math.inf
        return max(0.0, (message.deliver_at - self._clock.now()).total_seconds())


def _deliver_at(message: OutboxMessage) -> datetime:
    return message.deliver_at or message.occurred_at
