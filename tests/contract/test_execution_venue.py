"""The contract of `ExecutionVenue`, on every venue and every store that a paper venue may keep.

Cases: TC-E01 .. TC-E49. A new venue joins by adding its name to `VENUES`.
"""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import MARKET_SNAPSHOTS
from common.config import Settings
from common.domain.identifiers import client_order_id
from common.domain.instrument import ALL_VENUES, Instrument, OrderType, TimeInForce, Venue
from common.domain.market import Candle, MarketSnapshot
from common.domain.moment import to_ms
from common.domain.money import parse_decimal
from common.domain.order import LiquiditySide, Order, OrderReport, OrderSide, OrderStatus
from common.domain.rounding import round_quantity
from common.errors import (
    InvalidInputError,
    OutcomeUnknownError,
    RejectedError,
    TransientError,
)
from common.ports import (
    Create,
    DocumentStore,
    ExecutionVenue,
    FundingPayment,
    Query,
    Ref,
    Update,
)
from common.wire import to_document
from infra.local.clock import ManualClock
from infra.venues.paper.faults import FaultKind, FaultPlan, FaultRule, set_faults
from infra.venues.paper.ledger import PAPER_FILLS, PAPER_ORDERS
from infra.venues.paper.resting import PAPER_RESTING
from infra.venues.registry import make_venues, paper_profile
from tests.builders import DEPLOYMENT_ID, NOON, a_book, a_snapshot, an_order

VENUES = ALL_VENUES
RESTING = tuple(
    venue
    for venue in VENUES
    if TimeInForce.GTC in paper_profile(venue, Settings()).capabilities.time_in_force
)
SMALLEST = Decimal(-1)
"""Stands for the instrument's own smallest quantity."""


@dataclass
class World:
    """A venue, the store that it keeps its ledger in, and the clock."""

    venue: ExecutionVenue
    store: DocumentStore
    clock: ManualClock
    instrument: Instrument
    bars: list[Candle] = field(default_factory=list)

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

    def limit(self, number: int, price: str, **changes: Any) -> Order:
        """To buy one at `price`, for as long as it takes."""
        terms = {
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.GTC,
            "quantity": Decimal(1),
            "price": Decimal(price),
        }
        return self.order(number, **{**terms, **changes})

    def exit(self, number: int, trigger: str, bound: str, **changes: Any) -> Order:
        """To sell one, and no more than is held, once the price is at `trigger`: a stop."""
        terms = {
            "order_type": OrderType.STOP_MARKET,
            "side": OrderSide.SELL,
            "trigger_price": Decimal(trigger),
            "reduce_only": True,
        }
        return self.limit(number, bound, **{**terms, **changes})

    async def hold(self, number: int, quantity: str) -> None:
        """Buy so much at the market."""
        order = self.order(number, quantity=Decimal(quantity), price=Decimal(3100))
        assert (await self.submit(order)).status is OrderStatus.FILLED

    async def trade(self, *prices: str, volume: str = "100") -> None:
        """The next 5 minutes at the market: open, high, low, close; then what one sees."""
        first, high, low, last = map(Decimal, prices)
        opened = NOON + timedelta(minutes=5) * (len(self.bars) + 1)
        self.bars.append(Candle(to_ms(opened), first, high, low, last, Decimal(volume)))
        self.clock.advance_to(opened + timedelta(minutes=5))
        await self.look(prices[3])

    async def look(self, mid: str, **changes: Any) -> None:
        """The market now: the book around `mid`, which is the mark, and the last three candles."""
        snapshot = a_snapshot(
            observed_at=self.clock.now(),
            candles=tuple(self.bars[-3:]),
            book=a_book(mid),
            mark=Decimal(mid),
        )
        await self.show(replace(snapshot, **changes))

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

    async def funding(
        self, *, since: datetime = NOON, at: ExecutionVenue | None = None
    ) -> tuple[FundingPayment, ...]:
        venue = at or self.venue
        return await venue.query_funding(account_id=DEPLOYMENT_ID, since=since)

    def reopened(self) -> ExecutionVenue:
        """The same venue as another process sees it."""
        return make_venues(Settings(), self.store, self.clock)[self.venue.venue]


