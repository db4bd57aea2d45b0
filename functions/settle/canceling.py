"""Open orders that are not wanted any more: one by request, or all entries that a halt leaves."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from common.books import ORDER_INTENTS, ORDERS, PARENT_ORDERS, TRADING_STATE
from common.contention import retry_on_conflict
from common.documents import every, load, load_many
from common.domain.events import OutboxMessage
from common.domain.instrument import TimeInForce, Venue
from common.domain.order import IntentStatus, Order, OrderIntent, OrderPlan, OrderReport
from common.domain.parent_order import ParentOrder, ParentStatus
from common.domain.scope import PLATFORM_SCOPE, Scope, ScopeKind
from common.errors import SapphireError, TransientError
from common.execution.algorithms.parent import canceling
from common.execution.outcome import from_report
from common.execution.sender import answer_of
from common.how.denial import Denial
from common.how.last_look import LastLook
from common.how.limits import Refusal
from common.how.message_counts import count_message_writes
from common.how.trading_state import TradingState, TradingStateRecord, state_ref
from common.messages import parent_message
from common.ports import ExecutionVenue, Ref, Where
from common.wire import from_document
from functions.settle.resolving import Desk, resolve

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
_OPEN_PARENTS = Where(
    "status",
    "in",
    (ParentStatus.ACTIVE.value, ParentStatus.PAUSED.value, ParentStatus.CANCELING.value),
)


@dataclass(frozen=True, slots=True)
class _Open:
    intent: OrderIntent
    order: Order


@dataclass(frozen=True, slots=True)
class _Recorded:
    messages: list[OutboxMessage]
    troubles: list[SapphireError]


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
    found = await _with_orders(desk, [intent])
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


async def cancel_entries(desk: Desk, scope: Scope) -> list[OutboxMessage]:
    """Cancel every resting order within `scope` that could still open something.

    Resting stops stay: they only ever close. What was to fill at once ends by itself. All cancels
    are asked for side by side, and only then is written what came of them, each account's in turn.
    Parent orders are told to stop.

    Raises TransientError: some venue did not answer; those that did are recorded.
    """
    messages = await _stop_parents(desk, scope)
    intents = [
        intent
        async for document in every(desk.store, ORDER_INTENTS, _MAY_REST)
        if _is_entry_within(intent := from_document(OrderIntent, document.data), scope)
    ]
    found = [each for each in await _with_orders(desk, intents) if _within(each, scope)]
    slots = {venue: asyncio.Semaphore(_at_once(each)) for venue, each in desk.venues.items()}
    answers = await asyncio.gather(*(_asked(desk, each, slots) for each in found))
    troubles = [answer for answer in answers if isinstance(answer, SapphireError)]
    by_account: dict[str, list[tuple[Order, OrderReport]]] = defaultdict(list)
    for each, answer in zip(found, answers, strict=True):
        if isinstance(answer, OrderReport):
            by_account[each.order.account_id].append((each.order, answer))
    turns = asyncio.Semaphore(ACCOUNTS_AT_ONCE)
    for recorded in await asyncio.gather(
        *(_recorded(desk, reports, turns) for reports in by_account.values())
    ):
        messages += recorded.messages
        troubles += recorded.troubles
    await _count(desk, found)
    if troubles:
        raise troubles[0]
    return messages


def _at_once(venue: ExecutionVenue) -> int:
    return max(AT_ONCE, int(AT_ONCE * (venue.capabilities.request_timeout / QUICK)))


async def _recorded(
    desk: Desk, reports: Sequence[tuple[Order, OrderReport]], turns: asyncio.Semaphore
) -> _Recorded:
    """What venues told of one account; one order's trouble keeps no other from being written."""
    messages: list[OutboxMessage] = []
    troubles: list[SapphireError] = []
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
    """The same for every scope that is not ACTIVE: what a lost message, or a race, left behind."""
    states = (TradingState.HALTED.value, TradingState.REDUCING.value)
    messages: list[OutboxMessage] = []
    troubles: list[SapphireError] = []
    async for document in every(desk.store, TRADING_STATE, Where("state", "in", states)):
        record = from_document(TradingStateRecord, document.data)
        if record.at(desk.clock.now()) is TradingState.ACTIVE:
            continue
        try:
            messages += await cancel_entries(desk, Scope.parse(document.ref.id))
        except SapphireError as error:
            troubles.append(error)
    if troubles:
        raise troubles[0]
    return messages


async def is_active(desk: Desk, scope: Scope) -> bool:
    """Whether trading within `scope` went on again meanwhile."""
    stored = await load(desk.store, TradingStateRecord, state_ref(scope))
    return stored is not None and stored.value.at(desk.clock.now()) is TradingState.ACTIVE


