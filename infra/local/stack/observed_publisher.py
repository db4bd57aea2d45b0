"""What passes the publisher, remembered for the live view: the store is asked only for these."""

from collections import deque
from collections.abc import Callable, Sequence

from common.domain.events import (
    Event,
    MarketUpdated,
    NotificationRaised,
    OrderPlanned,
    OutboxMessage,
    SignalCreated,
)
from common.outbox import OnlyInMemoryError
from common.ports import Publisher

_RECENT = 50


class ObservedPublisher:
    """Publishes through another publisher and keeps the newest of what it saw, each id once."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._seen: deque[str] = deque(maxlen=1000)
        self.market: MarketUpdated | None = None
        self.market_updates = 0
        self.signals: deque[SignalCreated] = deque(maxlen=_RECENT)
        self.listener: Callable[[Event], None] | None = None

    async def publish(self, messages: Sequence[OutboxMessage]) -> None:
        try:
            await self._publisher.publish(messages)
        except OnlyInMemoryError:
            self._note_all(messages)
            raise
        self._note_all(messages)

    def _note_all(self, messages: Sequence[OutboxMessage]) -> None:
        for message in messages:
            if message.message_id not in self._seen:
                self._seen.append(message.message_id)
                self._note(message.event)

    def _note(self, event: Event) -> None:
        if isinstance(event, MarketUpdated):
            self.market = event
            self.market_updates += 1
        elif isinstance(event, SignalCreated):
            self.signals.append(event)
        if self.listener is not None and isinstance(
            event, MarketUpdated | SignalCreated | OrderPlanned | NotificationRaised
        ):
            self.listener(event)
