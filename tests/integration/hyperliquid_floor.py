"""Our Hyperliquid adapter and the simulated venue, in one process."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx

from common.domain.identifiers import client_order_id
from common.domain.instrument import InstrumentTable, OrderType, TimeInForce, Venue
from common.domain.money import ZERO
from common.domain.order import Order, OrderReport, OrderSide, OrderStatus
from common.ports import Clock
from infra.local.exchanges.faults import Fault, FaultRule, FaultSchedule
from infra.local.exchanges.hyperliquid.assets import Listing
from infra.local.exchanges.hyperliquid.exchange import HyperliquidExchange
from infra.local.exchanges.server import ExchangeServer
from infra.local.exchanges.transport import ExchangeTransport
from infra.local.store.memory import MemoryStore
from infra.venues.hyperliquid.venue import HyperliquidVenue
from infra.venues.parts import VenueParts
from tests.builders import an_order
from tests.fakes.accounts import FakeAccounts
from tests.fakes.clock import FakeClock

MASTER = "0x00000000000000000000000000000000a11ce001"
AGENT_KEY = "0x" + "c4" * 32
META = {
    "universe": [
        {"name": "BTC", "szDecimals": 5, "maxLeverage": 40},
        {"name": "OLD", "szDecimals": 1, "maxLeverage": 3, "isDelisted": True},
        {"name": "ETH", "szDecimals": 4, "maxLeverage": 25},
        {"name": "kPEPE", "szDecimals": 0, "maxLeverage": 10},
    ]
}
SPOT_META = {
    "tokens": [
        {"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0},
        {"name": "PURR", "szDecimals": 0, "weiDecimals": 5, "index": 1},
    ],
    "universe": [{"name": "PURR/USDC", "tokens": [1, 0], "index": 0, "isCanonical": True}],
}
DEX_METAS = {"xyz": {"universe": [{"name": "xyz:TSLA", "szDecimals": 3, "maxLeverage": 10}]}}
MARKS = {"BTC": "100000", "ETH": "3000", "kPEPE": "0.0068", "PURR/USDC": "0.2"}


class FixedInstruments:
    """Fits `Instruments`: the table that was put here, until it is put again."""

    def __init__(self) -> None:
        self.current: InstrumentTable | None = None

    async def table(self, venue: Venue) -> InstrumentTable | None:
        return self.current if venue is Venue.HYPERLIQUID else None


class Floor:
    """One account of 10,000 USDC, its approved agent, and the adapter that trades for it."""

    def __init__(self, clock: Clock | None = None, **options: Any) -> None:
        self.clock = clock or FakeClock()
        listing = Listing.of(META, SPOT_META, dex_metas=DEX_METAS)
        self.exchange = HyperliquidExchange(listing, marks=MARKS, **options)
        self.accounts = FakeAccounts(MASTER, AGENT_KEY)
        self.exchange.deposit(MASTER, "10000")
        self.exchange.deposit(MASTER, "1000", token="USDC")  # spot money
        agent = self.accounts.fake_signer.address
        self.exchange.approve_agent(MASTER, agent, self.clock.now(), name="sapphire")
        self.server = ExchangeServer(self.exchange, clock=self.clock)
        self.store = MemoryStore()
        self.instruments = FixedInstruments()
        self.venue = self.another_instance()
        self._orders = 0

    def another_instance(
        self, transport: httpx.AsyncBaseTransport | None = None
    ) -> HyperliquidVenue:
        """With the same store and keys; `transport` instead of the way to the server."""
        return HyperliquidVenue(
            VenueParts(
                accounts=self.accounts,
                store=self.store,
                clock=self.clock,
                instruments=self.instruments,
                network="testnet",
                transport=transport or ExchangeTransport(self.server),
            )
        )

    async def open(self) -> "Floor":
        self.instruments.current = await self.venue.load_instruments()
        return self

    def strike(self, *faults: Fault, operation: str = "order", times: int | None = 1) -> None:
        """From now on, and until it is called again."""
        self.server.faults = FaultSchedule(
            [FaultRule(fault, operation=operation, times=times) for fault in faults]
        )

    def order(self, **changes: Any) -> Order:
        """To buy 0.3333 ETH at 3015 at most, each under an id of its own."""
        self._orders += 1
        now = self.clock.now()
        order = an_order(
            client_order_id=client_order_id(f"int_{self._orders}", 1),
            submitted_at=now,
            updated_at=now,
            expires_at=now + timedelta(seconds=15),
        )
        return replace(order, **changes)

    def resting(self, **changes: Any) -> Order:
        """To buy 0.3333 ETH at 2900, far from the market."""
        return self.order(
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            price=Decimal(2900),
            **changes,
        )

    async def place(self, order: Order) -> tuple[Order, OrderReport]:
        """Prepare and send; the order as it would be on record afterwards."""
        request = await self.venue.prepare(order)
        written = replace(order, nonce=request.nonce, signer=request.signer)
        return written, await self.venue.submit(written, request)

    def held(self, coin: str = "ETH") -> Decimal:
        return self.exchange.position(MASTER, coin)

    def asked(self, *kinds: str) -> list[str]:
        """What came in of these kinds, in order; of every kind where none is named."""
        names = [operation.name for operation, _ in self.server.requests]
        return [name for name in names if not kinds or name in kinds]


def outcome(report: OrderReport | None) -> tuple[OrderStatus, Decimal, Decimal] | None:
    """Status, what the venue says has filled, and the sum of its fills."""
    if report is None:
        return None
    told = sum((fill.last_qty for fill in report.fills), ZERO)
    return report.status, report.filled_qty, told


def seller(**changes: Any) -> dict[str, Any]:
    """Changes that make `Floor.order` a sale at 2985 at least."""
    return {"side": OrderSide.SELL, "price": Decimal(2985), **changes}
