"""Asks the venue what became of every order that is not proven, and ends what can be ended."""

from collections.abc import Mapping

from common.books import BOOKS, ORDER_INTENTS
from common.config import Settings
from common.documents import Stored, every, load
from common.domain.events import OrderUnknown, OutboxMessage, Tick
from common.domain.instrument import Venue
from common.domain.order import IntentStatus, OrderIntent
from common.errors import SapphireError
from common.execution.sender import Sender
from common.ports import Clock, Document, DocumentStore, ExecutionVenue, Ref, Where
from common.wire import from_document
from functions.settle.deliveries import expire_deliveries, finish_signals
from functions.settle.reconciling import reconcile
from functions.settle.resolving import Desk, attend, resolve

OPEN_INTENTS = (
    IntentStatus.SENDING,
    IntentStatus.UNKNOWN,
    IntentStatus.WORKING,
    IntentStatus.RETRYING,
    IntentStatus.UNRESOLVED,
)


async def settle(
    event: OrderUnknown | Tick,
    *,
    store: DocumentStore,
    clock: Clock,
    settings: Settings,
    venues: Mapping[Venue, ExecutionVenue],
) -> list[OutboxMessage]:
    """One intent after OrderUnknown; on a tick every open intent, then what a crash left
    unfinished, then our positions beside the venues'.

    Asking is never blocked: not by a breaker, not by a halt, not by another intent's trouble.

    Raises:
        Exception: an intent's trouble, be it a defect of ours, once all else has been settled.
    """
    desk = Desk(store, clock, settings, venues, Sender(store, clock, settings, venues))
    if isinstance(event, OrderUnknown):
        stored = await load(store, OrderIntent, Ref(ORDER_INTENTS, event.intent_id))
        return await resolve(desk, stored) if stored else []
    messages: list[OutboxMessage] = []
    troubles: list[Exception] = []
    still_open = Where("status", "in", tuple(status.value for status in OPEN_INTENTS))
    async for document in every(store, ORDER_INTENTS, still_open):
        try:
            messages += await attend(desk, _intent(document))
        except Exception as error:  # noqa: BLE001 - raised below, when the others were attended to
            troubles.append(error)
    for book in BOOKS.values():
        await expire_deliveries(desk, book)
        await finish_signals(desk, book)
    try:
        messages += await reconcile(desk)
    except SapphireError as error:
        troubles.append(error)
    if troubles:
        raise troubles[0]
    return messages


def _intent(document: Document) -> Stored[OrderIntent]:
    intent = from_document(OrderIntent, document.data)
    return Stored(document.ref, intent, document.version)
