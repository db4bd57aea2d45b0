"""The trace beside a message: kept with the outbox row, sent on, no part of what it means."""

from dataclasses import replace
from typing import Any

import pytest

from common.books import OUTBOX
from common.outbox import outbox_write, publish_and_clear, traced
from common.ports import Query
from common.trace import current_trace, trace_of, within_trace
from common.wire import decode_message, encode_message
from infra.gcp.envelope import message_attributes, message_data, open_push, read_message
from infra.local.store.memory import MemoryStore
from tests.builders import a_message
from tests.fakes.publisher import RecordingPublisher
from tests.functions.harness import push_of

TRACE = {
    "traceparent": "00-105445aa7843bc8bf206b12000100000-00f067aa0ba902b7-01",
    "baggage": "signal_id=sig_1",
}


def test_trace_when_none_is_current_then_messages_are_as_they_were() -> None:
    assert dict(current_trace()) == {}
    assert traced(a_message()) is not None
    assert traced(a_message()).trace is None
    assert outbox_write(a_message()).data == encode_message(a_message())


def test_row_when_written_within_a_trace_then_it_is_read_with_it() -> None:
    with within_trace(TRACE):
        row = outbox_write(a_message()).data
    assert "trace" not in encode_message(replace(a_message(), trace=TRACE))

    read = decode_message(row)

    assert read.trace == TRACE
    assert read == a_message()


async def test_publish_when_within_a_trace_then_what_has_its_own_keeps_it() -> None:
    publisher, store = RecordingPublisher(), MemoryStore()
    own = replace(a_message(message_id="own"), trace={"traceparent": "other"})
    with within_trace(TRACE):
        await store.commit([outbox_write(a_message())])
        await publish_and_clear([a_message(), own], publisher=publisher, store=store)

    assert [message.trace for message in publisher.messages] == [TRACE, {"traceparent": "other"}]
    assert await store.count(Query(OUTBOX)) == 0


def test_push_when_the_message_has_a_trace_then_attributes_carry_it_and_the_body_does_not() -> None:
    message = replace(a_message(), trace=TRACE)

    assert message_data(message) == message_data(a_message())
    assert message_attributes(message) == message_attributes(a_message()) | TRACE
    assert read_message(open_push(push_of(message))).trace == TRACE
    assert read_message(open_push(push_of(a_message()))).trace is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (TRACE | {"type": "SignalCreated"}, TRACE),
        ({"traceparent": "x", "baggage": 1}, {"traceparent": "x"}),
        ({"traceparent": "é"}, None),
        ({"traceparent": "a\r\nb"}, None),
        ({"traceparent": "x" * 513}, None),
        ({"traceparent": ""}, None),
        ({}, None),
        (None, None),
        ("traceparent", None),
        ([], None),
    ],
)
def test_trace_when_fields_are_no_short_texts_then_they_are_dropped(
    fields: Any, expected: dict[str, str] | None
) -> None:
    assert trace_of(fields) == expected
    assert decode_message(encode_message(a_message()) | {"trace": fields}).trace == expected