@pytest.fixture(params=VENUES, ids=str)
async def world(request: pytest.FixtureRequest, store: DocumentStore, store_kind: str) -> World:
    return await _opened(request.param, store, store_kind)


@pytest.fixture(params=RESTING, ids=str)
async def exchange(request: pytest.FixtureRequest, store: DocumentStore, store_kind: str) -> World:
    """Where orders rest; the others are held to refuse them (TC-E25)."""
    return await _opened(request.param, store, store_kind)


async def _opened(name: Venue, store: DocumentStore, store_kind: str) -> World:
    """On the emulator two venues stand for all: they differ by data, and the store by code."""
    if store_kind == "firestore" and name not in {Venue.HYPERLIQUID, Venue.SPOT}:
        pytest.skip("held on the other stores")
    clock = ManualClock(NOON)
    venue = make_venues(Settings(), store, clock)[name]
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


# --------------------------------------------------------------------------------- resting orders


def standing(report: OrderReport | None) -> tuple[OrderStatus, Decimal | int]:
    assert report is not None
    assert report.filled_qty == sum(fill.last_qty for fill in report.fills)
    return report.status, report.filled_qty


async def test_submit_when_it_would_rest_then_only_where_the_venue_can(world: World) -> None:
    """TC-E25"""
    orders = (world.limit(1, "2900"), world.exit(2, "2900", "2800", reduce_only=False))
    for order in orders:
        if world.venue.venue in RESTING:
            assert standing(await world.submit(order)) == (OrderStatus.ACCEPTED, 0)
        else:
            with pytest.raises(RejectedError, match="NOT_SUPPORTED"):
                await world.submit(order)


async def test_submit_when_it_rests_then_shown_as_open_until_it_is_canceled(
    exchange: World,
) -> None:
    """TC-E26"""
    order = exchange.limit(1, "2900")
    report = await exchange.submit(order)
    assert standing(report) == (OrderStatus.ACCEPTED, 0)
    assert await exchange.submit(order) == report
    assert await exchange.reopened().query_order(order) == report
    state = await exchange.venue.query_account(account_id=DEPLOYMENT_ID)
    assert state.positions == ()
    (shown,) = state.open_orders
    assert (shown.client_order_id, shown.symbol, shown.side, shown.left_qty) == (
        order.client_order_id,
        "ETH",
        OrderSide.BUY,
        "1",
    )
    assert shown.venue_order_id == report.venue_order_id
    ended = await exchange.reopened().cancel(order)
    assert standing(ended) == (OrderStatus.CANCELED, 0)
    assert await exchange.venue.cancel(order) == await exchange.venue.query_order(order) == ended
    state = await exchange.venue.query_account(account_id=DEPLOYMENT_ID)
    assert state.open_orders == ()


@pytest.mark.parametrize(
    ("side", "price", "bar"),
    [
        (OrderSide.BUY, "2990", ("3000", "3001", "2989", "2999")),
        (OrderSide.SELL, "3010", ("3000", "3011", "2999", "3001")),
    ],
)
async def test_limit_when_the_market_trades_through_it_then_filled_at_its_price_as_a_maker(
    exchange: World, side: OrderSide, price: str, bar: tuple[str, ...]
) -> None:
    """TC-E27: by whoever calls next, at the candle's close, once."""
    order = exchange.limit(1, price, side=side)
    await exchange.submit(order)
    await exchange.trade(*bar)
    report = await exchange.reopened().query_order(order)
    assert standing(report) == (OrderStatus.FILLED, 1)
    assert report is not None
    (fill,) = report.fills
    assert (fill.last_px, fill.liquidity_side) == (Decimal(price), LiquiditySide.MAKER)
    assert fill.commission == Decimal(price) * exchange.instrument.maker_fee
    assert fill.ts_event == exchange.clock.now()
    assert await exchange.signed_qty() == side.sign
    await exchange.trade(*bar)
    assert await exchange.venue.query_order(order) == report
    assert await exchange.venue.cancel(order) == report
    assert await exchange.ledger(PAPER_RESTING) == []


