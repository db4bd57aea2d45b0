"""Halting, reducing, resuming and flattening by compare-and-set; ending an order by hand."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from common.books import FLATTENS, ORDER_INTENTS, ORDERS, PARENT_ORDERS, TRADING_STATE
from common.config import Settings
from common.documents import Stored, every, load, load_many, put
from common.domain.events import OutboxMessage
from common.domain.flatten import Flatten, FlattenStatus
from common.domain.identifiers import prefixed_id
from common.domain.instrument import OrderType
from common.domain.order import IntentStatus, Order, OrderIntent
from common.domain.parent_order import ParentStatus
from common.domain.scope import PLATFORM_SCOPE, Scope
from common.errors import ConflictError, DeniedError
from common.execution.by_hand import Sighting
from common.execution.recorder import Recorder
from common.how.existence import require_scope
from common.how.state_changes import state_writes
from common.how.trading_state import TradingState, TradingStateRecord, state_ref
from common.messages import flatten_message
from common.outbox import outbox_write
from common.ports import Clock, DocumentStore, Query, Ref, Where, Write
from common.wire import from_document
from functions.api.records import required

TRIES = 8
SOMEBODY = "operator over the API"
"""Who asks without a name: all that the one token says of them."""
_IS_UNRESOLVED = Where("status", "==", IntentStatus.UNRESOLVED.value)


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
        if known is not None and known.at(clock.now()) is wish.state and known.until is None:
            return None
        if wish.state is TradingState.ACTIVE and settings.four_eyes:
            _require_second(known, wish)
        return _record(known, wish, clock)

    return await _commit_state(wish.scope, decide, store)


def _require_second(known: TradingStateRecord | None, wish: StateWish) -> None:
    """Catalogue case 52. A name must be told, and be another than of who stopped it."""
    if known is not None and wish.by in {known.changed_by, SOMEBODY}:
        raise DeniedError("FOUR_EYES", f"{known.changed_by} stopped it: somebody else must resume")


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
        stored = await load(store, TradingStateRecord, ref)
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


async def other_states(store: DocumentStore) -> list[tuple[Scope, TradingStateRecord]]:
    """The states of everything but the platform that ever were set, the gravest first."""
    found = [
        (Scope.parse(document.ref.id), from_document(TradingStateRecord, document.data))
        async for document in every(store, TRADING_STATE)
        if document.ref.id != PLATFORM_SCOPE.key
    ]
    return sorted(found, key=lambda each: (-each[1].state.severity, each[0].key))


async def open_orders(store: DocumentStore) -> dict[str, int]:
    """How many parent orders are open, stops and take profits rest, and orders are UNRESOLVED."""
    open_parents = tuple(each.value for each in ParentStatus if not each.is_terminal)
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
        DeniedError: TRADING_HALTED, by a wider scope: that one must be flattened or reduced.
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

    _, messages = await _commit_state(
        scope, lambda stored: _record(stored.value if stored else None, wish, clock), store, begin
    )
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
    still = Where("status", "in", (FlattenStatus.CLOSING.value, FlattenStatus.STUCK.value))
    async for document in every(store, FLATTENS, still):
        flatten = from_document(Flatten, document.data)
        if flatten.scope == scope.key:
            return Stored(document.ref, flatten, document.version)
    return None


async def _is_in_force(flatten: Flatten, store: DocumentStore) -> bool:
    """Whether the state that it has set is still the one; a person may have resumed or halted."""
    stored = await load(store, TradingStateRecord, state_ref(Scope.parse(flatten.scope)))
    return stored is not None and stored.value.epoch == flatten.epoch


async def list_flattens(
    store: DocumentStore, *, limit: int, cursor: str | None
) -> tuple[list[Flatten], str | None]:
    """Newest first, and where to go on."""
    query = Query(FLATTENS, order_by="requested_at", descending=True, limit=limit, cursor=cursor)
    page = await store.query(query)
    found = [from_document(Flatten, document.data) for document in page.documents]
    return found, page.next_cursor


async def _require_wider_state(store: DocumentStore, scope: Scope, clock: Clock) -> None:
    """Below a halted platform nothing can be closed."""
    stored = await load(store, TradingStateRecord, state_ref(PLATFORM_SCOPE))
    halted = stored is None or stored.value.at(clock.now()) is TradingState.HALTED
    if halted and scope != PLATFORM_SCOPE:
        detail = "the platform is halted, so nothing can be closed: flatten or reduce the platform"
        raise DeniedError("TRADING_HALTED", detail)


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
