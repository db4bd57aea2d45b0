"""The adapter in front of the stand-in, in process, with one account."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from common.domain.identifiers import client_order_id
from common.domain.instrument import InstrumentTable, Venue
from common.domain.order import Order, OrderReport, SignedRequest
from infra.local.exchanges.aster.exchange import AsterExchange
from infra.local.exchanges.faults import Fault, FaultKind, FaultRule, FaultSchedule
from infra.local.exchanges.server import ExchangeServer
from infra.local.exchanges.transport import ExchangeTransport
from infra.local.store.memory import MemoryStore
from infra.venues.aster.capabilities import CAPABILITIES
from infra.venues.aster.venue import AsterVenue
from infra.venues.parts import VenueParts
from tests.builders import DEPLOYMENT_ID, NOON, an_order
from tests.fakes.accounts import FakeAccounts
from tests.fakes.clock import FakeClock

WALLET = "0x" + "c1" * 20
KEY = "0x" + "5a" * 32


class OneTable:
    """Fits `Instruments`: the table that was last put in."""

    def __init__(self) -> None:
        self.held: InstrumentTable | None = None

    async def table(self, venue: Venue) -> InstrumentTable | None:
        return self.held


class Desk:
    def __init__(self, exchange: AsterExchange | None = None) -> None:
        self.clock = FakeClock()
        self.exchange = exchange or AsterExchange()
        self.accounts = FakeAccounts(WALLET, KEY)
        self.exchange.deposit(WALLET, Decimal(100_000))
        self.exchange.approve(WALLET, self.accounts.fake_signer.address)
        self.server = ExchangeServer(self.exchange, clock=self.clock)
        self.instruments = OneTable()
        self.store = MemoryStore()
        self.venue = self.opened()

    def opened(self) -> AsterVenue:
        """The adapter as another process has it."""
        return AsterVenue(
            VenueParts(
                accounts=self.accounts,
                store=self.store,
                clock=self.clock,
                instruments=self.instruments,
                network="mainnet",
                transport=ExchangeTransport(self.server),
            )
        )

    async def load(self) -> "Desk":
        self.instruments.held = await self.venue.load_instruments()
        return self

    def order(self, number: int = 1, **changes: Any) -> Order:
        now = self.clock.now()
        order = an_order(
            client_order_id=client_order_id("int_1", number),
            account_id=DEPLOYMENT_ID,
            venue=Venue.ASTER,
            instrument_id="ETH-USDT-PERP.ASTER",
            quantity=Decimal("0.333"),
            price=Decimal("3015"),
            submitted_at=now,
            expires_at=now + CAPABILITIES.order_ttl,
        )
        return replace(order, **changes)

    async def prepared(self, order: Order) -> tuple[Order, SignedRequest]:
        """The order as it is written ahead, with its request."""
        request = await self.venue.prepare(order)
        written = replace(
            order, nonce=request.nonce, signer=request.signer, request_key=request.request_key
        )
        return written, request

    async def send(self, order: Order) -> OrderReport:
        written, request = await self.prepared(order)
        return await self.venue.submit(written, request)

    def strike(self, kind: FaultKind, operation: str = "order", **fault: Any) -> None:
        """The next request of this operation meets the fault; the ones after it do not."""
        rule = FaultRule(Fault(kind, **fault), operation=operation)
        self.server.faults = FaultSchedule([rule])

    def held(self, symbol: str = "ETHUSDT") -> Decimal:
        """What the venue itself holds for the account."""
        return self.exchange.account(WALLET).position(symbol).amount


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


__all__ = ["KEY", "NOON", "WALLET", "Desk", "seconds"]
