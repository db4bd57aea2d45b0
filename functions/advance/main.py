"""Entry point of `advance`."""

from collections.abc import Sequence

from common.domain.events import OutboxMessage, ParentOrderDue, Tick
from functions.advance import handler
from infra.bootstrap import Runtime
from infra.gcp.entrypoint import event_function


@event_function
async def advance(event: ParentOrderDue | Tick, runtime: Runtime) -> Sequence[OutboxMessage]:
    """Take the next step of one parent order, or of all that are open."""
    return await handler.advance(
        event,
        store=runtime.store,
        clock=runtime.clock,
        settings=runtime.settings,
        instruments=runtime.make_instruments(),
        capabilities=runtime.make_capabilities(),
    )
