"""Round trips; what must be refused is in tests/functions/test_poison.py."""

import base64
import json

import pytest

from common.domain.events import MarketUpdated, Tick
from common.domain.moment import iso
from common.errors import InvalidInputError
from infra.gcp.envelope import (
    is_push,
    message_attributes,
    message_data,
    open_push,
    parse_body,
    read_message,
    read_tick,
    wrap_push,
)
from tests.builders import NOON, a_message, a_snapshot


def test_push_when_wrapped_then_it_opens_to_the_same_message() -> None:
    event = MarketUpdated(tick_id="t", snapshots=(a_snapshot("BTC"),), failed={"WIF": "no answer"})
    message = a_message(event)
    body = wrap_push(
        message_data(message),
        message_attributes(message),
        bus_message_id="42",
        subscription="projects/p/subscriptions/decide",
        publish_time=iso(NOON),
        delivery_attempt=3,
    )

    push = open_push(parse_body(json.dumps(body).encode()))

    assert read_message(push) == message
    assert (push.bus_message_id, push.delivery_attempt) == ("42", 3)
    assert push.subscription == "projects/p/subscriptions/decide"


def test_push_when_it_is_the_documented_example_then_it_opens() -> None:
    """https://cloud.google.com/pubsub/docs/push#receive_push"""
    body = {
        "message": {
            "attributes": {"key": "value"},
            "data": "SGVsbG8gQ2xvdWQgUHViL1N1YiEgSGVyZSBpcyBteSBtZXNzYWdlIQ==",
            "messageId": "2070443601311540",
            "message_id": "2070443601311540",
            "publishTime": "2021-02-26T19:13:55.749Z",
            "publish_time": "2021-02-26T19:13:55.749Z",
        },
        "subscription": "projects/myproject/subscriptions/mysubscription",
    }

    push = open_push(body)

    assert is_push(body)
    assert push.data == b"Hello Cloud Pub/Sub! Here is my message!"
    assert push.attributes == {"key": "value"}
    assert push.delivery_attempt is None


def test_push_when_dead_letter_attributes_are_added_then_it_still_agrees() -> None:
    message = a_message()
    attributes = {**message_attributes(message), "CloudPubSubDeadLetterSourceDeliveryCount": "5"}
    body = wrap_push(
        message_data(message),
        attributes,
        bus_message_id="1",
        subscription="s",
        publish_time=iso(NOON),
    )

    assert read_message(open_push(body)) == message


def test_push_when_data_has_a_newline_in_base64_then_refused() -> None:
    data = base64.encodebytes(b"x" * 100).decode()
    with pytest.raises(InvalidInputError, match="base64"):
        open_push({"message": {"data": data, "messageId": "1"}})


@pytest.mark.parametrize("text", ['{"a": "\\ud83d\\ude00"}', '{"a": "é"}'])
def test_body_when_its_text_is_whole_then_it_is_read(text: str) -> None:
    assert parse_body(text.encode()) == json.loads(text)


@pytest.mark.parametrize("text", ['{"a": "\\udc00"}', '{"a": "\\uDC00"}', '{"\\ud800": 1}'])
def test_body_when_it_holds_half_a_surrogate_pair_then_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_body(text.encode())


def test_tick_when_body_and_header_name_a_time_then_the_body_counts() -> None:
    tick = read_tick({"job": "relay", "scheduled_at": iso(NOON)}, "2020-01-01T00:00:00Z")
    assert tick == Tick(job="relay", scheduled_at=NOON)


def test_tick_when_the_header_has_an_offset_then_it_is_the_same_moment() -> None:
    assert read_tick({"job": "relay"}, "2026-01-15T13:00:00+01:00").scheduled_at == NOON
