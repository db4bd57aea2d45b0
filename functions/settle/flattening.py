"""Closing all positions within a scope until the venues themselves say that they are flat.

Each call does the next accounts of a round: it asks the venue what is there, and plans one
reduce-only order for each position that none is under way for. The round after it asks again. All
that it knows is in the `flattens` document, so any crash is taken up where it happened.
"""

import logging
from dataclasses import replace
from datetime import timedelta

from common.books import EXPOSURES, FLATTENS, TRADING_STATE
from common.documents import Stored, every, load
from common.domain.events import OutboxMessage
from common.domain.flatten import OPEN_FLATTENS, Flatten, FlattenStatus
from common.domain.identifiers import prefixed_id
from common.domain.notification import Notification, NotificationKind
from common.domain.scope import PLATFORM_SCOPE, Scope
from common.errors import ConflictError, InvalidInputError, SapphireError, TransientError
from common.how.state_changes import state_writes
from common.how.trading_state import TradingState, TradingStateRecord, state_ref
from common.messages import flatten_message
from common.notifications import notification_writes
from common.outbox import outbox_write
from common.ports import Query, Ref, Where, Write
from functions.settle.asking import side_by_side
from functions.settle.canceling import cancel_entries, is_active
from functions.settle.closing import TOLD_MAX, Found, Step, close_account
from functions.settle.markets import Markets
from functions.settle.parents import cancel_parents, open_parents
from functions.settle.reading import raise_first, read
from functions.settle.resolving import Desk

ACCOUNTS_A_STEP = 100
WRITES_AT_ONCE = 200  # even: a plan's approval and its message go together
AGAIN_AFTER = timedelta(seconds=5)
"""Between a round and the next, while something is left: closing takes the venues some seconds."""

STUCK_AFTER_ROUNDS = 12
LISTED_MAX = 50

_HALTED = TradingState.HALTED
_IS_HALTED = Where("state", "==", _HALTED.value)
_IS_OPEN = Where("status", "in", tuple(each.value for each in OPEN_FLATTENS))
_log = logging.getLogger(__name__)


async def flatten_open(desk: Desk) -> list[OutboxMessage]:
    """The next step of every flatten that is not over.

    Raises Exception: the first trouble, once all of them were done.
    """
    ids = [document.ref.id async for document in every(desk.store, FLATTENS, _IS_OPEN)]
    messages: list[OutboxMessage] = []
    troubles: list[Exception] = []
    for flatten_id in ids:
        try:
            told, met = await _step(desk, flatten_id)
        except SapphireError as error:
            troubles.append(error)
            continue
        messages += told
        troubles += met
    raise_first(troubles)
    return messages


async def flatten(desk: Desk, flatten_id: str) -> list[OutboxMessage]:
    """The next step of one flatten; nothing once it is FLAT.

    One venue's, account's or document's trouble keeps nothing open at the others. It is among what
    remains, and is logged: raised, the message would come again and begin another step each time.
    """
    messages, troubles = await _step(desk, flatten_id)
    for trouble in troubles:
        _log.error("flatten %s: %s", flatten_id, trouble)
    return messages


async def _step(desk: Desk, flatten_id: str) -> tuple[list[OutboxMessage], list[Exception]]:
    stored = await load(desk.store, Flatten, Ref(FLATTENS, flatten_id))
    if stored is None or stored.value.status.is_terminal:
        return [], []
    before, scope = stored.value, Scope.parse(stored.value.scope)
    if await is_active(desk, scope):
        return await _abandon(desk, stored), []
    found = Found(list(before.remaining), list(before.dust))
    canceled: list[OutboxMessage] = []
    if before.cursor is None:
        found = Found()
        canceled = await _cancel(desk, scope, found)
    step = Step(
        desk=desk,
        flatten=before,
        scope=scope,
        now=desk.clock.now(),
        markets=Markets(desk.store),
        halted=await _halted(desk, found.troubles),
    )
    page = await desk.store.query(Query(EXPOSURES, limit=ACCOUNTS_A_STEP, cursor=before.cursor))
    for each in await side_by_side(close_account(step, document) for document in page.documents):
        found.add(each)
    found.troubles += step.markets.troubles
    after = _after(step, found, page.next_cursor)
    return canceled + await _commit(step, found, stored, after), found.troubles


async def _abandon(desk: Desk, stored: Stored[Flatten]) -> list[OutboxMessage]:
    """Somebody let trading go on: from then on nothing more is closed for it."""
    now = desk.clock.now()
    after = replace(stored.value, status=FlattenStatus.ABANDONED, finished_at=now, updated_at=now)
    told, message = notification_writes(_notification(after))
    await desk.store.commit([stored.update(after), *told])
    return [message]


