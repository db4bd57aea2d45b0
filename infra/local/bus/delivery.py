"""The words of the embedded bus: answers, the delivery policy, dead letters and counts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from common.domain.events import OutboxMessage
from common.wire import JsonObject


@dataclass(frozen=True, slots=True)
class Reply:
    """A push endpoint's answer. On 429 and 503 `retry_after_s` may lengthen the backoff."""

    status: int
    retry_after_s: float | None = None
    reason: str = ""


Deliver = Callable[[JsonObject, int], Awaitable[int | Reply]]
"""Posts one envelope (attempt counted from 1); a status of 2xx acknowledges it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPolicy:
    """`delivery` of pipeline.yaml."""

    ack_deadline_s: float = 60.0  # real seconds: handlers compute in real time
    max_attempts: int = 10
    backoff_min_s: float = 1.0  # on the bus's clock
    backoff_max_s: float = 60.0
    dead_letter_retention_d: float = 7.0

    def backoff_s(self, attempt: int) -> float:
        """The wait after failed attempt 1, 2, ...: doubling from the minimum to the maximum."""
        return min(self.backoff_max_s, self.backoff_min_s * 2.0 ** min(attempt - 1, 60))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that was never acknowledged within its attempts."""

    id: int
    subscription: str
    message: OutboxMessage
    attempts: int
    status: int | None
    reason: str
    dead_at: datetime


@dataclass(slots=True)
class BusCounts:
    """Since this bus was built."""

    published: int = 0
    acknowledged: int = 0
    redelivered: int = 0
    dead: int = 0
