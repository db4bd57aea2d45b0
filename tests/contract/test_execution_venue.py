"""The contract of `ExecutionVenue`, on every venue and every store that a paper venue may keep.

Cases: TC-E01 .. TC-E24. A new venue joins by adding its name to `VENUES`.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import MARKET_SNAPSHOTS
from common.config import Settings
from common.domain.identifiers import client_order_id
from common.domain.instrument import ALL_VENUES, Instrument, OrderType, TimeInForce, Venue
from common.domain.market import MarketSnapshot
from common.domain.money import parse_decimal
from common.domain.order import Order, OrderReport, OrderSide, OrderStatus
from common.domain.rounding import round_quantity
from common.errors import (
    InvalidInputError,
    OutcomeUnknownError,
    RejectedError,
    TransientError,
)
from common.ports import Create, DocumentStore, ExecutionVenue, Query, Ref, Update
from common.wire import to_document
from infra.local.clock import ManualClock
from infra.venues.paper.faults import FaultKind, FaultPlan, FaultRule, set_faults
from infra.venues.paper.ledger import PAPER_FILLS, PAPER_ORDERS
from infra.venues.registry import make_venues
from tests.builders import DEPLOYMENT_ID, NOON, a_book, a_snapshot, an_order

VENUES = ALL_VENUES
SMALLEST = Decimal(-1)
"""Stands for the instrument's own smallest quantity."""


@dataclass
class World:
    """A venue, the store that it keeps its ledger in, and the clock."""

    venue: ExecutionVenue
    store: DocumentStore
    clock: ManualClock
    instrument: Instrument

    def order(self, number: int = 1, **changes: Any) -> Order:
        return an_order(
            **{
                "client_order_id": client_order_id("int_1", number),
                "venue": self.venue.venue,
                "instrument_id": self.instrument.instrument_id,
                "quantity": round_quantity(self.instrument, Decimal("0.3333")),
                **changes,
            }
        )

    async def show(self, snapshot: MarketSnapshot) -> None:
        ref = Ref(MARKET_SNAPSHOTS, snapshot.symbol)
        present = await self.store.get(ref)
        data = to_document(snapshot)
        write = Create(ref, data) if present is None else Update(ref, data, present.version)
        await self.store.commit([write])

    async def tell(self, kind: FaultKind, **rule: Any) -> None:
        plan = FaultPlan(rules=(FaultRule(kind=kind, **rule),))
        await set_faults(self.store, self.venue.venue, plan)

    async def ledger(self, collection: str) -> list[dict[str, Any]]:
        page = await self.store.query(Query(collection))
        return [document.data for document in page.documents]

    async def signed_qty(self, symbol: str = "ETH") -> Decimal:
        held = await self.venue.query_position(account_id=DEPLOYMENT_ID, symbol=symbol)
        return parse_decimal(held.signed_qty) if held else Decimal(0)

    async def submit(self, order: Order, *, at: ExecutionVenue | None = None) -> OrderReport:
        """Prepared and sent, as `execute` does."""
        venue = at or self.venue
        return await venue.submit(order, await venue.prepare(order))

    def reopened(self) -> ExecutionVenue:
        """The same venue as another process sees it."""
        return make_venues(Settings(), self.store, self.clock)[self.venue.venue]


@pytest.fixture(params=VENUES, ids=str)
async def world(request: pytest.FixtureRequest, store: DocumentStore, store_kind: str) -> World:
    """On the emulator two venues stand for all: they differ by data, and the store by code."""
    if store_kind == "firestore" and request.param not in {Venue.HYPERLIQUID, Venue.SPOT}:
        pytest.skip("held on the other stores")
    clock = ManualClock(NOON)
    venue = make_venues(Settings(), store, clock)[request.param]
    instrument = (await venue.load_instruments()).find("ETH")
    assert instrument is not None
    world = World(venue, store, clock, instrument)
    await world.show(a_snapshot())
    return world


async def test_submit_when_a_market_buy_then_filled_at_the_ask(world: World) -> None:
    """TC-E01"""
    order = world.order()
    report = await world.submit(order)
    assert report.status is OrderStatus.FILLED
    assert report.filled_qty == order.quantity
    assert report.client_order_id == order.client_order_id
    assert Decimal("3000.3") <= report.fills[0].last_px <= order.price


