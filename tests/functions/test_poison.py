"""Input that no retry can mend: acknowledged, recorded once with its reason, never in a loop.

Numbers are the cases of the bad-input catalogue.
"""

import base64
import json
from typing import Any

import pytest

from common.books import REJECTED_EVENTS
from common.domain.moment import iso
from common.errors import TransientError
from infra.gcp.entrypoint import BODY_BYTES_MAX
from tests.builders import NOON, a_message, a_tick
from tests.functions.harness import Bench, Body, body_of, push_of
from tests.functions.probes import Seen, a_delivery_message, fan_out_app, settle_app

LAST_YEAR = "9999-12-31T23:59:59-14:00"
"""Valid where it was written; in UTC it is the year 10,000, which datetime does not have."""

CANARY = "0x" + "c0ffee11" * 8


@pytest.fixture
def bench() -> Bench:
    return Bench()


def damaged(**changes: Any) -> dict[str, Any]:
    body = push_of(a_message())
    body["message"] |= changes
    return body


def with_data(data: bytes, **attributes: str) -> dict[str, Any]:
    body = push_of(a_message())
    body["message"]["data"] = base64.b64encode(data).decode()
    body["message"]["attributes"] |= attributes
    return body


def with_message(**changes: Any) -> dict[str, Any]:
    message = json.loads(base64.b64decode(push_of(a_message())["message"]["data"]))
    return with_data(json.dumps(message | changes).encode())


def on_topic(topic: str) -> dict[str, Any]:
    return with_message(topic=topic)


POISON: dict[str, tuple[Body, str]] = {
    "not JSON": (b"{", "INVALID_ENVELOPE"),
    "empty": (b"", "INVALID_ENVELOPE"),
    "not UTF-8": (b"\xff\xfe", "INVALID_ENVELOPE"),
    "nested too deep": (b"[" * 200_000, "INVALID_ENVELOPE"),
    "no object": (b"[]", "INVALID_ENVELOPE"),
    "no message": ({"subscription": "s"}, "INVALID_ENVELOPE"),  # 77
    "message is text": ({"message": "hello"}, "INVALID_ENVELOPE"),
    "no id": (damaged(messageId="", message_id=""), "INVALID_ENVELOPE"),
    "two ids": (damaged(message_id="other"), "INVALID_ENVELOPE"),
    "bad base64": (damaged(data="%%%"), "INVALID_ENVELOPE"),
    "empty data": (damaged(data=""), "INVALID_ENVELOPE"),
    "no data": (damaged(data=None), "INVALID_ENVELOPE"),
    "attributes are a list": (damaged(attributes=["type"]), "INVALID_ENVELOPE"),
    "attributes are numbers": (damaged(attributes={"type": 1}), "INVALID_ENVELOPE"),
    "attempt is text": (push_of(a_message()) | {"deliveryAttempt": "1"}, "INVALID_ENVELOPE"),
    "data is not JSON": (with_data(b"hello"), "INVALID_ENVELOPE"),
    "data is NaN": (with_data(b'{"version": NaN}'), "INVALID_ENVELOPE"),
    "half a surrogate": (with_data(b'{"id": "\\ud800"}'), "INVALID_ENVELOPE"),
    "unknown type": (with_message(type="Nonsense"), "UNSUPPORTED_TYPE"),  # 78
    "version 0": (with_message(version=0), "UNSUPPORTED_VERSION"),
    "version 99": (with_message(version=99), "UNSUPPORTED_VERSION"),
    "version is text": (with_message(version="1"), "UNSUPPORTED_VERSION"),
    "extra field": (
        with_message(data={"book": "v3", "signal_id": "s", "x": 1}),
        "INVALID_DOCUMENT",
    ),
    "missing field": (with_message(data={"book": "v3"}), "INVALID_DOCUMENT"),
    "no attributes": (damaged(attributes={}), "ATTRIBUTES_DISAGREE"),  # 86
    "other type": (
        damaged(attributes={"type": "OrderPlanned", "id": "msg_1"}),
        "ATTRIBUTES_DISAGREE",
    ),
    "other id": (
        damaged(attributes={"type": "SignalCreated", "id": "msg_2"}),
        "ATTRIBUTES_DISAGREE",
    ),
    "after the last year": (with_message(occurred_at=LAST_YEAR), "INVALID_MESSAGE"),
    "not our topic": (on_topic("order-planned"), "UNEXPECTED_EVENT"),
    "unknown topic": (on_topic("nowhere"), "UNEXPECTED_EVENT"),
    "not our event": (push_of(a_delivery_message()), "UNEXPECTED_EVENT"),
    "a tick": (body_of(a_tick("fan_out")), "INVALID_ENVELOPE"),
}