async def test_limit_when_the_book_has_come_to_it_then_filled_as_far_as_it_offers(
    exchange: World,
) -> None:
    """TC-E28: the same book fills it once; the next one goes on."""
    order = exchange.limit(1, "2990", quantity=Decimal(80))
    report: OrderReport | None = await exchange.submit(order)
    for number, filled in ((1, 50), (2, 80)):
        exchange.clock.advance_to(NOON + timedelta(minutes=number))
        await exchange.look("2980")
        status = OrderStatus.FILLED if filled == 80 else OrderStatus.PARTIALLY_FILLED
        for _ in range(2):
            report = await exchange.reopened().query_order(order)
            assert standing(report) == (status, filled)
    assert report is not None
    assert {fill.last_px for fill in report.fills} == {Decimal(2990)}
    assert len({fill.trade_id for fill in report.fills}) == 2


async def test_limit_when_only_touched_or_reached_before_it_came_then_it_rests(
    exchange: World,
) -> None:
    """TC-E29: at its own price others may stand before it; the past is not its own."""
    early = Candle(to_ms(NOON), *map(Decimal, ("3000", "3001", "2900", "3000", "100")))
    exchange.bars = [early]
    order = exchange.limit(1, "2990")
    await exchange.submit(order)
    await exchange.trade("3000", "3001", "2990", "3000")
    assert standing(await exchange.venue.query_order(order)) == (OrderStatus.ACCEPTED, 0)


async def test_limit_when_part_can_be_had_at_once_then_taken_and_the_rest_rests(
    exchange: World,
) -> None:
    """TC-E30: as a taker first, then as a maker."""
    await exchange.show(a_snapshot(book=a_book(ask_size=Decimal("0.1"))))
    order = exchange.limit(1, "3001", quantity=Decimal(5))
    report = await exchange.submit(order)
    status, taken = standing(report)
    assert status is OrderStatus.PARTIALLY_FILLED
    assert Decimal("0.1") < taken < 5
    state = await exchange.venue.query_account(account_id=DEPLOYMENT_ID)
    assert [parse_decimal(one.left_qty) for one in state.open_orders] == [5 - taken]
    await exchange.trade("3001", "3002", "3000", "3002")
    ended = await exchange.venue.query_order(order)
    assert standing(ended) == (OrderStatus.FILLED, 5)
    assert ended is not None
    sides = [fill.liquidity_side for fill in ended.fills]
    assert sides == [LiquiditySide.TAKER] * len(report.fills) + [LiquiditySide.MAKER]
    assert await exchange.signed_qty() == 5


async def test_limit_when_it_is_larger_than_the_candle_then_no_more_than_its_volume(
    exchange: World,
) -> None:
    """TC-E31: a candle that is shown again fills nothing more."""
    order = exchange.limit(1, "2990", quantity=Decimal(25))
    await exchange.submit(order)
    for filled in (10, 20, 25):
        await exchange.trade("3000", "3001", "2980", "3000", volume="10")
        report = await exchange.venue.query_order(order)
        assert report is not None
        assert report.filled_qty == filled
        await exchange.look("3000")
    assert standing(await exchange.venue.query_order(order)) == (OrderStatus.FILLED, 25)
    assert await exchange.signed_qty() == 25


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"post_only": True, "side": OrderSide.SELL}, "POST_ONLY_WOULD_TAKE"),
        ({"post_only": True, "time_in_force": TimeInForce.IOC}, "TIME_IN_FORCE_NOT_SUPPORTED"),
        (
            {
                "post_only": True,
                "order_type": OrderType.MARKET,
                "time_in_force": TimeInForce.IOC,
            },
            "ORDER_TYPE_NOT_SUPPORTED",
        ),
        ({"order_type": OrderType.STOP_MARKET}, "TRIGGER_PRICE_MISSING"),
        (
            {
                "order_type": OrderType.STOP_MARKET,
                "time_in_force": TimeInForce.IOC,
                "trigger_price": Decimal(3100),
            },
            "TIME_IN_FORCE_NOT_SUPPORTED",
        ),
        (
            {"order_type": OrderType.STOP_MARKET, "trigger_price": Decimal("3100.123456789")},
            "PRICE_NOT_ON_TICK",
        ),
        (
            {"order_type": OrderType.STOP_MARKET, "trigger_price": Decimal(3000)},
            "TRIGGER_ALREADY_PASSED",
        ),
        (
            {"order_type": OrderType.MARKET_IF_TOUCHED, "trigger_price": Decimal(3001)},
            "TRIGGER_ALREADY_PASSED",
        ),
        ({"reduce_only": True}, "REDUCE_ONLY_WOULD_INCREASE_POSITION"),
    ],
)
async def test_submit_when_a_resting_order_is_refused_then_with_its_code(
    exchange: World, change: dict[str, Any], code: str
) -> None:
    """TC-E32"""
    order = exchange.limit(1, "2990", **change)
    with pytest.raises(RejectedError) as refusal:
        await exchange.submit(order)
    assert refusal.value.code == code
    assert standing(await exchange.venue.query_order(order)) == (OrderStatus.REJECTED, 0)
    assert await exchange.ledger(PAPER_RESTING) == []


