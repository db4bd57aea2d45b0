"""The adapter wired to the simulated Ostium, and orders for it."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from common.books import ORDERS, SIGNED_REQUESTS
from common.documents import create
from common.domain.instrument import InstrumentTable, TimeInForce, Venue
from common.domain.order import Order, OrderReport, OrderSide, OrderStatus, SignedRequest
from common.execution.attempts import with_request
from common.ports import Ref, Update
from common.wire import to_document
from infra.local.exchanges.faults import Fault, FaultRule, FaultSchedule
from infra.local.exchanges.ostium.exchange import OstiumExchange
from infra.local.exchanges.server import ExchangeServer
from infra.local.store.memory import MemoryStore
from infra.venues.ostium.venue import OstiumVenue
from infra.venues.parts import VenueParts
from tests.builders import an_order
from tests.fakes.accounts import FakeAccounts
from tests.fakes.clock import FakeClock
from tests.fakes.overheard import OverheardTransport

WALLET = "0x" + "aa" * 20
AGENT_KEY = "0x" + "22" * 32
PRICES = {"BTC/USD": "80000", "ETH/USD": "2000", "USD/JPY": "150"}


class TableOnce:
    """Fits Instruments."""

    def __init__(self) -> None:
        self.loaded: InstrumentTable | None = None

    async def table(self, venue: Venue) -> InstrumentTable | None:
        return self.loaded


@dataclass
class OstiumDesk:
    clock: FakeClock
    store: MemoryStore
    exchange: OstiumExchange
    server: ExchangeServer
    accounts: FakeAccounts
    instruments: TableOnce
    venue: OstiumVenue
    wire: OverheardTransport

    def strike(self, fault: Fault, operation: str, *, times: int | None = 1, skip: int = 0) -> None:
        self.server.faults = FaultSchedule(
            [FaultRule(fault, operation=operation, times=times, skip=skip)]
        )

    def order(self, number: int, side: str = "BUY", quantity: str = "1", **changes: Any) -> Order:
        price = changes.pop("price", "2010" if side == "BUY" else "1990")
        now = self.clock.now()
        return an_order(
            client_order_id="0x" + f"{number:032x}",
            venue=Venue.OSTIUM,
            instrument_id="ETH-USD-PERP.OSTIUM",
            symbol=changes.pop("symbol", "ETH"),
            side=OrderSide(side),
            quantity=Decimal(quantity),
            price=Decimal(price),
            time_in_force=changes.pop("time_in_force", TimeInForce.IOC),
            submitted_at=now,
            expires_at=now + self.venue.capabilities.order_ttl,
            **changes,
        )

    async def written_ahead(self, order: Order) -> tuple[Order, SignedRequest]:
        request = await self.venue.prepare(order)
        order = with_request(order, request)
        await self.store.commit(
            [
                create(Ref(ORDERS, order.client_order_id), order),
                create(Ref(SIGNED_REQUESTS, order.client_order_id), request),
            ]
        )
        return order, request

    async def done(self, order: Order) -> OrderReport:
        """Sent without trouble, and looked at once it is final and told."""
        order, request = await self.written_ahead(order)
        await self.venue.submit(order, request)
        self.clock.advance(10)
        report = await self.venue.query_order(order)
        assert report is not None
        return report

    async def ended(self, order: Order, status: OrderStatus) -> None:
        document = await self.store.get(Ref(ORDERS, order.client_order_id))
        assert document is not None
        ended = to_document(replace(order, status=status))
        await self.store.commit([Update(document.ref, ended, document.version)])

    async def net(self, symbol: str = "ETH") -> Decimal:
        position = await self.venue.query_position(account_id="dep_1", symbol=symbol)
        return Decimal(position.signed_qty) if position else Decimal(0)


async def an_ostium_desk(**changes: Any) -> OstiumDesk:
    clock = FakeClock()
    store = MemoryStore()
    exchange = OstiumExchange(PRICES, start=clock.now(), seed=7)
    server = ExchangeServer(exchange, clock=clock)
    accounts = FakeAccounts(changes.pop("wallet", WALLET), AGENT_KEY)
    exchange.open_account(accounts.wallet, accounts.fake_signer.address)
    instruments = TableOnce()
    wire = OverheardTransport(server)
    parts = VenueParts(
        accounts=accounts,
        store=store,
        clock=clock,
        instruments=instruments,
        network=changes.pop("network", "mainnet"),
        transport=wire,
        **changes,
    )
    venue = OstiumVenue(parts)
    clock.advance(5)
    instruments.loaded = await venue.load_instruments()
    return OstiumDesk(clock, store, exchange, server, accounts, instruments, venue, wire)
