"""Cases 85 to 90: orders that nobody approved, slices, last attempts, and what ends on the way."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from common.books import FILLS, ORDER_INTENTS, ORDERS, PARENT_ORDERS, REJECTED_EVENTS, V3
from common.domain.agent import AgentStatus, DeploymentStatus
from common.domain.events import OrderPlanned, OutboxMessage
from common.domain.identifiers import intent_id
from common.domain.order import OrderIntent, OrderPurpose
from common.domain.parent_order import ParentOrder
from common.domain.signal import Delivery, SignalStatus
from common.errors import ConfigurationError, TransientError
from common.ports import Ref, Update
from infra.gcp.envelope import wrap_push
from infra.pipeline import load_pipeline
from tests.builders import a_message
from tests.catalogue.chain import altered, done_town, post, until
from tests.fakes.publisher import RecordingPublisher
from tests.functions.api_client import Api, signal_body
from tests.functions.harness import Bench, push_of
from tests.functions.probes import Seen, fan_out_app
from tests.functions.town import DEPLOYED, Town

LAST = load_pipeline().delivery.max_attempts


async def assert_nothing_sent(town: Town) -> None:
    assert await town.bench.documents(ORDERS) == await town.bench.documents(FILLS) == []


async def planned() -> tuple[Town, OutboxMessage]:
    """A town in which an order was planned and is on its way to `execute`."""
    town = await Town().open()
    await town.send_signal()
    return town, await until(town, "order-planned")


# -------------------------------------------------------------------------------------------- 85
def with_plan(message: OutboxMessage, **changes: Any) -> OutboxMessage:
    event = message.event
    assert isinstance(event, OrderPlanned)
    return replace(message, event=replace(event, plan=replace(event.plan, **changes)))


FORGED: dict[str, dict[str, Any]] = {
    "another intent": {"intent_id": intent_id("swarm", DEPLOYED, "sig_other", 0, 0)},
    "another symbol": {"symbol": "BTC"},
    "no delivery": {"delivery_id": ""},
    "as an exit": {"delivery_id": "", "purpose": OrderPurpose.STOP_LOSS},
    "of a parent that is not": {"parent_order_id": "par_nobody", "slice_no": 1},
    "another policy": {"policy_version": "none"},
    "live": {"paper": False},
}


@pytest.mark.parametrize("name", FORGED)
async def test_case_085_when_nobody_approved_the_plan_then_refused_and_told(name: str) -> None:
    """Told by a line of severity ERROR, and by the record."""
    town, message = await planned()

    await town.push("execute", with_plan(message, **FORGED[name]))

    assert (await town.bench.only(REJECTED_EVENTS)).data["code"] == "PLAN_NOT_APPROVED"
    await assert_nothing_sent(town)


@pytest.mark.parametrize("quantity", ["0.0001", "100"])
async def test_case_085_when_the_quantity_was_altered_then_refused_and_told(quantity: str) -> None:
    town, message = await planned()

    await town.push("execute", altered(message, quantity=Decimal(quantity)))

    assert (await town.bench.only(REJECTED_EVENTS)).data["code"] == "PLAN_NOT_APPROVED"
    await assert_nothing_sent(town)


# -------------------------------------------------------------------------------------------- 86
@pytest.mark.parametrize(
    "attributes",
    [{"type": "OrderPlanned"}, {"id": "msg_other"}, {"type": ""}, {"id": None}],
    ids=["type", "id", "empty", "none"],
)
async def test_case_086_when_attributes_and_body_disagree_then_recorded(
    attributes: dict[str, str | None],
) -> None:
    bench, seen = Bench(), Seen()
    body = push_of(a_message())
    changed = body["message"]["attributes"] | attributes
    body["message"]["attributes"] = {
        name: text for name, text in changed.items() if text is not None
    }

    response = await bench.post(fan_out_app(seen), body)

    assert response.status_code == 204
    assert seen.events == []
    assert (await bench.only(REJECTED_EVENTS)).data["code"] == "ATTRIBUTES_DISAGREE"


@pytest.mark.parametrize(
    "attributes",
    [
        {"traceparent": "garbage", "baggage": "\r\n", "googclient_schemaencoding": "JSON"},
        {"traceparent": "00-" + "0" * 32 + "-" + "0" * 16 + "-01"},
        {"baggage": "signal_id=" + "x" * 900},
    ],
    ids=["garbage", "zeros", "long"],
)
async def test_case_086_when_other_attributes_are_there_then_they_decide_nothing(
    attributes: dict[str, str],
) -> None:
    bench, seen = Bench(), Seen()
    body = push_of(a_message())
    body["message"]["attributes"] |= attributes

    assert (await bench.post(fan_out_app(seen), body)).status_code == 204
    assert seen.events == [a_message().event]


# -------------------------------------------------------------------------------------------- 87
async def sliced(tmp_path: Path) -> tuple[Town, OutboxMessage]:
    """A TWAP of five slices, of which the first is planned."""
    town = await Town().open()
    api: Api = town.api(tmp_path)
    wish = {"algorithm": "TWAP", "duration_s": 300, "slices": 5}
    size = {"type": "quantity", "value": "1"}
    body = signal_body("swarm", size_model=size, execution=wish)
    assert (await api.post("/api/v3/signals/generate", body)).status_code == 201
    return town, await until(town, "order-planned")


@pytest.mark.parametrize("number", [2, 5, 6, 1000, 0, -1])
async def test_case_087_when_a_slice_is_not_the_next_then_refused(
    number: int, tmp_path: Path
) -> None:
    """Before its turn (k before k-1), beyond the last (k > n) or none at all."""
    town, message = await sliced(tmp_path)
    event = message.event
    assert isinstance(event, OrderPlanned)
    plan = event.plan
    assert plan.slice_no == 1
    other = intent_id(plan.agent_id, plan.deployment_id, plan.signal_id, 0, number)

    await town.push("execute", with_plan(message, slice_no=number, intent_id=other))
    await town.push("execute", with_plan(message, slice_no=number))

    codes = {each.data["code"] for each in await town.bench.documents(REJECTED_EVENTS)}
    assert codes == {"PLAN_NOT_APPROVED"}
    await assert_nothing_sent(town)


async def test_case_087_when_the_true_slice_comes_again_then_it_is_sent_once(
    tmp_path: Path,
) -> None:
    town, message = await sliced(tmp_path)

    for _ in range(3):
        await town.push("execute", message)

    assert len(await town.bench.documents(ORDERS)) == 1
    parent = await town.only(ParentOrder, PARENT_ORDERS)
    assert parent.filled_qty < parent.quantity


# -------------------------------------------------------------------------------------------- 88
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TransientError("no answer"), 503),
        (ConfigurationError("no project"), 500),
        (RuntimeError("a bug"), 500),
    ],
    ids=["transient", "configuration", "bug"],
)
async def test_case_088_when_the_last_attempt_fails_then_recorded_and_left_to_the_dead_letters(
    error: Exception, status: int
) -> None:
    bench, seen = Bench(), Seen(error=error)
    app = fan_out_app(seen)

    before = await bench.post(app, push_of(a_message(), delivery_attempt=LAST - 1))
    assert (before.status_code, await bench.documents(REJECTED_EVENTS)) == (status, [])
    for _ in range(2):  # dead letters are a best effort: Pub/Sub may try once more
        last = await bench.post(app, push_of(a_message(), delivery_attempt=LAST))
        assert last.status_code == status

    record = (await bench.only(REJECTED_EVENTS)).data
    assert record["code"] == "ATTEMPTS_USED_UP"
    assert record["function"] == "fan_out"
    assert "a bug" not in record["reason"]


async def test_case_088_when_the_last_attempt_succeeds_then_nothing_is_recorded() -> None:
    bench, seen = Bench(), Seen()

    response = await bench.post(fan_out_app(seen), push_of(a_message(), delivery_attempt=LAST))

    assert response.status_code == 204
    assert bench.store.contents() == {}


# -------------------------------------------------------------------------------------------- 89
def injected(message: OutboxMessage) -> dict[str, Any]:
    """As a person publishes a dead letter anew: with Pub/Sub's attributes, and an id of its own."""
    first = push_of(message)["message"]
    attributes = first["attributes"] | {
        "CloudPubSubDeadLetterSourceDeliveryCount": str(LAST),
        "CloudPubSubDeadLetterSourceSubscription": "execute-order-planned",
    }
    body = wrap_push(
        b"",
        attributes,
        bus_message_id="9000009",
        subscription="projects/p/subscriptions/execute-order-planned",
        publish_time="2026-01-16T00:00:00Z",
        delivery_attempt=1,
    )
    body["message"]["data"] = first["data"]
    return body


