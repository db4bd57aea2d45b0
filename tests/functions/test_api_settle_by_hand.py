"""An UNRESOLVED order: listed, settled by hand, and trading resumed after it."""

from decimal import Decimal
from typing import Any

import pytest

from common.books import AUDIT, EXPOSURES, FILLS, NOTIFICATIONS, ORDER_INTENTS, ORDERS, V3
from common.domain.moment import iso
from common.ports import Ref
from tests.builders import (
    CLIENT_ORDER_ID,
    DELIVERY_ID,
    DEPLOYMENT_ID,
    INTENT_ID,
    NOON,
    SIGNAL_ID,
)
from tests.fakes.publisher import RecordingPublisher
from tests.functions.api_client import Api, assert_problem, seed_unresolved_order

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
    assert len(api.publisher.messages) == 1


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
