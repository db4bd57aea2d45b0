"""Asks the venue what became of every order that is not proven, and ends what can be ended."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import assert_never

from common.books import BOOKS, ORDER_INTENTS
from common.config import Settings
from common.documents import load
from common.domain.events import (
    CancelRequested,
    FlattenRequested,
    OrderUnknown,
    OutboxMessage,
    Tick,
    TradingStateChanged,
)
from common.domain.instrument import Venue
from common.domain.order import OrderIntent
from common.domain.scope import Scope
from common.execution.sender import Sender
from common.ports import Clock, DocumentStore, ExecutionVenue, Ref
from functions.settle.attending import attend_open
from functions.settle.canceling import cancel_entries, cancel_one, is_active, sweep_halted
from functions.settle.deliveries import expire_deliveries, finish_signals
from functions.settle.flattening import flatten, flatten_open
from functions.settle.reading import raise_first
from functions.settle.reconciling import reconcile
from functions.settle.resolving import Desk, resolve

SettleEvent = OrderUnknown | CancelRequested | TradingStateChanged | FlattenRequested | Tick


async def settle(
    event: SettleEvent,
    *,
    store: DocumentStore,
    clock: Clock,
    settings: Settings,
    venues: Mapping[Venue, ExecutionVenue],
) -> list[OutboxMessage]:
    """What an event asks for; on a tick everything that is open, whatever message was lost.

    Asking and canceling are never blocked: not by a breaker, not by a halt, not by another
    intent's trouble.

    Raises:
        Exception: the first trouble, be it a defect of ours, once all else has been settled.
    """
    desk = Desk(store, clock, settings, venues, Sender(store, clock, settings, venues))
    match event:
        case OrderUnknown():
            stored = await load(store, OrderIntent, Ref(ORDER_INTENTS, event.intent_id))
            return await resolve(desk, stored) if stored else []
        case CancelRequested():
            return await cancel_one(desk, event.intent_id)
        case TradingStateChanged():
            scope = Scope.parse(event.scope)
            return [] if await is_active(desk, scope) else await cancel_entries(desk, [scope])
        case FlattenRequested():
            return await flatten(desk, event.flatten_id)
        case Tick():
            return await _sweep(desk)
        case _:
            assert_never(event)


async def _sweep(desk: Desk) -> list[OutboxMessage]:
    """What a halt left resting, and flattens, before anything that may take long; then open
    intents; what a crash left unfinished; our positions beside the venues'.
    """
    steps: list[Callable[[], Awaitable[list[OutboxMessage] | None]]] = [
        partial(step, desk) for step in (sweep_halted, flatten_open, attend_open)
    ]
    for book in BOOKS.values():
        steps += [partial(step, desk, book) for step in (expire_deliveries, finish_signals)]
    steps.append(partial(reconcile, desk))
    messages: list[OutboxMessage] = []
    troubles: list[Exception] = []
    for step in steps:
        try:
            messages += await step() or ()
        except Exception as error:  # noqa: BLE001 - raised below, when all else was done
            troubles.append(error)
    raise_first(troubles)
    return messages
