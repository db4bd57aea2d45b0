"""One broken document, one silent venue: everything else is stopped, closed and ended as ever."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.books import (
    EXPOSURES,
    MARKET_SNAPSHOTS,
    MESSAGE_COUNTS,
    ORDER_INTENTS,
    ORDERS,
    PARENT_ORDERS,
    PLAN_APPROVALS,
    TRADING_STATE,
    V3,
)
from common.documents import Stored, create
from common.domain.events import FlattenRequested, TradingStateChanged
from common.domain.flatten import FlattenStatus
from common.domain.instrument import OrderType, TimeInForce, Venue
from common.domain.order import IntentStatus, Order, OrderIntent
from common.domain.scope import deployment_scope, symbol_scope
from common.domain.signal import SignalStatus
from common.errors import (
    ConflictError,
    InvalidInputError,
    OutcomeUnknownError,
    RateLimitedError,
    TransientError,
)
from common.how.trading_state import TradingState
from common.ports import Create, Query, Ref
from functions.settle.asking import AT_ONCE, SILENT_AFTER
from functions.settle.attending import TIME_FOR_QUESTIONS, in_turn
from tests.builders import (
    DEPLOYMENT_ID,
    NOON,
    SIGNAL_ID,
    a_delivery,
    a_deployment,
    a_parent,
    a_plan,
    a_signal_record,
    an_intent,
)
from tests.unit.functions.floor import HL, OSTIUM, Floor
from tests.unit.functions.mishaps import LosesRaces

BROKEN: dict[str, tuple[Ref, dict[str, Any]]] = {
    "parent": (Ref(PARENT_ORDERS, "a_bad_one"), {"status": "ACTIVE"}),
    "intent": (Ref(ORDER_INTENTS, "a_bad_one"), {"status": "WORKING"}),
    "state": (Ref(TRADING_STATE, "agent:v3:agt_x"), {"state": "HALTED"}),
    "scope": (Ref(TRADING_STATE, "planet:mars"), {"state": "HALTED"}),
    "delivery": (
        Ref(V3.deliveries, "dlv_bad"),
        {"status": "PENDING", "expires_at": "2020-01-01T00:00:00.000000Z"},
    ),
    "signal": (Ref(V3.signals, "a_bad_one"), {"status": "PENDING"}),
    "exposure": (Ref(EXPOSURES, "dep_0"), {"deployment_id": 7}),
}
there = replace(a_plan().candidates[0], venue=OSTIUM, instrument_id="ETH-USD-PERP.OSTIUM")


@pytest.fixture
async def floor() -> Floor:
    return await Floor().open()


async def break_one(floor: Floor, name: str) -> None:
    ref, data = BROKEN[name]
    await floor.store.commit([Create(ref, data)])
    if name == "exposure":
        deployment = a_deployment("dep_0")
        await floor.store.commit([create(Ref(V3.deployments, "dep_0"), deployment)])


async def silent(_: str) -> None:
    await asyncio.Event().wait()


def quick_to_give_up(floor: Floor, venue: Venue = OSTIUM) -> None:
    """Its request timeout is the only time that a test of silence takes."""
    able = replace(floor.venues[venue].capabilities, request_timeout=timedelta(seconds=0.01))
    floor.venues[venue].capabilities = able


def statuses(floor: Floor, orders: Sequence[Order]) -> set[str]:
    return {floor.rows(ORDERS)[order.client_order_id]["status"] for order in orders}


# ---------------------------------------------------------------- one broken document


@pytest.mark.parametrize("name", ["parent", "intent"])
async def test_halt_when_a_document_cannot_be_read_then_the_entries_are_canceled_and_it_is_told(
    floor: Floor, name: str
) -> None:
    orders = await floor.rest_many([1, 2, 3])
    await break_one(floor, name)
    state = await floor.set_state(TradingState.HALTED)

    with pytest.raises(InvalidInputError, match="a_bad_one"):
        await floor.settle(TradingStateChanged(scope="platform", epoch=state.epoch))

    assert statuses(floor, orders) == {"CANCELED"}


async def test_halt_when_an_order_cannot_be_read_then_the_others_are_canceled(
    floor: Floor,
) -> None:
    orders = await floor.rest_many([1, 2, 3])
    broken = Ref(ORDERS, orders[1].client_order_id)
    await floor.change(broken, {"quantity": "many"})
    state = await floor.set_state(TradingState.HALTED)

    with pytest.raises(InvalidInputError, match=f"Order {broken.id}"):
        await floor.settle(TradingStateChanged(scope="platform", epoch=state.epoch))

    assert statuses(floor, [orders[0], orders[2]]) == {"CANCELED"}


async def test_halt_when_its_own_state_cannot_be_read_then_what_rests_is_canceled(
    floor: Floor,
) -> None:
    """At the gate it counts as HALTED, too."""
    orders = await floor.rest_many([1, 2])
    await floor.change(Ref(TRADING_STATE, "symbol:ETH"), {"state": "HALTED"})

    await floor.settle(TradingStateChanged(scope="symbol:ETH", epoch=1))

    assert statuses(floor, orders) == {"CANCELED"}


@pytest.mark.parametrize("name", BROKEN)
async def test_sweep_when_a_document_cannot_be_read_then_all_else_is_done_and_it_is_told(
    floor: Floor, name: str
) -> None:
    """Halted, its message lost; an order whose fill nobody told; a signal that is over."""
    resting = await floor.rest_many([1, 2, 3])
    filled = await floor.rest(4, order_type=OrderType.STOP_MARKET, reduce_only=True)
    floor.hyperliquid.fill(filled.client_order_id, str(filled.quantity))
    await floor.store.commit(
        [
            create(Ref(V3.signals, SIGNAL_ID), a_signal_record(deployments_expected=1)),
            create(
                Ref(V3.deliveries, "dlv_over"),
                a_delivery(delivery_id="dlv_over", expires_at=NOON - timedelta(days=1)),
            ),
        ]
    )
    await break_one(floor, name)
    await floor.set_state(TradingState.HALTED)

    with pytest.raises(InvalidInputError):
        await floor.settle()

    assert statuses(floor, resting) == {"CANCELED"}
    assert statuses(floor, [filled]) == {"FILLED"}
    assert floor.rows(V3.deliveries)["dlv_over"]["status"] == SignalStatus.EXPIRED
    assert floor.signal().status is SignalStatus.EXPIRED
    assert floor.rows("reconciliations") != {}


async def test_sweep_when_a_scopes_state_cannot_be_read_then_its_entries_are_canceled(
    floor: Floor,
) -> None:
    order = await floor.rest()
    await floor.store.commit([Create(Ref(TRADING_STATE, "symbol:ETH"), {"state": "REDUCING"})])

    with pytest.raises(InvalidInputError, match="symbol:ETH"):
        await floor.settle()

    assert statuses(floor, [order]) == {"CANCELED"}


@pytest.mark.parametrize("name", BROKEN)
async def test_flatten_when_a_document_cannot_be_read_then_the_sound_positions_are_closed(
    floor: Floor, name: str
) -> None:
    await floor.hold("1")
    await floor.begin_flatten(by_message=False)
    await break_one(floor, name)

    with pytest.raises(InvalidInputError):
        await floor.settle()
    await floor.drain()

    assert floor.hyperliquid.held(DEPLOYMENT_ID) == 0


@pytest.mark.parametrize("name", ["parent", "intent", "exposure"])
async def test_flatten_when_it_may_be_what_cannot_be_read_then_never_flat(
    floor: Floor, name: str
) -> None:
    await break_one(floor, name)
    await floor.begin_flatten(by_message=False)

    await floor.settle(FlattenRequested(flatten_id="flt_1"))

    assert floor.flatten().status is FlattenStatus.CLOSING
    assert any(BROKEN[name][0].id in each for each in floor.flatten().remaining)


async def test_flatten_when_one_price_cannot_be_read_then_the_others_of_the_account_are_closed(
    floor: Floor,
) -> None:
    await floor.hold("1")
    exposure = floor.exposure().hold(
        venue=HL, symbol="BTC", signed_qty=Decimal(1), price=Decimal(3000)
    )
    await floor.change(Ref(EXPOSURES, DEPLOYMENT_ID), exposure)
    floor.hyperliquid.hold(DEPLOYMENT_ID, "1", symbol="BTC")
    await floor.store.commit([Create(Ref(MARKET_SNAPSHOTS, "BTC"), {"symbol": "BTC"})])
    await floor.begin_flatten(by_message=False)

    with pytest.raises(InvalidInputError, match="BTC: its price cannot be read"):
        await floor.settle()
    await floor.drain()

    assert floor.hyperliquid.held(DEPLOYMENT_ID) == 0
    assert floor.flatten().remaining == (
        "dep_1 HYPERLIQUID BTC 1",
        "dep_1 HYPERLIQUID ETH 1",
    )


async def test_sweep_when_a_step_has_a_defect_then_the_others_are_done_and_it_is_raised(
    floor: Floor,
) -> None:
    order = await floor.rest()
    floor.hyperliquid.fill(order.client_order_id, str(order.quantity))

    async def defect(operation: str, argument: object) -> None:
        if isinstance(argument, Query) and argument.collection == TRADING_STATE:
            raise ZeroDivisionError

    floor.store.before = defect

    with pytest.raises(ZeroDivisionError):
        await floor.settle()

    assert statuses(floor, [order]) == {"FILLED"}


async def test_halt_when_the_cancels_cannot_be_counted_then_they_are_recorded_and_it_is_told(
    floor: Floor,
) -> None:
    orders = await floor.rest_many([1, 2])
    state = await floor.set_state(TradingState.HALTED)
    LosesRaces(floor.store, MESSAGE_COUNTS)

    with pytest.raises(ConflictError):
        await floor.settle(TradingStateChanged(scope="platform", epoch=state.epoch))

    assert statuses(floor, orders) == {"CANCELED"}


# ---------------------------------------------------------------- halted scopes, read once


class Reads:
    """How often each collection was asked for."""

    def __init__(self, floor: Floor) -> None:
        self.queries: Counter[str] = Counter()
        floor.store.before = self._before

    async def _before(self, operation: str, argument: Any) -> None:
        if operation == "query":
            self.queries[argument.collection] += 1


async def test_sweep_when_many_scopes_are_not_active_then_what_is_open_is_read_once(
    floor: Floor,
) -> None:
    reduced = [f"dep_{number}" for number in range(2, 7)]
    entries, free = [], await floor.rest(100)
    for number, name in enumerate(reduced):
        await floor.store.commit([create(Ref(V3.deployments, name), a_deployment(name))])
        entries.append(await floor.rest(number, deployment_id=name))
        await floor.set_state(TradingState.REDUCING, deployment_scope(name))
    await floor.set_state(TradingState.HALTED, symbol_scope("BTC"))
    reads = Reads(floor)

    await floor.settle()

    assert statuses(floor, entries) == {"CANCELED"}
    assert statuses(floor, [free]) == {"ACCEPTED"}
    assert sorted(floor.hyperliquid.canceled) == sorted(each.client_order_id for each in entries)
    assert reads.queries[PARENT_ORDERS] == 1
    assert reads.queries[ORDER_INTENTS] == 2  # once to cancel, once to ask


async def test_sweep_when_nothing_is_halted_then_nothing_open_is_read_for_it(floor: Floor) -> None:
    await floor.work(a_parent())
    reads = Reads(floor)

    await floor.settle()

    assert reads.queries[PARENT_ORDERS] == 0


# ---------------------------------------------------------------- one silent venue


async def test_sweep_when_a_venue_is_silent_then_the_halt_and_the_flatten_come_first(
    floor: Floor,
) -> None:
    quick_to_give_up(floor)
    await floor.rest_many(range(1, 41), candidates=(there,), reduce_only=True)
    await floor.hold("1")
    await floor.begin_flatten(by_message=False)
    asked: list[str] = []

    async def silence(name: str) -> None:
        asked.append(name)
        await silent(name)

    floor.ostium.before = silence

    await floor.settle()

    assert len(floor.rows(PLAN_APPROVALS)) == 41
    assert asked == ["cancel"] * 40  # one wave; it is not asked for the account or the orders too


async def test_sweep_when_a_venue_is_silent_then_the_orders_of_the_other_are_settled(
    floor: Floor,
) -> None:
    await floor.rest_many(range(1, 31), candidates=(there,))
    mine = await floor.rest(900)
    floor.hyperliquid.fill(mine.client_order_id, str(mine.quantity))
    answers, told = asyncio.Event(), asyncio.Event()

    async def waits(_: str) -> None:
        await answers.wait()

    async def asked(_: str) -> None:
        told.set()

    floor.ostium.before, floor.hyperliquid.after = waits, asked
    sweeping = asyncio.create_task(floor.settle())

    await asyncio.wait_for(told.wait(), 4)

    answers.set()
    await sweeping
    assert statuses(floor, [mine]) == {"FILLED"}


async def test_sweep_when_many_rest_then_so_many_are_asked_for_at_once_and_no_more(
    floor: Floor,
) -> None:
    await floor.rest_many(range(1, 4 * AT_ONCE))
    under_way = most = 0

    async def begun(_: str) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)

    async def ended(_: str) -> None:
        nonlocal under_way
        under_way -= 1

    floor.hyperliquid.before, floor.hyperliquid.after = begun, ended

    await floor.settle()

    assert most == AT_ONCE


async def test_sweep_when_a_venue_is_silent_then_the_next_tick_asks_it_again(floor: Floor) -> None:
    quick_to_give_up(floor)
    orders = await floor.rest_many(range(1, 31), candidates=(there,))
    for order in orders:
        floor.ostium.fill(order.client_order_id, str(order.quantity))
    floor.ostium.before = silent
    await floor.settle()
    assert statuses(floor, orders) == {"ACCEPTED"}
    floor.ostium.before = None

    await floor.settle()

    assert statuses(floor, orders) == {"FILLED"}


async def test_sweep_when_some_answers_fail_then_the_rest_are_asked_for_all_the_same(
    floor: Floor,
) -> None:
    """What one account cannot be told says nothing of the others."""
    orders = await floor.rest_many(range(1, 31))
    for order in orders:
        floor.hyperliquid.fill(order.client_order_id, str(order.quantity))
    calls = 0

    async def fails(name: str) -> None:
        nonlocal calls
        calls += name == "query_order"
        if name == "query_order" and calls % SILENT_AFTER:
            raise TransientError("503")

    floor.hyperliquid.before = fails

    await floor.settle()

    assert calls == 30
    filled = [each for each in orders if statuses(floor, [each]) == {"FILLED"}]
    assert len(filled) == 30 // SILENT_AFTER


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (KeyError("oid"), 30),  # it cannot be used, and is an answer
        (ConflictError("taken", collection="x", document_id="y"), 30),  # of our own store
        (RateLimitedError("slow down"), SILENT_AFTER),
        (OutcomeUnknownError("lost"), SILENT_AFTER),
        (TransientError("503"), SILENT_AFTER),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_sweep_when_answers_fail_in_a_row_then_no_more_are_asked_for_unless_it_is_there(
    floor: Floor, error: Exception, asked: int
) -> None:
    await floor.rest_many(range(1, 31))
    calls: Counter[str] = Counter()

    async def fails(name: str) -> None:
        calls[name] += 1
        raise error

    async def counts(operation: str, argument: Any) -> None:
        calls["read"] += operation == "get" and argument.collection == ORDERS

    floor.hyperliquid.before, floor.store.before = fails, counts

    await floor.settle()

    assert calls["query_order"] == asked
    assert calls["read"] == asked  # nor is anything looked up for a question that is not put


async def test_halt_when_a_venue_is_silent_then_one_wave_of_cancels_is_lost_and_no_more(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.settle.canceling.AT_ONCE", 5)
    quick_to_give_up(floor)
    await floor.rest_many(range(1, 31), candidates=(there,))
    state = await floor.set_state(TradingState.HALTED)
    asked: list[str] = []

    async def silence(name: str) -> None:
        asked.append(name)
        await silent(name)

    floor.ostium.before = silence

    with pytest.raises(TransientError, match="Ostium"):
        await floor.settle(TradingStateChanged(scope="platform", epoch=state.epoch))

    assert asked == ["cancel"] * 5
    floor.ostium.before = None
    await floor.settle()
    assert len(floor.ostium.canceled) == 30


# ---------------------------------------------------------------- a time for questions


async def test_sweep_when_the_time_is_over_then_the_next_ones_come_in_the_next_minutes(
    floor: Floor,
) -> None:
    orders = await floor.rest_many(range(1, 61))
    asked: list[str] = []
    original = floor.hyperliquid.query_order

    async def slow(order: Order) -> Any:
        asked.append(order.client_order_id)
        floor.clock.advance(TIME_FOR_QUESTIONS.total_seconds() / 20)
        return await original(order)

    floor.hyperliquid.query_order = slow  # type: ignore[method-assign]  # a stopwatch
    await floor.settle()
    assert 20 <= len(asked) < 20 + AT_ONCE

    for _ in range(6):
        floor.pass_time(minutes=1)
        await floor.settle()

    assert set(asked) == {order.client_order_id for order in orders}


def an_open(number: int, status: IntentStatus, age: int) -> Stored[OrderIntent]:
    plan = a_plan(intent_id=f"int_{number:04}", time_in_force=TimeInForce.GTC)
    intent = an_intent(plan, status=status, updated_at=NOON - timedelta(minutes=age))
    return Stored(Ref(ORDER_INTENTS, plan.intent_id), intent, "1")


@given(
    st.lists(
        st.tuples(
            st.sampled_from((IntentStatus.WORKING, IntentStatus.UNKNOWN, IntentStatus.SENDING)),
            st.integers(0, 9),
        ),
        max_size=30,
    ),
    st.integers(0, 10_000),
)
def test_in_turn_when_there_are_many_then_each_once_and_the_unproven_first(
    each: list[tuple[IntentStatus, int]], minute: int
) -> None:
    intents = [an_open(number, *told) for number, told in enumerate(each)]

    found = in_turn(intents, NOON + timedelta(minutes=minute))

    assert sorted(stored.ref.id for stored in found) == [stored.ref.id for stored in intents]
    rests = [stored.value.status is IntentStatus.WORKING for stored in found]
    assert rests == sorted(rests)
    ages = [stored.value.updated_at for stored, rest in zip(found, rests, strict=True) if not rest]
    assert ages == sorted(ages)


RESTING = [an_open(number, IntentStatus.WORKING, 0) for number in range(120)]


@given(st.integers(1, len(RESTING)), st.integers(0, 10_000))
def test_in_turn_when_a_tenth_is_asked_a_minute_then_nobody_waits_for_half_an_hour(
    count: int, minute: int
) -> None:
    most = -(-count // 10)
    seen: set[str] = set()
    for later in range(30):
        turn = in_turn(RESTING[:count], NOON + timedelta(minutes=minute + later))
        seen |= {stored.ref.id for stored in turn[:most]}

    assert len(seen) == count
