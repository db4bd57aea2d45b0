"""Cases 50 to 54: stopping trading, starting it again, and orders in between."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from common.books import (
    AUDIT,
    EXPOSURES,
    FILLS,
    NOTIFICATIONS,
    ORDER_INTENTS,
    PARENT_ORDERS,
    TRADING_STATE,
    V3,
)
from common.domain.exposure import Exposure
from common.domain.order import IntentStatus, OrderIntent
from common.domain.parent_order import ParentOrder, ParentStatus
from common.domain.position import Position
from common.errors import OutcomeUnknownError
from tests.builders import INTENT_ID
from tests.functions.api_client import Api, assert_problem, signal_body
from tests.functions.town import Town
from tests.unit.functions.trading_desk import TradingDesk

HALT, REDUCE, RESUME = "/api/ops/halt", "/api/ops/reduce", "/api/ops/resume"
EXECUTE = "/api/trading/execute"
ORDER = {"symbol": "ETH", "side": "BUY", "quantity": "0.1", "order_type": "MARKET"}
SCOPES = ["platform", "symbol:ETH", "venue:HYPERLIQUID", "agent:v3:swarm"]


async def rest_an_entry(town: Town, api: Api) -> OrderIntent:
    """A LIMIT order of the swarm's that rests 1 % below the mark."""
    price = str((await town.mark("ETH") * Decimal("0.99")).quantize(Decimal(1)))
    execution = {"algorithm": "LIMIT", "limit_price": price}
    size = {"type": "quantity", "value": "0.1"}
    body = signal_body("swarm", size_model=size, execution=execution, risk_model=None)
    assert (await api.post("/api/v3/signals/generate", body)).status_code == 201
    await town.pass_time(1)
    intent = await town.only(OrderIntent, ORDER_INTENTS)
    assert intent.status is IntentStatus.WORKING
    return intent


# -------------------------------------------------------------------------------------------- 50
@pytest.mark.parametrize("scope", SCOPES)
async def test_case_050_when_killed_twice_then_200_the_same_epoch_and_one_effect(
    api: Api, town: Town, scope: str
) -> None:
    """The entry that rests is canceled once, and what was reserved for it is free again."""
    intent = await rest_an_entry(town, api)

    first = await api.post(HALT, {"scope": scope, "reason": "news", "by": "Ada"})
    contents = api.store.contents()
    again = await api.post(HALT, {"scope": scope, "reason": "more news", "by": "Grace"})

    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert api.store.contents() == contents
    assert [row["action"] for row in contents[AUDIT].values()].count("trading-state-changed") == 1
    canceled = await town.only(OrderIntent, ORDER_INTENTS)
    assert canceled.plan.intent_id == intent.plan.intent_id
    assert canceled.status is IntentStatus.CANCELED
    assert canceled.filled_qty == 0
    parent = await town.only(ParentOrder, PARENT_ORDERS)
    assert parent.status is ParentStatus.ACTIVE  # it goes on where it was once trading resumes
    await town.pass_time(2)
    assert len(await town.bench.documents(ORDER_INTENTS)) == 1
    assert FILLS not in api.store.contents()


async def test_case_050_when_resumed_after_it_then_the_epoch_grows_and_the_order_rests_again(
    api: Api, town: Town
) -> None:
    await rest_an_entry(town, api)
    halted = (await api.post(HALT, {"by": "Ada"})).json()
    await town.pass_time(1)
    resumed = (await api.post(RESUME, {"by": "Grace"})).json()
    assert (resumed["state"], resumed["epoch"]) == ("ACTIVE", halted["epoch"] + 1)
    await town.pass_time(2)
    statuses = sorted(each.status for each in await town.all(OrderIntent, ORDER_INTENTS))
    assert statuses == [IntentStatus.CANCELED, IntentStatus.WORKING]
    parent = await town.only(ParentOrder, PARENT_ORDERS)
    assert parent.filled_qty + parent.open_qty == parent.quantity


# -------------------------------------------------------------------------------------------- 51
GARBAGE = [
    b"{",
    b"kill",
    b"[]",
    b'"halt"',
    b"\xff\xfe",
    b"\x00",
    b'{"a":1}{"b":2}',
    b'{"reason":"a","reason":"b"}',
    b'{"reason":' + b"[" * 5000,
]
WRONG = [
    {"reason": ""},
    {"reason": 1},
    {"scope": "everything"},
    {"scope": None},
    {"by": ""},
    {"unknown": 1},
    {"state": "ACTIVE"},
]


