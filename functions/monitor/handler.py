"""Keeps positions protected and closes them by their rules; watches what accounts lose."""

from collections.abc import Mapping

from common.config import Settings
from common.domain.events import OutboxMessage, PositionChanged, Tick
from common.domain.instrument import Capabilities, Venue
from common.errors import SapphireError
from common.ports import Clock, DocumentStore, Instruments
from functions.monitor.accounts import mark_accounts
from functions.monitor.desk import Desk
from functions.monitor.exits import watch, watch_all
from functions.monitor.rounds import BUDGET


async def monitor(
    event: PositionChanged | Tick,
    *,
    store: DocumentStore,
    clock: Clock,
    settings: Settings,
    instruments: Instruments,
    capabilities: Mapping[Venue, Capabilities],
) -> list[OutboxMessage]:
    """One position after a fill; on a tick every one that has an end to come, then every account,
    each from where the last tick's time was over.

    Raises:
        SapphireError: one position's or account's trouble, once all others were looked at.
    """
    desk = Desk(store, clock, settings, instruments, capabilities)
    if isinstance(event, PositionChanged):
        return await watch(desk, event.book, event.position_id, after=event)
    started = clock.now()
    messages: list[OutboxMessage] = []
    troubles: list[SapphireError] = []
    for part, until in ((watch_all, started + BUDGET / 2), (mark_accounts, started + BUDGET)):
        try:
            messages += await part(desk, until=until)
        except SapphireError as error:
            troubles.append(error)
    if troubles:
        raise troubles[0]
    return messages
