"""Monitor: a position is protected from its first fill to its end, whatever is lost meanwhile."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import (
    MARKET_SNAPSHOTS,
    ORDER_INTENTS,
    OUTBOX,
    PLAN_APPROVALS,
    POSITION_EXITS,
    V3,
)
from common.contention import TRIES
from common.domain.events import CancelRequested, OrderPlanned, OutboxMessage, PositionChanged
from common.domain.exit_rules import ExitRules
from common.domain.exits import ExitState, PositionExit
from common.domain.identifiers import prefixed_id
from common.domain.instrument import OrderType, TimeInForce
from common.domain.order import Order, OrderPlan, OrderPurpose, OrderSide
from common.domain.scope import deployment_scope, symbol_scope
from common.domain.signal import PositionSide
from common.errors import InvalidInputError, TransientError
from common.execution.approval import approval_write
from common.how.trading_state import TradingState
from common.ports import Create, Delete, Ref
from functions.monitor.exits import PLAN_LIFE
from tests.builders import DEPLOYMENT_ID, NOON, a_plan
from tests.unit.functions.floor import HL, OSTIUM, Floor
from tests.unit.functions.mishaps import Died, LosesRaces, Mortal, meanwhile, right_after

BUY, SELL = OrderSide.BUY, OrderSide.SELL
POSITION_ID = prefixed_id("pos", "v3", DEPLOYMENT_ID, HL, "ETH")
RULES = ExitRules(stop_loss=Decimal("0.02"), take_profit=Decimal("0.04"))
LOST_AFTER = PLAN_LIFE + timedelta(minutes=1)
"""... and the settings' grace: no message of an exit can come through any more."""


async def enter(
    floor: Floor,
    quantity: str = "1",
    *,
    side: OrderSide = BUY,
    exits: ExitRules | None = RULES,
    name: str = "int_entry",
    price: str = "3000",
) -> list[OutboxMessage]:
    """An order fills at `price`; nobody has heard of it yet but who is returned."""
    candidate = replace(a_plan().candidates[0], quantity=Decimal(quantity), price=Decimal(price))
    plan = a_plan(
        intent_id=name,
        delivery_id="",
        side=side,
        candidates=(candidate,),
        exits=exits,
        paper=floor.settings.mode == "paper",
        created_at=floor.clock.now(),
        expires_at=floor.clock.now() + timedelta(minutes=5),
    )
    await floor.store.commit([approval_write(plan, "advance", now=floor.clock.now())])
    return await floor.handle(OrderPlanned(plan=plan, attempt=1))


async def a_floor(*, rests: bool = True) -> Floor:
    """`rests`: whether stops can wait at the venue."""
    floor = await Floor().open()
    if not rests:
        able = floor.hyperliquid.capabilities
        floor.hyperliquid.capabilities = replace(
            able, order_types=frozenset({OrderType.MARKET, OrderType.LIMIT})
        )
    return floor


@pytest.fixture
async def floor() -> Floor:
    """Long 1 ETH from 3000, its stop at 2940 and its profit at 3120 both resting."""
    floor = await a_floor()
    await enter(floor)
    await floor.drain()
    return floor


@pytest.fixture
async def bare() -> Floor:
    """The same at a venue where nothing can rest."""
    floor = await a_floor(rests=False)
    await enter(floor)
    await floor.drain()
    return floor


async def tick(floor: Floor, price: str | None = None, **span: float) -> list[OutboxMessage]:
    """Time passes, the mark moves, monitor looks, and what follows happens."""
    if span:
        floor.pass_time(**span)
    if price is not None:
        await floor.quote(price)
    messages = await floor.monitor()
    await floor.drain()
    await floor.settle()
    await floor.drain()
    return messages


def resting(floor: Floor) -> list[Order]:
    return [floor.hyperliquid.orders[key].order for key in floor.hyperliquid.resting()]


def known(floor: Floor) -> PositionExit:
    return floor.exit_of(POSITION_ID)