async def test_submit_when_post_only_and_it_takes_nothing_then_it_rests(exchange: World) -> None:
    """TC-E33"""
    report = await exchange.submit(exchange.limit(1, "2999", post_only=True))
    assert standing(report) == (OrderStatus.ACCEPTED, 0)
    with pytest.raises(RejectedError, match="POST_ONLY_WOULD_TAKE"):
        await exchange.submit(exchange.limit(2, "3001", post_only=True))


@pytest.mark.parametrize(
    ("bar", "worst"),
    [
        (("3000", "3001", "2949", "2960"), "2950"),  # through the trigger: at the trigger
        (("2940", "2945", "2930", "2935"), "2940"),  # opens below it: at the open
    ],
)
async def test_stop_when_reached_then_at_the_worse_of_trigger_and_open(
    exchange: World, bar: tuple[str, ...], worst: str
) -> None:
    """TC-E34: and beyond it by the impact of its size, as a taker."""
    await exchange.hold(1, "1")
    stop = exchange.exit(2, "2950", "2800")
    assert standing(await exchange.submit(stop)) == (OrderStatus.ACCEPTED, 0)
    await exchange.trade("3000", "3001", "2951", "2960")
    assert standing(await exchange.venue.query_order(stop)) == (OrderStatus.ACCEPTED, 0)
    await exchange.trade(*bar)
    report = await exchange.venue.query_order(stop)
    assert standing(report) == (OrderStatus.FILLED, 1)
    assert report is not None
    (fill,) = report.fills
    assert Decimal(worst) * Decimal("0.99") < fill.last_px < Decimal(worst)
    assert fill.liquidity_side is LiquiditySide.TAKER
    assert fill.commission == fill.last_px * exchange.instrument.taker_fee
    assert await exchange.signed_qty() == 0


async def test_stop_when_the_mark_has_reached_it_then_at_the_book(exchange: World) -> None:
    """TC-E35: of a short position, so that it buys."""
    await exchange.submit(
        exchange.order(1, quantity=Decimal(1), side=OrderSide.SELL, price=Decimal(2900))
    )
    stop = exchange.exit(2, "3050", "3200", side=OrderSide.BUY)
    await exchange.submit(stop)
    exchange.clock.advance_to(NOON + timedelta(minutes=1))
    await exchange.look("3060")
    report = await exchange.venue.query_order(stop)
    assert standing(report) == (OrderStatus.FILLED, 1)
    assert report is not None
    assert 3060 < report.fills[0].last_px < 3062
    assert report.fills[0].ts_event == exchange.clock.now()
    assert await exchange.signed_qty() == 0


