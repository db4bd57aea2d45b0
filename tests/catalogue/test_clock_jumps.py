"""A clock that jumps back (F31): nothing is sent twice, nothing is forgotten, no room is made."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import (
    ACCOUNTS,
    FILLS,
    ORDER_INTENTS,
    ORDER_THROTTLES,
    ORDERS,
    PARENT_ORDERS,
    POSITION_EXITS,
    V3,
)
from common.domain.account import Account
from common.domain.exits import ExitState, PositionExit
from common.domain.order import IntentStatus, Order, OrderIntent, OrderPurpose
from common.domain.parent_order import ParentOrder, ParentStatus
from common.domain.position import Position
from common.domain.signal import Delivery, SignalStatus
from common.errors import OutcomeUnknownError
from common.how.throttles import OrderThrottle
from tests.builders import NOON
from tests.fakes.venue import FULL
from tests.functions.api_client import Api, assert_problem, signal_body
from tests.functions.town import DEPLOYED, Town
from tests.unit.functions.trading_desk import TradingDesk

GENERATE = "/api/v3/signals/generate"
MINUTE, HOUR, DAY = 60, 3600, 86_400
JUMPS = [1, MINUTE, HOUR, DAY]


# ---------------------------------------------------------------------------------------- execute
@pytest.mark.parametrize("back_s", JUMPS)
async def test_execute_when_a_plan_comes_again_from_the_future_then_it_is_sent_once(
    back_s: int,
) -> None:
    desk = await TradingDesk().open()
    desk.hyperliquid.replies = [FULL]
    await desk.execute()
    desk.clock.advance(-back_s)
    for _ in range(3):
        await desk.execute()
    assert len(desk.hyperliquid.sent) == 1
    assert desk.position().signed_qty == 1


@pytest.mark.parametrize("back_s", [1, MINUTE])
async def test_execute_when_the_plan_is_of_a_moment_to_come_then_once(back_s: int) -> None:
    desk = await TradingDesk().open()
    desk.hyperliquid.replies = [FULL]
    desk.clock.advance(-back_s)
    await desk.execute()
    desk.clock.advance(back_s)
    await desk.execute()
    assert len(desk.hyperliquid.sent) == 1
    assert desk.delivery().status is SignalStatus.EXECUTED


@pytest.mark.parametrize("back_s", [HOUR, DAY])
async def test_execute_when_the_price_is_of_a_far_future_then_denied_and_unsent(
    back_s: int,
) -> None:
    """One of the two clocks is wrong, and nobody knows which."""
    desk = await TradingDesk().open()
    desk.clock.advance(-back_s)
    await desk.execute()
    assert desk.hyperliquid.sent == []
    assert desk.delivery().reason_code == "PRICE_STALE"
    assert desk.exposure().reservations == {}


@pytest.mark.parametrize("back_s", JUMPS)
async def test_execute_when_the_clock_jumps_between_the_write_ahead_and_the_wire_then_once(
    back_s: int,
) -> None:
    desk = await TradingDesk().open()
    desk.hyperliquid.replies = [FULL]

    async def jump(operation: str, argument: Any) -> None:
        if operation == "commit" and f"'{ORDERS}'" in str(argument):
            desk.store.after = None
            desk.clock.advance(-back_s)

    desk.store.after = jump
    await desk.execute()
    await desk.execute()
    for _ in range(30):
        desk.clock.advance(MINUTE)
        await desk.settle()
    assert len(desk.hyperliquid.sent) <= 1
    assert desk.exposure().reservations == {}
    assert desk.delivery().status.is_terminal


async def test_settle_when_the_clock_jumps_back_then_an_order_is_not_given_up_before_its_time() -> (
    None
):
    """Not found is final only once the order cannot arrive any more, by any clock."""
    desk = await TradingDesk().open()
    desk.hyperliquid.replies = [OutcomeUnknownError("no answer")]
    await desk.execute()
    desk.clock.advance(-10 * MINUTE)
    for _ in range(10):
        await desk.settle()
        desk.clock.advance(MINUTE)
    assert desk.intent().attempt == 1
    assert desk.intent().status in {IntentStatus.UNKNOWN, IntentStatus.UNRESOLVED}
    assert desk.exposure().reservations
    desk.clock.advance(MINUTE)
    await desk.settle()
    assert desk.intent().status in {IntentStatus.RETRYING, IntentStatus.REJECTED}


# --------------------------------------------------------------------------------- messages counted
@pytest.mark.parametrize(
    "back_s",
    [
        1,
        2,
        pytest.param(
            30,
        ),
    ],
)
async def test_message_rate_when_the_clock_jumps_back_then_what_seems_to_come_still_counts(
    api: Api, town: Town, back_s: int
) -> None:
    change = {
        "scope": f"deployment:{DEPLOYED}",
        "deployment": {"max_messages_per_minute": 2},
        "reason": "a drill",
    }
    assert (await api.post("/api/ops/limits", change)).status_code == 200
    for quantity in ("0.01", "0.02"):
        await trade(api, quantity)
        town.bench.clock.advance(2)
    assert len(await town.all(Order, ORDERS)) == 2
    town.bench.clock.advance(-back_s)
    await trade(api, "0.03")
    assert len(await town.all(Order, ORDERS)) == 2
    codes = {each.reason_code for each in await town.all(Delivery, V3.deliveries)}
    assert "RATE_LIMIT_EXCEEDED" in codes


async def test_duplicates_when_the_clock_jumps_back_then_the_same_order_is_still_one(
    api: Api, town: Town
) -> None:
    await trade(api, "0.01")
    town.bench.clock.advance(-30)
    await trade(api, "0.01")
    assert len(await town.all(Order, ORDERS)) == 1
    codes = {each.reason_code for each in await town.all(Delivery, V3.deliveries)}
    assert "DUPLICATE_ORDER" in codes


async def trade(api: Api, quantity: str) -> str:
    """A signal of the swarm's, sent and delivered; its id."""
    size = {"type": "quantity", "value": quantity}
    response = await api.post(GENERATE, signal_body("swarm", size_model=size, risk_model=None))
    assert response.status_code == 201, response.text
    return str(response.json()["signal_id"])


