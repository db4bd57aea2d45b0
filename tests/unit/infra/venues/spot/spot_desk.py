"""The SPOT adapter in front of its stand-in, with one funded wallet."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from common.books import ORDERS, SIGNED_REQUESTS
from common.domain.identifiers import client_order_id
from common.domain.instrument import InstrumentTable, Venue
from common.domain.order import Order, OrderReport, OrderSide, OrderStatus, SignedRequest
from common.execution.attempts import with_request
from common.ports import Create, Ref
from common.wire import to_document
from infra.local.exchanges.faults import Faults
from infra.local.exchanges.server import ExchangeServer
from infra.local.exchanges.uniswap.exchange import API_KEY, UniswapExchange
from infra.local.store.memory import MemoryStore
from infra.venues.parts import VenueParts
from infra.venues.spot.tokens import Token, token_book
from infra.venues.spot.venue import SpotVenue
from tests.builders import NOON, an_order
from tests.fakes.accounts import FakeAccounts
from tests.fakes.clock import FakeClock
from tests.fakes.overheard import OverheardTransport

KEY = "0x" + "00" * 31 + "02"
WALLET = "0x2b5ad5c4795c026514f8317c7a215e218dccd6cf"  # of that key
BLOCKS_TO_FINALITY_S = 6


class NoInstruments:
    async def table(self, venue: Venue) -> InstrumentTable | None:
        return None


async def stand_in_key(venue: Venue) -> str:
    assert venue is Venue.SPOT
    return API_KEY


@dataclass
class Desk:
    venue: SpotVenue
    exchange: UniswapExchange
    server: ExchangeServer
    store: MemoryStore
    clock: FakeClock
    accounts: FakeAccounts
    wire: OverheardTransport

    async def prepare(self, order: Order) -> tuple[Order, SignedRequest]:
        """Prepared and written ahead, as `execute` does."""
        request = await self.venue.prepare(order)
        written = with_request(order, request)
        await self.store.commit(
            [
                Create(Ref(ORDERS, written.client_order_id), to_document(written)),
                Create(Ref(SIGNED_REQUESTS, written.client_order_id), to_document(request)),
            ]
        )
        return written, request

    async def trade(self, order: Order) -> tuple[Order, OrderReport]:
        """Sent, mined and final."""
        written, request = await self.prepare(order)
        await self.venue.submit(written, request)
        self.clock.advance(BLOCKS_TO_FINALITY_S)
        report = await self.venue.query_order(written)
        assert report is not None
        return written, report


def a_desk(
    *,
    faults: Faults | None = None,
    approve: bool = True,
    further: tuple[Token, ...] = (),
    urls: Mapping[str, str] | None = None,
    **options: Any,
) -> Desk:
    """`options` go to the exchange."""
    clock, store, accounts = FakeClock(), MemoryStore(), FakeAccounts(WALLET, KEY)
    book = token_book("mainnet", further)
    prices = {"ETH": "3000", "BTC": "100000", "WIF": "0.5"}
    exchange = UniswapExchange(
        book, start=NOON - timedelta(minutes=5), prices=options.pop("prices", prices), **options
    )
    exchange.open_account(WALLET, {"USDC": "50000"}, approve=approve)
    server = ExchangeServer(exchange, clock=clock, faults=faults)
    wire = OverheardTransport(server)
    venue = SpotVenue(
        VenueParts(
            accounts=accounts,
            store=store,
            clock=clock,
            instruments=NoInstruments(),
            network="mainnet",
            api_key=stand_in_key,
            urls=urls or {},
            transport=wire,
        ),
        further,
    )
    return Desk(venue, exchange, server, store, clock, accounts, wire)


def a_buy(number: int = 1, **changes: Any) -> Order:
    """0.5 ETH for at most 3030 each."""
    order = an_order(
        client_order_id=client_order_id("int_spot", number),
        venue=Venue.SPOT,
        instrument_id="ETH-USDC-SPOT.SPOT",
        quantity=Decimal("0.5"),
        price=Decimal(3030),
        expires_at=NOON + timedelta(seconds=30),
    )
    return replace(order, **changes)


def a_sale(number: int = 2, **changes: Any) -> Order:
    """The same ETH for at least 2970 each."""
    return a_buy(number, **{"side": OrderSide.SELL, "price": Decimal(2970), **changes})


def unproven(report: OrderReport | None) -> bool:
    return report is None or report.status is OrderStatus.ACCEPTED