def plans(messages: list[OutboxMessage]) -> list[OrderPlan]:
    return [each.event.plan for each in messages if isinstance(each.event, OrderPlanned)]


def risks(floor: Floor) -> list[str]:
    return [text for text in floor.told() if text.startswith("RISK")]


# ---------------------------------------------------------------- armed


async def test_monitor_when_a_position_is_opened_then_stop_and_profit_rest_at_its_venue() -> None:
    floor = await a_floor()
    (changed,) = (
        each.event for each in await enter(floor) if isinstance(each.event, PositionChanged)
    )

    messages = await floor.monitor(changed)

    stop, profit = plans(messages)
    assert (stop.order_type, stop.trigger_price) == (OrderType.STOP_MARKET, Decimal(2940))
    assert (profit.order_type, profit.trigger_price) == (
        OrderType.MARKET_IF_TOUCHED,
        Decimal(3120),
    )
    assert (stop.purpose, profit.purpose) == (OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT)
    for plan in (stop, profit):
        assert (plan.side, plan.reduce_only, plan.time_in_force) == (SELL, True, TimeInForce.GTC)
        assert plan.candidates[0].quantity == 1
        assert (plan.delivery_id, plan.position_id) == ("", POSITION_ID)
        assert plan.expires_at == NOON + PLAN_LIFE
        assert floor.rows(PLAN_APPROVALS)[plan.intent_id]["by"] == "monitor"
    assert all(each.message_id in floor.rows(OUTBOX) for each in messages)
    exit_ = known(floor)
    assert (exit_.state, exit_.side, exit_.quantity) == (
        ExitState.ARMED,
        PositionSide.LONG,
        Decimal(1),
    )
    assert [order.intent_id for order in exit_.orders] == [stop.intent_id, profit.intent_id]
    await floor.drain()
    assert len(resting(floor)) == 2
    assert all(order.reduce_only for order in resting(floor))


async def test_monitor_when_the_stop_fills_then_the_other_is_canceled_and_it_is_closed(
    floor: Floor,
) -> None:
    stop, profit = resting(floor)
    floor.hyperliquid.fill(stop.client_order_id, "1")
    await floor.settle()
    await floor.drain()
    await tick(floor)

    assert floor.hyperliquid.canceled == [profit.client_order_id]
    assert resting(floor) == []
    exit_ = known(floor)
    assert (exit_.state, exit_.side, exit_.orders) == (ExitState.CLOSED, PositionSide.FLAT, ())
    assert floor.exposure().holdings == {}
    assert floor.exposure().reservations == {}
    before = floor.rows(POSITION_EXITS)
    await tick(floor, minutes=1)
    assert floor.rows(POSITION_EXITS) == before


async def test_monitor_when_a_part_is_closed_then_both_are_armed_anew_over_what_is_left(
    floor: Floor,
) -> None:
    await enter(floor, "0.4", side=SELL, exits=None, name="int_less")
    await floor.drain()
    for _ in range(2):
        await tick(floor, minutes=1)

    assert sorted(order.quantity for order in resting(floor)) == [Decimal("0.6")] * 2
    assert known(floor).rules == RULES
    assert sum(order.side is SELL for order in resting(floor)) == 2


async def test_monitor_when_it_has_no_rules_then_it_is_not_watched() -> None:
    floor = await a_floor()
    await enter(floor, exits=None)

    await floor.drain()
    await tick(floor)

    assert POSITION_EXITS not in floor.store.contents()


async def test_monitor_when_trailing_then_the_stop_follows_the_best_mark_and_never_back() -> None:
    floor = await a_floor()
    await enter(floor, exits=ExitRules(trailing_stop=Decimal("0.02")))
    await floor.drain()
    assert [order.trigger_price for order in resting(floor)] == [2940]
    for price in ("3100", "3050", "3050"):
        await tick(floor, price, minutes=1)

    assert [order.trigger_price for order in resting(floor)] == [3038]
    assert known(floor).best_price == 3100


