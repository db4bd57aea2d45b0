"""The venues: how each is opened with an account that can trade."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from common.config import Settings
from common.domain.instrument import InstrumentTable, Venue, price_bound
from common.domain.order import Order, VenueCandidate
from common.domain.rounding import round_price
from infra.local.exchanges.faults import Fault
from infra.local.exchanges.faults import FaultKind as Wrong
from infra.local.exchanges.house_fill import HouseFill
from infra.local.store.memory import MemoryStore
from infra.venues.paper.faults import FaultKind, FaultRule
from infra.venues.paper.venue import PaperVenue
from infra.venues.registry import paper_profile
from tests.fakes.clock import FakeClock
from tests.faults.stand import MakeStand, Stand, strike_at
from tests.integration.hyperliquid_floor import MASTER, Floor
from tests.unit.infra.venues.aster import desk as aster
from tests.unit.infra.venues.gmx import gmx_desk as gmx
from tests.unit.infra.venues.ostium import desk as ostium
from tests.unit.infra.venues.spot import spot_desk as spot
from tests.unit.infra.venues.symphony import desk as symphony

SLIPPAGE = Decimal("0.005")


def candidate_of(table: InstrumentTable, symbol: str, quantity: str, mark: str) -> VenueCandidate:
    """A BUY at most half a per cent above the mark, on the venue's tick."""
    instrument = table.find(symbol)
    assert instrument is not None, symbol
    bound = price_bound(Decimal(mark), buy=True, slippage=SLIPPAGE)
    return VenueCandidate(
        venue=table.venue,
        instrument_id=instrument.instrument_id,
        quantity=Decimal(quantity),
        price=round_price(instrument, bound, buy=True),
    )


def signed(fills: Sequence[HouseFill]) -> list[Decimal]:
    return [fill.quantity if fill.side == "BUY" else -fill.quantity for fill in fills]


async def hyperliquid_perps() -> Stand:
    return await _hyperliquid("ETH", "ETH", "0.3333", "3000", stops=True)


async def hyperliquid_spot() -> Stand:
    return await _hyperliquid("PURRUSDC", "PURR/USDC", "200", "0.2", stops=False)


async def _hyperliquid(symbol: str, coin: str, quantity: str, mark: str, *, stops: bool) -> Stand:
    floor = await Floor().open()
    table = floor.instruments.current
    assert table is not None

    def fills() -> list[Decimal]:
        return [fill.size if fill.is_buy else -fill.size for fill in floor.exchange.fills(MASTER)]

    assert isinstance(floor.clock, FakeClock)

    def move(mark: Decimal) -> None:
        floor.exchange.set_mark(coin, mark, floor.clock.now())

    return Stand(
        venue=floor.venue,
        table=table,
        candidate=candidate_of(table, symbol, quantity, mark),
        symbol=symbol,
        mark=Decimal(mark),
        clock=floor.clock,
        store=floor.store,
        fills=fills,
        strike=strike_at(floor.server, ("order",), ("orderStatus", "userFillsByTime")),
        strike_cancel=strike_at(floor.server, ("cancelByCloid",), ("orderStatus",)),
        move=move if stops else None,
        pass_time=floor.server.catch_up,
        another=floor.another_instance,
        server=floor.server,
        accounts=floor.accounts,
    )


async def aster_perps() -> Stand:
    desk = await aster.Desk().load()
    table = desk.instruments.held
    assert table is not None

    def move(mark: Decimal) -> None:
        desk.exchange.set_mark("ETH", mark, desk.clock.now())

    return Stand(
        venue=desk.venue,
        table=table,
        candidate=candidate_of(table, "ETH", "0.333", "3000"),
        symbol="ETH",
        mark=Decimal(3000),
        clock=desk.clock,
        store=desk.store,
        fills=lambda: signed(desk.exchange.fills()),
        strike=strike_at(desk.server, ("order",), ("queryOrder", "userTrades")),
        strike_cancel=strike_at(desk.server, ("cancel",), ("queryOrder",)),
        move=move,
        pass_time=desk.server.catch_up,
        another=desk.opened,
        server=desk.server,
        accounts=desk.accounts,
    )


async def ostium_trades() -> Stand:
    desk = await ostium.an_ostium_desk()
    table = desk.instruments.loaded
    assert table is not None
    return Stand(
        venue=desk.venue,
        table=table,
        candidate=candidate_of(table, "ETH", "1", "2000"),
        symbol="ETH",
        mark=Decimal(2000),
        clock=desk.clock,
        store=desk.store,
        fills=lambda: signed(desk.exchange.fills()),
        strike=strike_at(
            desk.server,
            ("eth_sendRawTransaction",),
            ("eth_getTransactionReceipt", "subgraph.order"),
        ),
        pass_time=desk.server.catch_up,
        server=desk.server,
        accounts=desk.accounts,
    )


