"""Settle's cancels: one by request, all that a halt leaves resting, and nothing that protects."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import EXPOSURES, ORDER_INTENTS, ORDERS, PARENT_ORDERS, TRADING_STATE
from common.documents import create
from common.domain.events import (
    CancelRequested,
    OrderPlanned,
    ParentOrderDue,
    TradingStateChanged,
)
from common.domain.instrument import OrderType, TimeInForce
from common.domain.order import IntentStatus, Order, OrderReport, OrderStatus
from common.domain.parent_order import ParentStatus
from common.domain.scope import (
    PLATFORM_SCOPE,
    Scope,
    agent_scope,
    deployment_scope,
    symbol_scope,
    venue_scope,
)
from common.errors import InvalidInputError, OutcomeUnknownError, TransientError
from common.execution.approval import approval_write
from common.how.trading_state import TradingState, state_ref
from common.ports import Create, Delete, Ref
from functions.settle.canceling import AT_ONCE
from tests.builders import (
    AGENT_ID,
    DEPLOYMENT_ID,
    NOON,
    PARENT_ID,
    a_deployment,
    a_parent,
    a_plan,
)
from tests.fakes.venue import report_of
from tests.unit.functions.floor import HL, OSTIUM, Floor
from tests.unit.functions.mishaps import Died, LosesRaces, Mortal, meanwhile

SCOPES = (
    PLATFORM_SCOPE,
    venue_scope(HL),
    agent_scope("v3", AGENT_ID),
    deployment_scope(DEPLOYMENT_ID),
    symbol_scope("ETH"),
)
ELSEWHERE = (
    venue_scope(OSTIUM),
    agent_scope("v2", AGENT_ID),
    agent_scope("v3", "another"),
    deployment_scope("dep_2"),
    symbol_scope("BTC"),
)


@pytest.fixture
async def floor() -> Floor:
    return await Floor().open()


async def halt(floor: Floor, scope: Scope = PLATFORM_SCOPE) -> list[object]:
    """Set the state, and deliver its message; the events that settle returned."""
    state = await floor.set_state(TradingState.HALTED, scope)
    event = TradingStateChanged(scope=scope.key, epoch=state.epoch)
    return [message.event for message in await floor.settle(event)]


async def cancel(floor: Floor, order: Order) -> None:
    await floor.settle(CancelRequested(intent_id=order.intent_id, reason="not wanted any more"))


def status_of(floor: Floor, order: Order) -> tuple[str, str]:
    """Of the order and of its intent."""
    row = floor.rows(ORDERS)[order.client_order_id]
    return row["status"], floor.rows(ORDER_INTENTS)[order.intent_id]["status"]


# ---------------------------------------------------------------- one by request


async def test_cancel_when_it_rests_then_canceled_recorded_and_released(floor: Floor) -> None:
    order = await floor.rest()

    await cancel(floor, order)

    assert floor.hyperliquid.canceled == [order.client_order_id]
    assert status_of(floor, order) == ("CANCELED", "CANCELED")
    assert floor.exposure().reservations == {}
    before = floor.store.contents()
    await cancel(floor, order)
    assert floor.store.contents() == before
    assert len(floor.hyperliquid.canceled) == 1


async def test_cancel_when_a_part_had_filled_then_it_stays_filled(floor: Floor) -> None:
    order = await floor.rest()
    floor.hyperliquid.fill(order.client_order_id, "0.1")

    await cancel(floor, order)

    assert status_of(floor, order) == ("CANCELED", "PARTIAL")
    assert floor.exposure().held(HL, "ETH") == Decimal("0.1")


async def test_cancel_when_it_filled_meanwhile_then_the_fill_is_taken(floor: Floor) -> None:
    order = await floor.rest()
    floor.hyperliquid.fill(order.client_order_id, "0.3333")

    await cancel(floor, order)

    assert status_of(floor, order) == ("FILLED", "FILLED")


async def test_cancel_when_it_is_a_stop_then_it_too(floor: Floor) -> None:
    """Somebody asks for this very one: `monitor`, of an orphan."""
    order = await floor.rest(trigger_price=Decimal(2900), reduce_only=True)

    await cancel(floor, order)

    assert status_of(floor, order) == ("CANCELED", "CANCELED")


async def test_cancel_when_there_is_nothing_to_cancel_then_nothing(floor: Floor) -> None:
    order = await floor.rest()
    await floor.settle(CancelRequested(intent_id="int_nobodys", reason=""))
    await floor.change(
        Ref(ORDERS, order.client_order_id), replace(order, status=OrderStatus.REJECTED)
    )
    await cancel(floor, order)
    await floor.store.commit([Delete(Ref(ORDERS, order.client_order_id))])
    await cancel(floor, order)

    assert floor.hyperliquid.canceled == []


@pytest.mark.parametrize(("paper", "mode"), [(True, "live"), (False, "paper")])
async def test_cancel_when_it_is_of_the_other_mode_then_its_venue_is_not_asked(
    paper: bool, mode: str
) -> None:
    floor = await Floor(mode=mode).open(paper=paper)
    order = await floor.rest(paper=paper)

    await cancel(floor, order)
    await halt(floor)

    assert floor.hyperliquid.canceled == []
    assert status_of(floor, order) == ("ACCEPTED", "WORKING")


async def test_cancel_when_its_venue_is_not_connected_then_left_for_the_tick(floor: Floor) -> None:
    order = await floor.rest()
    del floor.venues[HL]

    await cancel(floor, order)
    await halt(floor)

    assert status_of(floor, order) == ("ACCEPTED", "WORKING")


async def test_cancel_when_the_venue_does_not_answer_then_delivered_again(floor: Floor) -> None:
    order = await floor.rest()
    floor.hyperliquid.down = True
    with pytest.raises(TransientError):
        await cancel(floor, order)
    floor.hyperliquid.down = False

    await cancel(floor, order)

    assert status_of(floor, order) == ("CANCELED", "CANCELED")


async def test_cancel_when_the_venue_keeps_it_then_delivered_again(floor: Floor) -> None:
    order = await floor.rest()

    async def still_there(order: Order) -> OrderReport | None:
        return report_of(order, status=OrderStatus.ACCEPTED)

    floor.hyperliquid.cancel = still_there  # type: ignore[method-assign]  # does not cancel
    with pytest.raises(TransientError, match=f"{order.intent_id} is not proven to have ended"):
        await cancel(floor, order)


async def test_cancel_when_the_venue_has_no_such_order_then_what_time_proves(floor: Floor) -> None:
    """One that it had accepted once cannot be absent: a person looks, in time."""
    order = await floor.rest()
    floor.hyperliquid.orders.clear()
    with pytest.raises(TransientError):
        await cancel(floor, order)
    assert status_of(floor, order) == ("ACCEPTED", "WORKING")

    floor.pass_time(hours=1)
    with pytest.raises(TransientError):
        await cancel(floor, order)

    assert status_of(floor, order)[1] == "UNRESOLVED"


async def test_cancel_when_it_never_came_to_its_venue_then_no_other_attempt_follows(
    floor: Floor,
) -> None:
    """It is not wanted any more: what is proven dead must not be sent again."""
    order = await floor.rest()
    sent = replace(order, status=OrderStatus.SUBMITTED)
    await floor.change(Ref(ORDERS, order.client_order_id), sent)
    floor.hyperliquid.orders.clear()
    floor.pass_time(seconds=23)

    with contextlib.suppress(TransientError):  # delivered again, as long as that takes
        await cancel(floor, order)
    await floor.drain()
    await cancel(floor, order)

    assert floor.hyperliquid.sent == []
    assert status_of(floor, order) == ("EXPIRED", "EXPIRED")


async def test_cancel_when_its_way_to_the_venue_was_lost_then_its_bytes_are_not_sent_again(
    floor: Floor,
) -> None:
    """Though the venue takes them at most once: nobody wants them there any more."""
    able = replace(floor.hyperliquid.capabilities, resends=True)
    floor.hyperliquid.capabilities = able
    plan = a_plan(delivery_id="", order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC)
    await floor.store.commit([approval_write(plan, "monitor", now=NOON)])

    async def lost(name: str) -> None:
        if name == "submit":
            raise OutcomeUnknownError("the request was lost")

    floor.hyperliquid.before = lost
    await floor.handle(OrderPlanned(plan=plan, attempt=1))
    floor.hyperliquid.before = None
    floor.pass_time(seconds=6)

    with contextlib.suppress(TransientError):
        await floor.settle(CancelRequested(intent_id=plan.intent_id, reason="not wanted"))

    assert floor.hyperliquid.sent == []


async def test_cancel_when_its_time_was_over_anyway_then_its_absence_ends_it(
    floor: Floor,
) -> None:
    order = await floor.rest()
    sent = replace(order, status=OrderStatus.SUBMITTED)
    await floor.change(Ref(ORDERS, order.client_order_id), sent)
    floor.hyperliquid.orders.clear()
    floor.pass_time(minutes=5)

    await cancel(floor, order)

    assert status_of(floor, order) == ("EXPIRED", "EXPIRED")


async def test_cancel_when_its_intent_goes_while_it_is_asked_then_nothing(floor: Floor) -> None:
    order = await floor.rest()

    async def gone(order: Order) -> OrderReport | None:
        await floor.store.commit([Delete(Ref(ORDER_INTENTS, order.intent_id))])
        return None

    floor.hyperliquid.cancel = gone  # type: ignore[method-assign]  # and its intent is deleted

    await cancel(floor, order)

    assert order.intent_id not in floor.rows(ORDER_INTENTS)


# ---------------------------------------------------------------- what a halt leaves resting


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: scope.key)
async def test_halt_when_an_entry_rests_within_it_then_it_is_canceled(
    floor: Floor, scope: Scope
) -> None:
    order = await floor.rest()

    await halt(floor, scope)

    assert floor.hyperliquid.canceled == [order.client_order_id]
    assert status_of(floor, order) == ("CANCELED", "CANCELED")


@pytest.mark.parametrize("scope", ELSEWHERE, ids=lambda scope: scope.key)
async def test_halt_when_it_is_of_somebody_else_then_the_entry_rests_on(
    floor: Floor, scope: Scope
) -> None:
    order = await floor.rest()

    await halt(floor, scope)

    assert floor.hyperliquid.canceled == []
    assert status_of(floor, order) == ("ACCEPTED", "WORKING")


@pytest.mark.parametrize(
    "plan",
    [
        {"trigger_price": Decimal(2900), "reduce_only": True},
        {"trigger_price": Decimal(2900)},
        {"reduce_only": True},
        {"time_in_force": TimeInForce.IOC},
    ],
    ids=["stop", "trigger", "reduce-only", "at-once"],
)
async def test_halt_when_it_only_closes_or_ends_by_itself_then_left_alone(
    floor: Floor, plan: dict[str, Any]
) -> None:
    order = await floor.rest(**plan)

    await halt(floor)

    assert floor.hyperliquid.canceled == []
    assert status_of(floor, order) == ("ACCEPTED", "WORKING")


async def test_halt_when_the_order_alone_is_reduce_only_then_left_alone(floor: Floor) -> None:
    """Its plan did not know; whoever sent it saw that it closes what is held."""
    order = await floor.rest()
    await floor.change(Ref(ORDERS, order.client_order_id), replace(order, reduce_only=True))

    await halt(floor)

    assert floor.hyperliquid.canceled == []


@pytest.mark.parametrize("status", IntentStatus)
async def test_halt_when_it_may_rest_there_then_it_is_canceled_whatever_we_know_of_it(
    floor: Floor, status: IntentStatus
) -> None:
    order = await floor.rest()
    (intent,) = floor.intents()
    await floor.change(Ref(ORDER_INTENTS, order.intent_id), replace(intent, status=status))

    await halt(floor)

    may_rest = not status.is_terminal and status is not IntentStatus.RETRYING
    assert bool(floor.hyperliquid.canceled) is may_rest


async def test_halt_of_a_venue_when_the_order_went_to_another_then_that_one_counts(
    floor: Floor,
) -> None:
    """Its plan names both; it rests at the second."""
    first = a_plan().candidates[0]
    second = replace(first, venue=OSTIUM, instrument_id="ETH-USD-PERP.OSTIUM")
    here = await floor.rest(1, candidates=(first, second))
    there = await floor.rest(2, candidates=(second, first))

    await halt(floor, venue_scope(OSTIUM))

    assert floor.ostium.canceled == [there.client_order_id]
    assert floor.hyperliquid.canceled == []
    assert status_of(floor, here) == ("ACCEPTED", "WORKING")


async def test_halt_when_one_venue_does_not_answer_then_the_others_are_recorded_first(
    floor: Floor,
) -> None:
    there = replace(a_plan().candidates[0], venue=OSTIUM, instrument_id="ETH-USD-PERP.OSTIUM")
    here = await floor.rest(1)
    other = await floor.rest(2, candidates=(there,))
    floor.hyperliquid.down = True

    with pytest.raises(TransientError, match="HYPERLIQUID refused the connection"):
        await halt(floor)

    assert status_of(floor, other) == ("CANCELED", "CANCELED")
    assert status_of(floor, here) == ("ACCEPTED", "WORKING")
    floor.hyperliquid.down = False
    await floor.settle()  # the tick: a lost message, or one that failed
    assert status_of(floor, here) == ("CANCELED", "CANCELED")


@pytest.mark.parametrize("answer", [KeyError("oid"), TimeoutError()])
async def test_halt_when_a_cancels_answer_cannot_be_used_then_delivered_again(
    floor: Floor, answer: Exception
) -> None:
    order = await floor.rest()

    async def broken(order: Order) -> OrderReport | None:
        raise answer

    floor.hyperliquid.cancel = broken  # type: ignore[method-assign]  # an answer nobody foresaw
    with pytest.raises(TransientError):
        await halt(floor)
    assert status_of(floor, order) == ("ACCEPTED", "WORKING")


async def test_halt_when_the_venue_does_not_know_an_order_then_its_own_query_decides(
    floor: Floor,
) -> None:
    order = await floor.rest()
    floor.hyperliquid.orders.clear()

    await halt(floor)

    assert floor.hyperliquid.canceled == [order.client_order_id]
    assert status_of(floor, order) == ("ACCEPTED", "WORKING")


async def test_halt_when_it_was_resumed_meanwhile_then_nothing_is_canceled(floor: Floor) -> None:
    await floor.rest()
    state = await floor.set_state(TradingState.HALTED)
    await floor.set_state(TradingState.ACTIVE)

    await floor.settle(TradingStateChanged(scope="platform", epoch=state.epoch))

    assert floor.hyperliquid.canceled == []


async def test_halt_when_its_state_is_gone_then_what_rests_is_canceled_all_the_same(
    floor: Floor,
) -> None:
    order = await floor.rest()
    await floor.store.commit([Delete(state_ref(PLATFORM_SCOPE))])

    await floor.settle(TradingStateChanged(scope="platform", epoch=1))

    assert status_of(floor, order) == ("CANCELED", "CANCELED")


async def test_halt_when_the_scope_is_none_then_invalid_input(floor: Floor) -> None:
    with pytest.raises(InvalidInputError, match="must be platform, or venue"):
        await floor.settle(TradingStateChanged(scope="planet:mars", epoch=1))


async def test_halt_when_a_race_is_lost_while_it_is_recorded_then_recorded_all_the_same(
    floor: Floor,
) -> None:
    order = await floor.rest()
    state = await floor.set_state(TradingState.HALTED)
    LosesRaces(floor.store, ORDERS)

    await floor.settle(TradingStateChanged(scope="platform", epoch=state.epoch))

    assert status_of(floor, order) == ("CANCELED", "CANCELED")


async def test_halt_when_it_fills_while_it_is_canceled_then_the_fill_is_taken_once(
    floor: Floor,
) -> None:
    """Two calls side by side: the tick learns of the fill while the halt records."""
    order = await floor.rest()
    floor.hyperliquid.fill(order.client_order_id, "0.1")
    state = await floor.set_state(TradingState.HALTED)
    meanwhile(floor.store, ORDERS, floor.settle)

    await floor.settle(TradingStateChanged(scope="platform", epoch=state.epoch))

    assert status_of(floor, order) == ("CANCELED", "PARTIAL")
    assert floor.exposure().held(HL, "ETH") == Decimal("0.1")


# ---------------------------------------------------------------- parent orders


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: scope.key)
async def test_halt_when_a_parent_works_within_it_then_it_looks_at_once(
    floor: Floor, scope: Scope
) -> None:
    await floor.work(a_parent())

    assert await halt(floor, scope) == [ParentOrderDue(parent_order_id=PARENT_ID)]


@pytest.mark.parametrize("scope", ELSEWHERE, ids=lambda scope: scope.key)
async def test_halt_when_it_is_elsewhere_then_the_parent_is_left_alone(
    floor: Floor, scope: Scope
) -> None:
    await floor.work(a_parent())

    assert await halt(floor, scope) == []


@pytest.mark.parametrize(
    "changes", [{"reduce_only": True}, {"status": ParentStatus.FILLED}], ids=["closes", "ended"]
)
async def test_halt_when_a_parent_only_closes_or_has_ended_then_it_is_not_told(
    floor: Floor, changes: dict[str, Any]
) -> None:
    await floor.store.commit([create(Ref(PARENT_ORDERS, PARENT_ID), a_parent(**changes))])

    assert await halt(floor) == []


async def test_halt_when_a_child_of_a_parent_rests_then_it_is_canceled_too(floor: Floor) -> None:
    await floor.work(a_parent(quantity=Decimal(4)))
    await floor.advance()
    floor.pass_time(seconds=2)
    await floor.drain()
    assert len(floor.hyperliquid.resting()) == 1

    await halt(floor)
    await floor.drain()
    await floor.advance(None)

    assert floor.hyperliquid.resting() == []
    assert floor.parent().status is ParentStatus.ACTIVE
    assert floor.parent().open_children == {}


# ---------------------------------------------------------------- the sweep of a tick


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.REDUCING])
async def test_sweep_when_a_message_was_lost_then_the_tick_cancels(
    floor: Floor, state: TradingState
) -> None:
    order = await floor.rest()
    await floor.set_state(state, symbol_scope("ETH"))

    await floor.settle()

    assert status_of(floor, order) == ("CANCELED", "CANCELED")


async def test_sweep_when_trading_is_active_or_its_time_is_over_then_nothing(
    floor: Floor,
) -> None:
    order = await floor.rest()
    await floor.set_state(TradingState.REDUCING, symbol_scope("ETH"), until=floor.clock.now())

    await floor.settle()

    assert status_of(floor, order) == ("ACCEPTED", "WORKING")


async def test_sweep_when_one_scope_makes_trouble_then_the_others_are_swept_and_it_is_told(
    floor: Floor,
) -> None:
    there = replace(a_plan().candidates[0], venue=OSTIUM, instrument_id="ETH-USD-PERP.OSTIUM")
    await floor.rest(1, symbol="BTC")
    other = await floor.rest(2, candidates=(there,))
    await floor.set_state(TradingState.HALTED, symbol_scope("BTC"))
    await floor.set_state(TradingState.HALTED, symbol_scope("ETH"))
    floor.hyperliquid.down = True

    with pytest.raises(TransientError, match="HYPERLIQUID"):
        await floor.settle()

    assert status_of(floor, other) == ("CANCELED", "CANCELED")


async def test_sweep_when_a_state_cannot_be_read_then_told_and_the_rest_of_the_tick_is_done(
    floor: Floor,
) -> None:
    """Whatever cannot be read counts as HALTED where orders are sent."""
    await floor.store.commit(
        [Create(Ref(TRADING_STATE, "symbol:SOL"), {"state": "HALTED", "epoch": "x"})]
    )

    with pytest.raises(InvalidInputError, match="TradingStateRecord"):
        await floor.settle()

    assert floor.rows("reconciliations") != {}


# ---------------------------------------------------------------- the halt drill


class Timed:
    """Counts the cancels that are under way together, and the store's work before the last."""

    def __init__(self, floor: Floor, *, store_s: float) -> None:
        self.under_way = self.most = self.commits_before_last = 0
        self.last_at = floor.clock.now()
        self._floor = floor
        self._store_s = store_s
        self._commits = 0
        self._cancel: Callable[[Order], Awaitable[OrderReport | None]] = floor.hyperliquid.cancel
        floor.hyperliquid.cancel = self.cancel  # type: ignore[method-assign]  # a stopwatch
        floor.store.before = self._store

    async def _store(self, operation: str, _: object) -> None:
        self._floor.clock.advance(self._store_s)
        self._commits += operation == "commit"

    async def cancel(self, order: Order) -> OrderReport | None:
        self.last_at = self._floor.clock.now()
        self.commits_before_last = self._commits
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        for _ in range(3):
            await asyncio.sleep(0)  # its way to the venue and back
        self.under_way -= 1
        return await self._cancel(order)


