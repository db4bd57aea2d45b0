"""Entry point of `notify`."""

from collections.abc import Sequence

from common.domain.events import NotificationRaised, OutboxMessage
from functions.notify import handler
from infra.bootstrap import Runtime
from infra.gcp.entrypoint import event_function


@event_function
async def notify(event: NotificationRaised, runtime: Runtime) -> Sequence[OutboxMessage]:
    """Send one notification to its people."""
    return await handler.notify(
        event,
        store=runtime.store,
        clock=runtime.clock,
        messenger=runtime.make_messenger(),
    )
