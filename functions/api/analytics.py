"""Closed trades and slippage, read from fills, orders and candles."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from common.books import BOOKS, CANDLE_HOURS, FILLS, ORDER_INTENTS, PARENT_ORDERS
from common.documents import load, load_many
from common.domain.market import CandleHour
from common.domain.order import FillRecord, OrderIntent
from common.domain.parent_order import ParentOrder
from common.domain.position import Position
from common.errors import InvalidInputError, NotFoundError
from common.ports import Document, DocumentStore, Query, Ref, Where
from common.reporting.benchmark import Benchmark, benchmark, candle_hours, candles_between
from common.reporting.round_trips import RoundTrip, held_before, in_order, round_trips
from common.reporting.slippage import (
    Slippage,
    WorkedOrder,
    slippage,
    worked_parent,
    worked_whole,
)
from common.wire import from_document
from functions.api.holdings import PAGE, recent_fills
from functions.api.records import SCAN_MAX, scan

IDS_IN_A_FILTER = 30
WORKED_MAX = timedelta(days=2)
"""For longer, no benchmark is read."""
ENDED = "-"
"""In a cursor: the list it stands for has no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedTrades:
    trips: tuple[RoundTrip, ...]
    fills: int  # that they were put together from
    since: datetime | None  # when the first of those was booked
    complete: bool  # False: older fills were left out, and the trips that began with them


async def closed_trades(store: DocumentStore, *, deployment_id: str | None) -> ClosedTrades:
    """Every round trip of the last 5,000 fills."""
    fills = await recent_fills(store, limit=SCAN_MAX, deployment_id=deployment_id)
    complete, held = len(fills) < SCAN_MAX, dict[str, Decimal]()
    if not complete:
        places = {
            record.position_id: Ref(BOOKS[record.book].positions, record.position_id)
            for record in fills
        }
        found = await load_many(store, Position, list(places.values()))
        since = await recent_fills(store, limit=PAGE, deployment_id=deployment_id)
        fills = list({_key(record): record for record in (*fills, *since)}.values())
        held = held_before(fills, (each.value for each in found if each))
    return ClosedTrades(
        trips=round_trips(in_order(fills), held),
        fills=len(fills),
        since=fills[0].recorded_at if fills else None,
        complete=complete,
    )


def _key(record: FillRecord) -> tuple[str, str, str]:
    return record.fill.venue.value, record.fill.account_id, record.fill.trade_id


async def slippage_of(
    store: DocumentStore, order_id: str, *, interval: str, now: datetime
) -> Slippage:
    """Of a parent order, or of the intent with this id. Raises NotFoundError."""
    parent = await load(store, ParentOrder, Ref(PARENT_ORDERS, order_id))
    if parent is not None:
        orders = [worked_parent(parent.value)]
    else:
        intent = await load(store, OrderIntent, Ref(ORDER_INTENTS, order_id))
        if intent is None:
            raise NotFoundError("no such order", code="ORDER_NOT_FOUND")
        orders = await _whole(store, [intent.value])
    return (await _measured(store, orders, interval=interval, now=now))[0]


async def latest_slippage(
    store: DocumentStore, *, interval: str, now: datetime, limit: int, cursor: str | None
) -> tuple[list[Slippage], str | None]:
    """Parent orders, and orders that went whole; the newest first, with the next page's cursor."""
    parents_from, wholes_from = _places(cursor)
    parents = await _read(store, _PARENTS, parents_from, limit)
    wholes = await _read(store, _WHOLES, wholes_from, limit)
    merged = sorted([*parents, *wholes], key=_newest, reverse=True)[:limit]
    taken = [each for each in merged if each.ref.collection == PARENT_ORDERS]
    others = [each for each in merged if each.ref.collection == ORDER_INTENTS]
    onward = (
        await _onward(store, _PARENTS, parents_from, len(parents), len(taken)),
        await _onward(store, _WHOLES, wholes_from, len(wholes), len(others)),
    )
    orders = [worked_parent(from_document(ParentOrder, each.data)) for each in taken]
    orders += await _whole(store, [from_document(OrderIntent, each.data) for each in others])
    place = {each.ref.id: number for number, each in enumerate(merged)}
    orders.sort(key=lambda order: place[order.order_id])
    following = None if onward == (ENDED, ENDED) else "~".join(onward)
    return await _measured(store, orders, interval=interval, now=now), following


_PARENTS = Query(PARENT_ORDERS, order_by="created_at", descending=True)
_WHOLES = Query(
    ORDER_INTENTS,
    (Where("plan.parent_order_id", "==", ""),),
    order_by="created_at",
    descending=True,
)


def _places(cursor: str | None) -> tuple[str, str]:
    """Where each list goes on; empty at its beginning."""
    if cursor is None:
        return "", ""
    parents, bar, wholes = cursor.partition("~")
    if not bar or (parents, wholes) == (ENDED, ENDED):
        raise InvalidInputError("not a cursor of this list", code="INVALID_CURSOR", where="query")
    return parents, wholes


async def _read(store: DocumentStore, query: Query, place: str, limit: int) -> Sequence[Document]:
    if place == ENDED:
        return ()
    return (await store.query(replace(query, limit=limit, cursor=place or None))).documents


async def _onward(store: DocumentStore, query: Query, place: str, read: int, taken: int) -> str:
    """The place behind the first `taken` of the documents that were `read` from `place` on."""
    if not read:
        return ENDED
    if not taken:
        return place
    page = await store.query(replace(query, limit=taken, cursor=place or None))
    return page.next_cursor or ENDED


def _newest(document: Document) -> tuple[str, str]:
    return document.data["created_at"], document.ref.id


async def _whole(store: DocumentStore, intents: Sequence[OrderIntent]) -> list[WorkedOrder]:
    fills: dict[str, list[FillRecord]] = {}
    ids = [intent.plan.intent_id for intent in intents]
    for start in range(0, len(ids), IDS_IN_A_FILTER):
        where = Where("intent_id", "in", tuple(ids[start : start + IDS_IN_A_FILTER]))
        for document in await scan(store, Query(FILLS, (where,), limit=PAGE)):
            record = from_document(FillRecord, document.data)
            fills.setdefault(record.intent_id, []).append(record)
    return [worked_whole(intent, fills.get(intent.plan.intent_id, ())) for intent in intents]


async def _measured(
    store: DocumentStore, orders: Sequence[WorkedOrder], *, interval: str, now: datetime
) -> list[Slippage]:
    """Each order beside the candles of its time; every hour of candles is read once."""
    wanted = [_hours_of(order, interval, now) for order in orders]
    names = sorted({name for hours in wanted for name in hours})
    found = await load_many(store, CandleHour, [Ref(CANDLE_HOURS, name) for name in names])
    hours = {name: each.value for name, each in zip(names, found, strict=True) if each}
    return [
        slippage(order, _benchmark(order, (hours[name] for name in mine if name in hours), now))
        for order, mine in zip(orders, wanted, strict=True)
    ]


def _hours_of(order: WorkedOrder, interval: str, now: datetime) -> list[str]:
    end = order.ended_at or now
    if end - order.started_at > WORKED_MAX:
        return []
    return candle_hours(order.symbol, interval, order.started_at, end)


def _benchmark(order: WorkedOrder, hours: Iterable[CandleHour], now: datetime) -> Benchmark:
    end = order.ended_at or now
    if end - order.started_at > WORKED_MAX:
        reason = f"It worked for more than {WORKED_MAX.days} days"
        return Benchmark(vwap=None, last_price=None, reason=reason)
    return benchmark(candles_between(hours, order.started_at, end))
