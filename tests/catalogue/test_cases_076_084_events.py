"""Cases 76 to 84: what the bus may bring, through the functions' own entry points."""

import base64
import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import DECISIONS, FILLS, ORDERS, REJECTED_EVENTS, V3
from common.domain.events import (
    CancelRequested,
    DeploymentSignal,
    Event,
    FlattenRequested,
    MarketUpdated,
    OrderPlanned,
    OrderUnknown,
    OutboxMessage,
    ParentOrderDue,
    SignalCreated,
)
from common.domain.signal import Delivery, SignalStatus
from infra.gcp.entrypoint import AHEAD_MAX, AHEAD_NEVER, BODY_BYTES_MAX, DATA_BYTES_MAX
from infra.gcp.oidc import OidcVerifier
from infra.local.issuer import LocalIssuer
from infra.pipeline import load_pipeline
from tests.builders import NOON, a_message
from tests.catalogue.chain import altered, done_town, post, until
from tests.fakes.clock import FakeClock
from tests.functions.harness import Bench, push_of
from tests.functions.probes import Seen, fan_out_app
from tests.functions.town import Town

AUDIENCE = "https://fan-out-123.europe-west1.run.app"
PUSH = "sapphire-push@a-project.iam.gserviceaccount.com"


# -------------------------------------------------------------------------------------------- 76
CALLERS: dict[str, tuple[dict[str, Any] | None, int]] = {
    "no token": (None, 401),
    "expired": ({"exp": 1}, 401),
    "another audience": ({"aud": "https://route-123.europe-west1.run.app"}, 401),
    "the audience with a slash": ({"aud": f"{AUDIENCE}/"}, 401),
    "another account": ({"email": "fn-decide@a-project.iam.gserviceaccount.com"}, 403),
    "an account that is not verified": ({"email_verified": False}, 401),
    "an account without an address": ({"email": None}, 401),
}


@pytest.mark.parametrize("caller", CALLERS)
async def test_case_076_when_the_caller_is_not_the_bus_then_refused_and_nothing_changes(
    caller: str,
) -> None:
    clock = FakeClock()
    issuer = LocalIssuer("https://accounts.google.com", clock)
    bench = Bench(clock=clock, verifier=OidcVerifier(AUDIENCE, PUSH, clock, issuer.certs))
    changes, status = CALLERS[caller]
    headers = {}
    if changes is not None:
        headers = {"Authorization": f"Bearer {issuer.mint(AUDIENCE, PUSH, **changes)}"}
    seen = Seen()

    refused = await bench.post(fan_out_app(seen), push_of(a_message()), headers=headers)
    assert refused.status_code == status
    assert refused.json() == {"code": "UNAUTHENTICATED" if status == 401 else "FORBIDDEN"}
    assert seen.events == []
    assert bench.store.contents() == {}

    good = {"Authorization": f"Bearer {issuer.token(AUDIENCE, PUSH)}"}
    assert (await bench.post(fan_out_app(seen), push_of(a_message()), headers=good)).is_success
    assert seen.events == [a_message().event]


# ------------------------------------------------------------------------------------- 77, 78, 79
def damaged(**changes: Any) -> dict[str, Any]:
    body = push_of(a_message())
    body["message"] |= changes
    return body


def with_data(data: bytes) -> dict[str, Any]:
    return damaged(data=base64.b64encode(data).decode())


def with_message(**changes: Any) -> dict[str, Any]:
    message = json.loads(base64.b64decode(push_of(a_message())["message"]["data"]))
    return with_data(json.dumps(message | changes).encode())


async def assert_recorded(body: Any, code: str) -> None:
    """Acknowledged each time it comes, recorded once, and no handler has seen it."""
    bench, seen = Bench(), Seen()
    app = fan_out_app(seen)
    for _ in range(3):
        response = await bench.post(app, body)
        assert (response.status_code, response.content) == (204, b"")
    assert (await bench.only(REJECTED_EVENTS)).data["code"] == code
    assert seen.events == []


BROKEN: dict[str, Any] = {
    "no message": {"subscription": "s"},
    "bad base64": damaged(data="%%%"),
    "base64 of nothing": damaged(data=""),
    "no data": damaged(data=None),
    "data that is no JSON": with_data(b"hello"),
    "data that is no object": with_data(b"[]"),
    "not JSON at all": b"{",
}