@pytest.mark.parametrize("path", [HALT, REDUCE, RESUME, "/api/ops/flatten"])
async def test_case_051_when_the_body_is_garbage_then_refused_and_the_state_stays(
    api: Api, path: str
) -> None:
    before = api.store.contents()
    for content in GARBAGE:
        response = await api.call("POST", path, content=content)
        assert response.status_code in {400, 422}, (content, response.text)
        assert_problem(response, response.status_code)
    for body in WRONG:
        assert_problem(await api.post(path, body), 422)
    assert api.store.contents() == before


@pytest.mark.parametrize(
    ("path", "state", "status"),
    [(HALT, "HALTED", 200), (REDUCE, "REDUCING", 200), ("/api/ops/flatten", None, 202)],
)
async def test_case_051_when_there_is_no_body_then_the_documented_form_works(
    api: Api, path: str, state: str | None, status: int
) -> None:
    response = await api.call("POST", path)
    assert response.status_code == status, response.text
    assert response.json()["scope"] == "platform"
    assert state is None or response.json()["state"] == state


async def test_case_051_when_a_kill_with_garbage_is_sent_without_its_body_then_halted(
    api: Api,
) -> None:
    assert_problem(await api.call("POST", HALT, content=b"kill now"), 400)
    assert (await api.get("/api/ops/state")).json()["state"] == "ACTIVE"
    assert (await api.call("POST", HALT)).status_code == 200
    assert (await api.get("/api/ops/state")).json()["state"] == "HALTED"


# -------------------------------------------------------------------------------------------- 52
@pytest.mark.parametrize("scope", SCOPES)
async def test_case_052_when_four_eyes_are_set_then_who_killed_does_not_resume(
    api: Api, scope: str
) -> None:
    api.settings = replace(api.settings, four_eyes=True)
    await api.post(HALT, {"scope": scope, "by": "Ada"})
    before = api.store.contents()
    refused = await api.post(RESUME, {"scope": scope, "by": "Ada", "reason": "all is well"})
    assert_problem(refused, 403, "FOUR_EYES")
    assert api.store.contents() == before
    resumed = await api.post(RESUME, {"scope": scope, "by": "Grace"})
    assert (resumed.status_code, resumed.json()["changed_by"]) == (200, "Grace")


async def test_case_052_when_four_eyes_are_set_then_who_flattened_does_not_resume(
    api: Api, town: Town
) -> None:
    """It ends HALTED, by `settle`; in the name of who asked for it."""
    api.settings = replace(api.settings, four_eyes=True)
    await api.post("/api/ops/flatten", {"by": "Ada"})
    await town.pass_time(1)
    assert (await api.get("/api/ops/state")).json()["state"] == "HALTED"
    assert_problem(await api.post(RESUME, {"by": "Ada"}), 403, "FOUR_EYES")
    assert (await api.post(RESUME, {"by": "Grace"})).status_code == 200


# -------------------------------------------------------------------------------------------- 53
async def an_unresolved_order() -> TradingDesk:
    """Sent, never answered, never found: after ten minutes a person must look."""
    desk = await TradingDesk().open()
    desk.hyperliquid.replies = [OutcomeUnknownError("no answer")]
    desk.hyperliquid.answer = OutcomeUnknownError("still none")
    await desk.execute()
    for _ in range(20):
        desk.clock.advance(60)
        await desk.settle()
    assert desk.intent().status is IntentStatus.UNRESOLVED
    return desk