async def a_thousand() -> tuple[Floor, list[Order], list[Order]]:
    """Ten accounts with 100 entries and 5 stops each; the entries, the stops."""
    floor = await Floor().open()
    entries: list[Order] = []
    stops: list[Order] = []
    for account in range(10):
        name = f"dep_{account}"
        if name != DEPLOYMENT_ID:
            place = Ref("agent_deployments_v3", name)
            await floor.store.commit([create(place, a_deployment(name))])
        first = 1000 * account
        entries += await floor.rest_many(range(first, first + 100), deployment_id=name)
        stops += await floor.rest_many(
            range(first + 500, first + 505),
            deployment_id=name,
            trigger_price=Decimal(2900),
            reduce_only=True,
        )
    return floor, entries, stops


async def test_halt_when_a_thousand_orders_rest_then_all_are_asked_for_at_once_and_recorded() -> (
    None
):
    """Within five seconds, though every call to the store and to the venue takes a quarter."""
    floor, entries, stops = await a_thousand()
    state = await floor.set_state(TradingState.HALTED)
    timed, halted_at = Timed(floor, store_s=0.25), floor.clock.now()

    await floor.settle(TradingStateChanged(scope="platform", epoch=state.epoch))

    assert set(floor.hyperliquid.canceled) == {order.client_order_id for order in entries}
    assert len(floor.hyperliquid.canceled) == 1000
    assert timed.most == AT_ONCE
    assert timed.commits_before_last == 0
    waves = -(-1000 // timed.most) * timedelta(seconds=0.25)  # a quarter to the venue and back
    assert timed.last_at - halted_at + waves <= timedelta(seconds=5)
    rows, intents = floor.rows(ORDERS), floor.rows(ORDER_INTENTS)
    assert {rows[order.client_order_id]["status"] for order in entries} == {"CANCELED"}
    assert {intents[order.intent_id]["status"] for order in entries} == {"CANCELED"}
    assert {rows[order.client_order_id]["status"] for order in stops} == {"ACCEPTED"}
    kept = [row["reservations"] for row in floor.rows(EXPOSURES).values()]
    assert sorted(key for each in kept for key in each) == sorted(
        order.intent_id for order in stops
    )


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_halt_when_it_dies_at_any_call_then_the_tick_ends_what_it_left(after: bool) -> None:
    """Three entries of two accounts, a part of one filled, and a stop."""

    async def begin() -> Floor:
        floor = await Floor().open()
        await floor.store.commit(
            [create(Ref("agent_deployments_v3", "dep_2"), a_deployment("dep_2"))]
        )
        orders = await floor.rest_many((1, 2))
        await floor.rest(3, deployment_id="dep_2")
        await floor.rest(4, trigger_price=Decimal(2900), reduce_only=True)
        floor.hyperliquid.fill(orders[0].client_order_id, "0.1")
        await floor.set_state(TradingState.HALTED)
        return floor

    event = TradingStateChanged(scope="platform", epoch=2)
    counted = await begin()
    mortal = Mortal(counted.store, counted.venues.values())
    await counted.settle(event)
    for number in range(1, mortal.calls + 1):
        floor = await begin()
        mortal = Mortal(floor.store, floor.venues.values())
        mortal.doom(number, after=after)
        with pytest.raises(Died):
            await floor.settle(event)
        mortal.revive()
        await floor.settle()

        statuses = {order_id: row["status"] for order_id, row in floor.rows(ORDERS).items()}
        assert sorted(statuses.values()) == ["ACCEPTED", *["CANCELED"] * 3], number
        assert len(floor.hyperliquid.resting()) == 1, number
        assert floor.exposure().held(HL, "ETH") == Decimal("0.1"), number
        assert set(floor.exposure().reservations) == {"int_rest0004"}, number
        assert floor.exposure("dep_2").reservations == {}, number
