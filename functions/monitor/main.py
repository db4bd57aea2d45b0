"""Entry point of `monitor`."""

from collections.abc import Sequence

from common.domain.events import OutboxMessage, PositionChanged, Tick
from functions.monitor import handler
from infra.bootstrap import Runtime
from infra.gcp.entrypoint import event_function


@event_function
async def monitor(event: PositionChanged | Tick, runtime: Runtime) -> Sequence[OutboxMessage]:
    """Keep a position that has changed protected; or all of them, and the limits on losses."""
    return await handler.monitor(
        event,
        store=runtime.store,
        clock=runtime.clock,
        settings=runtime.settings,
        instruments=runtime.make_instruments(),
        capabilities=runtime.make_capabilities(),
    )