async def cancel_parents(desk: Desk, scope: Scope, reason: str) -> list[OutboxMessage]:
    """Every parent order within `scope` that opens something, for good; `advance` ends them."""
    messages: list[OutboxMessage] = []
    for parent_order_id in await entry_parents(desk, scope):
        told = await retry_on_conflict(
            lambda key=parent_order_id: _cancel_parent(desk, key, reason),  # type: ignore[misc]  # bound now
            what=f"parent order {parent_order_id}",
        )
        messages += told
    return messages


async def _cancel_parent(desk: Desk, parent_order_id: str, reason: str) -> list[OutboxMessage]:
    stored = await load(desk.store, ParentOrder, Ref(PARENT_ORDERS, parent_order_id))
    if stored is None or stored.value.status.is_terminal:
        return []
    now = desk.clock.now()
    if stored.value.status is not ParentStatus.CANCELING:
        after = canceling(stored.value, code="FLATTENED", reason=reason, now=now)
        await desk.store.commit([stored.update(after)])
    return [parent_message(parent_order_id, f"flatten:{stored.version}", now=now)]


def _is_entry_parent(parent: ParentOrder, scope: Scope) -> bool:
    return not parent.reduce_only and _names(scope, parent)


async def entry_parents(desk: Desk, scope: Scope) -> list[str]:
    """The ids of those that are still open."""
    return [
        document.ref.id
        async for document in every(desk.store, PARENT_ORDERS, _OPEN_PARENTS)
        if _is_entry_parent(from_document(ParentOrder, document.data), scope)
    ]


async def _stop_parents(desk: Desk, scope: Scope) -> list[OutboxMessage]:
    """`advance` ends them: it sees the state by itself, and this only makes it look at once."""
    now = desk.clock.now()
    messages = []
    async for document in every(desk.store, PARENT_ORDERS, _OPEN_PARENTS):
        parent = from_document(ParentOrder, document.data)
        if not parent.reduce_only and _names(scope, parent):
            cause = f"trading-state:{scope.key}:{document.version}"
            messages.append(parent_message(parent.parent_order_id, cause, now=now))
    return messages


def _is_entry_within(intent: OrderIntent, scope: Scope) -> bool:
    plan = intent.plan
    rests = plan.time_in_force is TimeInForce.GTC
    return rests and not (plan.is_protective or plan.reduce_only) and _names(scope, plan)


def _names(scope: Scope, subject: OrderPlan | ParentOrder) -> bool:
    """Whether what is known of it before its venue lies within the scope."""
    match scope.kind:
        case ScopeKind.AGENT:
            return scope.name == f"{subject.book}:{subject.agent_id}"
        case ScopeKind.DEPLOYMENT:
            return scope.name == subject.deployment_id
        case ScopeKind.SYMBOL:
            return scope.name == subject.symbol
        case ScopeKind.VENUE:
            return any(candidate.venue == scope.name for candidate in subject.candidates)
        case ScopeKind.PLATFORM:
            return scope == PLATFORM_SCOPE


def _within(each: _Open, scope: Scope) -> bool:
    """Also by the venue that the order really is at, and never an order that only closes."""
    at_venue = scope.kind is not ScopeKind.VENUE or each.order.venue == scope.name
    return at_venue and not each.order.reduce_only


async def _with_orders(desk: Desk, intents: Sequence[OrderIntent]) -> list[_Open]:
    """Of this mode alone, and with a venue that is connected here."""
    mine = [each for each in intents if each.plan.paper == (desk.settings.mode == "paper")]
    refs = [Ref(ORDERS, each.client_order_id) for each in mine]
    orders = await load_many(desk.store, Order, refs) if refs else []
    return [
        _Open(intent, order.value)
        for intent, order in zip(mine, orders, strict=True)
        if order is not None
        and not order.value.status.is_terminal
        and order.value.venue in desk.venues
    ]


async def _asked(
    desk: Desk, each: _Open, slots: Mapping[Venue, asyncio.Semaphore]
) -> OrderReport | SapphireError | None:
    venue = desk.venues[each.order.venue]
    async with slots[each.order.venue]:
        try:
            return await answer_of(venue, venue.cancel(each.order))
        except SapphireError as error:
            return error


async def _cancel_and_record(desk: Desk, each: _Open) -> list[OutboxMessage]:
    venue = desk.venues[each.order.venue]
    report = await answer_of(venue, venue.cancel(each.order))
    if report is None:  # the venue has no such order: whether it ever had is for `resolve`
        stored = await load(desk.store, OrderIntent, Ref(ORDER_INTENTS, each.order.intent_id))
        return await resolve(desk, stored) if stored else []
    return await desk.recorder.record(
        each.order.intent_id, each.order.client_order_id, from_report(report)
    )
