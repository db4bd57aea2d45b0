"""The adapter in front of the stand-in, in process, with one subscriber of one agent."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from common.domain.identifiers import client_order_id
from common.domain.instrument import InstrumentTable, Venue
from common.domain.order import Order, OrderReport, OrderSide, SignedRequest
from infra.local.exchanges.faults import Fault, FaultKind, FaultRule, FaultSchedule
from infra.local.exchanges.server import ExchangeServer
from infra.local.exchanges.symphony.exchange import SymphonyExchange
from infra.local.exchanges.transport import ExchangeTransport
from infra.local.store.memory import MemoryStore
from infra.venues.parts import VenueParts
from infra.venues.symphony.venue import SymphonyVenue
from tests.builders import DEPLOYMENT_ID, an_order
from tests.fakes.accounts import FakeAccounts
from tests.fakes.clock import FakeClock

ACCOUNT = "0x" + "c1" * 20
OTHER = "0x" + "d2" * 20
AGENT = "63946153-9f33-4b7e-9b32-b99a4a6037e2"
API_KEY = "sk_live_canary_4711"


class OneTable:
    """Fits `Instruments`."""

    def __init__(self) -> None:
        self.held: InstrumentTable | None = None

    async def table(self, venue: Venue) -> InstrumentTable | None:
        return self.held


class Desk:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.exchange = SymphonyExchange(agent_id=AGENT, api_key=API_KEY)
        self.subscriber = self.exchange.subscribe(ACCOUNT, Decimal(10_000))
        self.server = ExchangeServer(self.exchange, clock=self.clock)
        self.instruments = OneTable()
        self.store = MemoryStore()
        self.accounts = FakeAccounts(ACCOUNT, "0x" + "5a" * 32)
        self.urls = {"SYMPHONY_AGENT_ID": AGENT, "SYMPHONY_SMART_ACCOUNT": ACCOUNT.upper()}
        self.key: str | None = API_KEY
        self.venue = self.opened()

    def opened(self) -> SymphonyVenue:
        """The adapter as another process has it."""

        async def api_key(venue: Venue) -> str:
            assert venue is Venue.SYMPHONY
            assert self.key is not None
            return self.key

        return SymphonyVenue(
            VenueParts(
                accounts=self.accounts,
                store=self.store,
                clock=self.clock,
                instruments=self.instruments,
                network="mainnet",
                urls=self.urls,
                api_key=None if self.key is None else api_key,
                transport=ExchangeTransport(self.server),
            )
        )

    async def load(self) -> "Desk":
        self.instruments.held = await self.venue.load_instruments()
        return self

    def order(self, number: int = 1, **changes: Any) -> Order:
        order = an_order(
            client_order_id=client_order_id("int_1", number),
            account_id=DEPLOYMENT_ID,
            venue=Venue.SYMPHONY,
            instrument_id="ETH-USD-PERP.SYMPHONY",
            quantity=Decimal("0.3333"),
            price=Decimal(3015),
            submitted_at=self.clock.now(),
        )
        return replace(order, **changes)

    def closing(self, number: int = 2, **changes: Any) -> Order:
        return self.order(
            number,
            **{"side": OrderSide.SELL, "price": Decimal(2985), "reduce_only": True, **changes},
        )

    async def prepared(self, order: Order) -> tuple[Order, SignedRequest]:
        """The order as it is written ahead, with its request."""
        request = await self.venue.prepare(order)
        return replace(order, request_key=request.request_key), request

    async def send(self, order: Order) -> OrderReport:
        written, request = await self.prepared(order)
        return await self.venue.submit(written, request)

    def strike(self, kind: FaultKind, operation: str = "batch-open", **fault: Any) -> None:
        rule = FaultRule(Fault(kind, **fault), operation=operation)
        self.server.faults = FaultSchedule([rule])
