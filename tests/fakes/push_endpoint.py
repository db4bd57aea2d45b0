"""A push endpoint that keeps what it was sent, and a bus that runs to its end."""

from datetime import UTC, datetime

from common.domain.events import OutboxMessage
from common.wire import JsonObject
from infra.gcp.envelope import open_push, read_message
from infra.local.bus.delivery import Deliver, Reply
from infra.local.bus.embedded import EmbeddedBus
from infra.local.clock import ManualClock
from tests.builders.messages import a_message

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
TOPIC = "signal-created"


class Endpoint:
    """Notes the id and attempt of every delivery; answers from `script` by id, else 204."""

    def __init__(self, script: dict[str, list[int | Reply | BaseException]] | None = None) -> None:
        self.script = script or {}
        self.seen: list[tuple[str, int]] = []
        self.envelopes: list[JsonObject] = []

    async def __call__(self, envelope: JsonObject, attempt: int) -> int | Reply:
        name = read_message(open_push(envelope)).message_id
        self.seen.append((name, attempt))
        self.envelopes.append(envelope)
        answers = self.script.get(name)
        answer = answers.pop(0) if answers else 204
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @property
    def ids(self) -> list[str]:
        return [name for name, _ in self.seen]


def messages(*names: str) -> list[OutboxMessage]:
    return [a_message(message_id=name) for name in names]


async def delivered(
    bus: EmbeddedBus, published: list[OutboxMessage], deliver: Deliver, *, concurrency: int = 1
) -> None:
    """Publish, deliver until nothing is left, stop."""
    bus.subscribe(TOPIC, "reader", deliver, concurrency=concurrency)
    await bus.start()
    await bus.publish(published)
    await bus.idle()
    await bus.stop()


def replayed(**options: object) -> EmbeddedBus:
    return EmbeddedBus(None, clock=ManualClock(START), **options)  # type: ignore[arg-type] # passed on