@pytest.mark.parametrize("name", POISON)
async def test_poison_when_delivered_again_and_again_then_acknowledged_and_recorded_once(
    bench: Bench, name: str
) -> None:
    body, code = POISON[name]
    seen = Seen()
    app = fan_out_app(seen)

    answers = [await bench.post(app, body) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [204, 204, 204]
    record = (await bench.only(REJECTED_EVENTS)).data
    assert record["code"] == code
    assert record["function"] == "fan_out"
    assert record["reason"]
    assert seen.events == []


TICK_POISON: dict[str, dict[str, object]] = {
    "no job": {"scheduled_at": "2026-01-15T12:00:00Z"},
    "no time": {"job": "settle"},
    "no offset": {"job": "settle", "scheduled_at": "2026-01-15T12:00:00"},
    "no date": {"job": "settle", "scheduled_at": "now"},
    "after the last year": {"job": "settle", "scheduled_at": LAST_YEAR},
    "time is a number": {"job": "settle", "scheduled_at": 1},
    "another field": {"job": "settle", "scheduled_at": "2026-01-15T12:00:00Z", "at": 1},
}


@pytest.mark.parametrize("name", TICK_POISON)
async def test_tick_when_it_cannot_be_read_then_acknowledged_and_recorded(
    bench: Bench, name: str
) -> None:  # 73
    seen = Seen()

    response = await bench.post(settle_app(seen), TICK_POISON[name])

    assert response.status_code == 204
    assert (await bench.only(REJECTED_EVENTS)).data["code"] == "INVALID_TICK"
    assert seen.events == []


async def test_event_when_a_moment_inside_it_is_after_the_last_year_then_recorded(
    bench: Bench,
) -> None:
    notification = {
        "notification_id": "ntf_1",
        "kind": "RISK",
        "text": "t",
        "subject_id": "s",
        "created_at": LAST_YEAR,
    }
    body = with_message(type="NotificationRaised", data={"notification": notification})

    response = await bench.post(fan_out_app(Seen()), body)

    assert response.status_code == 204
    assert (await bench.only(REJECTED_EVENTS)).data["code"] == "INVALID_DOCUMENT"


async def test_tick_when_it_is_for_another_job_then_recorded(bench: Bench) -> None:
    seen = Seen()

    response = await bench.post(settle_app(seen), body_of(a_tick("relay")))

    assert response.status_code == 204
    assert (await bench.only(REJECTED_EVENTS)).data["code"] == "UNEXPECTED_TICK"
    assert seen.events == []


async def test_body_when_it_is_over_the_limit_then_recorded_without_being_parsed(
    bench: Bench,
) -> None:  # 79
    seen = Seen()
    body = json.dumps(push_of(a_message()) | {"padding": "x" * BODY_BYTES_MAX}).encode()

    response = await bench.post(fan_out_app(seen), body)

    record = (await bench.only(REJECTED_EVENTS)).data
    assert response.status_code == 204
    assert record["code"] == "BODY_TOO_LARGE"
    assert str(len(body)) in record["reason"]
    assert len(record["excerpt"].encode()) <= 2048
    assert seen.events == []


async def test_body_when_it_is_just_within_the_limit_then_handled(bench: Bench) -> None:
    seen = Seen()
    body = json.dumps(push_of(a_message())).encode()

    response = await bench.post(fan_out_app(seen), body.ljust(BODY_BYTES_MAX))

    assert response.status_code == 204
    assert len(seen.events) == 1


async def test_rejection_when_the_message_holds_secrets_then_the_record_does_not(
    bench: Bench,
) -> None:
    jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl"
    data = json.dumps({"key": CANARY, "jwt": jwt, "pad": "ä" * 4000}).encode()

    await bench.post(fan_out_app(Seen()), with_data(data))
    await bench.post(fan_out_app(Seen()), damaged(data=None, note=CANARY))

    kept = json.dumps([document.data for document in await bench.documents(REJECTED_EVENTS)])
    assert len(await bench.documents(REJECTED_EVENTS)) == 2
    assert CANARY[2:] not in kept
    assert jwt not in kept


async def test_rejection_when_it_cannot_be_recorded_then_the_message_comes_again() -> None:
    async def before(operation: str, argument: object) -> None:
        if operation == "commit":
            raise TransientError("the store is away")

    bench = Bench()
    bench.store.before = before

    response = await bench.post(fan_out_app(Seen()), with_data(b"hello"))

    assert response.status_code == 503


async def test_rejection_when_it_is_kept_then_it_says_what_when_and_for_how_long(
    bench: Bench,
) -> None:
    await bench.post(fan_out_app(Seen()), with_data(b"hello"))

    document = await bench.only(REJECTED_EVENTS)
    assert document.ref.id.startswith("rej_")
    assert document.data == {
        "at": iso(NOON),
        "code": "INVALID_ENVELOPE",
        "excerpt": "hello",
        "function": "fan_out",
        "reason": "data: not JSON",
        "size": 5,
    }