async def test_monitor_when_a_short_is_opened_then_its_stop_is_above() -> None:
    floor = await a_floor()
    await enter(floor, side=SELL)
    await floor.drain()

    assert {(order.side, order.trigger_price) for order in resting(floor)} == {
        (BUY, Decimal(3060)),
        (BUY, Decimal(2880)),
    }


# ---------------------------------------------------------------- watched from here


async def test_monitor_when_nothing_can_rest_then_the_mark_is_judged_here(bare: Floor) -> None:
    assert resting(bare) == []
    assert plans(await tick(bare, "2941", minutes=1)) == []

    (plan,) = plans(await tick(bare, "2940", minutes=1))

    assert (plan.purpose, plan.order_type) == (OrderPurpose.STOP_LOSS, OrderType.MARKET)
    assert (plan.time_in_force, plan.trigger_price) == (TimeInForce.IOC, None)
    assert plan.candidates[0].quantity == 1
    assert bare.hyperliquid.held(DEPLOYMENT_ID) == 0
    await tick(bare, minutes=1)
    assert known(bare).state is ExitState.CLOSED


@pytest.mark.parametrize(
    ("rules", "price", "minutes", "purpose"),
    [
        (RULES, "3120", 1, OrderPurpose.TAKE_PROFIT),
        (ExitRules(trailing_stop=Decimal("0.02")), "2940", 1, OrderPurpose.TRAILING_STOP),
        (ExitRules(time_limit_s=120), "3000", 2, OrderPurpose.TIME_LIMIT),
    ],
)
async def test_monitor_when_another_rule_is_met_then_closed_for_that(
    rules: ExitRules, price: str, minutes: int, purpose: OrderPurpose
) -> None:
    floor = await a_floor(rests=False)
    await enter(floor, exits=rules)
    await floor.drain()

    (plan,) = plans(await tick(floor, price, minutes=minutes))

    assert plan.purpose is purpose
    assert floor.hyperliquid.held(DEPLOYMENT_ID) == 0


async def test_monitor_when_the_closing_order_fills_in_part_then_it_escalates_until_flat(
    bare: Floor,
) -> None:
    bare.hyperliquid.share = Decimal("0.5")

    async def then_whole(name: str) -> None:
        if name == "submit":
            bare.hyperliquid.share = Decimal(1)

    bare.hyperliquid.after = then_whole
    for _ in range(2):
        await tick(bare, "2940", minutes=1)

    exits = [order for order in bare.hyperliquid.sent if order.side is SELL]
    assert [order.quantity for order in exits] == [Decimal(1), Decimal("0.5")]
    assert exits[1].price < exits[0].price
    assert known(bare).state is ExitState.CLOSED


async def test_monitor_when_a_stop_has_triggered_and_does_not_fill_then_market_after_a_minute(
    floor: Floor,
) -> None:
    await tick(floor, "2930", seconds=10)
    assert len(resting(floor)) == 2

    messages = await tick(floor, "2930", seconds=61)

    (plan,) = plans(messages)
    assert plan.purpose is OrderPurpose.EMERGENCY
    assert floor.hyperliquid.held(DEPLOYMENT_ID) == 0
    for _ in range(2):
        await tick(floor, minutes=1)
    assert resting(floor) == []
    assert known(floor).state is ExitState.CLOSED


# ---------------------------------------------------------------- what there is not


async def test_monitor_when_the_price_is_stale_then_it_waits_and_reads_each_mark_once_a_page(
    bare: Floor,
) -> None:
    """A page of positions, and one of accounts."""
    await bare.quote("2000", at=NOON - timedelta(hours=1))
    reads: list[object] = []

    async def listen(operation: str, argument: object) -> None:
        if operation == "get_many" and argument == [Ref(MARKET_SNAPSHOTS, "ETH")]:
            reads.append(argument)

    bare.store.before = listen
    assert plans(await bare.monitor()) == []
    assert len(reads) == 2