# ---------------------------------------------------------------------------------------- advance
async def begin_twap(api: Api, town: Town) -> ParentOrder:
    execution = {"algorithm": "TWAP", "duration_s": 600, "slices": 10}
    size = {"type": "quantity", "value": "1"}
    body = signal_body("swarm", size_model=size, execution=execution, risk_model=None)
    assert (await api.post(GENERATE, body)).status_code == 201
    return await town.only(ParentOrder, PARENT_ORDERS)


async def check(town: Town) -> ParentOrder:
    """Never above the parent, and its children are what the store has of them."""
    parent = await town.only(ParentOrder, PARENT_ORDERS)
    assert parent.filled_qty + parent.open_qty <= parent.quantity
    orders = [each for each in await town.all(Order, ORDERS) if each.exec_spawn_id]
    assert sum((each.filled_qty for each in orders), Decimal(0)) == parent.filled_qty
    assert len({each.intent_id for each in orders}) == len(orders) <= parent.spawned
    return parent


@pytest.mark.parametrize("back_s", [1, 30, 3 * MINUTE, 9 * MINUTE, HOUR])
async def test_advance_when_the_clock_jumps_back_then_no_slice_goes_twice_and_the_sum_is_exact(
    api: Api, town: Town, back_s: int
) -> None:
    await begin_twap(api, town)
    await town.pass_time(4)
    before = await check(town)
    assert before.filled_qty > 0

    town.bench.clock.advance(-back_s)
    for _ in range(3):
        await town.tick("advance")
        await town.settle_down()
    assert (await check(town)).filled_qty == before.filled_qty

    for _ in range(15 + back_s // MINUTE):
        await town.pass_time(1, step_s=30)
        await check(town)
    parent = await check(town)
    assert parent.status is ParentStatus.FILLED
    assert parent.filled_qty == 1
    assert (await town.only(Position, V3.positions)).signed_qty == 1
    assert parent.spawned <= 12


async def test_advance_when_the_clock_jumps_ahead_and_back_then_no_more_than_the_catch_up(
    api: Api, town: Town
) -> None:
    """A minute that seems to be the fifth catches up with twice a slice; the sum stays exact."""
    await begin_twap(api, town)
    await town.pass_time(1)
    before = await check(town)
    town.bench.clock.advance(5 * MINUTE)
    await town.tick("fetch_market")
    await town.tick("advance")
    town.bench.clock.advance(2)
    await town.settle_down()
    after = await check(town)
    assert after.filled_qty - before.filled_qty <= Decimal("0.21")
    town.bench.clock.advance(-5 * MINUTE)
    for _ in range(16):
        await town.pass_time(1, step_s=30)
        await check(town)
    assert (await check(town)).status is ParentStatus.FILLED


# ---------------------------------------------------------------------------------------- monitor
async def hold(api: Api, town: Town, **risk: Any) -> Position:
    size = {"type": "quantity", "value": "0.1"}
    risk_model = {"type": "stop-loss", "stop": "2.5", **risk}
    body = signal_body("swarm", size_model=size, risk_model=risk_model)
    assert (await api.post(GENERATE, body)).status_code == 201
    await town.pass_time(1)
    return await town.only(Position, V3.positions)


async def purposes(town: Town) -> list[OrderPurpose]:
    return [each.plan.purpose for each in await town.all(OrderIntent, ORDER_INTENTS)]


@pytest.mark.parametrize("back_s", [1, MINUTE, 5 * MINUTE, HOUR])
async def test_monitor_when_the_clock_jumps_back_then_its_stop_stays_the_only_one(
    api: Api, town: Town, back_s: int
) -> None:
    await hold(api, town)
    before = await town.only(PositionExit, POSITION_EXITS)
    assert (before.state, len(before.orders)) == (ExitState.ARMED, 1)
    town.bench.clock.advance(-back_s)
    for _ in range(3):
        await town.tick("monitor")
        await town.settle_down()
    after = await town.only(PositionExit, POSITION_EXITS)
    assert (after.state, after.orders) == (before.state, before.orders)
    assert after.best_price >= before.best_price
    assert (await purposes(town)).count(OrderPurpose.STOP_LOSS) == 1
    assert (await town.only(Position, V3.positions)).signed_qty == Decimal("0.1")


async def test_monitor_when_the_clock_jumps_back_over_a_time_limit_then_it_closes_once(
    api: Api, town: Town
) -> None:
    await hold(api, town, time_limit_s=300)
    town.bench.clock.advance(-2 * MINUTE)
    await town.pass_time(3)
    assert (await town.only(Position, V3.positions)).signed_qty == Decimal("0.1")
    await town.pass_time(5)
    assert (await town.only(Position, V3.positions)).signed_qty == 0
    town.bench.clock.advance(-10 * MINUTE)
    await town.pass_time(12, step_s=30)
    assert (await town.only(Position, V3.positions)).signed_qty == 0
    assert (await purposes(town)).count(OrderPurpose.TIME_LIMIT) == 1
    assert (await api.get("/api/ops/state")).json()["protective_orders"] == 0
    sides = [row["fill"]["side"] for row in api.store.contents()[FILLS].values()]
    assert sorted(sides) == ["BUY", "SELL"]


async def test_monitor_when_the_clock_jumps_back_over_midnight_then_the_days_loss_is_not_forgotten(
    api: Api, town: Town
) -> None:
    await hold(api, town)
    _go_to(town, NOON.replace(hour=0, minute=1) + timedelta(days=1))
    await town.tick("fetch_market")
    await town.tick("monitor")
    begun = await town.only(Account, ACCOUNTS)
    assert begun.day == "2026-01-16"
    town.bench.clock.advance(-5 * MINUTE)
    await town.tick("fetch_market")
    await town.tick("monitor")
    back = await town.only(Account, ACCOUNTS)
    assert (back.day, back.day_start_equity) == (begun.day, begun.day_start_equity)
    town.bench.clock.advance(10 * MINUTE)
    await town.tick("fetch_market")
    await town.tick("monitor")
    again = await town.only(Account, ACCOUNTS)
    assert (again.day, again.day_start_equity) == (begun.day, begun.day_start_equity)


def _go_to(town: Town, moment: datetime) -> None:
    town.bench.clock.advance((moment - town.bench.clock.now()).total_seconds())


# -------------------------------------------------------------------------------------- throttles
async def limit_repeats(api: Api, scope: str) -> None:
    change = {
        "scope": scope,
        "deployment": {"repeats_max": 2, "repeats_window_s": 60},
        "reason": "a drill",
    }
    assert (await api.post("/api/ops/limits", change)).status_code == 200


@pytest.mark.parametrize("back_s", [1, MINUTE, 5 * MINUTE])
@pytest.mark.parametrize(
    ("scope", "throttle_id"),
    [
        (f"deployment:{DEPLOYED}", f"deployment:{DEPLOYED}:ETH"),
        ("agent:v3:swarm", "agent:v3:swarm:ETH"),
    ],
)
async def test_throttle_when_the_clock_jumps_back_then_it_makes_no_room_and_a_person_is_needed(
    api: Api, town: Town, scope: str, throttle_id: str, back_s: int
) -> None:
    await limit_repeats(api, scope)
    for quantity in ("0.01", "0.02"):
        await trade(api, quantity)
        town.bench.clock.advance(5)
    assert len(await town.all(Order, ORDERS)) == 2

    town.bench.clock.advance(-back_s)
    record = await town.signal(await trade(api, "0.03"))
    assert record.status is SignalStatus.DENIED
    assert len(await town.all(Order, ORDERS)) == 2
    (listed,) = (await api.get("/api/ops/throttles")).json()["throttles"]
    assert listed["throttle_id"] == throttle_id

    town.bench.clock.advance(back_s + DAY)  # time alone opens nothing
    await town.tick("fetch_market")
    await trade(api, "0.04")
    assert len(await town.all(Order, ORDERS)) == 2

    path = f"/api/ops/throttles/{throttle_id}/enable"
    assert_problem(await api.post(path, {"reason": "nobody"}), 422)
    assert (await api.post(path, {"by": "Ada", "reason": "meant"})).status_code == 200
    await trade(api, "0.05")
    assert len(await town.all(Order, ORDERS)) == 3
    throttles = await town.all(OrderThrottle, ORDER_THROTTLES)
    assert not any(each.disabled for each in throttles)


@pytest.mark.parametrize("back_s", [HOUR, DAY])
async def test_route_when_the_price_is_of_a_far_future_then_denied_and_nothing_is_begun(
    api: Api, town: Town, back_s: int
) -> None:
    """The feed's clock is right, and ours is not: until they agree, nobody trades."""
    town.bench.clock.advance(-back_s)
    signal_id = await trade(api, "0.01")
    record = await town.signal(signal_id)
    assert record.status is SignalStatus.DENIED
    delivery = await town.only(Delivery, V3.deliveries)
    assert delivery.reason_code == "PRICE_STALE"
    assert ORDERS not in api.store.contents()
