"""A store with one approved plan, scripted venues, and the handlers that work on them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

from common.books import (
    EXPOSURES,
    MARKET_SNAPSHOTS,
    NOTIFICATIONS,
    ORDER_INTENTS,
    ORDERS,
    OUTBOX,
    book_named,
)
from common.config import Settings
from common.documents import create
from common.domain.agent import Deployment
from common.domain.events import OrderPlanned, OrderUnknown, OutboxMessage
from common.domain.exposure import Exposure
from common.domain.identifiers import client_order_id, prefixed_id
from common.domain.instrument import Venue
from common.domain.market import MarketSnapshot
from common.domain.order import Order, OrderIntent, OrderPlan, VenueCandidate
from common.domain.position import Position
from common.domain.signal import Delivery, SignalRecord, SignalStatus
from common.execution.plan import plan_hash
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord
from common.ports import Ref, Update
from common.wire import from_document, to_document
from functions.execute.handler import execute
from functions.settle.handler import settle
from infra.local.store.memory import MemoryStore
from tests.builders import (
    DELIVERY_ID,
    DEPLOYMENT_ID,
    INTENT_ID,
    NOON,
    SIGNAL_ID,
    a_delivery,
    a_deployment,
    a_plan,
    a_signal,
    a_signal_record,
    a_snapshot,
    a_tick,
    limits_document,
)
from tests.fakes.clock import FakeClock
from tests.fakes.venue import ScriptedVenue

T = TypeVar("T")
HL, OSTIUM = Venue.HYPERLIQUID, Venue.OSTIUM


def candidate(venue: Venue, quantity: str = "1", price: str = "3015") -> VenueCandidate:
    return VenueCandidate(
        venue=venue,
        instrument_id=f"ETH-USD-PERP.{venue}",
        quantity=Decimal(quantity),
        price=Decimal(price),
    )


def two_venue_plan(**changes: Any) -> OrderPlan:
    """BUY 1 ETH at Hyperliquid, else at Ostium; ten minutes to live."""
    plan = a_plan(
        candidates=(candidate(HL), candidate(OSTIUM)), expires_at=NOON + timedelta(minutes=10)
    )
    return replace(plan, **changes)


class TradingDesk:
    def __init__(self, plan: OrderPlan | None = None, **settings: Any) -> None:
        self.store = MemoryStore()
        self.clock = FakeClock()
        self.settings = replace(Settings(), **settings)
        self.plan = plan or two_venue_plan()
        self.hyperliquid = ScriptedVenue(HL)
        self.ostium = ScriptedVenue(OSTIUM)
        self.venues = {HL: self.hyperliquid, OSTIUM: self.ostium}

    async def open(self, state: TradingState | None = TradingState.ACTIVE) -> "TradingDesk":
        """The plan is approved: its delivery is ROUTED, and it is the signal's only one."""
        book = book_named(self.plan.book)
        delivery = a_delivery(
            book=self.plan.book,
            status=SignalStatus.ROUTED,
            intent_id=self.plan.intent_id,
            plan_hash=plan_hash(self.plan),
            expires_at=self.plan.expires_at,
        )
        signal = a_signal(book=self.plan.book, expires_at=self.plan.expires_at)
        record = a_signal_record(signal, deployments_expected=1)
        await self.store.commit(
            [
                create(Ref(book.deliveries, DELIVERY_ID), delivery),
                create(Ref(book.signals, SIGNAL_ID), record),
                create(Ref(book.deployments, DEPLOYMENT_ID), self._deployment()),
                create(Ref(MARKET_SNAPSHOTS, self.plan.symbol), self._snapshot()),
                limits_document(self.settings.limits),
            ]
        )
        if state is not None:
            await self.set_state(state)
        return self

    def _deployment(self) -> Deployment:
        return a_deployment(book=self.plan.book, paper=self.plan.paper)

    def _snapshot(self) -> MarketSnapshot:
        """ETH at the price that the plan was made for."""
        return a_snapshot(symbol=self.plan.symbol, observed_at=self.clock.now())

    async def set_state(self, state: TradingState) -> None:
        record = TradingStateRecord(
            state=state, epoch=1, reason="", changed_by="test", changed_at=self.clock.now()
        )
        found = self.store.peek(PLATFORM)
        write = create(PLATFORM, record)
        await self.store.commit(
            [Update(PLATFORM, to_document(record), found.version) if found else write]
        )

    async def change(self, ref: Ref, value: object) -> None:
        """Put `value` there, whatever is there now."""
        found = self.store.peek(ref)
        document = to_document(value)
        await self.store.commit(
            [Update(ref, document, found.version) if found else create(ref, value)]
        )

    async def hold(self, signed_qty: str, *, venue: Venue = HL, price: str = "3000") -> None:
        held = self.exposure().hold(
            venue=venue, symbol="ETH", signed_qty=Decimal(signed_qty), price=Decimal(price)
        )
        await self.change(Ref(EXPOSURES, DEPLOYMENT_ID), held)

    async def execute(self, attempt: int = 1, plan: OrderPlan | None = None) -> list[OutboxMessage]:
        return await execute(
            OrderPlanned(plan=plan or self.plan, attempt=attempt),
            store=self.store,
            clock=self.clock,
            settings=self.settings,
            venues=self.venues,
        )

    async def settle(self, intent_id: str | None = None) -> list[OutboxMessage]:
        """A tick, or one intent when it is named."""
        return await settle(
            OrderUnknown(intent_id=intent_id) if intent_id else a_tick("settle"),
            store=self.store,
            clock=self.clock,
            settings=self.settings,
            venues=self.venues,
        )

    def get(self, kind: type[T], collection: str, document_id: str) -> T:
        found = self.store.peek(Ref(collection, document_id))
        assert found is not None, f"{collection}/{document_id}"
        return from_document(kind, found.data)

    def intent(self) -> OrderIntent:
        return self.get(OrderIntent, ORDER_INTENTS, INTENT_ID)

    def order(self, attempt: int = 1) -> Order:
        return self.get(Order, ORDERS, client_order_id(INTENT_ID, attempt))

    def delivery(self) -> Delivery:
        return self.get(Delivery, book_named(self.plan.book).deliveries, DELIVERY_ID)

    def signal(self) -> SignalRecord:
        return self.get(SignalRecord, book_named(self.plan.book).signals, SIGNAL_ID)

    def exposure(self) -> Exposure:
        found = self.store.peek(Ref(EXPOSURES, DEPLOYMENT_ID))
        return from_document(Exposure, found.data) if found else Exposure.empty(DEPLOYMENT_ID)

    def position(self, venue: Venue = HL) -> Position:
        book = book_named(self.plan.book)
        position_id = prefixed_id("pos", book.name, DEPLOYMENT_ID, venue, "ETH")
        return self.get(Position, book.positions, position_id)

    def rows(self, collection: str) -> dict[str, dict[str, Any]]:
        return self.store.contents().get(collection, {})

    def told(self) -> list[str]:
        rows = self.rows(NOTIFICATIONS).values()
        return [f"{row['notification']['kind']} {row['notification']['text']}" for row in rows]

    def states(self) -> tuple[str, str, str, str]:
        """Order, intent, delivery and signal, in words."""
        return (
            self.order(self.intent().attempt).status.value,
            self.intent().status.value,
            self.delivery().status.value,
            self.signal().status.value,
        )

    def in_outbox(self, messages: Sequence[OutboxMessage]) -> bool:
        return all(message.message_id in self.rows(OUTBOX) for message in messages)
