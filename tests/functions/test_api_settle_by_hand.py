"""An UNRESOLVED order: listed, settled by hand, and trading resumed after it."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from common.books import (
    ACCOUNTS,
    AUDIT,
    EXPOSURES,
    FILLS,
    NOTIFICATIONS,
    ORDER_INTENTS,
    ORDERS,
    PARENT_ORDERS,
    V3,
)
from common.domain.exposure import Exposure, Reservation
from common.domain.instrument import Venue
from common.domain.moment import iso
from common.domain.order import (
    IntentStatus,
    Order,
    OrderPlan,
    OrderPurpose,
    OrderSide,
    OrderStatus,
)
from common.domain.parent_order import ExecAlgorithm
from common.domain.signal import SignalStatus
from common.execution.accounts import open_account
from common.execution.booking import account_ref, empty_position, position_ref
from common.ports import Ref
from tests.builders import (
    CLIENT_ORDER_ID,
    DELIVERY_ID,
    DEPLOYMENT_ID,
    INTENT_ID,
    NOON,
    PARENT_ID,
    SIGNAL_ID,
    a_child,
    a_delivery,
    a_deployment,
    a_parent,
    a_plan,
    a_signal_record,
    an_intent,
    an_order,
)
from tests.fakes.publisher import RecordingPublisher
from tests.functions.api_client import (
    Api,
    assert_problem,
    seed_agents,
    seed_unresolved_order,
)

PATH = f"/api/ops/orders/{INTENT_ID}/settle"
KEY = {"Idempotency-Key": "by-hand-1"}


def a_body(**changes: Any) -> dict[str, Any]:
    body = {"filled_qty": "0.5", "avg_px": "3000", "commission": "0.9", "reason": "seen there"}
    return {name: value for name, value in (body | changes).items() if value is not None}


@pytest.fixture
async def api(api: Api) -> Api:
    await seed_unresolved_order(api)
    return api


def _row(api: Api, collection: str, document_id: str) -> dict[str, Any]:
    found = api.store.peek(Ref(collection, document_id))
    assert found is not None
    return dict(found.data)


async def test_unresolved_when_one_is_then_all_that_a_person_needs_to_find_it(api: Api) -> None:
    (shown,) = (await api.get("/api/ops/unresolved")).json()["unresolved"]
    wanted = {
        "intent_id": INTENT_ID,
        "status": "UNRESOLVED",
        "deployment_id": DEPLOYMENT_ID,
        "venue": "HYPERLIQUID",
        "symbol": "ETH",
        "side": "BUY",
        "quantity": "1",
        "booked_qty": "0",
        "client_order_id": CLIENT_ORDER_ID,
        "since": iso(NOON),
        "reason": "Hyperliquid does not know the order",
    }
    assert wanted.items() <= shown.items()
    await api.post(PATH, a_body())
    assert (await api.get("/api/ops/unresolved")).json() == {"unresolved": []}


async def test_settle_when_part_filled_then_booked_released_audited_and_told(api: Api) -> None:
    response = await api.post(PATH, a_body())

    assert response.status_code == 200, response.text
    shown = response.json()
    assert (shown["status"], shown["order_status"]) == ("PARTIAL", "CANCELED")
    assert shown["booked_qty"] == "0.5"
    contents = api.store.contents()
    (fill,) = contents[FILLS].values()
    assert (fill["fill"]["last_qty"], fill["fill"]["last_px"]) == ("0.5", "3000")
    assert fill["fill"]["commission"] == "0.9"
    (position,) = contents[V3.positions].values()
    assert (position["signed_qty"], position["commissions"]) == ("0.5", "0.9")
    exposure = _row(api, EXPOSURES, DEPLOYMENT_ID)
    assert exposure["reservations"] == {}
    assert exposure["holdings"]["HYPERLIQUID|ETH"]["signed_qty"] == "0.5"
    assert _row(api, V3.deliveries, DELIVERY_ID)["status"] == "PARTIAL"
    signal = _row(api, V3.signals, SIGNAL_ID)
    assert (signal["status"], signal["outcomes"]) == ("PARTIAL", {"FAILED": 0, "PARTIAL": 1})
    (audit,) = contents[AUDIT].values()
    assert audit["facts"]["by"] == "operator over the API"
    assert audit["facts"]["reason"] == "Settled by hand: seen there"
    assert _row(api, ORDER_INTENTS, INTENT_ID)["audit_head"] == audit["hash"]
    (told,) = contents[NOTIFICATIONS].values()
    assert told["notification"]["kind"] == "RISK"
    assert (
        "SETTLED BY HAND by operator over the API: BUY 0.5 of 1 ETH"
        in (told["notification"]["text"])
    )
    assert isinstance(api.publisher, RecordingPublisher)
    topics = sorted(message.topic for message in api.publisher.messages)
    assert topics == ["notifications", "position-changed"]


async def test_settle_when_nothing_filled_then_the_order_ends_without_a_fill(api: Api) -> None:
    response = await api.post(PATH, {"filled_qty": "0", "reason": "never came"})

    shown = response.json()
    assert (shown["status"], shown["reason_code"]) == ("REJECTED", "SETTLED_BY_HAND")
    contents = api.store.contents()
    assert FILLS not in contents
    assert V3.positions not in contents
    assert _row(api, EXPOSURES, DEPLOYMENT_ID) == {
        "deployment_id": DEPLOYMENT_ID,
        "reservations": {},
        "holdings": {},
    }
    (told,) = contents[NOTIFICATIONS].values()
    assert "BUY 1 ETH on Hyperliquid did not fill" in told["notification"]["text"]


async def test_settle_when_all_filled_then_filled(api: Api) -> None:
    shown = (await api.post(PATH, a_body(filled_qty=1, commission=None))).json()
    assert (shown["status"], shown["order_status"]) == ("FILLED", "FILLED")
    assert _row(api, V3.deliveries, DELIVERY_ID)["status"] == "EXECUTED"


async def test_resume_when_the_order_was_settled_by_hand_then_allowed_again(api: Api) -> None:
    assert_problem(await api.post("/api/ops/resume"), 409, "UNRESOLVED_ORDERS")
    await api.post(PATH, a_body())
    response = await api.post("/api/ops/resume")
    assert response.status_code == 200, response.text
    assert response.json()["state"] == "ACTIVE"


async def test_settle_when_repeated_with_its_key_then_the_same_answer_and_one_effect(
    api: Api,
) -> None:
    first = await api.post(PATH, a_body(), headers=KEY)
    before = api.store.contents()
    again = await api.post(PATH, a_body(), headers=KEY)
    assert first.status_code == again.status_code == 200
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert api.store.contents() == before


async def test_settle_when_it_was_settled_already_then_409_and_nothing_changes(api: Api) -> None:
    await api.post(PATH, a_body())
    before = api.store.contents()
    for quantity in ("0.5", "1", "0"):
        response = await api.post(PATH, a_body(filled_qty=quantity))
        assert_problem(response, 409, "INTENT_NOT_UNRESOLVED")
    assert api.store.contents() == before


async def test_settle_when_no_such_intent_then_404(api: Api) -> None:
    response = await api.post("/api/ops/orders/int_none/settle", a_body())
    assert_problem(response, 404, "INTENT_NOT_FOUND")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"filled_qty": "1.0001"}, "body.filled_qty"),
        ({"filled_qty": "-0.1"}, "body.filled_qty"),
        ({"avg_px": None}, "body.avg_px"),
        ({"avg_px": "0"}, "body.avg_px"),
        ({"avg_px": "1499.99"}, "body.avg_px"),
        ({"avg_px": "4500.01"}, "body.avg_px"),
        ({"commission": "-0.1"}, "body.commission"),
        ({"commission": "1500.01"}, "body.commission"),
        ({"filled_qty": "0"}, "body.commission"),
        ({"reason": ""}, "body.reason"),
    ],
)
async def test_settle_when_it_cannot_be_so_then_422_and_nothing_changes(
    api: Api, changes: dict[str, Any], where: str
) -> None:
    before = api.store.contents()
    response = await api.post(PATH, a_body(**changes))
    assert_problem(response, 422, "INVALID_FIELD")
    assert response.json()["where"] == where
    assert api.store.contents() == before


@pytest.mark.parametrize("price", ["1500", "4500"])
async def test_settle_when_the_price_is_at_the_edge_then_taken(api: Api, price: str) -> None:
    assert (await api.post(PATH, a_body(avg_px=price))).status_code == 200


async def test_settle_when_another_is_quicker_then_only_one_is_booked(api: Api) -> None:
    async def race(operation: str, argument: object) -> None:
        if operation == "commit" and ORDERS in str(argument):
            api.store.before = None
            assert (await api.post(PATH, a_body(filled_qty="1"))).status_code == 200

    api.store.before = race
    assert_problem(await api.post(PATH, a_body()), 409, "INTENT_NOT_UNRESOLVED")
    (position,) = api.store.contents()[V3.positions].values()
    assert Decimal(position["signed_qty"]) == 1


# ------------------------------------------------------------------------------ exits and children
async def put_unresolved(
    api: Api, plan: OrderPlan, order: Order, *more: tuple[Ref, object]
) -> None:
    """Beside 2 ETH that the deployment holds at 3000."""
    deployment = a_deployment()
    empty = empty_position(deployment, Venue.HYPERLIQUID, "ETH", now=NOON)
    position = replace(empty, signed_qty=Decimal(2), open_cost=Decimal(6000), fill_count=1)
    reservation = Reservation(
        venue=order.venue,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        price=order.price,
    )
    exposure = Exposure.empty(DEPLOYMENT_ID).hold(
        venue=Venue.HYPERLIQUID, symbol="ETH", signed_qty=Decimal(2), price=Decimal(3000)
    )
    account = replace(open_account(deployment, NOON), cash=Decimal(4000))
    await api.put_records(
        (Ref(ORDER_INTENTS, INTENT_ID), an_intent(plan, status=IntentStatus.UNRESOLVED)),
        (Ref(ORDERS, order.client_order_id), order),
        (Ref(V3.deployments, DEPLOYMENT_ID), deployment),
        (position_ref(position), position),
        (account_ref(DEPLOYMENT_ID), account),
        (Ref(EXPOSURES, DEPLOYMENT_ID), exposure.reserve(INTENT_ID, reservation)),
        *more,
    )


@pytest.fixture
async def bare(tmp_path: Path) -> Api:
    """Without the order of the tests above."""
    api = Api(tmp_path)
    await seed_agents(api.store)
    return api


async def test_settle_when_it_is_an_exit_then_booked_and_monitor_is_told(bare: Api) -> None:
    """It has no delivery that could end with it."""
    plan = a_plan(
        delivery_id="",
        signal_id="exit:pos_1",
        side=OrderSide.SELL,
        reduce_only=True,
        purpose=OrderPurpose.STOP_LOSS,
        position_id="pos_1",
    )
    order = an_order(
        status=OrderStatus.UNKNOWN,
        quantity=Decimal(1),
        side=OrderSide.SELL,
        price=Decimal(2900),
        reduce_only=True,
    )
    await put_unresolved(bare, plan, order)

    response = await bare.post(PATH, a_body(filled_qty="1"))

    assert response.status_code == 200, response.text
    assert response.json()["status"] == "FILLED"
    exposure = _row(bare, EXPOSURES, DEPLOYMENT_ID)
    assert exposure["reservations"] == {}
    assert exposure["holdings"]["HYPERLIQUID|ETH"]["signed_qty"] == "1"
    assert _row(bare, ACCOUNTS, DEPLOYMENT_ID)["cash"] == "6999.1"  # 4000 + 3000 - 0.9
    assert isinstance(bare.publisher, RecordingPublisher)
    assert [message.topic for message in bare.publisher.messages] == [
        "notifications",
        "position-changed",
    ]
    assert (await bare.post("/api/ops/resume")).status_code == 200


async def test_settle_when_it_is_a_child_then_its_parent_has_it_and_goes_on(bare: Api) -> None:
    plan = a_plan(parent_order_id=PARENT_ID, exec_algorithm_id=ExecAlgorithm.LIMIT, slice_no=1)
    order = an_order(status=OrderStatus.UNKNOWN, quantity=Decimal(1), exec_spawn_id=PARENT_ID)
    parent = a_parent(spawned=1, open_children={INTENT_ID: a_child("1", unresolved=True)})
    delivery = a_delivery(status=SignalStatus.EXECUTING, intent_id=PARENT_ID)
    await put_unresolved(
        bare,
        plan,
        order,
        (Ref(PARENT_ORDERS, PARENT_ID), parent),
        (Ref(V3.deliveries, DELIVERY_ID), delivery),
        (Ref(V3.signals, SIGNAL_ID), a_signal_record(deployments_expected=1)),
    )

    response = await bare.post(PATH, a_body())

    assert response.status_code == 200, response.text
    shown = (await bare.get(f"/api/orders/parents/{PARENT_ID}")).json()
    assert (shown["status"], shown["filled_qty"], shown["open_qty"]) == ("ACTIVE", "0.5", "0")
    (child,) = shown["children"]
    assert (child["status"], child["filled_qty"]) == ("CANCELED", "0.5")
    reserved = _row(bare, EXPOSURES, DEPLOYMENT_ID)["reservations"]
    assert {name: each["quantity"] for name, each in reserved.items()} == {PARENT_ID: "9.5"}
    assert _row(bare, V3.deliveries, DELIVERY_ID)["status"] == "EXECUTING"
    assert isinstance(bare.publisher, RecordingPublisher)
    assert "parent-order-due" in {message.topic for message in bare.publisher.messages}