async def test_monitor_when_there_is_no_price_at_all_then_it_waits(bare: Floor) -> None:
    await bare.store.commit([Delete(Ref(MARKET_SNAPSHOTS, "ETH"))])

    assert plans(await bare.monitor()) == []


@pytest.mark.parametrize("missing", ["table", "pair", "venue"])
async def test_monitor_when_the_venue_cannot_be_traded_at_then_told_once_it_matters(
    missing: str,
) -> None:
    floor = await a_floor(rests=False)
    await enter(floor)
    await floor.drain()
    if missing == "pair":
        await floor.list_as(None)
    elif missing == "venue":
        del floor.venues[HL]
    else:

        async def none(venue: object) -> None:
            return None

        floor.table = none  # type: ignore[method-assign]  # tables not loaded yet

    floor.pass_time(minutes=1)
    await floor.quote("2900")
    messages = [*await floor.monitor(), *await floor.monitor()]

    assert bool(plans(messages)) is (missing == "venue")
    assert len(risks(floor)) == (missing != "venue")


async def test_monitor_when_there_is_no_such_position_then_nothing(floor: Floor) -> None:
    before = floor.store.contents()
    event = PositionChanged(book="v3", position_id="pos_9", intent_id="int_9", fill_count=1)

    assert await floor.monitor(event) == []
    assert floor.store.contents() == before


async def test_monitor_when_the_position_was_booked_without_an_order_then_its_rules_stand(
    floor: Floor,
) -> None:
    """An external fill: a person closed a part by hand."""
    position = floor.get(type(await floor.hold("0.5")), V3.positions, POSITION_ID)
    event = PositionChanged(
        book="v3",
        position_id=POSITION_ID,
        intent_id="external",
        fill_count=position.fill_count + 1,
    )

    await floor.monitor(event)

    assert (known(floor).rules, known(floor).quantity) == (RULES, Decimal("0.5"))


@pytest.mark.parametrize("by_message", [True, False])
async def test_monitor_when_the_mode_was_changed_then_the_position_is_left_alone(
    floor: Floor, by_message: bool
) -> None:
    floor.settings = replace(floor.settings, mode="live")
    floor.pass_time(minutes=1)
    await floor.quote("2000")
    before = floor.rows(POSITION_EXITS)
    event = PositionChanged(book="v3", position_id=POSITION_ID, intent_id="int_entry", fill_count=1)

    assert plans(await floor.monitor(event if by_message else None)) == []
    assert floor.rows(POSITION_EXITS) == before


async def test_monitor_when_a_new_position_is_of_the_other_mode_then_it_is_not_watched() -> None:
    floor = await a_floor()
    (changed,) = (
        each.event for each in await enter(floor) if isinstance(each.event, PositionChanged)
    )
    floor.settings = replace(floor.settings, mode="live")

    assert await floor.monitor(changed) == []
    assert POSITION_EXITS not in floor.store.contents()


async def test_monitor_when_live_then_its_exits_are_too() -> None:
    floor = await Floor(mode="live").open(paper=False)
    await enter(floor)
    await floor.drain()

    rows = floor.rows(ORDER_INTENTS)
    assert {row["plan"]["paper"] for row in rows.values()} == {False}
    assert len(resting(floor)) == 2


# ---------------------------------------------------------------- whose rules


async def test_monitor_when_another_entry_adds_to_it_then_its_rules_hold_for_all(
    floor: Floor,
) -> None:
    tighter = ExitRules(stop_loss=Decimal("0.01"))
    await enter(floor, "1", exits=tighter, name="int_more")
    await floor.drain()
    for _ in range(2):
        await tick(floor, minutes=1)

    assert known(floor).rules == tighter
    assert [(each.trigger_price, each.quantity) for each in resting(floor)] == [
        (Decimal(2970), Decimal(2))
    ]


