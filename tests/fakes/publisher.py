"""A publisher that remembers, and that fails when told to."""

from collections.abc import Callable, Sequence

from common.domain.events import Event, OutboxMessage
from common.errors import TransientError


class RecordingPublisher:
    """Holds what was published, in order; `refuse` decides which messages the bus does not take."""

    def __init__(self, refuse: Callable[[OutboxMessage], bool] | None = None) -> None:
        self.messages: list[OutboxMessage] = []
        self.calls = 0
        self.refuse = refuse or (lambda _: False)

    @property
    def events(self) -> list[Event]:
        return [message.event for message in self.messages]

    async def publish(self, messages: Sequence[OutboxMessage]) -> None:
        self.calls += 1
        for message in messages:
            if self.refuse(message):
                raise TransientError(f"the bus did not take {message.message_id}")
            self.messages.append(message)


def refusing_publisher() -> RecordingPublisher:
    """A bus that takes nothing."""
    return RecordingPublisher(refuse=lambda _: True)
