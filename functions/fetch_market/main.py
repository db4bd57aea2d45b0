"""Entry point of `fetch_market`."""

from collections.abc import Sequence

from common.domain.events import OutboxMessage, Tick
from functions.fetch_market import handler
from infra.bootstrap import Runtime
from infra.gcp.entrypoint import event_function


@event_function
async def fetch_market(tick: Tick, runtime: Runtime) -> Sequence[OutboxMessage]:
    """Take the market of every symbol at this moment."""
    return await handler.fetch_market(
        tick,
        store=runtime.store,
        clock=runtime.clock,
        settings=runtime.settings,
        feed=runtime.make_feed(),
        venues=runtime.make_venues(),
    )
