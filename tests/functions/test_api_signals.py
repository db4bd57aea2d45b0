"""Signals over HTTP, and the routing that they got."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import MARKET_SNAPSHOTS, ORDER_INTENTS, ORDERS, OUTBOX, V2, V3
from common.domain.events import SignalCreated
from common.domain.instrument import Venue
from common.domain.routing import RoutingDecision, VenueCheck
from common.domain.signal import SignalRecord, SignalStatus
from common.ports import Ref
from common.wire import from_document
from tests.builders import (
    CLIENT_ORDER_ID,
    DELIVERY_ID,
    INTENT_ID,
    NOON,
    SIGNAL_ID,
    a_delivery,
    a_deployment,
    a_signal_record,
    a_snapshot,
    an_intent,
    an_order,
)
from tests.fakes.publisher import RecordingPublisher, refusing_publisher
from tests.functions.api_client import (
    GMX_AGENT,
    PAUSED_AGENT,
    V2_AGENT,
    V3_AGENT,
    Api,
    assert_problem,
    signal_body,
)

BOOKS = [
    ("/api/v3", V3, V3_AGENT, "MULTI"),
    ("/api", V2, V2_AGENT, "MULTI"),
    ("/api", V2, GMX_AGENT, "GMX"),
]


@pytest.mark.parametrize(("prefix", "book", "agent", "venue"), BOOKS)
async def test_generate_when_valid_then_stored_pending_and_published(
    api: Api, prefix: str, book: Any, agent: str, venue: str
) -> None:
    """V3-05."""
    await api.put_records((Ref(MARKET_SNAPSHOTS, "ETH"), a_snapshot("ETH", mark=Decimal(3001))))
    response = await api.post(f"{prefix}/signals/generate", signal_body(agent, token_symbol="eth"))
    assert response.status_code == 201, response.text
    shown = response.json()
    assert (shown["status"], shown["venue"]) == ("PENDING", venue)
    document = await api.store.get(Ref(book.signals, shown["id"]))
    assert document is not None
    record = from_document(SignalRecord, document.data)
    assert record.status is SignalStatus.PENDING
    assert record.reason_code == "CREATED"
    assert record.deployments_expected is None
    assert record.outcomes == {}
    assert record.signal.symbol == "ETH"
    assert record.signal.confidence == Decimal("0.8")
    assert record.signal.risk_model is not None
    assert record.signal.risk_model.stop == Decimal("2.5")
    assert record.signal.reference_price == Decimal(3001)
    assert record.signal.expires_at == NOON + timedelta(minutes=5)
    assert isinstance(api.publisher, RecordingPublisher)
    assert api.publisher.events == [SignalCreated(book=book.name, signal_id=shown["id"])]
    assert OUTBOX not in api.store.contents()
    other = V2 if book is V3 else V3
    assert other.signals not in api.store.contents()


async def test_generate_when_numbers_are_written_long_then_they_stay_exact(api: Api) -> None:
    content = (
        b'{"agent_id":"agt_v3","token_symbol":"ETH","side":"SHORT","confidence":0.1234567890123456,'
        b'"size_model":{"type":"quantity","value":0.1000000000000000055}}'
    )
    content = content.replace(b"0.1000000000000000055", b"0.100000000000000005")
    response = await api.call("POST", "/api/v3/signals/generate", content=content)
    document = await api.store.get(Ref(V3.signals, response.json()["id"]))
    assert document is not None
    assert document.data["signal"]["size_model"]["value"] == "0.100000000000000005"
    assert document.data["signal"]["confidence"] == "0.1234567890123456"
    assert document.data["signal"]["risk_model"] is None


async def test_generate_when_the_bus_is_down_then_the_outbox_keeps_the_event(api: Api) -> None:
    api.publisher = refusing_publisher()
    response = await api.post("/api/v3/signals/generate", signal_body())
    assert response.status_code == 201
    (row,) = api.store.contents()[OUTBOX].values()
    assert row["type"] == "SignalCreated"
    assert row["data"]["signal_id"] == response.json()["id"]


@pytest.mark.parametrize(
    ("path", "agent", "status", "code"),
    [
        ("/api/signals/generate", V3_AGENT, 404, "AGENT_NOT_FOUND"),
        ("/api/v3/signals/generate", V2_AGENT, 404, "AGENT_NOT_FOUND"),
        ("/api/v3/signals/generate", PAUSED_AGENT, 409, "AGENT_PAUSED"),
    ],
)
async def test_generate_when_the_agent_is_not_there_or_paused_then_nothing_is_written(
    api: Api, path: str, agent: str, status: int, code: str
) -> None:
    before = api.store.contents()
    assert_problem(await api.post(path, signal_body(agent)), status, code)
    assert api.store.contents() == before


def a_check(venue: str = "HYPERLIQUID", *, ok: bool = True) -> VenueCheck:
    return VenueCheck(
        venue=venue,
        ok=ok,
        code="AVAILABLE" if ok else "BREAKER_OPEN",
        reason="",
        pair_count=220,
        breaker="CLOSED" if ok else "OPEN",
        quantity=None,
        table_age_s=3,
    )


def a_route(routing_id: str = "rte_1", **changes: Any) -> RoutingDecision:
    route = RoutingDecision(
        routing_id=routing_id,
        book="v3",
        signal_id=SIGNAL_ID,
        delivery_id=DELIVERY_ID,
        agent_id="swarm",
        deployment_id="dep_1",
        symbol="ETH",
        requested_venues=("HYPERLIQUID", "OSTIUM"),
        checked_venues=(),
        selected_venue="HYPERLIQUID",
        routing_reason="ETH available on Hyperliquid (220 pairs)",
        reason_code="AVAILABLE",
        routing_duration_ms=1,
        created_at=NOON,
    )
    return replace(route, **changes)


async def test_get_signal_when_it_has_orders_then_they_and_its_routing_are_shown(api: Api) -> None:
    record = a_signal_record(
        status=SignalStatus.EXECUTED,
        reason_code="FILLED",
        reason="Filled",
        final_venue="HYPERLIQUID",
    )
    await api.put_records(
        (Ref(V3.signals, SIGNAL_ID), record),
        (Ref(V3.deliveries, DELIVERY_ID), a_delivery(intent_id=INTENT_ID)),
        (Ref(ORDER_INTENTS, INTENT_ID), an_intent()),
        (Ref(ORDERS, CLIENT_ORDER_ID), an_order()),
        (Ref(V3.routing_history, "rte_1"), a_route()),
    )
    shown = (await api.get(f"/api/v3/signals/{SIGNAL_ID}")).json()
    assert shown["id"] == SIGNAL_ID
    assert shown["status"] == "EXECUTED"
    assert shown["final_venue"] == "HYPERLIQUID"
    assert [order["client_order_id"] for order in shown["orders"]] == [CLIENT_ORDER_ID]
    assert shown["routing_history"][0]["reason"] == "ETH available on Hyperliquid (220 pairs)"
    assert_problem(await api.get(f"/api/signals/{SIGNAL_ID}"), 404, "SIGNAL_NOT_FOUND")


@pytest.mark.parametrize(
    ("reached", "shown"),
    [
        ((), "PENDING"),
        ((SignalStatus.PENDING,), "PENDING"),
        ((SignalStatus.PENDING, SignalStatus.ROUTED), "ROUTED"),
        ((SignalStatus.PENDING, SignalStatus.EXECUTED), "ROUTED"),
        ((SignalStatus.EXECUTED, SignalStatus.EXECUTING), "EXECUTING"),
    ],
)
async def test_get_signal_when_it_is_open_then_it_is_as_far_as_its_furthest_delivery(
    api: Api, reached: tuple[SignalStatus, ...], shown: str
) -> None:
    deliveries = [
        (Ref(V3.deliveries, f"dlv_{number}"), a_delivery(f"dlv_{number}", status=status))
        for number, status in enumerate(reached)
    ]
    await api.put_records((Ref(V3.signals, SIGNAL_ID), a_signal_record()), *deliveries)
    assert (await api.get(f"/api/v3/signals/{SIGNAL_ID}")).json()["status"] == shown


async def test_routing_history_when_asked_for_a_signal_then_its_records_alone(api: Api) -> None:
    """V3-08."""
    late = a_route("rte_0", created_at=NOON + timedelta(seconds=1))
    await api.put_records(
        (Ref(V3.routing_history, "rte_1"), a_route()),
        (Ref(V3.routing_history, "rte_0"), late),
        (Ref(V3.routing_history, "rte_2"), a_route("rte_2", signal_id="sig_2")),
        (Ref(V2.routing_history, "rte_3"), a_route("rte_3", book="v2")),
    )
    found = (await api.get(f"/api/v3/routing/history?signal_id={SIGNAL_ID}")).json()
    assert [route["routing_id"] for route in found["routing_history"]] == ["rte_1", "rte_0"]
    newest = (await api.get("/api/v3/routing/history?limit=1")).json()
    assert [route["routing_id"] for route in newest["routing_history"]] == ["rte_0"]
    assert newest["next_cursor"]
    v2 = (await api.get("/api/routing/history")).json()["routing_history"]
    assert [route["routing_id"] for route in v2] == ["rte_3"]
    assert_problem(await api.get("/api/v3/routing/history?signal_id=../x"), 422)


async def test_routing_config_when_set_for_an_agent_then_kept_and_replaced(api: Api) -> None:
    """V3-07."""
    path = "/api/v3/routing/config"
    body = {"agent_id": V3_AGENT, "venues": ["OSTIUM", "HYPERLIQUID"]}
    assert (await api.post(path, body)).json()["venues"] == ["OSTIUM", "HYPERLIQUID"]
    audits = len(api.store.contents()["audit"])
    assert (await api.post(path, body)).status_code == 200
    assert len(api.store.contents()["audit"]) == audits
    again = await api.call("PUT", path, body={**body, "venues": ["GMX"]})
    assert again.json()["venues"] == ["GMX"]
    assert len(api.store.contents()["audit"]) == audits + 1
    assert (await api.get(f"{path}/{V3_AGENT}")).json()["venues"] == ["GMX"]


async def test_routing_config_when_for_a_deployment_then_only_what_it_enabled(api: Api) -> None:
    await api.put_records(
        (Ref(V3.deployments, "dep_1"), a_deployment(enabled_venues=(Venue.OSTIUM,)))
    )
    path = "/api/v3/routing/config"
    good = await api.post(path, {"deployment_id": "dep_1", "venues": ["OSTIUM"]})
    assert good.json()["subject_id"] == "dep_1"
    other = await api.post(path, {"deployment_id": "dep_1", "venues": ["GMX"]})
    assert_problem(other, 422, "VENUE_NOT_ENABLED")
    missing = await api.post(path, {"deployment_id": "dep_9", "venues": ["GMX"]})
    assert_problem(missing, 404, "DEPLOYMENT_NOT_FOUND")
    assert_problem(await api.post(path, {"agent_id": V2_AGENT, "venues": ["GMX"]}), 404)
    both = {"agent_id": V3_AGENT, "deployment_id": "dep_1", "venues": ["OSTIUM"]}
    assert_problem(await api.post(path, both), 422, "INVALID_FIELD")