async def test_monitor_when_messages_come_in_the_wrong_order_then_the_later_fills_rules() -> None:
    floor = await a_floor()
    tighter = ExitRules(stop_loss=Decimal("0.01"))
    first = [each.event for each in await enter(floor)]
    second = [each.event for each in await enter(floor, exits=tighter, name="int_more")]
    for event in (*second, *first):
        if isinstance(event, PositionChanged):
            await floor.monitor(event)

    assert known(floor).rules == tighter


# ---------------------------------------------------------------- the trading state


@pytest.mark.parametrize("scope", [symbol_scope("ETH"), deployment_scope(DEPLOYMENT_ID)])
async def test_monitor_when_halted_then_told_and_closed_once_it_may_be(
    bare: Floor, scope: Any
) -> None:
    await bare.set_state(TradingState.HALTED, scope)
    assert plans(await tick(bare, "2900", minutes=1)) == []
    await tick(bare, "2900", minutes=1)
    (told,) = risks(bare)
    assert "its stop loss is due and cannot be sent: trading is halted" in told

    await bare.set_state(TradingState.REDUCING, scope)
    await tick(bare, "2900", minutes=1)

    assert bare.hyperliquid.held(DEPLOYMENT_ID) == 0


async def test_monitor_when_halted_again_for_the_same_position_then_nobody_is_told_twice(
    bare: Floor,
) -> None:
    for state, price in (("HALTED", "2900"), ("ACTIVE", "3000"), ("HALTED", "2900")):
        await bare.set_state(TradingState(state), symbol_scope("ETH"))
        await tick(bare, price, minutes=1)

    assert len(risks(bare)) == 1


# ---------------------------------------------------------------- lost messages


async def test_monitor_when_a_stops_message_is_lost_then_another_is_sent_once_it_cannot_come(
    bare: Floor,
) -> None:
    """At a venue where it can rest from now on."""
    bare.hyperliquid.capabilities = (await a_floor()).hyperliquid.capabilities
    lost = plans(await bare.monitor())
    assert len(lost) == 2
    assert await bare.lose(OrderPlanned) == 2
    bare.clock.advance(LOST_AFTER.total_seconds())
    await bare.quote("3000")
    assert plans(await bare.monitor()) == []

    bare.clock.advance(1)
    again = plans(await bare.monitor())
    await bare.drain()

    assert len(again) == 2
    assert {plan.intent_id for plan in again}.isdisjoint(plan.intent_id for plan in lost)
    assert len(resting(bare)) == 2
    for plan in lost:  # they come after all
        await bare.handle(OrderPlanned(plan=plan, attempt=1))
    assert len(resting(bare)) == 2


async def test_monitor_when_a_closing_orders_message_is_lost_then_another_closes_it(
    bare: Floor,
) -> None:
    bare.pass_time(minutes=1)
    await bare.quote("2900")
    (lost,) = plans(await bare.monitor())
    await bare.lose(OrderPlanned)
    bare.clock.advance(LOST_AFTER.total_seconds() + 1)
    await tick(bare, "2900")

    assert bare.hyperliquid.held(DEPLOYMENT_ID) == 0
    await bare.handle(OrderPlanned(plan=lost, attempt=1))
    assert bare.hyperliquid.held(DEPLOYMENT_ID) == 0


async def test_monitor_when_its_approval_is_gone_too_then_the_order_is_taken_for_dead(
    bare: Floor,
) -> None:
    bare.pass_time(minutes=1)
    await bare.quote("2900")
    (plan,) = plans(await bare.monitor())
    await bare.lose(OrderPlanned)
    await bare.store.commit([Delete(Ref(PLAN_APPROVALS, plan.intent_id))])

    (again,) = plans(await bare.monitor())

    assert again.intent_id != plan.intent_id
    with pytest.raises(InvalidInputError, match="not one that was approved"):
        await bare.handle(OrderPlanned(plan=plan, attempt=1))


async def test_monitor_when_the_fills_message_is_lost_then_the_tick_still_watches_what_it_knows(
    floor: Floor,
) -> None:
    await enter(floor, "0.5", name="int_more")
    assert await floor.lose(PositionChanged) == 1

    for _ in range(2):
        await tick(floor, minutes=1)

    assert known(floor).quantity == Decimal("1.5")
    assert {order.quantity for order in resting(floor)} == {Decimal("1.5")}


