"""Entry point of `settle`."""

from collections.abc import Sequence

from common.domain.events import (
    CancelRequested,
    FlattenRequested,
    OrderUnknown,
    OutboxMessage,
    Tick,
    TradingStateChanged,
)
from functions.settle import handler
from infra.bootstrap import Runtime
from infra.gcp.entrypoint import event_function


@event_function
async def settle(
    event: OrderUnknown | CancelRequested | TradingStateChanged | FlattenRequested | Tick,
    runtime: Runtime,
) -> Sequence[OutboxMessage]:
    """Find out what became of unproven orders, cancel, flatten, and end what has ended."""
    return await handler.settle(
        event,
        store=runtime.store,
        clock=runtime.clock,
        settings=runtime.settings,
        venues=runtime.make_venues(),
    )
