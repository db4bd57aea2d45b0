"""Open orders that are not wanted any more: one by request, or all entries that a halt leaves."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from common.books import ORDER_INTENTS, ORDERS, TRADING_STATE
from common.contention import retry_on_conflict
from common.documents import every, load
from common.domain.events import OutboxMessage
from common.domain.instrument import TimeInForce
from common.domain.order import IntentStatus, Order, OrderIntent, OrderReport
from common.domain.scope import Scope
from common.errors import InvalidInputError, SapphireError, TransientError
from common.execution.outcome import from_report
from common.execution.sender import answer_of
from common.how.denial import Denial
from common.how.last_look import LastLook
from common.how.limits import Refusal
from common.how.message_counts import count_message_writes
from common.how.trading_state import TradingState, TradingStateRecord, state_ref
from common.ports import ExecutionVenue, Ref, Where
from functions.settle.asking import SILENT_AFTER, side_by_side
from functions.settle.parents import stop_parents
from functions.settle.reading import raise_first, read, readable, readable_many
from functions.settle.resolving import Desk, resolve
from functions.settle.within import candidate_venues, scope_around

WRITES_AT_ONCE = 200
AT_ONCE = 100
"""Cancels under way together at a venue that answers within `QUICK`, more where an answer may take
longer: a thousand orders must be asked for within five seconds, and no venue waits for another.
"""
QUICK = timedelta(seconds=5)
ACCOUNTS_AT_ONCE = 20
"""Accounts whose outcomes are written side by side; of one account one after the other."""

_MAY_REST = Where(
    "status",
    "in",
    (
        IntentStatus.SENDING.value,
        IntentStatus.UNKNOWN.value,
        IntentStatus.WORKING.value,
        IntentStatus.UNRESOLVED.value,
    ),
)


@dataclass(frozen=True, slots=True)
class _Open:
    intent: OrderIntent
    order: Order


@dataclass(frozen=True, slots=True)
class _Recorded:
    messages: list[OutboxMessage]
    troubles: list[Exception]


async def cancel_one(desk: Desk, intent_id: str) -> list[OutboxMessage]:
    """Cancel what is left of an order; what it came to is recorded as the venue tells it.

    Raises TransientError: the venue did not answer; the message comes again.
    """
    intent = await retry_on_conflict(lambda: _unwanted(desk, intent_id), what=intent_id)
    if intent is None or intent.status.is_terminal:
        return []
    if intent.status is IntentStatus.RETRYING:
        canceled = Refusal(Denial.CANCEL_REQUESTED, "It was canceled before the next attempt began")
        return await desk.recorder.abandon_retry(intent_id, canceled)
    troubles: list[Exception] = []
    found = await _with_orders(desk, [intent], troubles)
    raise_first(troubles)
    if not found:
        return []
    messages = await _cancel_and_record(desk, found[0])
    await _count(desk, found)
    now = await load(desk.store, OrderIntent, Ref(ORDER_INTENTS, intent_id))
    if now is not None and not now.value.status.is_terminal:
        raise TransientError(f"{intent_id} is not proven to have ended")
    return messages


async def _unwanted(desk: Desk, intent_id: str) -> OrderIntent | None:
    """Mark it first, so that its absence at the venue is no reason to send it again."""
    stored = await load(desk.store, OrderIntent, Ref(ORDER_INTENTS, intent_id))
    if stored is None or stored.value.status.is_terminal or stored.value.cancel_wanted:
        return stored.value if stored else None
    marked = replace(stored.value, cancel_wanted=True)
    await desk.store.commit([stored.update(marked)])
    return marked


async def cancel_entries(
    desk: Desk, scopes: Collection[Scope], *, closing_too: bool = False
) -> list[OutboxMessage]:
    """Cancel every resting order within any of `scopes` that could still open something.

    `closing_too`: those that only close as well, because all is closed at once. Stops that rest
    for a position stay either way. What was to fill at once ends by itself. All cancels
    are asked for side by side, and only then is written what came of them, each account's in turn.
    Parent orders are told to stop.

    Raises:
        TransientError: some venue did not answer; those that did are recorded.
        InvalidInputError: a document cannot be read; all others were attended to.
    """
    troubles: list[Exception] = []
    messages = await stop_parents(desk, scopes, troubles)
    intents = [
        stored.value
        async for stored in readable(
            desk.store, OrderIntent, ORDER_INTENTS, _MAY_REST, troubles=troubles
        )
        if _is_entry_within(stored.value, scopes)
        and (closing_too or not stored.value.plan.reduce_only)
    ]
    opened = await _with_orders(desk, intents, troubles)
    found = [
        each
        for each in opened
        if _is_still_within(each, scopes) and (closing_too or not each.order.reduce_only)
    ]
    asking = _Asking(desk)
    answers = await side_by_side(asking.answer(each) for each in found)
    by_account: dict[str, list[tuple[Order, OrderReport]]] = defaultdict(list)
    for each, answer in zip(found, answers, strict=True):
        if isinstance(answer, SapphireError):
            troubles.append(answer)
        elif answer is not None:
            by_account[each.order.account_id].append((each.order, answer))
    turns = asyncio.Semaphore(ACCOUNTS_AT_ONCE)
    recorded = await side_by_side(_recorded(desk, each, turns) for each in by_account.values())
    for outcome in recorded:
        messages += outcome.messages
        troubles += outcome.troubles
    try:
        await _count(desk, asking.asked)
    except SapphireError as error:
        troubles.append(error)
    raise_first(troubles)
    return messages


class _Asking:
    """The cancels of one halt: no venue waits for another, and a dead one costs one timeout."""

    def __init__(self, desk: Desk) -> None:
        self.asked: list[_Open] = []
        self._desk = desk
        self._most = {venue: _at_once(each) for venue, each in desk.venues.items()}
        self._slots = {venue: asyncio.Semaphore(most) for venue, most in self._most.items()}
        self._silent = {venue for venue in desk.venues if desk.lines.is_silent(venue)}

    async def answer(self, each: _Open) -> OrderReport | SapphireError | None:
        """A whole wave without one answer, and the rest is left for the next call."""
        venue, lines = self._desk.venues[each.order.venue], self._desk.lines
        after = SILENT_AFTER if venue.venue in self._silent else self._most[venue.venue]
        async with self._slots[venue.venue]:
            try:
                lines.require_voice(venue, after=after)
                self.asked.append(each)
                return await lines.note(venue, lambda: venue.cancel(each.order))
            except SapphireError as error:
                return error


def _at_once(venue: ExecutionVenue) -> int:
    return max(AT_ONCE, int(AT_ONCE * (venue.capabilities.request_timeout / QUICK)))


async def _recorded(
    desk: Desk, reports: Sequence[tuple[Order, OrderReport]], turns: asyncio.Semaphore
) -> _Recorded:
    """What venues told of one account; one order's trouble keeps no other from being written."""
    messages: list[OutboxMessage] = []
    troubles: list[Exception] = []
    async with turns:
        for order, report in reports:
            try:
                messages += await desk.recorder.record(
                    order.intent_id, order.client_order_id, from_report(report)
                )
            except SapphireError as error:
                troubles.append(error)
    return _Recorded(messages, troubles)


