"""Keeps positions protected and closes them by their rules; watches what accounts lose."""

from collections.abc import Mapping

from common.books import POSITION_EXITS
from common.config import Settings
from common.documents import every
from common.domain.events import OutboxMessage, PositionChanged, Tick
from common.domain.exits import ExitState
from common.domain.instrument import Capabilities, Venue
from common.errors import SapphireError
from common.ports import Clock, DocumentStore, Instruments, Where
from functions.monitor.accounts import mark_accounts
from functions.monitor.desk import Desk
from functions.monitor.exits import watch


async def monitor(
    event: PositionChanged | Tick,
    *,
    store: DocumentStore,
    clock: Clock,
    settings: Settings,
    instruments: Instruments,
    capabilities: Mapping[Venue, Capabilities],
) -> list[OutboxMessage]:
    """One position after a fill; on a tick every one that has an end to come, then every account.

    Raises:
        SapphireError: one position's or account's trouble, once all others were looked at.
    """
    desk = Desk(store, clock, settings, instruments, capabilities)
    if isinstance(event, PositionChanged):
        return await watch(desk, event.book, event.position_id, after=event)
    messages: list[OutboxMessage] = []
    troubles: list[SapphireError] = []
    watched = Where("state", "in", (ExitState.ARMED.value, ExitState.EXITING.value))
    found = [
        (str(document.data.get("book", "")), document.ref.id)
        async for document in every(store, POSITION_EXITS, watched)
    ]
    for book, position_id in found:
        try:
            messages += await watch(desk, book, position_id)
        except SapphireError as error:
            troubles.append(error)
    try:
        messages += await mark_accounts(desk)
    except SapphireError as error:
        troubles.append(error)
    if troubles:
        raise troubles[0]
    return messages