async def test_monitor_when_a_cancel_is_lost_then_asked_for_again_the_next_minute(
    floor: Floor,
) -> None:
    stop, profit = resting(floor)
    floor.hyperliquid.fill(stop.client_order_id, "1")
    await floor.settle()
    (changed,) = (each.event for each in floor.outbox() if isinstance(each.event, PositionChanged))
    await floor.monitor(changed)
    first, second = await floor.monitor(), await floor.monitor()
    assert first == second
    assert [each.event for each in first] == [
        CancelRequested(intent_id=profit.intent_id, reason="It protects nothing any more")
    ]
    await floor.lose(PositionChanged)
    assert await floor.lose(CancelRequested) == 1

    floor.pass_time(minutes=1)
    third = await floor.monitor()
    await floor.drain()

    assert third[0].message_id != first[0].message_id
    assert floor.hyperliquid.canceled == [profit.client_order_id]
    assert resting(floor) == []


# ---------------------------------------------------------------- twice, lost races, crashes


async def test_monitor_when_called_again_then_nothing_is_planned_twice(floor: Floor) -> None:
    before = floor.rows(POSITION_EXITS)
    event = PositionChanged(book="v3", position_id=POSITION_ID, intent_id="int_entry", fill_count=1)
    for _ in range(3):
        assert plans(await floor.monitor(event)) == []
        assert plans(await floor.monitor()) == []

    assert floor.rows(POSITION_EXITS) == before
    assert len(resting(floor)) == 2


async def test_monitor_when_two_look_at_once_then_each_order_is_planned_once(bare: Floor) -> None:
    bare.pass_time(minutes=1)
    await bare.quote("2900")
    meanwhile(bare.store, POSITION_EXITS, bare.monitor)

    await bare.monitor()

    assert await bare.lose(OrderPlanned) == 1
    assert known(bare).generation == 1


@pytest.mark.parametrize("losses", [1, TRIES])
async def test_monitor_when_races_are_lost_then_it_reads_again_and_not_for_ever(
    bare: Floor, losses: int
) -> None:
    bare.pass_time(minutes=1)
    await bare.quote("2900")
    LosesRaces(bare.store, POSITION_EXITS, count=losses)
    if losses < TRIES:
        assert len(plans(await bare.monitor())) == 1
        return
    with pytest.raises(TransientError, match=f"the exit of {POSITION_ID} is contended"):
        await bare.monitor()
    assert await bare.lose(OrderPlanned) == 0


async def test_monitor_when_the_answer_to_its_commit_is_lost_then_the_order_is_still_one(
    bare: Floor,
) -> None:
    async def lose() -> None:
        raise TransientError("the answer was lost")

    bare.pass_time(minutes=1)
    await bare.quote("2900")
    right_after(bare.store, POSITION_EXITS, lose)
    with pytest.raises(TransientError):
        await bare.monitor()
    assert plans(await bare.monitor()) == []
    await bare.drain()

    assert [order.side for order in bare.hyperliquid.sent] == [BUY, SELL]


async def test_monitor_when_one_position_makes_trouble_then_the_others_are_watched_first(
    bare: Floor,
) -> None:
    bare.pass_time(minutes=1)
    await bare.quote("2900")
    broken = {"state": "ARMED", "book": "v3", "quantity": 7}
    await bare.store.commit(
        [Create(Ref(POSITION_EXITS, name), broken) for name in ("pos_0", "pos_zzz")]
    )

    with pytest.raises(InvalidInputError, match="PositionExit"):
        await bare.monitor()
    await bare.drain()

    assert bare.hyperliquid.held(DEPLOYMENT_ID) == 0
    assert bare.rows("equity_days") != {}  # the accounts were marked, too