async def test_case_053_when_an_order_is_unresolved_then_409_until_a_person_has_settled_it(
    tmp_path: Path,
) -> None:
    desk = await an_unresolved_order()
    api = Api(tmp_path, desk.store, desk.clock)
    for scope in (*SCOPES, "deployment:dep_1"):
        assert (await api.post(HALT, {"scope": scope, "by": "Ada"})).status_code in {200, 404}
    before = api.store.contents()

    for scope in SCOPES[:3]:
        refused = await api.post(RESUME, {"scope": scope, "by": "Grace"})
        assert_problem(refused, 409, "UNRESOLVED_ORDERS")

    assert api.store.contents() == before
    assert (await api.get("/api/ops/state")).json()["unresolved_orders"] == 1
    reserved = desk.exposure().reservations
    assert INTENT_ID in reserved  # it counts as filled as long as nobody knows
    settled = await api.post(
        f"/api/ops/orders/{INTENT_ID}/settle", {"filled_qty": "0", "reason": "not there"}
    )
    assert settled.status_code == 200, settled.text
    assert (await api.post(RESUME, {"by": "Grace"})).json()["state"] == "ACTIVE"
    assert desk.exposure().reservations == {}


# -------------------------------------------------------------------------------------------- 54
@pytest.mark.parametrize("scope", ["platform", "symbol:ETH", "agent:v3:operator"])
async def test_case_054_when_trading_is_killed_then_a_manual_order_is_423_and_leaves_no_trace(
    api: Api, scope: str
) -> None:
    await api.post(EXECUTE, ORDER)  # the operator's agent is there from its first order on
    await api.post(HALT, {"scope": scope, "reason": "news"})
    before = api.store.contents()
    for body in (
        ORDER,
        {**ORDER, "side": "SELL"},
        {**ORDER, "order_type": "TWAP", "duration_s": 60, "slices": 2},
        {**ORDER, "order_type": "SNIPER", "price": "3500"},
    ):
        response = await api.post(EXECUTE, body, headers={"Idempotency-Key": "order-1"})
        assert_problem(response, 423, "TRADING_HALTED")
        assert "news" in response.json()["detail"]
    assert api.store.contents() == before


async def test_case_054_when_no_state_was_ever_set_then_killed(api: Api, town: Town) -> None:
    await town.remove(TRADING_STATE, "platform")
    before = api.store.contents()
    assert_problem(await api.post(EXECUTE, ORDER), 423, "TRADING_HALTED")
    assert api.store.contents() == before


async def test_case_054_when_resumed_then_the_same_key_trades(api: Api) -> None:
    """A refused order has not used its key up."""
    key = {"Idempotency-Key": "order-1"}
    await api.post(HALT)
    assert_problem(await api.post(EXECUTE, ORDER, headers=key), 423)
    await api.post(RESUME)
    shown = (await api.post(EXECUTE, ORDER, headers=key)).json()
    assert (shown["success"], shown["filled_quantity"]) == (True, 0.1)


async def test_case_054_when_the_kill_comes_behind_the_check_then_denied_before_the_wire(
    api: Api, town: Town
) -> None:
    """The signal is stored, then somebody halts: no order of it leaves."""

    async def kill(operation: str, argument: Any) -> None:
        if operation == "commit" and V3.signals in str(argument):
            api.store.before = None
            quiet = town.api(api.data_dir)
            assert (await quiet.post(HALT, {"reason": "just now"})).status_code == 200

    api.store.before = kill
    shown = (await api.post(EXECUTE, ORDER)).json()
    assert (shown["success"], shown["status"]) == (False, "DENIED")
    contents = api.store.contents()
    assert FILLS not in contents
    assert ORDER_INTENTS not in contents
    told = [row["notification"]["text"] for row in contents[NOTIFICATIONS].values()]
    assert [text for text in told if text.startswith("Trading HALTED")]


async def test_case_054_when_trading_only_reduces_then_a_manual_order_may_close_and_not_open(
    api: Api, town: Town
) -> None:
    await api.post(EXECUTE, ORDER)
    await api.post(REDUCE)
    more = (await api.post(EXECUTE, {**ORDER, "quantity": "0.2"})).json()
    assert (more["success"], more["reason_code"]) == (False, "TRADING_STATE_REDUCING")
    over = (await api.post(EXECUTE, {**ORDER, "side": "SELL", "quantity": "0.11"})).json()
    assert over["success"] is False
    closed = (await api.post(EXECUTE, {**ORDER, "side": "SELL"})).json()
    assert (closed["success"], closed["filled_quantity"]) == (True, 0.1)
    position = await town.only(Position, V3.positions)
    assert position.signed_qty == 0
    exposure = await town.only(Exposure, EXPOSURES)
    assert exposure.reservations == {}
