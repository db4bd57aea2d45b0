"""Case 111: without the platform's limits nothing trades, whenever they go missing."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from common.books import (
    EXPOSURES,
    FILLS,
    ORDER_INTENTS,
    ORDERS,
    PARENT_ORDERS,
    RISK_LIMIT_VERSIONS,
    RISK_LIMITS,
    V3,
)
from common.domain.order import IntentStatus, Order
from common.domain.parent_order import ParentOrder, ParentStatus
from common.domain.position import Position
from common.domain.signal import Delivery, SignalStatus
from common.ports import Create, Delete, DocumentStore, Ref, Update
from common.wire import JsonObject
from tests.fakes.venue import FULL
from tests.functions.api_client import Api, signal_body
from tests.functions.town import DEPLOYED, Town
from tests.unit.functions.trading_desk import TradingDesk

GENERATE = "/api/v3/signals/generate"
PLATFORM = Ref(RISK_LIMITS, "platform")
EXECUTIONS: list[Any] = [
    None,
    {"algorithm": "TWAP", "duration_s": 300, "slices": 5},
    {"algorithm": "ICEBERG", "visible_quantity": "0.05"},
]
Damage = Callable[[JsonObject], JsonObject]


def with_block(block: str, **fields: Any) -> Damage:
    return lambda data: {**data, block: {**data[block], **fields}}


DAMAGES: dict[str, Damage] = {
    "no core limit": with_block("order", max_notional=None),
    "no collar": with_block("order", price_collar=None),
    "no exposure": with_block("deployment", max_exposure=None),
    "a negative limit": with_block("order", max_notional="-1"),
    "a limit of 0": with_block("deployment", max_leverage="0"),
    "no number": with_block("order", max_notional="much"),
    "half a pair": with_block("deployment", repeats_window_s=None),
    "a newer release's": lambda data: {**data, "order": {**data["order"], "more": "1"}},
    "another scope's": lambda data: {**data, "scope": "venue:GMX"},
    "a block is text": lambda data: {**data, "total": "none"},
}


async def remove(store: DocumentStore, ref: Ref = PLATFORM) -> None:
    document = await store.get(ref)
    assert document is not None
    await store.commit([Delete(ref, document.version)])


async def assert_denied(town: Town, *words: str) -> None:
    delivery = await town.only(Delivery, V3.deliveries)
    assert (delivery.status, delivery.reason_code) == (SignalStatus.DENIED, "LIMITS_MISSING")
    for word in words:
        assert word in delivery.reason
    contents = town.bench.store.contents()
    assert not {ORDER_INTENTS, ORDERS, PARENT_ORDERS, FILLS, EXPOSURES} & contents.keys()


# ------------------------------------------------------------------------------ before it is routed
@pytest.mark.parametrize("execution", EXECUTIONS)
async def test_case_111_when_there_are_no_limits_then_denied_and_nothing_is_begun(
    api: Api, town: Town, execution: Any
) -> None:
    await remove(api.store)
    await api.post(GENERATE, signal_body("swarm", execution=execution))
    await assert_denied(town, "the platform has no limits".capitalize())


@pytest.mark.parametrize("name", DAMAGES)
async def test_case_111_when_the_limits_cannot_be_obeyed_then_denied_saying_why(
    api: Api, town: Town, name: str
) -> None:
    document = await api.store.get(PLATFORM)
    assert document is not None
    await remove(api.store)
    await api.store.commit([Create(PLATFORM, DAMAGES[name](document.data))])
    await api.post(GENERATE, signal_body("swarm"))
    await assert_denied(town, "The limits of the platform cannot be used: ")


@pytest.mark.parametrize("scope", ["venue:HYPERLIQUID", "agent:v3:swarm", f"deployment:{DEPLOYED}"])
async def test_case_111_when_a_narrower_scopes_cannot_be_read_then_denied_naming_it(
    api: Api, town: Town, scope: str
) -> None:
    await api.store.commit([Create(Ref(RISK_LIMITS, scope), {"version": 1})])
    await api.post(GENERATE, signal_body("swarm"))
    await assert_denied(town, scope.rpartition(":")[2])


async def test_case_111_when_a_person_trades_then_told_why_not(api: Api) -> None:
    await remove(api.store)
    order = {"symbol": "ETH", "side": "BUY", "quantity": "0.1", "order_type": "MARKET"}
    shown = (await api.post("/api/trading/execute", order)).json()
    assert (shown["success"], shown["reason_code"]) == (False, "LIMITS_MISSING")
    limits = (await api.get("/api/ops/limits")).json()
    assert limits["effective"]["code"] == "LIMITS_MISSING"
    lines = (await api.get("/api/ops/preflight")).json()["lines"]
    assert [line["name"] for line in lines if not line["ok"]] == ["limits"]


@pytest.mark.parametrize(
    "versions",
    [
        "gone",
        pytest.param(
            "kept",
        ),
    ],
)
async def test_case_111_when_a_person_sets_limits_then_the_next_signal_trades(
    api: Api, town: Town, versions: str
) -> None:
    """The one that was denied stays so: nobody knows by then whether it is still meant."""
    await remove(api.store)
    if versions == "gone":
        await remove(api.store, Ref(RISK_LIMIT_VERSIONS, "platform:1"))
    await api.post(GENERATE, signal_body("swarm", risk_model=None))
    change = {
        "scope": "platform",
        "order": {"max_notional": "5000", "price_collar": "0.05"},
        "deployment": {"max_exposure": "5000"},
        "reason": "the first",
        "by": "Ada",
    }
    assert (await api.post("/api/ops/limits", change)).status_code == 200
    await town.pass_time(1)
    assert FILLS not in api.store.contents()
    await api.post(GENERATE, signal_body("swarm", risk_model=None))
    statuses = sorted(each.status for each in await town.all(Delivery, V3.deliveries))
    assert statuses == [SignalStatus.DENIED, SignalStatus.EXECUTED]


# ----------------------------------------------------------------------------- after it is routed
async def test_case_111_when_they_go_after_the_plan_was_made_then_execute_denies_it() -> None:
    desk = await TradingDesk().open()
    desk.hyperliquid.replies = [FULL]
    await remove(desk.store)
    await desk.execute()
    assert desk.hyperliquid.sent == []
    assert desk.delivery().reason_code == "LIMITS_MISSING"
    assert ORDERS not in desk.store.contents()
    assert desk.exposure().reservations == {}
    assert desk.signal().status is SignalStatus.DENIED


@pytest.mark.parametrize("damaged", [False, True])
async def test_case_111_when_they_go_between_the_write_ahead_and_the_wire_then_the_gate_denies_it(
    damaged: bool,
) -> None:
    """The order is in the store by then: it ends there, and its reservation with it."""
    desk = await TradingDesk().open()
    desk.hyperliquid.replies = [FULL]
    written_ahead: list[object] = []

    async def vanish(operation: str, argument: Any) -> None:
        if operation == "commit" and f"'{ORDERS}'" in str(argument):
            desk.store.after = None
            written_ahead.append(argument)
            found = desk.store.peek(PLATFORM)
            assert found is not None
            gone = Delete(PLATFORM, found.version)
            broken = Update(PLATFORM, {"version": "one"}, found.version)
            await desk.store.commit([broken if damaged else gone])

    desk.store.after = vanish
    await desk.execute()
    assert len(written_ahead) == 1
    assert desk.hyperliquid.sent == []
    assert desk.ostium.sent == []
    assert (desk.order().status, desk.intent().status) == ("DENIED", IntentStatus.DENIED)
    assert desk.intent().reason_code == "LIMITS_MISSING"
    assert desk.exposure().reservations == {}
    desk.clock.advance(60)
    await desk.settle()
    assert desk.hyperliquid.sent == []


async def test_case_111_when_they_go_while_a_parent_is_worked_then_no_further_child_leaves(
    api: Api, town: Town
) -> None:
    """It ends with what it has, and lets go of the rest."""
    size = {"type": "quantity", "value": "1"}
    execution = {"algorithm": "TWAP", "duration_s": 1200, "slices": 20}
    body = signal_body("swarm", size_model=size, execution=execution, risk_model=None)
    await api.post(GENERATE, body)
    await town.pass_time(3)
    await remove(api.store)
    await town.settle_down()
    held = (await town.only(Position, V3.positions)).signed_qty
    sent = len(await town.all(Order, ORDERS))
    assert 0 < held < 1
    await town.pass_time(12)
    assert (await town.only(Position, V3.positions)).signed_qty == held
    assert len(await town.all(Order, ORDERS)) == sent
    parent = await town.only(ParentOrder, PARENT_ORDERS)
    assert (parent.status, parent.reason_code) == (ParentStatus.PARTIAL, "LIMITS_MISSING")
    assert parent.filled_qty == held
    assert (await api.get("/api/portfolio/exposure")).json()["reserved"] == "0"


async def test_case_111_when_a_position_is_held_then_its_exit_waits_too_and_a_person_is_told(
    api: Api, town: Town
) -> None:
    """No trading is no trading: whoever lets the limits go must know that exits stand still."""
    size = {"type": "quantity", "value": "0.1"}
    await api.post(GENERATE, signal_body("swarm", size_model=size, risk_model=None))
    assert (await town.only(Position, V3.positions)).signed_qty == Decimal("0.1")
    await remove(api.store)
    begun = (await api.post("/api/ops/flatten", {"by": "Ada"})).json()
    await town.pass_time(3)
    shown = (await api.get(f"/api/ops/flattens/{begun['flatten_id']}")).json()
    assert shown["status"] == "STUCK"
    assert shown["remaining"] == [f"{DEPLOYED} HYPERLIQUID ETH 0.1"]
    assert (await town.only(Position, V3.positions)).signed_qty == Decimal("0.1")
    told = [each.text for each in town.messenger.sent]
    assert [text for text in told if text.startswith("FLATTEN IS STUCK")]
