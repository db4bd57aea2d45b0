"""Entry point of `fan_out`."""

from collections.abc import Sequence

from common.domain.events import OutboxMessage, SignalCreated
from functions.fan_out import handler
from infra.bootstrap import Runtime
from infra.gcp.entrypoint import event_function


@event_function
async def fan_out(event: SignalCreated, runtime: Runtime) -> Sequence[OutboxMessage]:
    """Give a signal to its agent's deployments."""
    return await handler.fan_out(
        event,
        store=runtime.store,
        clock=runtime.clock,
        settings=runtime.settings,
    )
