"""Entry point of `execute`."""

from collections.abc import Sequence

from common.domain.events import OrderPlanned, OutboxMessage
from functions.execute import handler
from infra.bootstrap import Runtime
from infra.gcp.entrypoint import event_function


@event_function
async def execute(event: OrderPlanned, runtime: Runtime) -> Sequence[OutboxMessage]:
    """Send one planned attempt to its venue, once."""
    return await handler.execute(
        event,
        store=runtime.store,
        clock=runtime.clock,
        settings=runtime.settings,
        venues=runtime.make_venues(),
    )