async def test_touched_when_reached_then_never_better_than_its_trigger(exchange: World) -> None:
    """TC-E36: also when the candle opens beyond it, in our favour."""
    await exchange.hold(1, "1")
    target = exchange.exit(2, "3050", "3000", order_type=OrderType.MARKET_IF_TOUCHED)
    await exchange.submit(target)
    await exchange.trade("3000", "3049", "2999", "3040")
    assert standing(await exchange.venue.query_order(target)) == (OrderStatus.ACCEPTED, 0)
    await exchange.trade("3080", "3090", "3070", "3080")
    report = await exchange.venue.query_order(target)
    assert standing(report) == (OrderStatus.FILLED, 1)
    assert report is not None
    assert 3040 < report.fills[0].last_px < 3050


async def test_exits_when_one_candle_reaches_both_then_the_stop_goes_first(
    exchange: World,
) -> None:
    """TC-E37: and the take profit finds nothing to close."""
    await exchange.hold(1, "1")
    target = exchange.exit(2, "3050", "3000", order_type=OrderType.MARKET_IF_TOUCHED)
    stop = exchange.exit(3, "2950", "2800")
    await exchange.submit(target)
    await exchange.submit(stop)
    await exchange.trade("3000", "3060", "2940", "3000")
    assert standing(await exchange.venue.query_order(target)) == (OrderStatus.CANCELED, 0)
    assert standing(await exchange.venue.query_order(stop)) == (OrderStatus.FILLED, 1)
    assert await exchange.signed_qty() == 0


async def test_stop_when_it_cannot_fill_within_its_bound_then_canceled_and_says_so(
    exchange: World,
) -> None:
    """TC-E38: `monitor` escalates on it; nothing of it is left to fill later."""
    await exchange.hold(1, "1")
    stop = exchange.exit(2, "2950", "2945")
    await exchange.submit(stop)
    await exchange.trade("2900", "2910", "2890", "2900")
    report = await exchange.venue.query_order(stop)
    assert standing(report) == (OrderStatus.CANCELED, 0)
    assert report is not None
    assert report.reason.startswith("triggered and not filled")
    await exchange.trade("2950", "2960", "2940", "2950")
    assert await exchange.venue.query_order(stop) == report
    assert await exchange.signed_qty() == 1


@pytest.mark.parametrize("kind", ["at once", "at rest", "triggered"])
async def test_reduce_only_when_more_than_is_held_then_cut_to_it(
    exchange: World, kind: str
) -> None:
    """TC-E39: never through zero."""
    order = {
        "at once": exchange.order(2, side=OrderSide.SELL, price=Decimal(2900), reduce_only=True),
        "at rest": exchange.limit(2, "3010", side=OrderSide.SELL, reduce_only=True),
        "triggered": exchange.exit(2, "2950", "2700"),
    }[kind]
    order = replace(order, quantity=Decimal(3))
    await exchange.hold(1, "2")
    await exchange.submit(order)
    await exchange.trade("3000", "3020", "2940", "3000")
    report = await exchange.venue.query_order(order)
    assert standing(report) == (OrderStatus.CANCELED, 2)
    assert report is not None
    assert "triggered and not filled" not in report.reason
    assert await exchange.signed_qty() == 0


async def test_reduce_only_when_its_position_is_closed_then_it_rests_on_as_an_orphan(
    exchange: World,
) -> None:
    """TC-E40: as at Hyperliquid with grouping "na"; who placed it must cancel it. One that
    triggers over nothing ends.
    """
    await exchange.hold(1, "1")
    stops = [exchange.exit(number, "2950", "2700") for number in (2, 3)]
    for stop in stops:
        await exchange.submit(stop)
    close = exchange.order(4, side=OrderSide.SELL, quantity=Decimal(1), price=Decimal(2900))
    await exchange.submit(close)
    state = await exchange.venue.query_account(account_id=DEPLOYMENT_ID)
    assert {one.client_order_id for one in state.open_orders} == {
        stop.client_order_id for stop in stops
    }
    assert standing(await exchange.venue.cancel(stops[0])) == (OrderStatus.CANCELED, 0)
    await exchange.trade("3000", "3001", "2940", "2945")
    report = await exchange.venue.query_order(stops[1])
    assert standing(report) == (OrderStatus.CANCELED, 0)
    assert report is not None
    assert report.reason == "nothing is held that it could reduce"
    assert await exchange.signed_qty() == 0


