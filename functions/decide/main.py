"""Entry point of `decide`."""

from collections.abc import Sequence

from common.domain.events import MarketUpdated, OutboxMessage
from functions.decide import handler
from infra.bootstrap import Runtime
from infra.gcp.entrypoint import event_function


@event_function
async def decide(event: MarketUpdated, runtime: Runtime) -> Sequence[OutboxMessage]:
    """Let the swarm vote on every symbol of one tick."""
    return await handler.decide(
        event,
        store=runtime.store,
        clock=runtime.clock,
        settings=runtime.settings,
    )
