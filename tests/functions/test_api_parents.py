"""Parent orders over HTTP: listed, shown with their children, paused, resumed, canceled."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import AUDIT, ORDER_INTENTS, ORDERS, OUTBOX, PARENT_ORDERS
from common.documents import load
from common.domain.events import ParentOrderDue
from common.domain.identifiers import prefixed_id
from common.domain.instrument import TimeInForce, Venue
from common.domain.order import IntentStatus, OrderStatus
from common.domain.parent_order import ExecAlgorithm, ParentOrder, ParentStatus, SliceTarget
from common.errors import ConflictError
from common.ports import Create, Ref
from tests.builders import (
    DEPLOYMENT_ID,
    NOON,
    PARENT_ID,
    SIGNAL_ID,
    a_child,
    a_parent,
    a_plan,
    an_intent,
    an_order,
)
from tests.fakes.publisher import RecordingPublisher, refusing_publisher
from tests.functions.api_client import Api, assert_problem

PATH = f"/api/orders/parents/{PARENT_ID}"
MOVED = {"pause": "PAUSED", "resume": "ACTIVE", "cancel": "CANCELING"}
HALVES = tuple(SliceTarget(NOON + timedelta(minutes=minute), Decimal(5)) for minute in (0, 5))


async def put_parents(api: Api, *parents: ParentOrder) -> None:
    await api.put_records(*((Ref(PARENT_ORDERS, each.parent_order_id), each) for each in parents))


async def put_child(
    api: Api, slice_no: int, *attempts: dict[str, Any], of: str = PARENT_ID
) -> None:
    """A child order of the parent with its attempts, each a minute after the one before."""
    plan = a_plan(
        intent_id=f"int_{of}_{slice_no}",
        parent_order_id=of,
        exec_algorithm_id=ExecAlgorithm.TWAP,
        slice_no=slice_no,
    )
    orders = [
        an_order(
            client_order_id=prefixed_id("ord", of, slice_no, number),
            intent_id=plan.intent_id,
            attempt=number,
            exec_spawn_id=of,
            submitted_at=NOON + timedelta(minutes=slice_no, seconds=number),
            **changes,
        )
        for number, changes in enumerate(attempts, 1)
    ]
    ids = tuple(order.client_order_id for order in orders)
    intent = an_intent(plan, client_order_id=ids[-1], client_order_ids=ids)
    await api.put_records(
        (Ref(ORDER_INTENTS, plan.intent_id), intent),
        *((Ref(ORDERS, order.client_order_id), order) for order in orders),
    )


async def stored_parent(api: Api, parent_order_id: str = PARENT_ID) -> ParentOrder:
    stored = await load(api.store, ParentOrder, Ref(PARENT_ORDERS, parent_order_id))
    assert stored is not None
    return stored.value


def published(api: Api) -> list[object]:
    assert isinstance(api.publisher, RecordingPublisher)
    return list(api.publisher.events)


# ------------------------------------------------------------------------------------------- list
async def test_list_when_there_are_none_then_an_end(api: Api) -> None:
    shown = (await api.get("/api/orders/parents")).json()
    assert shown == {"parents": [], "next_cursor": None}


async def test_list_when_paged_then_newest_first_and_each_once(api: Api) -> None:
    parents = [
        a_parent(parent_order_id=f"par_{number}", created_at=NOON + timedelta(minutes=number))
        for number in (2, 0, 4, 1, 3)
    ]
    await put_parents(api, *parents)
    shown: list[str] = []
    page: dict[str, Any] = {"next_cursor": ""}
    for _ in range(3):
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
        page = (await api.get(f"/api/orders/parents?limit=2{cursor}")).json()
        shown += [each["parent_order_id"] for each in page["parents"]]
    assert page["next_cursor"] is None
    assert shown == ["par_4", "par_3", "par_2", "par_1", "par_0"]


@pytest.mark.parametrize("status", ParentStatus)
async def test_list_when_a_status_is_asked_for_then_only_those(
    api: Api, status: ParentStatus
) -> None:
    await put_parents(
        api, *(a_parent(parent_order_id=f"par_{each}", status=each) for each in ParentStatus)
    )
    shown = (await api.get(f"/api/orders/parents?status={status}")).json()["parents"]
    assert [each["parent_order_id"] for each in shown] == [f"par_{status}"]


async def test_list_when_of_one_status_then_paged_by_id(api: Api) -> None:
    await put_parents(api, *(a_parent(parent_order_id=f"par_{each}") for each in "cab"))
    path = "/api/orders/parents?status=ACTIVE&limit=2"
    first = (await api.get(path)).json()
    rest = (await api.get(f"{path}&cursor={first['next_cursor']}")).json()
    ids = [each["parent_order_id"] for each in (*first["parents"], *rest["parents"])]
    assert ids == ["par_a", "par_b", "par_c"]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("status", ["", "active", "OPEN", "ACTIVE,PAUSED", "%00"])
async def test_list_when_the_status_is_none_then_422(api: Api, status: str) -> None:
    response = await api.get(f"/api/orders/parents?status={status}")
    assert_problem(response, 422, "INVALID_FIELD")
    assert response.json()["where"] == "query.status"


# ------------------------------------------------------------------------------------------- show
async def test_a_parent_when_half_worked_then_what_is_filled_open_and_left(api: Api) -> None:
    parent = a_parent(
        exec_algorithm_id=ExecAlgorithm.TWAP,
        schedule=HALVES,
        filled_qty=Decimal(4),
        filled_notional=Decimal(12_004),
        commissions=Decimal("5.4"),
        spawned=2,
        open_children={"int_2": a_child("5", slice_no=2, filled_qty=Decimal(1))},
        chosen_because="10 is 4 % of the 250 that are traded in an hour",
    )
    await put_parents(api, parent)

    response = await api.get(PATH)

    assert response.status_code == 200, response.text
    shown = response.json()
    wanted = {
        "parent_order_id": PARENT_ID,
        "exec_algorithm_id": "TWAP",
        "deployment_id": DEPLOYMENT_ID,
        "signal_id": SIGNAL_ID,
        "symbol": "ETH",
        "side": "BUY",
        "status": "ACTIVE",
        "quantity": "10",
        "filled_qty": "4",
        "open_qty": "4",
        "leaves_qty": "6",
        "avg_px": "3001",
        "commissions": "5.4",
        "limit_price": "3000",
        "arrival_price": "3000",
        "slices": 2,
        "spawned": 2,
        "chosen_because": "10 is 4 % of the 250 that are traded in an hour",
        "children": [],
        "ended_at": None,
    }
    assert wanted.items() <= shown.items()
    assert shown["schedule"] == [
        {"at": "2026-01-15T12:00:00.000000Z", "quantity": "5"},
        {"at": "2026-01-15T12:05:00.000000Z", "quantity": "5"},
    ]
    (listed,) = (await api.get("/api/orders/parents")).json()["parents"]
    assert "schedule" not in listed
    assert listed == {name: shown[name] for name in listed}


async def test_a_parent_when_nothing_filled_then_it_has_no_average_price(api: Api) -> None:
    await put_parents(api, a_parent())
    shown = (await api.get(PATH)).json()
    assert (shown["avg_px"], shown["filled_qty"], shown["leaves_qty"]) == (None, "0", "10")


async def test_a_parent_when_children_were_sent_then_every_attempt_in_order(api: Api) -> None:
    """Of this parent alone."""
    await put_parents(api, a_parent(), a_parent(parent_order_id="par_other"))
    filled = {
        "status": OrderStatus.FILLED,
        "filled_qty": Decimal("0.3333"),
        "avg_px": Decimal(3001),
    }
    await put_child(api, 2, filled)
    await put_child(
        api, 1, {"status": OrderStatus.REJECTED, "reason": "no margin"}, {"venue": Venue.OSTIUM}
    )
    await put_child(api, 1, {}, of="par_other")

    shown = (await api.get(PATH)).json()["children"]

    assert [(each["venue"], each["status"], each["reason"]) for each in shown] == [
        ("HYPERLIQUID", "REJECTED", "no margin"),
        ("OSTIUM", "SUBMITTED", ""),
        ("HYPERLIQUID", "FILLED", ""),
    ]
    assert {each["exec_spawn_id"] for each in shown} == {PARENT_ID}
    assert shown[2] | {"client_order_id": "", "submitted_at": ""} == {
        "client_order_id": "",
        "exec_spawn_id": PARENT_ID,
        "venue": "HYPERLIQUID",
        "order_type": "MARKET",
        "time_in_force": TimeInForce.IOC.value,
        "quantity": "0.3333",
        "price": "3015",
        "status": "FILLED",
        "filled_qty": "0.3333",
        "avg_px": "3001",
        "reason": "",
        "submitted_at": "",
    }


async def test_a_parent_when_a_child_was_denied_before_it_had_an_order_then_none_is_shown(
    api: Api,
) -> None:
    plan = a_plan(intent_id="int_denied", parent_order_id=PARENT_ID)
    denied = an_intent(
        plan, status=IntentStatus.DENIED, attempt=0, client_order_id="", client_order_ids=()
    )
    await put_parents(api, a_parent())
    await api.put_records((Ref(ORDER_INTENTS, "int_denied"), denied))
    response = await api.get(PATH)
    assert response.status_code == 200, response.text
    assert response.json()["children"] == []


async def test_a_parent_when_it_cannot_be_read_then_500_without_its_words(api: Api) -> None:
    await api.store.commit([Create(Ref(PARENT_ORDERS, PARENT_ID), {"status": "Zq9Marker"})])
    response = await api.get(PATH)
    assert_problem(response, 500, "INTERNAL")
    assert "Zq9Marker" not in response.text


# ------------------------------------------------------------------------------------------- move
@pytest.mark.parametrize(
    ("move", "before"),
    [
        ("pause", ParentStatus.ACTIVE),
        ("resume", ParentStatus.PAUSED),
        ("cancel", ParentStatus.ACTIVE),
        ("cancel", ParentStatus.PAUSED),
    ],
)
async def test_a_move_when_allowed_then_kept_audited_and_told_to_advance(
    api: Api, move: str, before: ParentStatus
) -> None:
    await put_parents(api, a_parent(status=before, filled_qty=Decimal(3)))
    api.clock.advance(90)

    response = await api.post(f"{PATH}/{move}", {"reason": "thin book", "by": "Ada"})

    assert response.status_code == 200, response.text
    shown = response.json()
    assert (shown["status"], shown["reason"]) == (MOVED[move], "thin book")
    parent = await stored_parent(api)
    assert (parent.status, parent.updated_at) == (MOVED[move], api.clock.now())
    assert parent.quantity == 10
    assert parent.filled_qty == 3
    (row,) = api.store.contents()[AUDIT].values()
    assert (row["action"], row["subject_id"]) == (f"parent-{move}", PARENT_ID)
    asked = {"by": "Ada", "principal": "operator"}
    assert row["facts"] == {**asked, "reason": "thin book", "filled_qty": "3"}
    assert published(api) == [ParentOrderDue(parent_order_id=PARENT_ID)]
    assert OUTBOX not in api.store.contents()


async def test_a_pause_when_lifted_then_its_time_went_on(api: Api) -> None:
    await put_parents(api, a_parent())
    await api.post(f"{PATH}/pause")
    assert (await stored_parent(api)).paused_at == NOON
    api.clock.advance(600)
    await api.post(f"{PATH}/resume")
    parent = await stored_parent(api)
    assert (parent.paused_at, parent.expires_at) == (None, a_parent().expires_at)


@pytest.mark.parametrize(
    ("move", "status"),
    [
        ("pause", ParentStatus.PAUSED),
        ("resume", ParentStatus.ACTIVE),
        ("cancel", ParentStatus.CANCELING),
    ],
)
async def test_a_move_when_it_was_made_already_then_nothing_is_written_or_told(
    api: Api, move: str, status: ParentStatus
) -> None:
    await put_parents(api, a_parent(status=status, reason="the first one's"))
    before = api.store.contents()
    response = await api.post(f"{PATH}/{move}", {"reason": "again"})
    assert (response.status_code, response.json()["reason"]) == (200, "the first one's")
    assert api.store.contents() == before
    assert published(api) == []


@pytest.mark.parametrize("move", MOVED)
@pytest.mark.parametrize("status", [each for each in ParentStatus if each.is_terminal])
async def test_a_move_when_it_has_ended_then_409_and_nothing_changes(
    api: Api, move: str, status: ParentStatus
) -> None:
    await put_parents(api, a_parent(status=status))
    before = api.store.contents()
    response = await api.post(f"{PATH}/{move}", {"reason": "too late"})
    assert_problem(response, 409, "PARENT_MOVE_NOT_ALLOWED")
    assert status in response.json()["detail"]
    assert api.store.contents() == before
    assert published(api) == []


@pytest.mark.parametrize("move", ["pause", "resume"])
async def test_a_move_when_it_is_being_canceled_then_409(api: Api, move: str) -> None:
    await put_parents(api, a_parent())
    await api.post(f"{PATH}/cancel", {"reason": "enough"})
    before = api.store.contents()
    assert_problem(await api.post(f"{PATH}/{move}"), 409, "PARENT_MOVE_NOT_ALLOWED")
    assert api.store.contents() == before
    assert (await stored_parent(api)).reason_code == "CANCELED_BY_OPERATOR"


@pytest.mark.parametrize("move", MOVED)
async def test_a_move_when_there_is_no_such_parent_then_404(api: Api, move: str) -> None:
    before = api.store.contents()
    response = await api.post(f"/api/orders/parents/par_none/{move}", {"reason": "a test"})
    assert_problem(response, 404, "PARENT_ORDER_NOT_FOUND")
    assert api.store.contents() == before


async def test_a_move_when_it_has_no_body_then_the_operator(api: Api) -> None:
    await put_parents(api, a_parent())
    shown = (await api.post(f"{PATH}/pause")).json()
    assert shown["reason"] == "requested by the operator"
    (row,) = api.store.contents()[AUDIT].values()
    assert row["facts"]["by"] == "operator over the API"


async def test_a_move_when_a_fill_comes_meanwhile_then_it_looks_again_and_the_fill_stays(
    api: Api,
) -> None:
    await put_parents(api, a_parent())

    async def fill(operation: str, argument: object) -> None:
        if operation == "commit":
            api.store.before = None
            await api.change(Ref(PARENT_ORDERS, PARENT_ID), a_parent(filled_qty=Decimal(7)))

    api.store.before = fill
    shown = (await api.post(f"{PATH}/pause")).json()
    assert (shown["status"], shown["filled_qty"]) == ("PAUSED", "7")


async def test_a_move_when_the_last_fill_comes_meanwhile_then_409_and_it_stays_filled(
    api: Api,
) -> None:
    await put_parents(api, a_parent())
    filled = a_parent(status=ParentStatus.FILLED, filled_qty=Decimal(10))

    async def fill(operation: str, argument: object) -> None:
        if operation == "commit":
            api.store.before = None
            await api.change(Ref(PARENT_ORDERS, PARENT_ID), filled)

    api.store.before = fill
    assert_problem(await api.post(f"{PATH}/cancel"), 409, "PARENT_MOVE_NOT_ALLOWED")
    assert await stored_parent(api) == filled
    assert AUDIT not in api.store.contents()


async def test_a_move_when_it_never_wins_then_503_and_nothing_is_half_written(api: Api) -> None:
    await put_parents(api, a_parent())
    before = api.store.contents()

    async def lose(operation: str, argument: object) -> None:
        if operation == "commit":
            raise ConflictError("lost", collection=PARENT_ORDERS, document_id=PARENT_ID)

    api.store.before = lose
    assert_problem(await api.post(f"{PATH}/pause"), 503, "STORE_UNAVAILABLE")
    assert api.store.contents() == before


async def test_a_move_when_the_bus_is_down_then_the_outbox_keeps_the_message(api: Api) -> None:
    await put_parents(api, a_parent())
    api.publisher = refusing_publisher()
    assert (await api.post(f"{PATH}/cancel")).status_code == 200
    (row,) = api.store.contents()[OUTBOX].values()
    assert (row["type"], row["data"]) == ("ParentOrderDue", {"parent_order_id": PARENT_ID})


async def test_moves_when_they_follow_each_other_then_a_message_and_an_audit_row_each(
    api: Api,
) -> None:
    """In one second: an id must tell the second pause from the first."""
    await put_parents(api, a_parent())
    for move in ("pause", "resume", "pause", "resume", "cancel"):
        assert (await api.post(f"{PATH}/{move}")).status_code == 200, move
    assert len(published(api)) == 5
    assert isinstance(api.publisher, RecordingPublisher)
    assert len({message.message_id for message in api.publisher.messages}) == 5
    assert len(api.store.contents()[AUDIT]) == 5
