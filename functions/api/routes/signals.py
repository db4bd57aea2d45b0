"""Signals: sent by people, and what became of any signal."""

from fastapi import APIRouter

from common.books import V2, V3, Book
from common.domain.moment import iso
from common.domain.order import Order
from common.domain.signal import SignalRecord
from common.execution.signals import routing_entry
from common.ports import Ref
from common.wire import JsonObject, to_document
from functions.api.payloads import GenerateSignal
from functions.api.records import required
from functions.api.signals import (
    deliveries_of,
    generate,
    list_signals,
    orders_of,
    reason_now,
    routes_of,
    status_now,
    wish_of,
)
from infra.bootstrap import Runtime
from infra.web.publish import publish
from infra.web.requests import Cursor, Limit, Nonce, RecordId, RuntimeOf, StrictRoute

router = APIRouter(tags=["signals"], route_class=StrictRoute)

_ORDER_FIELDS = (
    "client_order_id",
    "venue_order_id",
    "attempt",
    "account_id",
    "venue",
    "instrument_id",
    "symbol",
    "side",
    "order_type",
    "quantity",
    "price",
    "status",
    "filled_qty",
    "avg_px",
    "reason",
    "submitted_at",
    "updated_at",
)


@router.post("/api/v3/signals/generate", status_code=201)
async def generate_v3(body: GenerateSignal, nonce: Nonce, runtime: RuntimeOf) -> JsonObject:
    """Store a venue-agnostic signal and start routing it at once."""
    return await _generate(body, V3, nonce, runtime)


@router.post("/api/signals/generate", status_code=201)
async def generate_v2(body: GenerateSignal, nonce: Nonce, runtime: RuntimeOf) -> JsonObject:
    """Store a signal of a V2 agent and start routing it at once."""
    return await _generate(body, V2, nonce, runtime)


@router.get("/api/v3/signals")
async def list_v3(runtime: RuntimeOf, limit: Limit = 20, cursor: Cursor = None) -> JsonObject:
    """V3's signals, the newest first: how far each is, or how it ended, the refused among them."""
    return await _list(V3, runtime, limit, cursor)


@router.get("/api/signals")
async def list_v2(runtime: RuntimeOf, limit: Limit = 20, cursor: Cursor = None) -> JsonObject:
    """V2's signals, the newest first: how far each is, or how it ended, the refused among them."""
    return await _list(V2, runtime, limit, cursor)


@router.get("/api/v3/signals/{id}")
async def get_v3(id: RecordId, runtime: RuntimeOf) -> JsonObject:  # noqa: A002 - the path's word
    """A V3 signal: its state and reason, every venue that was asked, and its orders."""
    return await _get(id, V3, runtime)


@router.get("/api/signals/{id}")
async def get_v2(id: RecordId, runtime: RuntimeOf) -> JsonObject:  # noqa: A002 - the path's word
    """A V2 signal: its state and reason, every venue that was asked, and its orders."""
    return await _get(id, V2, runtime)


async def _generate(body: GenerateSignal, book: Book, nonce: str, runtime: Runtime) -> JsonObject:
    record, messages = await generate(
        wish_of(body),
        book=book,
        nonce=nonce,
        store=runtime.store,
        clock=runtime.clock,
        settings=runtime.settings,
    )
    await publish(runtime, messages)
    return _head(record)


async def _list(book: Book, runtime: Runtime, limit: int, cursor: str | None) -> JsonObject:
    records, onward = await list_signals(runtime.store, book, limit=limit, cursor=cursor)
    return {
        "signals": [await _summary(book, record, runtime) for record in records],
        "next_cursor": onward,
    }


async def _summary(book: Book, record: SignalRecord, runtime: Runtime) -> JsonObject:
    """Of a signal that has ended nothing more is read."""
    store, signal = runtime.store, record.signal
    is_open = not record.status.is_terminal
    deliveries = await deliveries_of(store, book, signal.signal_id) if is_open else []
    return {
        **_head(record),
        "status": status_now(record, deliveries).value,
        "reason_code": record.reason_code,
        "reason": await reason_now(store, record, deliveries),
        "final_venue": record.final_venue,
        "agent_id": signal.agent_id,
        "symbol": signal.symbol,
        "side": signal.side.value,
        "created_at": iso(signal.created_at),
    }


async def _get(signal_id: str, book: Book, runtime: Runtime) -> JsonObject:
    store = runtime.store
    record = await required(store, SignalRecord, Ref(book.signals, signal_id), "signal")
    routes = list(record.routing_history)
    if not routes:  # copied onto the signal when it ends; until then they are read where they are
        routes = [routing_entry(route) for route in await routes_of(store, book, signal_id)]
    deliveries = await deliveries_of(store, book, signal_id)
    orders = await orders_of(store, deliveries)
    signal = to_document(record.signal)
    return {
        **_head(record),
        "status": status_now(record, deliveries).value,
        "reason_code": record.reason_code,
        "reason": await reason_now(store, record, deliveries),
        "final_venue": record.final_venue,
        "deployments_expected": record.deployments_expected,
        "outcomes": record.outcomes,
        "routing_history": routes,
        "orders": [order_view(order) for order in orders],
        **{name: signal[name] for name in _SIGNAL_FIELDS},
    }


_SIGNAL_FIELDS = (
    "agent_id",
    "book",
    "symbol",
    "side",
    "size_model",
    "risk_model",
    "confidence",
    "reasons",
    "source_tweets",
    "source_research",
    "decision_id",
    "reference_price",
    "created_at",
    "expires_at",
)


def _head(record: SignalRecord) -> JsonObject:
    return {
        "id": record.signal.signal_id,
        "signal_id": record.signal.signal_id,  # the name that agents' and deployments' ids follow
        "status": record.status.value,
        "venue": record.signal.venue.value,
        "reason": record.reason,
    }


def order_view(order: Order) -> JsonObject:
    document = to_document(order)
    return {name: document[name] for name in _ORDER_FIELDS}