async def gmx_orders() -> Stand:
    desk = await gmx.Desk().open()
    table = desk.instruments.loaded
    assert table is not None

    def fills() -> list[Decimal]:
        found = desk.exchange.fills()
        return [fill.qty if fill.side == "BUY" else -fill.qty for fill in found]

    def move(mark: Decimal) -> None:
        desk.exchange.set_mark("ETH", mark, desk.clock.now())

    return Stand(
        venue=desk.venue,
        table=table,
        candidate=candidate_of(table, "ETH", "0.5", "3000"),
        symbol="ETH",
        mark=Decimal(3000),
        clock=desk.clock,
        store=desk.store,
        fills=fills,
        strike=strike_at(desk.server, ("submit",), ("status", "trades")),
        strike_cancel=strike_at(desk.server, ("submit",), ("status",)),
        move=move,
        pass_time=desk.server.catch_up,
        another=desk.fresh_venue,
        server=desk.server,
        accounts=desk.accounts,
    )


async def symphony_batches() -> Stand:
    desk = await symphony.Desk().load()
    table = desk.instruments.held
    assert table is not None
    sends = strike_at(desk.server, ("batch-open", "batch-close"), ())

    def strike(fault: Fault) -> bool:
        """A request that the network itself doubles is two opens there: it has no key to tell."""
        return fault.kind is not Wrong.TWICE and sends(fault)

    return Stand(
        venue=desk.venue,
        table=table,
        candidate=candidate_of(table, "ETH", "0.3333", "3000"),
        symbol="ETH",
        mark=Decimal(3000),
        clock=desk.clock,
        store=MemoryStore(),
        fills=lambda: signed(desk.exchange.fills()),
        strike=strike,
        pass_time=desk.server.catch_up,
        another=desk.opened,
        server=desk.server,
        accounts=desk.accounts,
    )


async def spot_swaps() -> Stand:
    desk = spot.a_desk()
    table = await desk.venue.load_instruments()

    def fills() -> list[Decimal]:
        found = desk.exchange.fills()
        return [fill.qty if fill.side == "BUY" else -fill.qty for fill in found]

    return Stand(
        venue=desk.venue,
        table=table,
        candidate=candidate_of(table, "ETH", "0.5", "3000"),
        symbol="ETH",
        mark=Decimal(3000),
        clock=desk.clock,
        store=desk.store,
        fills=fills,
        strike=strike_at(desk.server, ("eth_sendRawTransaction",), ("eth_getTransactionReceipt",)),
        pass_time=desk.server.catch_up,
        server=desk.server,
        accounts=desk.accounts,
    )


_ON_PAPER: Mapping[Wrong, FaultKind] = {
    Wrong.DOWN: FaultKind.DOWN,
    Wrong.LOST_REQUEST: FaultKind.LOST_REQUEST,
    Wrong.LOST_ANSWER: FaultKind.LOST_ANSWER,
    Wrong.LATE: FaultKind.LATE,
    Wrong.SERVER_ERROR: FaultKind.SERVER_ERROR,
    Wrong.ORDER_ERROR: FaultKind.REJECTED,
    Wrong.READ_LAG: FaultKind.READ_LAG,
    Wrong.PARTIAL_FILL: FaultKind.PART_FILLED,
}
"""Without HTTP there are no answers to distort."""


async def drift_on_paper() -> Stand:
    clock, store = FakeClock(), MemoryStore()
    struck: list[FaultRule] = []
    first: list[str] = []

    def faults(order: Order) -> FaultRule | None:
        """The first order that comes once it has been struck meets it, and no other."""
        if struck and not first:
            first.append(order.client_order_id)
        return struck[0] if order.client_order_id in first else None

    venue = PaperVenue(paper_profile(Venue.DRIFT, Settings()), store, clock, faults=faults)
    table = await venue.load_instruments()

    def strike(fault: Fault) -> bool:
        if fault.kind not in _ON_PAPER:
            return False
        rule = FaultRule(
            kind=_ON_PAPER[fault.kind],
            delay_s=Decimal(int(fault.delay_s)),
            fraction=fault.fraction,
            lands=fault.lands,
        )
        struck.append(rule)
        return True

    def fills() -> list[Decimal]:
        rows = store.contents().get("paper_fills", {}).values()
        signs = {"BUY": 1, "SELL": -1}
        return [Decimal(row["last_qty"]) * signs[row["side"]] for row in rows]

    return Stand(
        venue=venue,
        table=table,
        candidate=candidate_of(table, "ETH", "0.3", "3000"),
        symbol="ETH",
        mark=Decimal(3000),
        clock=clock,
        store=store,
        fills=fills,
        strike=strike,
        pass_time=lambda: None,
    )


ROWS: dict[str, MakeStand] = {
    "Hyperliquid perps": hyperliquid_perps,
    "Hyperliquid spot": hyperliquid_spot,
    "Aster": aster_perps,
    "Ostium": ostium_trades,
    "GMX": gmx_orders,
    "Spot (Uniswap)": spot_swaps,
    "Symphony": symphony_batches,
    "Drift (paper)": drift_on_paper,
}
