"""Entry point of `route`."""

from collections.abc import Sequence

from common.domain.events import DeploymentSignal, OutboxMessage
from functions.route import handler
from infra.bootstrap import Runtime
from infra.gcp.entrypoint import event_function
from infra.venues.availability import live_refusals


@event_function
async def route(event: DeploymentSignal, runtime: Runtime) -> Sequence[OutboxMessage]:
    """Size a delivery, hold it to the limits, and choose its venue."""
    return await handler.route(
        event,
        store=runtime.store,
        clock=runtime.clock,
        settings=runtime.settings,
        instruments=runtime.make_instruments(),
        unavailable=live_refusals(runtime.settings),
    )