async def test_submit_when_a_market_sell_then_filled_at_the_bid(world: World) -> None:
    """TC-E02: what is held first, so that it goes on spot too."""
    await world.submit(world.order(1))
    sell = world.order(2, side=OrderSide.SELL, price=Decimal(2985))
    report = await world.submit(sell)
    assert report.status is OrderStatus.FILLED
    assert Decimal(2985) <= report.fills[0].last_px <= Decimal("2999.7")
    assert await world.signed_qty() == 0
    assert await world.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH") is None


async def test_submit_when_sold_short_then_only_where_the_venue_can(world: World) -> None:
    """TC-E03"""
    sell = world.order(side=OrderSide.SELL, price=Decimal(2985))
    if world.instrument.shortable:
        assert (await world.submit(sell)).status is OrderStatus.FILLED
        assert await world.signed_qty() == -sell.quantity
        return
    with pytest.raises(RejectedError) as refusal:
        await world.submit(sell)
    assert refusal.value.code == "SHORT_NOT_POSSIBLE"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"quantity": Decimal("0.00000000001")}, "QUANTITY_BELOW_MINIMUM"),
        ({"quantity": Decimal("0.333333333333")}, "QUANTITY_NOT_ON_LOT"),
        ({"quantity": SMALLEST}, "NOTIONAL_BELOW_MINIMUM"),
        ({"price": Decimal("3015.123456789")}, "PRICE_NOT_ON_TICK"),
        ({"symbol": "NOPE", "instrument_id": "NOPE-USD"}, "INSTRUMENT_NOT_LISTED"),
        ({"instrument_id": "ETH-OTHER"}, "INSTRUMENT_NOT_LISTED"),
        ({"expires_at": NOON - timedelta(microseconds=1)}, "ORDER_EXPIRED"),
        ({"time_in_force": TimeInForce.GTC}, "TIME_IN_FORCE_NOT_SUPPORTED"),
    ],
)
async def test_submit_when_the_venue_would_refuse_then_rejected_with_its_code(
    world: World, change: dict[str, Any], code: str
) -> None:
    """TC-E04: nothing is filled, and the venue says REJECTED when asked."""
    if change.get("quantity") == SMALLEST:
        change = {"quantity": world.instrument.min_quantity}
    order = world.order(**change)
    with pytest.raises(RejectedError) as refusal:
        await world.submit(order)
    assert refusal.value.code == code
    report = await world.venue.query_order(order)
    assert report is not None
    assert (report.status, report.fills) == (OrderStatus.REJECTED, ())
    assert await world.ledger(PAPER_FILLS) == []


async def test_submit_when_limit_orders_are_unknown_then_rejected(world: World) -> None:
    """TC-E05"""
    order = world.order(order_type=OrderType.LIMIT)
    if OrderType.LIMIT in world.venue.capabilities.order_types:
        assert (await world.submit(order)).status is OrderStatus.FILLED
        return
    with pytest.raises(RejectedError, match="ORDER_TYPE_NOT_SUPPORTED"):
        await world.submit(order)


async def test_submit_when_it_arrives_after_its_expiry_then_refused(world: World) -> None:
    """TC-E06: alive when sent, expired by the time it reaches the venue."""
    order = world.order(expires_at=NOON + timedelta(milliseconds=100))
    with pytest.raises(RejectedError, match="ORDER_EXPIRED"):
        await world.submit(order)


@pytest.mark.parametrize("age", [timedelta(minutes=9), None])
async def test_submit_when_there_is_no_fresh_price_then_rejected(
    world: World, age: timedelta | None
) -> None:
    """TC-E07"""
    if age is None:
        order = world.order(symbol="LINK", instrument_id=await _instrument_id(world, "LINK"))
    else:
        await world.show(a_snapshot(observed_at=NOON - age))
        order = world.order()
    with pytest.raises(RejectedError, match="NO_PRICE"):
        await world.submit(replace(order, price=Decimal(3000), quantity=Decimal(1)))


async def _instrument_id(world: World, symbol: str) -> str:
    instrument = (await world.venue.load_instruments()).find(symbol)
    assert instrument is not None
    return instrument.instrument_id


async def test_submit_when_repeated_then_the_first_outcome_and_one_order(world: World) -> None:
    """TC-E08: also with another size, and from another process."""
    order = world.order()
    first = await world.submit(order)
    assert await world.submit(order) == first
    assert await world.submit(replace(order, quantity=Decimal(1)), at=world.reopened()) == first
    assert len(await world.ledger(PAPER_ORDERS)) == 1
    assert await world.signed_qty() == order.quantity