async def test_case_089_when_a_dead_letter_comes_anew_after_its_work_was_done_then_no_effect() -> (
    None
):
    town, messages = await done_town()
    before = town.bench.store.contents()

    for message in messages:
        for name in load_pipeline().subscribers(message.topic):
            assert (await post(town, name, injected(message))).status_code == 204

    assert town.bench.store.contents() == before


async def test_case_089_when_a_dead_letter_was_never_handled_then_it_is_done_once() -> None:
    town, message = await planned()

    for _ in range(2):
        assert (await post(town, "execute", injected(message))).status_code == 204
    await town.push("execute", message)

    assert len(await town.bench.documents(ORDERS)) == 1


# -------------------------------------------------------------------------------------------- 90
async def set_status(town: Town, collection: str, document_id: str, status: str) -> None:
    document = await town.bench.store.get(Ref(collection, document_id))
    assert document is not None
    await town.bench.store.commit([Update(document.ref, {"status": status}, document.version)])


@pytest.mark.parametrize("step", ["deployment-signal", "order-planned"])
@pytest.mark.parametrize("status", [each for each in DeploymentStatus if each != "ACTIVE"])
async def test_case_090_when_the_deployment_is_stopped_between_two_steps_then_it_ends_there(
    step: str, status: DeploymentStatus
) -> None:
    """In our words DENIED, with the code: canceled is only what rests at a venue."""
    town = await Town().open()
    await town.send_signal()
    message = await until(town, step)
    await set_status(town, V3.deployments, DEPLOYED, status.value)

    for name in load_pipeline().subscribers(step):
        await town.push(name, message)
    await town.settle_down()

    delivery = await town.only(Delivery, V3.deliveries)
    assert (delivery.status, delivery.reason_code) == (SignalStatus.DENIED, "DEPLOYMENT_NOT_ACTIVE")
    assert (await town.signal()).status is SignalStatus.DENIED
    await assert_nothing_sent(town)


