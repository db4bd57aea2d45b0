"""GMX's adapter wired to its stand-in, in process, with one wallet and one approved subaccount."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from common.domain.instrument import InstrumentTable, OrderType, TimeInForce, Venue
from common.domain.order import Order, OrderReport, OrderSide, SignedRequest
from infra.local.exchanges.faults import Fault, FaultRule, FaultSchedule
from infra.local.exchanges.gmx.exchange import GmxExchange
from infra.local.exchanges.server import ExchangeServer
from infra.local.exchanges.transport import ExchangeTransport
from infra.local.store.memory import MemoryStore
from infra.venues.accounts import VenueAccount
from infra.venues.gmx.capabilities import LIVE
from infra.venues.gmx.venue import GmxVenue
from infra.venues.parts import VenueParts
from tests.builders import an_order
from tests.fakes.accounts import FakeAccounts
from tests.fakes.clock import FakeClock

WALLET = "0x9999999999999999999999999999999999999999"
AGENT_KEY = "0x" + "21" * 32


class OwnKeyAccounts(FakeAccounts):
    """The wallet's own key signs; there is no agent."""

    async def account(self, account_id: str, venue: Venue) -> VenueAccount:
        return VenueAccount(
            account_id=account_id, venue=venue, wallet=self.fake_signer.address, agent_address=None
        )


class LoadedInstruments:
    def __init__(self) -> None:
        self.loaded: InstrumentTable | None = None

    async def table(self, venue: Venue) -> InstrumentTable | None:
        del venue
        return self.loaded


class Desk:
    def __init__(self, rules: Sequence[FaultRule] = (), *, own_key: bool = False) -> None:
        self.clock = FakeClock()
        self.exchange = GmxExchange()
        self.server = ExchangeServer(self.exchange, clock=self.clock)
        self.faults = FaultSchedule(list(rules))
        kind = OwnKeyAccounts if own_key else FakeAccounts
        self.accounts = kind(WALLET, AGENT_KEY)
        self.wallet = self.accounts.fake_signer.address if own_key else WALLET
        self.instruments = LoadedInstruments()
        self.store = MemoryStore()
        self.exchange.deposit(self.wallet, 100_000)
        self.exchange.approve_subaccount(WALLET, self.accounts.fake_signer.address)
        self.venue = self.fresh_venue()

    def fresh_venue(self) -> GmxVenue:
        parts = VenueParts(
            accounts=self.accounts,
            store=self.store,
            clock=self.clock,
            instruments=self.instruments,
            network="mainnet",
            api_url="https://gmx.test",
            transport=ExchangeTransport(self.server),
        )
        return GmxVenue(parts)

    async def open(self) -> "Desk":
        """Load the table; from now on the faults strike."""
        self.instruments.loaded = await self.venue.load_instruments()
        self.server.faults = self.faults
        return self

    def order(self, side: OrderSide = OrderSide.BUY, **changes: Any) -> Order:
        now = self.clock.now()
        bound = {OrderSide.BUY: "3015", OrderSide.SELL: "2985"}[side]
        known = {
            "venue": Venue.GMX,
            "instrument_id": "ETH-USD-PERP.GMX",
            "symbol": "ETH",
            "side": side,
            "quantity": Decimal("0.5"),
            "price": Decimal(bound),
            "order_type": OrderType.MARKET,
            "time_in_force": TimeInForce.IOC,
            "submitted_at": now,
            "expires_at": now + LIVE.order_ttl,
        }
        return an_order(**(known | changes))

    async def prepared(self, order: Order) -> tuple[Order, SignedRequest]:
        request = await self.venue.prepare(order)
        return signed(order, request), request

    async def trade(self, order: Order) -> tuple[Order, OrderReport]:
        """Prepare, submit, and look again when the keeper is long done."""
        order, request = await self.prepared(order)
        await self.venue.submit(order, request)
        self.clock.advance(30)
        report = await self.venue.query_order(order)
        assert report is not None
        return order, report

    async def exchange_rests(self, order: Order) -> Order:
        """Submit `order` as a limit far below the market, and wait until it is on the chain."""
        changes: dict[str, Any] = {
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.GTC,
            "price": Decimal(2900),
        }
        order, request = await self.prepared(replace(order, **changes))
        await self.venue.submit(order, request)
        self.clock.advance(5)
        return order


def signed(order: Order, request: SignedRequest) -> Order:
    return replace(
        order,
        nonce=request.nonce,
        signer=request.signer,
        request_key=request.request_key,
        expires_at=min(order.expires_at, request.expires_at),
    )


def once(fault: Fault, operation: str) -> list[FaultRule]:
    return [FaultRule(fault, operation=operation)]


def always(fault: Fault, operation: str) -> list[FaultRule]:
    return [FaultRule(fault, operation=operation, times=None)]