async def test_submit_when_repeated_after_a_refusal_then_refused_again(world: World) -> None:
    """TC-E09: though the reason has gone."""
    await world.tell(FaultKind.REJECTED, code="INSUFFICIENT_MARGIN")
    with pytest.raises(RejectedError, match="INSUFFICIENT_MARGIN"):
        await world.submit(world.order())
    await set_faults(world.store, world.venue.venue, FaultPlan())
    with pytest.raises(RejectedError, match="INSUFFICIENT_MARGIN"):
        await world.submit(world.order())
    assert await world.ledger(PAPER_FILLS) == []


async def test_submit_when_many_at_once_then_the_position_is_the_sum_of_fills(
    world: World,
) -> None:
    """TC-E10: concurrent orders of one account, each sent twice."""
    orders = [world.order(number, quantity=Decimal("0.01")) for number in range(1, 6)]
    await asyncio.gather(*(world.submit(order) for order in orders * 2))
    fills = await world.ledger(PAPER_FILLS)
    assert sum(Decimal(fill["last_qty"]) for fill in fills) == Decimal("0.05")
    assert len({fill["trade_id"] for fill in fills}) == len(fills)
    assert await world.signed_qty() == Decimal("0.05")


async def test_submit_when_filled_then_the_commission_is_exact(world: World) -> None:
    """TC-E11: quantity x price x taker fee, to the last digit."""
    report = await world.submit(world.order())
    for fill in report.fills:
        assert fill.commission == fill.last_qty * fill.last_px * world.instrument.taker_fee
        assert fill.commission > 0


async def test_submit_when_the_bound_cuts_then_part_is_filled_and_canceled(world: World) -> None:
    """TC-E12"""
    await world.show(a_snapshot(book=a_book(ask_size=Decimal("0.1"))))
    order = world.order(quantity=Decimal(5), price=Decimal(3001))
    report = await world.submit(order)
    assert report.status is OrderStatus.CANCELED
    assert Decimal("0.1") < report.filled_qty < order.quantity
    assert report.filled_qty == sum(fill.last_qty for fill in report.fills)
    assert all(fill.last_px <= order.price for fill in report.fills)
    assert all(fill.last_qty % world.instrument.size_increment == 0 for fill in report.fills)
    assert await world.signed_qty() == report.filled_qty


async def test_submit_when_the_market_is_beyond_the_bound_then_nothing_fills(
    world: World,
) -> None:
    """TC-E13"""
    report = await world.submit(world.order(price=Decimal(2999)))
    assert (report.status, report.filled_qty, report.fills) == (
        OrderStatus.CANCELED,
        Decimal(0),
        (),
    )
    assert await world.signed_qty() == 0


async def test_submit_when_the_answer_is_lost_then_a_query_finds_the_fill(world: World) -> None:
    """TC-E14: timed out but filled; another process asks."""
    await world.tell(FaultKind.LOST_ANSWER)
    order = world.order()
    with pytest.raises(OutcomeUnknownError):
        await world.submit(order)
    report = await world.reopened().query_order(order)
    assert report is not None
    assert (report.status, report.filled_qty) == (OrderStatus.FILLED, order.quantity)
    assert await world.signed_qty() == order.quantity


async def test_submit_when_the_request_is_lost_then_it_stays_absent(world: World) -> None:
    """TC-E15: also long after."""
    await world.tell(FaultKind.LOST_REQUEST)
    order = world.order()
    with pytest.raises(OutcomeUnknownError):
        await world.submit(order)
    world.clock.advance_to(NOON + world.venue.capabilities.absence_is_final_after)
    assert await world.venue.query_order(order) is None
    assert await world.venue.cancel(order) is None
    assert await world.signed_qty() == 0


@pytest.mark.parametrize("lands", [True, False])
async def test_submit_when_answered_503_then_only_a_query_tells(world: World, lands: bool) -> None:
    """TC-E16"""
    await world.tell(FaultKind.SERVER_ERROR, lands=lands)
    order = world.order()
    with pytest.raises(OutcomeUnknownError):
        await world.submit(order)
    assert (await world.venue.query_order(order) is not None) is lands