@pytest.mark.parametrize("name", BROKEN)
async def test_case_077_when_the_envelope_is_broken_then_acknowledged_and_recorded(
    name: str,
) -> None:
    await assert_recorded(BROKEN[name], "INVALID_ENVELOPE")


@pytest.mark.parametrize("version", [0, 2, 99, "1", 1.0, True, None])
async def test_case_078_when_the_version_is_not_ours_then_acknowledged_and_recorded(
    version: Any,
) -> None:
    await assert_recorded(with_message(version=version), "UNSUPPORTED_VERSION")


@pytest.mark.parametrize("kind", ["Nonsense", "", None, 1, "signalcreated"])
async def test_case_078_when_the_type_is_not_ours_then_acknowledged_and_recorded(kind: Any) -> None:
    await assert_recorded(with_message(type=kind), "UNSUPPORTED_TYPE")


async def test_case_079_when_the_data_is_over_a_mebibyte_then_acknowledged_and_recorded() -> None:
    """No message of ours can be: each was a document, and a document is at most that."""
    data = json.dumps({"pad": "x" * DATA_BYTES_MAX}).encode()
    await assert_recorded(with_data(data), "DATA_TOO_LARGE")


async def test_case_079_when_the_body_is_over_ten_mebibytes_then_it_is_not_even_parsed() -> None:
    await assert_recorded(b"[" * (BODY_BYTES_MAX + 1), "BODY_TOO_LARGE")


async def test_case_079_when_the_data_is_as_long_as_may_be_then_it_is_read() -> None:
    text = json.dumps({"pad": ""})
    data = json.dumps({"pad": "x" * (DATA_BYTES_MAX - len(text))}).encode()
    assert len(data) == DATA_BYTES_MAX
    await assert_recorded(with_data(data), "UNSUPPORTED_TYPE")


# -------------------------------------------------------------------------------------------- 80
async def test_case_080_when_an_order_has_the_id_of_another_then_only_the_true_one_goes() -> None:
    """The alert is the line of severity ERROR with the record that it leaves."""
    town = await Town().open()
    await town.send_signal()
    message = await until(town, "order-planned")
    false = altered(message, quantity=Decimal(3))
    assert false.message_id == message.message_id

    await town.push("execute", false)
    assert await town.bench.documents(ORDERS) == []
    await town.push("execute", message)
    await town.push("execute", false)

    order = await town.bench.only(ORDERS)
    assert order.data["status"] == "FILLED"
    assert isinstance(message.event, OrderPlanned)
    assert Decimal(order.data["quantity"]) == message.event.plan.candidates[0].quantity
    assert (await town.bench.only(REJECTED_EVENTS)).data["code"] == "PLAN_NOT_APPROVED"


async def test_case_080_when_a_market_comes_with_the_tick_of_another_then_no_second_decision() -> (
    None
):
    town = Town()
    await town.start()
    [market] = [m for m in town.bench.publisher.messages if m.topic == "market-updated"]
    await town.push("decide", market)
    before = await town.bench.documents(DECISIONS)
    assert isinstance(market.event, MarketUpdated)
    dearer = tuple(replace(each, mark=each.mark * 2) for each in market.event.snapshots)

    await town.push("decide", replace(market, event=replace(market.event, snapshots=dearer)))

    assert await town.bench.documents(DECISIONS) == before != []


# -------------------------------------------------------------------------------------------- 81
EARLY: dict[str, tuple[str, Event]] = {
    "signal": ("fan_out", SignalCreated(book="v3", signal_id="sig_nobody")),
    "delivery": ("route", DeploymentSignal(book="v3", delivery_id="dlv_nobody")),
}


@pytest.mark.parametrize("name", EARLY)
async def test_case_081_when_what_it_names_is_not_there_yet_then_again_until_the_attempts_are_over(
    name: str,
) -> None:
    town = await Town().open()
    function, event = EARLY[name]
    before = town.bench.store.contents()
    last = load_pipeline().delivery.max_attempts

    for attempt in range(1, last):
        refused = await post(town, function, push_of(a_message(event), delivery_attempt=attempt))
        assert (refused.status_code, refused.json()) == (503, {"code": "TRANSIENT"})
        assert town.bench.store.contents() == before
    refused = await post(town, function, push_of(a_message(event), delivery_attempt=last))

    assert refused.status_code == 503
    assert (await town.bench.only(REJECTED_EVENTS)).data["code"] == "ATTEMPTS_USED_UP"