async def _count(desk: Desk, asked: Sequence[_Open]) -> None:
    """A cancel is a message to the venue like another, and is never refused: counted afterwards."""
    now = desk.clock.now()
    scopes = Counter(
        scope
        for each in asked
        for scope in LastLook(
            book=each.intent.plan.book,
            agent_id=each.intent.plan.agent_id,
            deployment_id=each.order.account_id,
            venue=each.order.venue,
            at=now,
        ).scopes
    )
    writes = await count_message_writes(desk.store, scopes.elements(), now=now)
    for start in range(0, len(writes), WRITES_AT_ONCE):
        await desk.store.commit(writes[start : start + WRITES_AT_ONCE])


async def sweep_halted(desk: Desk) -> list[OutboxMessage]:
    """The same for every scope that is not ACTIVE: what a lost message, or a race, left behind.

    All of them in one pass over what is open. A state that cannot be read counts as HALTED here
    as it does where orders are sent, and is told.
    """
    states = (TradingState.HALTED.value, TradingState.REDUCING.value)
    troubles: list[Exception] = []
    scopes: list[Scope] = []
    async for document in every(desk.store, TRADING_STATE, Where("state", "in", states)):
        try:
            scope = Scope.parse(document.ref.id)
            scopes.append(scope)
            if read(TradingStateRecord, document).value.at(desk.clock.now()) is TradingState.ACTIVE:
                scopes.remove(scope)
        except InvalidInputError as error:
            troubles.append(error)
    messages: list[OutboxMessage] = []
    if scopes:
        try:
            messages += await cancel_entries(desk, frozenset(scopes))
        except SapphireError as error:
            troubles.append(error)
    raise_first(troubles)
    return messages


async def is_active(desk: Desk, scope: Scope) -> bool:
    """Whether trading within `scope` went on again meanwhile; not where nobody can read it."""
    document = await desk.store.get(state_ref(scope))
    try:
        record = read(TradingStateRecord, document).value if document else None
    except InvalidInputError:
        return False
    return record is not None and record.at(desk.clock.now()) is TradingState.ACTIVE


def _is_entry_within(intent: OrderIntent, scopes: Collection[Scope]) -> bool:
    plan = intent.plan
    if plan.time_in_force is not TimeInForce.GTC or plan.is_protective:
        return False
    return scope_around(plan, candidate_venues(plan), scopes) is not None


def _is_still_within(each: _Open, scopes: Collection[Scope]) -> bool:
    """By the venue that the order really is at."""
    return scope_around(each.intent.plan, (each.order.venue,), scopes) is not None


async def _with_orders(
    desk: Desk, intents: Sequence[OrderIntent], troubles: list[Exception]
) -> list[_Open]:
    """Of this mode alone, and with a venue that is connected here."""
    mine = [each for each in intents if each.plan.paper == (desk.settings.mode == "paper")]
    refs = [Ref(ORDERS, each.client_order_id) for each in mine]
    orders = await readable_many(desk.store, Order, refs, troubles=troubles)
    return [
        _Open(intent, order.value)
        for intent, order in zip(mine, orders, strict=True)
        if order is not None
        and not order.value.status.is_terminal
        and order.value.venue in desk.venues
    ]


async def _cancel_and_record(desk: Desk, each: _Open) -> list[OutboxMessage]:
    venue = desk.venues[each.order.venue]
    report = await answer_of(venue, venue.cancel(each.order))
    if report is None:  # the venue has no such order: whether it ever had is for `resolve`
        stored = await load(desk.store, OrderIntent, Ref(ORDER_INTENTS, each.order.intent_id))
        return await resolve(desk, stored) if stored else []
    return await desk.recorder.record(
        each.order.intent_id, each.order.client_order_id, from_report(report)
    )
