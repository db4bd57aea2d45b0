"""A delivery to be routed, and the tables, prices and states that `route` finds."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from common.books import CANDLE_HOURS, EXPOSURES, MARKET_SNAPSHOTS, PARENT_ORDERS, V3, Book
from common.config import LimitSettings, Settings
from common.documents import create
from common.domain.events import DeploymentSignal, OrderPlanned, OutboxMessage
from common.domain.exposure import Exposure
from common.domain.instrument import InstrumentTable, Venue
from common.domain.market import Candle, CandleHour, candle_hour_id
from common.domain.moment import to_ms
from common.domain.order import OrderPlan
from common.domain.parent_order import ParentOrder
from common.domain.routing import RoutingDecision
from common.domain.signal import Delivery, SignalRecord
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord
from common.ports import Ref
from common.where.breakers import Breakers
from common.wire import from_document
from functions.route.handler import route
from infra.local.store.memory import MemoryStore
from tests.builders import (
    DELIVERY_ID,
    DEPLOYMENT_ID,
    NOON,
    SIGNAL_ID,
    a_delivery,
    a_deployment,
    a_signal,
    a_signal_record,
    a_snapshot,
    an_instrument_table,
    limits_document,
    some_candles,
)
from tests.fakes.clock import FakeClock

HL, OSTIUM = Venue.HYPERLIQUID, Venue.OSTIUM


class Tables:
    """Fits `Instruments`: ETH on both venues, SOL on Ostium alone."""

    def __init__(self) -> None:
        self.tables: dict[Venue, InstrumentTable] = {
            HL: an_instrument_table(HL, ("BTC", "ETH")),
            OSTIUM: an_instrument_table(OSTIUM, ("ETH", "SOL", "WIF")),
        }

    async def table(self, venue: Venue) -> InstrumentTable | None:
        return self.tables.get(venue)


class Office:
    """A delivery of a signal for 10 % of 10,000 at 3000: 0.3333 ETH."""

    def __init__(self, book: Book = V3, limits: LimitSettings | None = None) -> None:
        self.store = MemoryStore()
        self.clock = FakeClock()
        self.book = book
        self.settings = Settings(limits=limits or LimitSettings())
        self.instruments = Tables()
        self.unavailable: dict[Venue, str] = {}

    async def open(
        self,
        *,
        price: bool = True,
        state: TradingState = TradingState.ACTIVE,
        deployment: dict[str, Any] | None = None,
        **signal: Any,
    ) -> "Office":
        book = self.book.name
        wanted = a_signal(book=book, **signal)
        user = a_deployment(book=book, **(deployment or {}))
        record = TradingStateRecord(
            state=state, epoch=1, reason="", changed_by="test", changed_at=NOON
        )
        await self.store.commit(
            [
                create(
                    Ref(self.book.signals, SIGNAL_ID),
                    a_signal_record(wanted, deployments_expected=1),
                ),
                create(Ref(self.book.deployments, DEPLOYMENT_ID), user),
                create(
                    Ref(self.book.deliveries, DELIVERY_ID),
                    a_delivery(book=book, expires_at=wanted.expires_at),
                ),
                create(PLATFORM, record),
                limits_document(self.settings.limits),
            ]
        )
        if price:
            await self.quote(wanted.symbol)
        return self

    async def quote(self, symbol: str, **changes: Any) -> None:
        snapshot = a_snapshot(symbol, **changes)
        await self.store.commit([create(Ref(MARKET_SNAPSHOTS, symbol), snapshot)])

    async def route(self, delivery_id: str = DELIVERY_ID) -> list[OutboxMessage]:
        return await route(
            DeploymentSignal(book=self.book.name, delivery_id=delivery_id),
            store=self.store,
            clock=self.clock,
            settings=self.settings,
            instruments=self.instruments,
            unavailable=self.unavailable,
        )

    async def remember(
        self, *hours_back: int, closes: Sequence[str] | None = None, volume: str = "100"
    ) -> None:
        """ETH's candles of the hours that began so many hours before noon, twelve each."""
        for back in hours_back:
            begins = NOON - timedelta(hours=back)
            found = some_candles(
                12, until=begins + timedelta(hours=1), closes=closes or ["3000"] * 12
            )
            candles = tuple(
                Candle(each.open_time_ms, *_prices(each), Decimal(volume)) for each in found
            )
            hour = CandleHour(symbol="ETH", interval="5m", hour_ms=to_ms(begins), candles=candles)
            key = candle_hour_id("ETH", "5m", to_ms(begins))
            await self.store.commit([create(Ref(CANDLE_HOURS, key), hour)])

    def parents(self) -> list[ParentOrder]:
        rows = self.store.contents().get(PARENT_ORDERS, {})
        return [from_document(ParentOrder, row) for row in rows.values()]

    def exposure(self) -> Exposure:
        found = self.store.peek(Ref(EXPOSURES, DEPLOYMENT_ID))
        return from_document(Exposure, found.data) if found else Exposure.empty(DEPLOYMENT_ID)

    async def plan(self) -> OrderPlan:
        (message,) = await self.route()
        assert isinstance(message.event, OrderPlanned)
        return message.event.plan

    def delivery(self, delivery_id: str = DELIVERY_ID) -> Delivery:
        found = self.store.peek(Ref(self.book.deliveries, delivery_id))
        assert found is not None
        return from_document(Delivery, found.data)

    def signal(self) -> SignalRecord:
        found = self.store.peek(Ref(self.book.signals, SIGNAL_ID))
        assert found is not None
        return from_document(SignalRecord, found.data)

    def history(self) -> list[RoutingDecision]:
        rows = self.store.contents().get(self.book.routing_history, {})
        return [from_document(RoutingDecision, row) for row in rows.values()]

    async def open_breaker(self, venue: Venue) -> None:
        breakers = Breakers(self.store, self.clock, self.settings.breaker)
        for number in range(5):
            ticket = await breakers.admit(venue, f"r{number}")
            assert ticket is not None
            await breakers.failed(ticket, "down")


def _prices(candle: Candle) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    return candle.open, candle.high, candle.low, candle.close