async def test_submit_when_the_answer_of_a_resting_order_is_lost_then_it_rests(
    exchange: World,
) -> None:
    """TC-E41"""
    await exchange.tell(FaultKind.LOST_ANSWER)
    order = exchange.limit(1, "2990")
    with pytest.raises(OutcomeUnknownError):
        await exchange.submit(order)
    assert standing(await exchange.reopened().query_order(order)) == (OrderStatus.ACCEPTED, 0)
    await exchange.trade("3000", "3001", "2980", "3000")
    assert standing(await exchange.venue.query_order(order)) == (OrderStatus.FILLED, 1)


@pytest.mark.parametrize("kind", [FaultKind.CANCEL_LOST, FaultKind.CANCEL_ANSWER_LOST])
async def test_cancel_when_it_times_out_then_only_a_query_tells(
    exchange: World, kind: FaultKind
) -> None:
    """TC-E42: lost on its way, or its answer was."""
    order = exchange.limit(1, "2990")
    await exchange.tell(kind)
    await exchange.submit(order)
    with pytest.raises(TransientError):
        await exchange.venue.cancel(order)
    still = OrderStatus.ACCEPTED if kind is FaultKind.CANCEL_LOST else OrderStatus.CANCELED
    assert standing(await exchange.venue.query_order(order)) == (still, 0)
    await set_faults(exchange.store, exchange.venue.venue, FaultPlan())
    assert standing(await exchange.venue.cancel(order)) == (OrderStatus.CANCELED, 0)


async def test_submit_when_a_resting_order_is_late_then_it_rests_from_its_arrival_on(
    exchange: World,
) -> None:
    """TC-E43: also where nobody asks until the market has passed it."""
    await exchange.tell(FaultKind.LATE, delay_s=Decimal(8))
    order = exchange.limit(1, "2990")
    with pytest.raises(OutcomeUnknownError):
        await exchange.submit(order)
    assert await exchange.venue.query_order(order) is None
    await exchange.trade("3000", "3001", "2980", "3000")
    report = await exchange.reopened().query_order(order)
    assert standing(report) == (OrderStatus.FILLED, 1)
    assert report is not None
    assert report.fills[0].last_px == 2990


async def test_query_account_when_reads_lag_then_a_resting_order_is_not_shown_yet(
    exchange: World,
) -> None:
    """TC-E44"""
    await exchange.tell(FaultKind.READ_LAG, delay_s=Decimal(5))
    order = exchange.limit(1, "2990")
    with pytest.raises(OutcomeUnknownError):
        await exchange.submit(order)
    assert await exchange.venue.query_order(order) is None
    assert (await exchange.venue.query_account(account_id=DEPLOYMENT_ID)).open_orders == ()
    exchange.clock.advance_to(NOON + timedelta(seconds=20))
    assert await exchange.venue.query_order(order) is not None
    assert len((await exchange.venue.query_account(account_id=DEPLOYMENT_ID)).open_orders) == 1


async def test_limit_when_only_a_part_can_fill_then_the_rest_waits_to_be_canceled(
    exchange: World,
) -> None:
    """TC-E45"""
    await exchange.tell(FaultKind.PART_FILLED, fraction=Decimal("0.4"))
    order = exchange.limit(1, "2990", quantity=Decimal(10))
    await exchange.submit(order)
    for _ in range(2):
        await exchange.trade("3000", "3001", "2980", "3000")
        report = await exchange.venue.query_order(order)
        assert standing(report) == (OrderStatus.PARTIALLY_FILLED, 4)
    assert standing(await exchange.venue.cancel(order)) == (OrderStatus.CANCELED, 4)
    assert await exchange.signed_qty() == 4


