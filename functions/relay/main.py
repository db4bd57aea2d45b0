"""Entry point of `relay`."""

from collections.abc import Sequence

from common.domain.events import OutboxMessage, Tick
from functions.relay import handler
from infra.bootstrap import Runtime
from infra.gcp.entrypoint import event_function


@event_function
async def relay(tick: Tick, runtime: Runtime) -> Sequence[OutboxMessage]:
    """Publish what the outbox still holds."""
    await handler.relay(tick, store=runtime.store, clock=runtime.clock, publisher=runtime.publisher)
    return ()