async def test_submit_when_late_then_absent_until_it_arrives(world: World) -> None:
    """TC-E17: taken after our timeout and before its expiry, whoever asks next."""
    await world.tell(FaultKind.LATE, delay_s=Decimal(8))
    order = world.order()
    with pytest.raises(OutcomeUnknownError):
        await world.submit(order)
    assert await world.venue.query_order(order) is None
    world.clock.advance_to(NOON + timedelta(seconds=9))
    report = await world.reopened().query_order(order)
    assert report is not None
    assert report.status is OrderStatus.FILLED
    assert report.fills[0].ts_event == NOON + timedelta(seconds=8)
    assert await world.signed_qty() == order.quantity


async def test_submit_when_late_beyond_its_expiry_then_refused(world: World) -> None:
    """TC-E18"""
    await world.tell(FaultKind.LATE, delay_s=Decimal(16))
    order = world.order()
    with pytest.raises(OutcomeUnknownError):
        await world.submit(order)
    world.clock.advance_to(NOON + timedelta(seconds=20))
    assert await world.signed_qty() == 0
    report = await world.venue.query_order(order)
    assert report is not None
    assert report.status is OrderStatus.REJECTED


async def test_query_order_when_reads_lag_then_none_until_they_catch_up(world: World) -> None:
    """TC-E19"""
    await world.tell(FaultKind.READ_LAG, delay_s=Decimal(5))
    order = world.order()
    with pytest.raises(OutcomeUnknownError):
        await world.submit(order)
    assert await world.venue.query_order(order) is None
    world.clock.advance_to(NOON + timedelta(seconds=5))
    assert await world.venue.query_order(order) is not None


async def test_every_call_when_the_venue_is_down_then_nothing_was_sent(world: World) -> None:
    """TC-E20: a refused connection proves it; when it is over, the same order goes through."""
    await world.tell(FaultKind.DOWN, until=NOON + timedelta(seconds=5))
    order = world.order()
    for call in (world.submit, world.venue.query_order, world.venue.cancel):
        with pytest.raises(TransientError):
            await call(order)
    with pytest.raises(TransientError):
        await world.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH")
    assert await world.ledger(PAPER_ORDERS) == []
    world.clock.advance_to(NOON + timedelta(seconds=5))
    assert (await world.submit(order)).status is OrderStatus.FILLED


async def test_cancel_when_asked_then_what_became_of_the_order(world: World) -> None:
    """TC-E21: unknown: None; ended: its report; under way: stopped for good."""
    assert await world.venue.cancel(world.order(1)) is None
    filled = await world.submit(world.order(1))
    assert await world.venue.cancel(world.order(1)) == filled
    await world.tell(FaultKind.LATE, delay_s=Decimal(8))
    with pytest.raises(OutcomeUnknownError):
        await world.submit(world.order(2))
    stopped = await world.venue.cancel(world.order(2))
    assert stopped is not None
    assert (stopped.status, stopped.filled_qty) == (OrderStatus.CANCELED, Decimal(0))
    world.clock.advance_to(NOON + timedelta(seconds=9))
    assert await world.venue.query_order(world.order(2)) == stopped
    assert await world.signed_qty() == filled.filled_qty


async def test_submit_when_part_filled_on_request_then_a_whole_number_of_lots(
    world: World,
) -> None:
    """TC-E22"""
    await world.tell(FaultKind.PART_FILLED, fraction=Decimal("0.4"))
    order = world.order()
    report = await world.submit(order)
    assert report.status is OrderStatus.CANCELED
    assert 0 < report.filled_qty <= order.quantity * Decimal("0.4")
    assert report.filled_qty % world.instrument.size_increment == 0


async def test_submit_when_for_another_venue_then_our_mistake(world: World) -> None:
    """TC-E23"""
    other = next(venue for venue in Venue if venue is not world.venue.venue)
    with pytest.raises(InvalidInputError):
        await world.submit(world.order(venue=other))


async def test_load_instruments_when_asked_then_a_table_that_can_be_traded(world: World) -> None:
    """TC-E24"""
    table = await world.venue.load_instruments()
    assert table.venue is world.venue.venue
    assert table.pair_count >= 30
    assert len({item.symbol for item in table.instruments}) == table.pair_count
    for item in table.instruments:
        assert item.venue is table.venue
        assert item.size_increment > 0
        assert item.min_quantity >= item.size_increment
        assert 0 <= item.maker_fee <= item.taker_fee < Decimal("0.01")
        assert item.symbol.isalnum()
