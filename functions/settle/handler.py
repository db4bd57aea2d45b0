"""Asks the venue what became of every order that is not proven, and ends what can be ended."""

from collections.abc import Mapping
from typing import assert_never

from common.books import BOOKS, ORDER_INTENTS
from common.config import Settings
from common.documents import Stored, every, load
from common.domain.events import (
    CancelRequested,
    FlattenRequested,
    OrderUnknown,
    OutboxMessage,
    Tick,
    TradingStateChanged,
)
from common.domain.instrument import Venue
from common.domain.order import IntentStatus, OrderIntent
from common.domain.scope import Scope
from common.errors import SapphireError
from common.execution.sender import Sender
from common.ports import Clock, Document, DocumentStore, ExecutionVenue, Ref, Where
from common.wire import from_document
from functions.settle.canceling import cancel_entries, cancel_one, is_active, sweep_halted
from functions.settle.deliveries import expire_deliveries, finish_signals
from functions.settle.flattening import flatten, flatten_open
from functions.settle.reconciling import reconcile
from functions.settle.resolving import Desk, attend, resolve

OPEN_INTENTS = (
    IntentStatus.SENDING,
    IntentStatus.UNKNOWN,
    IntentStatus.WORKING,
    IntentStatus.RETRYING,
    IntentStatus.UNRESOLVED,
)

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
        Exception: an intent's trouble, be it a defect of ours, once all else has been settled.
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
            return [] if await is_active(desk, scope) else await cancel_entries(desk, scope)
        case FlattenRequested():
            return await flatten(desk, event.flatten_id)
        case Tick():
            return await _sweep(desk)
        case _:
            assert_never(event)


async def _sweep(desk: Desk) -> list[OutboxMessage]:
    """Open intents, what a halt left resting, flattens; then what a crash left unfinished; then
    our positions beside the venues'.
    """
    messages: list[OutboxMessage] = []
    troubles: list[Exception] = []
    still_open = Where("status", "in", tuple(status.value for status in OPEN_INTENTS))
    async for document in every(desk.store, ORDER_INTENTS, still_open):
        try:
            messages += await attend(desk, _intent(document))
        except Exception as error:  # noqa: BLE001 - raised below, when the others were attended to
            troubles.append(error)
    for book in BOOKS.values():
        await expire_deliveries(desk, book)
        await finish_signals(desk, book)
    for step in (sweep_halted, flatten_open, reconcile):
        try:
            messages += await step(desk)
        except SapphireError as error:
            troubles.append(error)
    if troubles:
        raise troubles[0]
    return messages


def _intent(document: Document) -> Stored[OrderIntent]:
    intent = from_document(OrderIntent, document.data)
    return Stored(document.ref, intent, document.version)
