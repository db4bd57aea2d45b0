"""Halting, reducing, resuming and flattening by compare-and-set; ending an order by hand."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from common.books import BOOKS, FLATTENS, ORDER_INTENTS, ORDERS, PARENT_ORDERS, TRADING_STATE
from common.config import Settings
from common.documents import Stored, every, load_many, put
from common.domain.agent import Deployment
from common.domain.events import OutboxMessage
from common.domain.flatten import OPEN_FLATTENS, Flatten, FlattenStatus
from common.domain.identifiers import prefixed_id
from common.domain.instrument import OrderType
from common.domain.order import IntentStatus, Order, OrderIntent
from common.domain.parent_order import OPEN_PARENTS
from common.domain.principal import SOMEBODY
from common.domain.scope import PLATFORM_SCOPE, Scope, ScopeKind, agent_scope
from common.errors import ConflictError, DeniedError, InvalidInputError
from common.execution.by_hand import Sighting
from common.execution.recorder import Recorder
from common.how.existence import require_scope
from common.how.state_changes import state_writes
from common.how.trading_state import (
    UNREADABLE,
    TradingState,
    TradingStateRecord,
    record_of,
    state_ref,
)
from common.messages import flatten_message
from common.outbox import outbox_write
from common.ports import Clock, DocumentStore, Query, Ref, Where, Write
from common.wire import from_document
from functions.api.records import required

TRIES = 8
_IS_UNRESOLVED = Where("status", "==", IntentStatus.UNRESOLVED.value)
_IS_HALTED = Where("state", "==", TradingState.HALTED.value)
_IS_OPEN = Where("status", "in", tuple(each.value for each in OPEN_FLATTENS))


@dataclass(frozen=True, slots=True, kw_only=True)
class StateWish:
    """Who wants which state where, and why."""

    state: TradingState
    scope: Scope
    reason: str
    by: str


async def change_state(
    wish: StateWish, *, store: DocumentStore, clock: Clock, settings: Settings
) -> tuple[TradingStateRecord, list[OutboxMessage]]:
    """Persist the state. One it is in already stays as it is, epoch and reason included.

    Raises:
        InvalidInputError, NotFoundError: the scope is nothing's.
        DeniedError: UNRESOLVED_ORDERS when trading would resume while a person must look first;
            FOUR_EYES when who stopped it would resume it.
        ConflictError: others kept changing it.
    """
    await require_scope(wish.scope, store)
    if wish.state is TradingState.ACTIVE:
        await _require_resolved(store)

    def decide(stored: Stored[TradingStateRecord] | None) -> TradingStateRecord | None:
        """None: it is in that state already."""
        known = stored.value if stored else None
        if wish.state is not TradingState.HALTED:
            _require_readable(known, wish.scope)
        if known is None or known.reason == UNREADABLE:
            return _record(known, wish, clock)
        if known.at(clock.now()) is wish.state and known.until is None:
            return None
        if wish.state is TradingState.ACTIVE and settings.four_eyes:
            _require_second(known, wish)
        return _record(known, wish, clock)

    return await _commit_state(wish.scope, decide, store)


def _require_second(known: TradingStateRecord | None, wish: StateWish) -> None:
    """Catalogue case 52. A name must be told, and be another than of who stopped it."""
    if known is not None and wish.by in {known.changed_by, SOMEBODY}:
        raise DeniedError("FOUR_EYES", f"{known.changed_by} stopped it: somebody else must resume")


def _require_readable(known: TradingStateRecord | None, scope: Scope) -> None:
    """A halt is written over it all the same; a field that nobody here knows stays, and with it
    HALTED.
    """
    if known is not None and known.reason == UNREADABLE:
        place = f"{TRADING_STATE}/{scope.key}"
        detail = f"{place} cannot be read, so {scope.label} stays HALTED until it is removed"
        raise DeniedError("STATE_UNREADABLE", detail)


def _record(known: TradingStateRecord | None, wish: StateWish, clock: Clock) -> TradingStateRecord:
    return TradingStateRecord(
        state=wish.state,
        epoch=known.epoch + 1 if known else 1,
        reason=wish.reason,
        changed_by=wish.by,
        changed_at=clock.now(),
    )


async def _commit_state(
    scope: Scope,
    decide: Callable[[Stored[TradingStateRecord] | None], TradingStateRecord | None],
    store: DocumentStore,
    more: Callable[[TradingStateRecord], tuple[list[Write], list[OutboxMessage]]] | None = None,
) -> tuple[TradingStateRecord, list[OutboxMessage]]:
    """Write what `decide` makes of the state in force, with its audit row and its messages."""
    ref = state_ref(scope)
    conflict: ConflictError | None = None
    for _ in range(TRIES):
        document = await store.get(ref)
        stored = Stored(ref, record_of(document), document.version) if document else None
        record = decide(stored)
        if record is None and stored is not None:
            return stored.value, []
        assert record is not None  # noqa: S101 - without a document there is always a new one
        writes, messages = state_writes(scope, stored, record)
        if more is not None:
            further, told = more(record)
            writes, messages = [*writes, *further], [*messages, *told]
        try:
            await store.commit(writes)
        except ConflictError as error:
            conflict = error
            continue
        return record, messages
    raise conflict or ConflictError("contended", collection=ref.collection, document_id=ref.id)


async def _require_resolved(store: DocumentStore) -> None:
    count = await store.count(Query(ORDER_INTENTS, (_IS_UNRESOLVED,)))
    if count:
        detail = f"{count} order(s) are UNRESOLVED; a person must settle them first"
        raise DeniedError("UNRESOLVED_ORDERS", detail)


def in_force(record: TradingStateRecord, clock: Clock) -> TradingStateRecord:
    """As orders meet it: one that is over by its `until` is ACTIVE."""
    return replace(record, state=record.at(clock.now()))


async def other_states(
    store: DocumentStore, clock: Clock
) -> list[tuple[Scope, TradingStateRecord]]:
    """What is in force for everything but the platform that ever was set, the gravest first."""
    found = [
        (
            Scope.parse(document.ref.id),
            in_force(record_of(document), clock),
        )
        async for document in every(store, TRADING_STATE)
        if document.ref.id != PLATFORM_SCOPE.key
    ]
    return sorted(found, key=lambda each: (-each[1].state.severity, each[0].key))


async def open_orders(store: DocumentStore) -> dict[str, int]:
    """How many parent orders are open, stops and take profits rest, and orders are UNRESOLVED."""
    open_parents = tuple(sorted(each.value for each in OPEN_PARENTS))
    kinds = (OrderType.STOP_MARKET.value, OrderType.MARKET_IF_TOUCHED.value)
    working = Where("status", "==", IntentStatus.WORKING.value)
    queries = {
        "open_parent_orders": Query(PARENT_ORDERS, (Where("status", "in", open_parents),)),
        "protective_orders": Query(ORDER_INTENTS, (working, Where("plan.order_type", "in", kinds))),
        "unresolved_orders": Query(ORDER_INTENTS, (_IS_UNRESOLVED,)),
    }
    return {name: await store.count(query) for name, query in queries.items()}


async def request_flatten(
    scope: Scope, *, reason: str, by: str, store: DocumentStore, clock: Clock
) -> tuple[Flatten, list[OutboxMessage]]:
    """Have everything within `scope` closed. One that is under way there is answered as it is.

    Trading there is REDUCING until the venues say that it is flat, and HALTED from then on.

    Raises:
        DeniedError: TRADING_HALTED, by a wider scope, an agent or the platform: that one must be
            flattened or reduced. What `halted_within` names keeps its positions all the same.
        ConflictError: others kept changing the state.
    """
    await require_scope(scope, store)
    open_one = await _open_flatten(store, scope)
    if open_one is not None and await _is_in_force(open_one.value, store):
        return open_one.value, []
    await _require_wider_state(store, scope, clock)
    wish = StateWish(state=TradingState.REDUCING, scope=scope, reason=f"flatten: {reason}", by=by)
    made: list[Flatten] = []

    def begin(record: TradingStateRecord) -> tuple[list[Write], list[OutboxMessage]]:
        """One that is under way goes on; the state that it had set was changed meanwhile."""
        flatten = _new_flatten(scope, record, reason)
        if open_one is not None:
            flatten = replace(open_one.value, epoch=record.epoch, updated_at=record.changed_at)
        made[:] = [flatten]
        cause = f"begin:{record.epoch}"
        message = flatten_message(flatten.flatten_id, cause, now=record.changed_at)
        place = Ref(FLATTENS, flatten.flatten_id)
        return [put(open_one, place, flatten), outbox_write(message)], [message]

    def reduced(stored: Stored[TradingStateRecord] | None) -> TradingStateRecord:
        known = stored.value if stored else None
        _require_readable(known, scope)
        return _record(known, wish, clock)

    _, messages = await _commit_state(scope, reduced, store, begin)
    return made[0], messages


def _new_flatten(scope: Scope, record: TradingStateRecord, reason: str) -> Flatten:
    return Flatten(
        flatten_id=prefixed_id("flt", scope.key, record.epoch),
        scope=scope.key,
        reason=reason,
        requested_by=record.changed_by,
        requested_at=record.changed_at,
        epoch=record.epoch,
        status=FlattenStatus.CLOSING,
        updated_at=record.changed_at,
    )


async def _open_flatten(store: DocumentStore, scope: Scope) -> Stored[Flatten] | None:
    async for document in every(store, FLATTENS, _IS_OPEN):
        if document.data.get("scope") != scope.key:
            continue
        try:
            flatten = from_document(Flatten, document.data)
        except InvalidInputError:
            continue  # nobody can go on with it; a new one begins, under its state's next epoch
        return Stored(document.ref, flatten, document.version)
    return None


async def _is_in_force(flatten: Flatten, store: DocumentStore) -> bool:
    """Whether the state that it has set is still the one; a person may have resumed or halted."""
    document = await store.get(state_ref(Scope.parse(flatten.scope)))
    return document is not None and record_of(document).epoch == flatten.epoch


async def list_flattens(
    store: DocumentStore, *, limit: int, cursor: str | None
) -> tuple[list[Flatten], str | None]:
    """Newest first, and where to go on. What cannot be read is left out."""
    query = Query(FLATTENS, order_by="requested_at", descending=True, limit=limit, cursor=cursor)
    page = await store.query(query)
    found: list[Flatten] = []
    for document in page.documents:
        with suppress(InvalidInputError):
            found.append(from_document(Flatten, document.data))
    return found, page.next_cursor


async def _require_wider_state(store: DocumentStore, scope: Scope, clock: Clock) -> None:
    """Below a halted agent or platform nothing can be closed."""
    wider = {PLATFORM_SCOPE, *await _agents_of(store, scope)} - {scope}
    for each in sorted(wider, key=lambda found: found != PLATFORM_SCOPE):
        document = await store.get(state_ref(each))
        state = record_of(document).at(clock.now()) if document else None
        if state is TradingState.HALTED or (state is None and each == PLATFORM_SCOPE):
            detail = f"{each.label} is halted, so nothing can be closed: flatten or reduce"
            raise DeniedError("TRADING_HALTED", f"{detail} {each.label}")


async def _agents_of(store: DocumentStore, scope: Scope) -> set[Scope]:
    """Of a deployment; of nothing else."""
    if scope.kind is not ScopeKind.DEPLOYMENT:
        return set()
    refs = [Ref(book.deployments, scope.name) for book in BOOKS.values()]
    found = await load_many(store, Deployment, refs)
    return {agent_scope(each.value.book, each.value.agent_id) for each in found if each is not None}


async def halted_within(store: DocumentStore, scope: Scope, clock: Clock) -> list[str]:
    """The keys of the halted scopes that share orders with `scope` without holding all of it:
    positions there stay open until they are resumed, reduced or flattened themselves.
    """
    halted: list[str] = []
    async for document in every(store, TRADING_STATE, _IS_HALTED):
        other = Scope.parse(document.ref.id)
        if record_of(document).at(clock.now()) is TradingState.ACTIVE:
            continue
        if other != scope and await _shares_orders(store, scope, other):
            halted.append(other.key)
    return sorted(halted)


async def _shares_orders(store: DocumentStore, scope: Scope, other: Scope) -> bool:
    """Whether an order within both is possible, where `other` is not the platform."""
    if other == PLATFORM_SCOPE:
        return False  # then the flatten was refused, or has reduced it
    if scope == PLATFORM_SCOPE:
        return True
    if scope.kind is other.kind:
        return False  # two venues, two symbols ...
    pair = {scope.kind: scope, other.kind: other}
    if ScopeKind.AGENT in pair and ScopeKind.DEPLOYMENT in pair:
        return pair[ScopeKind.AGENT] in await _agents_of(store, pair[ScopeKind.DEPLOYMENT])
    return True


@dataclass(frozen=True, slots=True)
class IntentAndOrder:
    """An intent and its latest order, the one that nothing proves while it is UNRESOLVED."""

    intent: OrderIntent
    order: Order


async def unresolved_orders(store: DocumentStore) -> list[IntentAndOrder]:
    """Every one, those that have waited longest first."""
    found = every(store, ORDER_INTENTS, _IS_UNRESOLVED)
    intents = [from_document(OrderIntent, document.data) async for document in found]
    refs = [Ref(ORDERS, intent.client_order_id) for intent in intents]
    orders = await load_many(store, Order, refs) if refs else []
    pairs = zip(intents, orders, strict=True)
    listed = [IntentAndOrder(intent, order.value) for intent, order in pairs if order is not None]
    return sorted(listed, key=lambda each: each.intent.updated_at)


async def settle_by_hand(
    intent_id: str, seen: Sighting, *, store: DocumentStore, clock: Clock, settings: Settings
) -> tuple[IntentAndOrder, list[OutboxMessage]]:
    """End an UNRESOLVED intent as a person saw it; the intent and its order as they are then.

    Raises:
        NotFoundError: INTENT_NOT_FOUND.
        DeniedError: INTENT_NOT_UNRESOLVED.
        InvalidInputError: its order cannot have come to that.
    """
    ref = Ref(ORDER_INTENTS, intent_id)
    await required(store, OrderIntent, ref, "intent")
    recorder = Recorder(store, clock, max_attempts=settings.limits.max_attempts)
    messages = await recorder.settle_by_hand(intent_id, seen)
    intent = await required(store, OrderIntent, ref, "intent")
    order = await required(store, Order, Ref(ORDERS, intent.client_order_id), "order")
    return IntentAndOrder(intent, order), messages
