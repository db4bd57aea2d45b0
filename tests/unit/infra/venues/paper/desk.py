"""A paper Hyperliquid at noon, its market, and the orders that rest there."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from common.books import MARKET_SNAPSHOTS
from common.config import Settings
from common.domain.identifiers import client_order_id
from common.domain.instrument import OrderType, TimeInForce, Venue
from common.domain.market import Candle, MarketSnapshot
from common.domain.moment import to_ms
from common.domain.order import Order, OrderReport, OrderSide, OrderStatus
from common.ports import Create, DocumentStore, Ref, Update
from common.wire import to_document
from infra.local.clock import ManualClock
from infra.local.store.memory import MemoryStore
from infra.venues.paper.ledger import PaperOrder, held, position_ref
from infra.venues.paper.venue import PaperVenue
from infra.venues.registry import paper_profile
from tests.builders import DEPLOYMENT_ID, NOON, a_book, a_snapshot, an_order

BAR = timedelta(minutes=5)


def standing(record: OrderReport | PaperOrder) -> tuple[OrderStatus, Decimal | int]:
    return record.status, record.filled_qty


def a_limit(number: int = 1, price: str = "2990", **changes: Any) -> Order:
    """To buy one ETH at `price`, good for months of tests."""
    order = an_order(
        client_order_id=client_order_id("int_1", number),
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=Decimal(1),
        price=Decimal(price),
        expires_at=NOON + timedelta(days=365),
    )
    return replace(order, **changes)


def a_stop(number: int = 1, trigger: str = "2950", bound: str = "2800", **changes: Any) -> Order:
    """To sell one ETH that is held once the price is at `trigger`, for `bound` at least."""
    terms = {
        "order_type": OrderType.STOP_MARKET,
        "side": OrderSide.SELL,
        "trigger_price": Decimal(trigger),
        "reduce_only": True,
    }
    return a_limit(number, bound, **{**terms, **changes})


def a_target(number: int = 1, trigger: str = "3050", bound: str = "2800", **changes: Any) -> Order:
    return a_stop(number, trigger, bound, order_type=OrderType.MARKET_IF_TOUCHED, **changes)


def a_buy(number: int = 1, quantity: str = "1", **changes: Any) -> Order:
    """At the market, at once; 3,100 is far enough."""
    terms = {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.IOC}
    return a_limit(number, "3100", **{**terms, "quantity": Decimal(quantity), **changes})


def a_sale(number: int = 1, quantity: str = "1", **changes: Any) -> Order:
    """The same the other way; 2,800 is far enough."""
    sale = replace(a_buy(number, quantity), side=OrderSide.SELL, price=Decimal(2800))
    return replace(sale, **changes)


def a_bar(opened: int, *prices: str, volume: str = "100") -> Candle:
    """Open, high, low and close of the candle that opens `opened` times 5 minutes after noon."""
    first, high, low, last = map(Decimal, prices)
    return Candle(to_ms(NOON + BAR * opened), first, high, low, last, Decimal(volume))


class Desk:
    """One paper Hyperliquid on one store; `venue()` is another process's."""

    def __init__(self, store: DocumentStore | None = None, **profile: Any) -> None:
        self.store = store or MemoryStore()
        self.clock = ManualClock(NOON)
        self.profile = replace(paper_profile(Venue.HYPERLIQUID, Settings()), **profile)
        self.bars: list[Candle] = []
        self.opened = 0

    @property
    def memory(self) -> MemoryStore:
        assert isinstance(self.store, MemoryStore)
        return self.store

    async def open(self) -> "Desk":
        await self.show(a_snapshot())
        return self

    def venue(self) -> PaperVenue:
        return PaperVenue(self.profile, self.store, self.clock)

    async def show(self, snapshot: MarketSnapshot) -> None:
        ref = Ref(MARKET_SNAPSHOTS, snapshot.symbol)
        present = await self.store.get(ref)
        data = to_document(snapshot)
        write = Create(ref, data) if present is None else Update(ref, data, present.version)
        await self.store.commit([write])

    async def look(self, mid: str, **changes: Any) -> None:
        """The market now: the book around `mid`, which is the mark, and the last three candles."""
        snapshot = a_snapshot(
            observed_at=self.clock.now(),
            candles=tuple(self.bars[-3:]),
            book=a_book(mid),
            mark=Decimal(mid),
        )
        await self.show(replace(snapshot, **changes))

    async def trade(self, *prices: str, volume: str = "100", pause: int = 0) -> None:
        """The next 5 minutes, after a pause of so many; the first such candle opens at 12:05."""
        self.opened += pause + 1
        self.bars.append(a_bar(self.opened, *prices, volume=volume))
        self.clock.advance_to(NOON + BAR * (self.opened + 1))
        await self.look(prices[-1])

    async def submit(self, order: Order) -> OrderReport:
        return await self.venue().submit(order)

    async def report(self, order: Order) -> OrderReport:
        found = await self.venue().query_order(order)
        assert found is not None
        return found

    async def held(self, symbol: str = "ETH", account_id: str = DEPLOYMENT_ID) -> Decimal:
        return held(
            await self.store.get(position_ref(self.profile.capabilities.venue, account_id, symbol))
        )