async def test_resting_orders_when_many_callers_come_at_once_then_each_fills_once(
    exchange: World,
) -> None:
    """TC-E46: cancels among them; an order is filled or canceled, whole, and never both."""
    orders = [exchange.limit(number, "2990") for number in range(1, 9)]
    for order in orders:
        await exchange.submit(order)
    await exchange.trade("3000", "3001", "2980", "3000")
    others = [exchange.reopened() for _ in range(3)]
    calls = [venue.query_order(order) for venue in others for order in orders]
    calls += [exchange.reopened().cancel(order) for order in orders]
    await asyncio.gather(*calls)
    found = [standing(await exchange.venue.query_order(order)) for order in orders]
    assert set(found) <= {(OrderStatus.FILLED, Decimal(1)), (OrderStatus.CANCELED, Decimal(0))}
    fills = await exchange.ledger(PAPER_FILLS)
    assert len(fills) == sum(1 for status, _ in found if status is OrderStatus.FILLED)
    assert await exchange.signed_qty() == len(fills)
    assert await exchange.ledger(PAPER_RESTING) == []


# -------------------------------------------------------------------------------------- funding


async def test_query_funding_when_hours_have_passed_then_each_once_and_exact(
    world: World,
) -> None:
    """TC-E47: a long pays a positive rate, at each full hour that it was held through."""
    world.clock.advance_to(NOON + timedelta(minutes=30))
    await world.look("3000")
    order = world.order(1, quantity=Decimal(2), expires_at=NOON + timedelta(hours=1))
    await world.submit(order)
    assert await world.funding() == ()
    world.clock.advance_to(NOON + timedelta(hours=2))
    await world.look("3010", funding_rate_8h=Decimal("0.0008"))
    callers = [world.reopened() for _ in range(4)]
    told = await asyncio.gather(*(world.funding(at=venue) for venue in callers))
    if not world.instrument.shortable:
        assert set(told) == {()}
        return
    assert len(set(told)) == 1
    first, second = told[0]
    assert first.ts_event == NOON + timedelta(hours=1)
    assert second.ts_event == NOON + timedelta(hours=2)
    assert first.amount == second.amount == -2 * Decimal(3010) * Decimal("0.0001")
    assert first.payment_id != second.payment_id
    assert (first.venue, first.account_id, first.symbol) == (
        world.venue.venue,
        DEPLOYMENT_ID,
        "ETH",
    )
    await world.look("5000", funding_rate_8h=Decimal("0.008"))
    assert await world.funding() == (first, second)
    assert await world.funding(since=second.ts_event) == (second,)
    assert await world.venue.query_funding(account_id="another", since=NOON) == ()


async def test_query_funding_when_the_position_changes_then_each_hour_by_what_was_held(
    exchange: World,
) -> None:
    """TC-E48: a short receives; what nobody asked about in time is worked out before the fill."""
    rate = {"funding_rate_8h": Decimal("0.0008")}
    life = {"expires_at": NOON + timedelta(days=2)}
    sell = {"side": OrderSide.SELL, "price": Decimal(2900), **life}
    await exchange.submit(exchange.order(1, quantity=Decimal(2), **sell))
    exchange.clock.advance_to(NOON + timedelta(hours=1, minutes=10))
    await exchange.look("3000", **rate)
    await exchange.submit(exchange.order(2, quantity=Decimal(1), **sell))
    exchange.clock.advance_to(NOON + timedelta(hours=13))
    await exchange.look("3000", **rate)
    told = await exchange.funding()
    assert [payment.amount for payment in told] == [Decimal("0.6")] + [Decimal("0.9")] * 12
    assert told[-1].ts_event == NOON + timedelta(hours=13)
    await exchange.submit(
        exchange.order(3, quantity=Decimal(3), price=Decimal(3100), reduce_only=True, **life)
    )
    exchange.clock.advance_to(NOON + timedelta(hours=20))
    await exchange.look("3000", **rate)
    assert await exchange.funding() == told


async def test_query_funding_when_there_is_no_rate_or_no_answer_then_none_or_an_error(
    world: World,
) -> None:
    """TC-E49: an hour without a rate stays without."""
    await world.submit(world.order(1, quantity=Decimal(1)))
    world.clock.advance_to(NOON + timedelta(hours=1))
    await world.look("3000", funding_rate_8h=None)
    assert await world.funding() == ()
    await world.look("3000")
    assert await world.funding() == ()
    await world.tell(FaultKind.QUERIES_DOWN)
    with pytest.raises(TransientError):
        await world.funding()