async def _cancel(desk: Desk, scope: Scope, found: Found) -> list[OutboxMessage]:
    """What could still fill beside what is closed now; and what of it keeps it from being flat."""
    unread: list[Exception] = []
    messages = await cancel_parents(desk, scope, "everything is being closed", unread)
    found.troubles += unread
    found.remaining += [f"a parent order may still work: {each}"[:TOLD_MAX] for each in unread]
    found.remaining += [f"{each} is still being worked" for each in await open_parents(desk, scope)]
    try:
        messages += await cancel_entries(desk, [scope], closing_too=True)
    except SapphireError as error:
        found.remaining.append(f"an entry may still rest: {error}"[:TOLD_MAX])
        if not isinstance(error, TransientError):
            found.troubles.append(error)
    return messages


async def _halted(desk: Desk, troubles: list[Exception]) -> frozenset[Scope]:
    """Every scope in which nothing can be closed; one that cannot be read is, as at the gate."""
    found: set[Scope] = set()
    async for document in every(desk.store, TRADING_STATE, _IS_HALTED):
        try:
            scope = Scope.parse(document.ref.id)
            found.add(scope)
            if read(TradingStateRecord, document).value.at(desk.clock.now()) is not _HALTED:
                found.discard(scope)
        except InvalidInputError as error:
            troubles.append(error)
    return frozenset(found)


def _after(step: Step, found: Found, cursor: str | None) -> Flatten:
    """The document after this step; a round is over with its last page."""
    flatten = replace(
        step.flatten,
        cursor=cursor,
        remaining=tuple(found.remaining[:LISTED_MAX]),
        dust=tuple(found.dust[:LISTED_MAX]),
        updated_at=step.now,
    )
    if cursor is not None:
        return flatten
    flatten = replace(flatten, rounds=flatten.rounds + 1)
    if not found.remaining:
        return replace(flatten, status=FlattenStatus.FLAT, finished_at=step.now)
    if flatten.rounds >= STUCK_AFTER_ROUNDS:
        return replace(flatten, status=FlattenStatus.STUCK)
    return flatten


async def _commit(
    step: Step, found: Found, stored: Stored[Flatten], after: Flatten
) -> list[OutboxMessage]:
    """The plans first, each with its message, then how far it has come.

    Another call that works the same round makes the same plans, and one of the two gives way.
    """
    messages = list(found.messages)
    writes: list[Write] = [stored.update(after)]
    if after.status is FlattenStatus.FLAT:
        halted, changed = await _halt(step)
        writes += halted
        messages += changed
    elif after.status is FlattenStatus.CLOSING:
        again = step.now + (AGAIN_AFTER if after.cursor is None else timedelta(0))
        name = f"{after.rounds}:{after.cursor or ''}"
        message = flatten_message(after.flatten_id, name, now=step.now, deliver_at=again)
        writes.append(outbox_write(message))
        messages.append(message)
    if after.status is not step.flatten.status:
        told, message = notification_writes(_notification(after))
        writes += told
        messages.append(message)
    try:
        for start in range(0, len(found.writes), WRITES_AT_ONCE):
            await step.desk.store.commit(found.writes[start : start + WRITES_AT_ONCE])
        await step.desk.store.commit(writes)
    except ConflictError:
        return []
    return messages


async def _halt(step: Step) -> tuple[list[Write], list[OutboxMessage]]:
    """Flat, and to stay so: REDUCING becomes HALTED, unless somebody has changed it meanwhile."""
    stored = await load(step.desk.store, TradingStateRecord, state_ref(step.scope))
    if stored is None or stored.value.epoch != step.flatten.epoch:
        return [], []
    record = replace(
        stored.value,
        state=TradingState.HALTED,
        epoch=stored.value.epoch + 1,
        reason=f"flat: {step.flatten.reason}",
        changed_at=step.now,
        until=None,
    )
    return state_writes(step.scope, stored, record)


def _notification(flatten: Flatten) -> Notification:
    scope = Scope.parse(flatten.scope)
    where = scope.label
    if flatten.status is FlattenStatus.FLAT:
        there = "on the platform" if scope == PLATFORM_SCOPE else f"for {where}"
        text = f"FLAT: the venues hold nothing for {where} any more. Trading {there} is halted"
        if flatten.dust:
            text += f" (dust stays: {'; '.join(flatten.dust[:5])})"
    elif flatten.status is FlattenStatus.ABANDONED:
        text = f"FLATTEN GIVEN UP for {where}: trading there was resumed before all was flat"
    else:
        text = f"FLATTEN IS STUCK for {where}: {'; '.join(flatten.remaining[:5])}"
    return Notification(
        notification_id=prefixed_id("ntf", flatten.flatten_id, flatten.status, flatten.rounds),
        kind=NotificationKind.RISK,
        text=text,
        subject_id=flatten.flatten_id,
        created_at=flatten.updated_at,
    )
