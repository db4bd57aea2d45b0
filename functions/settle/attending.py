"""All open orders of a tick: side by side at each venue, the unproven ones first, for a while."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from common.books import ORDER_INTENTS
from common.documents import Stored
from common.domain.events import OutboxMessage
from common.domain.instrument import TimeInForce, Venue
from common.domain.order import IntentStatus, OrderIntent
from common.ports import Where
from functions.settle.asking import AT_ONCE, side_by_side
from functions.settle.reading import raise_first, readable
from functions.settle.resolving import Desk, attend

OPEN_INTENTS = (
    IntentStatus.SENDING,
    IntentStatus.UNKNOWN,
    IntentStatus.WORKING,
    IntentStatus.RETRYING,
    IntentStatus.UNRESOLVED,
)
TIME_FOR_QUESTIONS = timedelta(seconds=45)
"""Well below the function's timeout, with all that a tick does beside; the next one goes on."""

_STRIDE, _PARTS = 617, 1000
_ARE_OPEN = Where("status", "in", tuple(status.value for status in OPEN_INTENTS))


async def attend_open(desk: Desk) -> list[OutboxMessage]:
    """Ask for every open order, as many as there is time for.

    Raises Exception: an intent's trouble, be it a defect of ours, once the others were attended to.
    """
    troubles: list[Exception] = []
    by_venue: dict[Venue | None, list[Stored[OrderIntent]]] = defaultdict(list)
    found = readable(desk.store, OrderIntent, ORDER_INTENTS, _ARE_OPEN, troubles=troubles)
    async for stored in found:
        by_venue[_venue(stored.value)].append(stored)
    now = desk.clock.now()
    messages: list[OutboxMessage] = []

    async def work(venue: Venue | None, queue: Iterator[Stored[OrderIntent]]) -> None:
        """One of those that share a venue's queue."""
        for stored in queue:
            if desk.clock.now() - now >= TIME_FOR_QUESTIONS:
                return
            if venue and _rests(stored.value) and desk.lines.is_silent(venue):
                continue
            try:
                messages.extend(await attend(desk, stored))
            except Exception as error:  # noqa: BLE001 - raised below, after the others
                troubles.append(error)

    queues = [(venue, iter(in_turn(intents, now))) for venue, intents in by_venue.items()]
    await side_by_side(work(venue, queue) for venue, queue in queues for _ in range(AT_ONCE))
    raise_first(troubles)
    return messages


def in_turn(intents: Sequence[Stored[OrderIntent]], now: datetime) -> list[Stored[OrderIntent]]:
    """Those that nothing proves, the longest unasked first; then those that rest, by id, each
    minute beginning elsewhere: by strides of 0.617 of all, which leave no part out for long.
    """
    urgent = [stored for stored in intents if not _rests(stored.value)]
    resting = sorted((each for each in intents if _rests(each.value)), key=lambda each: each.ref.id)
    minute = int(now.timestamp()) // 60
    start = minute * _STRIDE % _PARTS * len(resting) // _PARTS
    urgent.sort(key=lambda each: (each.value.updated_at, each.ref.id))
    return [*urgent, *resting[start:], *resting[:start]]


def _rests(intent: OrderIntent) -> bool:
    """Most answers of these tell nothing new, and its venue holds what it holds."""
    return intent.status is IntentStatus.WORKING and intent.plan.time_in_force is TimeInForce.GTC


def _venue(intent: OrderIntent) -> Venue | None:
    return next((each.venue for each in intent.plan.candidates[intent.candidate :]), None)