@pytest.mark.parametrize("garbage", [{}, {"book": "v9"}, {"book": 7}], ids=str)
async def test_monitor_when_a_document_has_not_even_a_book_then_the_others_are_watched_first(
    bare: Floor, garbage: dict[str, object]
) -> None:
    bare.pass_time(minutes=1)
    await bare.quote("2900")
    await bare.store.commit([Create(Ref(POSITION_EXITS, "pos_0"), {"state": "ARMED", **garbage})])

    with pytest.raises(InvalidInputError):
        await bare.monitor()
    await bare.drain()

    assert bare.hyperliquid.held(DEPLOYMENT_ID) == 0


async def test_monitor_when_an_account_makes_trouble_then_the_positions_come_first(
    bare: Floor,
) -> None:
    bare.pass_time(minutes=1)
    await bare.quote("2900")
    await bare.store.commit([Create(Ref("accounts", "dep_0"), {"cash": "x"})])

    with pytest.raises(InvalidInputError, match="Account"):
        await bare.monitor()
    await bare.drain()

    assert bare.hyperliquid.held(DEPLOYMENT_ID) == 0


async def test_monitor_when_there_are_many_positions_then_each_is_watched() -> None:
    floor = await a_floor(rests=False)
    await enter(floor)
    candidate = replace(
        a_plan().candidates[0],
        venue=OSTIUM,
        instrument_id="ETH-USD-PERP.OSTIUM",
        quantity=Decimal(1),
        price=Decimal(3000),
    )
    able = floor.hyperliquid.capabilities
    floor.ostium.capabilities = replace(floor.ostium.capabilities, order_types=able.order_types)
    plan = a_plan(intent_id="int_there", delivery_id="", candidates=(candidate,), exits=RULES)
    await floor.store.commit([approval_write(plan, "advance", now=NOON)])
    await floor.handle(OrderPlanned(plan=plan, attempt=1))
    await floor.drain()

    await tick(floor, "2900", minutes=1)

    assert floor.hyperliquid.held(DEPLOYMENT_ID) == floor.ostium.held(DEPLOYMENT_ID) == 0


async def _whole_life(floor: Floor, mortal: Mortal | None) -> None:
    """Opened, protected, then the market falls through its stop and nobody at the venue fills it:
    whoever dies meanwhile, ticks go on.
    """
    steps: list[Callable[[], Awaitable[object]]] = [floor.drain]
    for price in ("3000", "3000", "2930", "2930", "2930", *["2930"] * 7):
        steps += [_step(floor, price)]
    for step in steps:
        try:
            await step()
        except Died:
            assert mortal is not None
            mortal.revive()


def _step(floor: Floor, price: str) -> Callable[[], Awaitable[object]]:
    async def step() -> None:
        floor.pass_time(seconds=45)
        await floor.quote(price)
        await floor.monitor()
        await floor.drain()
        await floor.settle()
        await floor.drain()

    return step


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_monitor_when_it_dies_at_any_call_then_flat_and_nothing_rests_at_the_end(
    after: bool,
) -> None:
    """At every eleventh call to the store or the venue, in turn."""

    async def begin() -> Floor:
        floor = await a_floor()
        await enter(floor)
        return floor

    counted = await begin()
    mortal = Mortal(counted.store, counted.venues.values())
    await _whole_life(counted, None)
    calls = mortal.calls
    assert counted.hyperliquid.held(DEPLOYMENT_ID) == 0
    assert calls > 100
    for number in range(6 if after else 1, calls + 1, 11):
        floor = await begin()
        mortal = Mortal(floor.store, floor.venues.values())
        mortal.doom(number, after=after)
        await _whole_life(floor, mortal)

        assert floor.hyperliquid.held(DEPLOYMENT_ID) == 0, number
        assert resting(floor) == [], number
        assert known(floor).state is ExitState.CLOSED, number
        assert floor.exposure().holdings == {}, number
        assert floor.exposure().reservations == {}, number
        assert all(intent.status.is_terminal for intent in floor.intents()), number
