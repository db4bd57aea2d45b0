"""Event functions of the tests' own, under the names and topics of real ones."""

from collections.abc import Sequence
from typing import Any

from common.domain.events import (
    DeploymentSignal,
    Event,
    OrderUnknown,
    OutboxMessage,
    SignalCreated,
    Tick,
)
from common.outbox import outbox_write
from infra.bootstrap import Runtime
from infra.gcp.entrypoint import event_function
from tests.builders import a_message
from tests.functions.harness import app_of


class Seen:
    """The handler under the decorator: remembers its events, raises or returns as told."""

    def __init__(
        self, *messages: OutboxMessage, error: Exception | None = None, commits: bool = False
    ) -> None:
        self.events: list[Event | Tick] = []
        self.messages = messages
        self.error = error
        self.commits = commits

    async def run(self, event: Event | Tick, runtime: Runtime) -> Sequence[OutboxMessage]:
        self.events.append(event)
        if self.error:
            raise self.error
        if self.commits:
            await runtime.store.commit([outbox_write(message) for message in self.messages])
        return self.messages


def fan_out_app(seen: Seen) -> Any:
    @event_function
    async def fan_out(event: SignalCreated, runtime: Runtime) -> Sequence[OutboxMessage]:
        return await seen.run(event, runtime)

    return app_of(fan_out)


def settle_app(seen: Seen) -> Any:
    @event_function
    async def settle(event: OrderUnknown | Tick, runtime: Runtime) -> Sequence[OutboxMessage]:
        return await seen.run(event, runtime)

    return app_of(settle)


def a_delivery_message(number: int = 1) -> OutboxMessage:
    event = DeploymentSignal(book="v3", delivery_id=f"del_{number}")
    return a_message(event, message_id=f"msg_delivery_{number}")
