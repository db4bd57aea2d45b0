"""Signals that people send, and what became of a signal."""

from dataclasses import dataclass
from decimal import Decimal

from common.audit import audit_write
from common.books import MARKET_SNAPSHOTS, ORDER_INTENTS, ORDERS, PARENT_ORDERS, Book
from common.config import Settings
from common.documents import create, load_many
from common.domain.agent import Agent, AgentStatus
from common.domain.events import OutboxMessage
from common.domain.identifiers import prefixed_id
from common.domain.money import ZERO, parse_decimal, plain
from common.domain.order import Order, OrderIntent
from common.domain.parent_order import ExecutionWish, ParentOrder
from common.domain.routing import RoutingDecision
from common.domain.signal import (
    Delivery,
    PositionSide,
    RiskModel,
    Signal,
    SignalRecord,
    SignalStatus,
    SizeModel,
    SizeType,
)
from common.errors import DeniedError
from common.messages import signal_message
from common.outbox import outbox_write
from common.ports import Clock, DocumentStore, Query, Ref, Where
from common.wire import from_document
from functions.api.parents import children_of
from functions.api.payloads import GenerateSignal, StopModel
from functions.api.records import create_once, required

ORDERS_MAX = 100
"""Deliveries whose orders are shown with a signal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalWish:
    """A signal before it has its id, its price and its times."""

    agent_id: str
    symbol: str
    side: PositionSide
    size_model: SizeModel
    risk_model: RiskModel | None
    confidence: Decimal
    reasons: tuple[str, ...]
    source_tweets: tuple[str, ...] = ()
    source_research: tuple[str, ...] = ()
    execution: ExecutionWish | None = None


def wish_of(body: GenerateSignal) -> SignalWish:
    size, risk = body.size_model, body.risk_model
    return SignalWish(
        agent_id=body.agent_id,
        symbol=body.token_symbol,
        side=PositionSide(body.side),
        size_model=SizeModel(type=SizeType(size.type), value=size.value),
        risk_model=_risk_model(risk) if risk else None,
        confidence=body.confidence,
        reasons=("Sent over the API",),
        source_tweets=tuple(body.source_tweets),
        source_research=tuple(body.source_research),
        execution=body.execution.wish() if body.execution else None,
    )


def _risk_model(risk: StopModel) -> RiskModel:
    return RiskModel(
        type=risk.type,
        stop=risk.stop,
        take_profit=risk.take_profit,
        time_limit_s=risk.time_limit_s,
    )


async def generate(
    wish: SignalWish,
    *,
    book: Book,
    nonce: str,
    store: DocumentStore,
    clock: Clock,
    settings: Settings,
) -> tuple[SignalRecord, list[OutboxMessage]]:
    """Store the signal PENDING with its event; the same nonce gives the same signal and event.

    Raises:
        NotFoundError: no such agent in this book.
        DeniedError: AGENT_PAUSED.
    """
    agent = await required(store, Agent, Ref(book.agents, wish.agent_id), "agent")
    if agent.status is not AgentStatus.ACTIVE:
        raise DeniedError("AGENT_PAUSED", "the agent is paused")
    price = await mark_of(store, wish.symbol)
    now = clock.now()
    signal = Signal(
        signal_id=prefixed_id("sig", book.name, nonce),
        book=book.name,
        agent_id=wish.agent_id,
        symbol=wish.symbol,
        side=wish.side,
        size_model=wish.size_model,
        risk_model=wish.risk_model,
        confidence=wish.confidence,
        reasons=wish.reasons,
        source_tweets=wish.source_tweets,
        source_research=wish.source_research,
        venue=agent.venue,
        reference_price=price,
        created_at=now,
        expires_at=now + settings.swarm.signal_ttl,
        execution=wish.execution,
    )
    record = _pending(signal)
    message = _message(signal)
    ref = Ref(book.signals, signal.signal_id)
    facts = {"book": book.name, "agent_id": agent.agent_id, "symbol": signal.symbol}
    audit = audit_write("signal-created", signal.signal_id, at=now, step=0, facts=facts)
    writes = [create(ref, record), outbox_write(message), audit]
    kept, is_new = await create_once(store, ref, record, writes)
    return kept, [message if is_new else _message(kept.signal)]


def _pending(signal: Signal) -> SignalRecord:
    return SignalRecord(
        signal=signal,
        status=SignalStatus.PENDING,
        reason_code="CREATED",
        reason="Waiting to be handed to its deployments",
        deployments_expected=None,
        outcomes={},
        final_venue=None,
        routing_history=(),
    )


def _message(signal: Signal) -> OutboxMessage:
    return signal_message(signal.book, signal.signal_id, created_at=signal.created_at)


async def mark_of(store: DocumentStore, symbol: str) -> Decimal | None:
    """The last mark of `symbol`; None while it has no price."""
    return (await marks_of(store, [symbol])).get(symbol)


async def marks_of(store: DocumentStore, symbols: list[str]) -> dict[str, Decimal]:
    found = await store.get_many([Ref(MARKET_SNAPSHOTS, symbol) for symbol in symbols])
    return {
        symbol: parse_decimal(document.data["mark"])
        for symbol, document in zip(symbols, found, strict=True)
        if document is not None
    }


async def list_signals(
    store: DocumentStore, book: Book, *, limit: int, cursor: str | None
) -> tuple[list[SignalRecord], str | None]:
    """Newest first, and where to go on."""
    page = await store.query(
        Query(
            book.signals,
            order_by="signal.created_at",
            descending=True,
            limit=limit,
            cursor=cursor,
        )
    )
    return [from_document(SignalRecord, item.data) for item in page.documents], page.next_cursor


async def deliveries_of(store: DocumentStore, book: Book, signal_id: str) -> list[Delivery]:
    """The signal's first deliveries."""
    where = (Where("signal_id", "==", signal_id),)
    page = await store.query(Query(book.deliveries, where, limit=ORDERS_MAX))
    return [from_document(Delivery, document.data) for document in page.documents]