@pytest.mark.parametrize("step", ["deployment-signal", "order-planned"])
async def test_case_090_when_the_deployment_is_deleted_between_two_steps_then_it_ends_later(
    step: str,
) -> None:
    """Recorded at once; the sweep ends the delivery when the signal's time is over."""
    town = await Town().open()
    await town.send_signal()
    message = await until(town, step)
    await town.remove(V3.deployments, DEPLOYED)

    for name in load_pipeline().subscribers(step):
        await town.push(name, message)
    assert (await town.bench.only(REJECTED_EVENTS)).data["code"] == "INVALID_INPUT"
    await town.pass_time(8, step_s=60)

    assert (await town.signal()).status.is_terminal
    await assert_nothing_sent(town)
    assert await town.all(OrderIntent, ORDER_INTENTS) == []


@pytest.mark.parametrize("status", [each for each in AgentStatus if each != "ACTIVE"])
async def test_case_090_when_the_agent_is_stopped_before_the_fan_out_then_nobody_gets_its_signal(
    status: AgentStatus,
) -> None:
    """After it a delivery is its deployment's, whose own status each later step asks; what stops
    all deployments of an agent at once, at the last gate too, is a halt of the agent's scope.
    """
    town = await Town().open()
    await town.send_signal()
    message = await until(town, "signal-created")
    await set_status(town, V3.agents, "swarm", status.value)

    await town.push("fan_out", message)
    await town.settle_down()

    assert await town.bench.documents(V3.deliveries) == []
    assert (await town.signal()).status.is_terminal
    await assert_nothing_sent(town)


async def test_case_090_when_the_agent_is_halted_between_plan_and_order_then_denied(
    tmp_path: Path,
) -> None:
    town, message = await planned()
    api = town._api(tmp_path, RecordingPublisher())
    halted = await api.post("/api/ops/halt", {"scope": "agent:v3:swarm", "reason": "stop"})
    assert halted.status_code == 200, halted.text

    await town.push("execute", message)

    delivery = await town.only(Delivery, V3.deliveries)
    assert delivery.status is SignalStatus.DENIED
    await assert_nothing_sent(town)