UNKNOWN: dict[str, tuple[str, Event]] = {
    "intent that is unknown": ("settle", OrderUnknown(intent_id="int_nobody")),
    "intent to cancel": ("settle", CancelRequested(intent_id="int_nobody", reason="")),
    "parent order": ("advance", ParentOrderDue(parent_order_id="par_nobody")),
    "flatten": ("settle", FlattenRequested(flatten_id="flt_nobody")),
}


@pytest.mark.parametrize("name", UNKNOWN)
async def test_case_081_when_a_reminder_names_nothing_then_acknowledged_without_effect(
    name: str,
) -> None:
    """These only say "look again", and every minute's sweep looks at what there is: what comes
    before its document is looked at by the sweep after it. So they are not sent again in vain.
    """
    town = await Town().open()
    function, event = UNKNOWN[name]
    before = town.bench.store.contents()

    answer = await post(town, function, push_of(a_message(event)))

    assert answer.status_code == 204
    assert town.bench.store.contents() == before
    assert town.bench.publisher.messages == []


# -------------------------------------------------------------------------------------------- 82
async def test_case_082_when_all_is_over_then_every_message_of_it_changes_nothing() -> None:
    town, messages = await done_town()
    orders = [each.data for each in await town.bench.documents(ORDERS)]
    [intent_id] = [order["intent_id"] for order in orders if order["status"] == "FILLED"]
    late: list[Event] = [OrderUnknown(intent_id=intent_id)]
    late += [CancelRequested(intent_id=intent_id, reason="too late")]
    messages += [a_message(each, message_id=f"late:{type(each).__name__}") for each in late]
    before = town.bench.store.contents()

    for message in messages:
        for name in load_pipeline().subscribers(message.topic):
            await town.push(name, message)

    assert {"fan_out", "route", "execute"} <= {
        name for message in messages for name in load_pipeline().subscribers(message.topic)
    }
    assert town.bench.store.contents() == before


# -------------------------------------------------------------------------------------------- 83
def from_the_future(ahead: timedelta) -> OutboxMessage:
    return a_message(occurred_at=NOON + ahead)


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("ahead", [AHEAD_MAX + SECOND, AHEAD_NEVER])
async def test_case_083_when_a_message_is_over_a_minute_ahead_then_it_comes_again(
    ahead: timedelta,
) -> None:
    bench, seen = Bench(), Seen()
    pushed = push_of(from_the_future(ahead))

    assert (await bench.post(fan_out_app(seen), pushed)).status_code == 503
    assert (seen.events, bench.store.contents()) == ([], {})
    bench.clock.advance(ahead.total_seconds())
    assert (await bench.post(fan_out_app(seen), pushed)).status_code == 204
    assert len(seen.events) == 1


async def test_case_083_when_a_message_is_over_ten_minutes_ahead_then_recorded() -> None:
    await assert_recorded(push_of(from_the_future(AHEAD_NEVER + SECOND)), "FUTURE_EVENT")


@pytest.mark.parametrize("ahead", [timedelta(0), AHEAD_MAX])
async def test_case_083_when_clocks_differ_by_a_minute_then_it_is_taken(ahead: timedelta) -> None:
    bench, seen = Bench(), Seen()

    response = await bench.post(fan_out_app(seen), push_of(from_the_future(ahead)))

    assert response.status_code == 204
    assert len(seen.events) == 1


# -------------------------------------------------------------------------------------------- 84
@pytest.mark.parametrize("step", ["signal-created", "deployment-signal", "order-planned"])
async def test_case_084_when_its_time_is_over_at_any_step_then_expired_and_nothing_is_sent(
    step: str,
) -> None:
    town = await Town().open()
    await town.send_signal()
    message = await until(town, step)
    town.bench.clock.advance(7 * 60)

    for name in load_pipeline().subscribers(step):
        await town.push(name, message)
    await town.settle_down()

    delivery = await town.only(Delivery, V3.deliveries)
    assert (delivery.status, delivery.reason_code) == (SignalStatus.EXPIRED, "SIGNAL_EXPIRED")
    assert (await town.signal()).status is SignalStatus.EXPIRED
    assert await town.bench.documents(ORDERS) == await town.bench.documents(FILLS) == []