def status_now(record: SignalRecord, deliveries: list[Delivery]) -> SignalStatus:
    """How far an open signal is: as far as the furthest of its deliveries that is still open."""
    if record.status.is_terminal:
        return record.status
    reached = {delivery.status for delivery in deliveries}
    if SignalStatus.EXECUTING in reached:
        return SignalStatus.EXECUTING
    return SignalStatus.ROUTED if reached - {SignalStatus.PENDING} else SignalStatus.PENDING


async def reason_now(store: DocumentStore, record: SignalRecord, deliveries: list[Delivery]) -> str:
    """Why it ended; of one that is being worked, how much has filled of what its orders want."""
    if record.status.is_terminal:
        return record.reason
    filled, wanted = await _progress(store, [key for item in deliveries for key in item.intent_ids])
    if not wanted:
        return record.reason
    return f"being worked: {plain(filled)} of {plain(wanted)} filled"


async def _progress(store: DocumentStore, effects: list[str]) -> tuple[Decimal, Decimal]:
    """What parents and intents have filled, and what they want, over all deployments."""
    intents = await load_many(store, OrderIntent, [Ref(ORDER_INTENTS, key) for key in effects])
    parents = await load_many(store, ParentOrder, [Ref(PARENT_ORDERS, key) for key in effects])
    filled, wanted = ZERO, ZERO
    for intent in (stored.value for stored in intents if stored):
        filled += intent.filled_qty
        wanted += intent.plan.candidates[intent.candidate].quantity
    for parent in (stored.value for stored in parents if stored):
        filled += parent.filled_qty
        wanted += parent.quantity
    return filled, wanted


async def orders_of(store: DocumentStore, deliveries: list[Delivery]) -> list[Order]:
    """Every attempt of the deliveries, parents' children included, in order of submission."""
    effects = [effect for item in deliveries for effect in item.intent_ids]
    wanted = [Ref(ORDER_INTENTS, effect) for effect in effects]
    intents = [item.value for item in await load_many(store, OrderIntent, wanted) if item]
    attempts = [Ref(ORDERS, key) for intent in intents for key in intent.client_order_ids]
    orders = [item.value for item in await load_many(store, Order, attempts) if item]
    known = {intent.plan.intent_id for intent in intents}
    for effect in effects:
        if effect not in known:
            orders += await children_of(store, effect)
    return sorted(orders, key=lambda order: (order.submitted_at, order.client_order_id))


async def routes_of(store: DocumentStore, book: Book, signal_id: str) -> list[RoutingDecision]:
    where = (Where("signal_id", "==", signal_id),)
    page = await store.query(Query(book.routing_history, where, limit=1000))
    routes = [from_document(RoutingDecision, document.data) for document in page.documents]
    return sorted(routes, key=lambda route: (route.created_at, route.routing_id))
