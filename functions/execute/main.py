"""Entry point of `execute`."""

from collections.abc import Sequence

from common.domain.events import KeySubmitted, OrderPlanned, OutboxMessage
from functions.execute import handler
from infra.bootstrap import Runtime
from infra.gcp.entrypoint import event_function


@event_function
async def execute(event: OrderPlanned | KeySubmitted, runtime: Runtime) -> Sequence[OutboxMessage]:
    """Send one planned attempt to its venue, once; or check a key before it may sign one."""
    if isinstance(event, KeySubmitted):
        from functions.execute.keys import check_key

        return await check_key(
            event,
            store=runtime.store,
            clock=runtime.clock,
            secrets=runtime.make_secrets(),
            kek_version=runtime.settings.kek_version,
        )
    return await handler.execute(
        event,
        store=runtime.store,
        clock=runtime.clock,
        settings=runtime.settings,
        venues=runtime.make_venues(),
    )
