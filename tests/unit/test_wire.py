"""Domain objects to JSON and back."""

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.events import (
    DeploymentSignal,
    KeySubmitted,
    MarketUpdated,
    NotificationRaised,
    OrderPlanned,
    OrderUnknown,
    SignalCreated,
)
from common.domain.exposure import Exposure
from common.domain.instrument import Venue
from common.domain.moment import EPOCH, UtcDatetime
from common.domain.money import Money
from common.domain.order import Order, OrderIntent
from common.domain.position import Position
from common.domain.signal import Signal, SignalRecord
from common.errors import InvalidInputError
from common.wire import (
    canonical_json,
    decode_message,
    encode_message,
    from_document,
    to_document,
)
from tests.builders import (
    NOON,
    a_delivery,
    a_deployment,
    a_fill_record,
    a_message,
    a_notification,
    a_plan,
    a_position,
    a_report,
    a_signal,
    a_signal_record,
    a_snapshot,
    an_agent,
    an_instrument_table,
    an_intent,
    an_order,
)

OBJECTS = [
    a_plan(),
    an_order(),
    an_intent(),
    a_fill_record(),
    a_report(),
    a_position(),
    an_agent(),
    a_deployment(),
    a_signal(),
    a_signal_record(),
    a_delivery(),
    a_snapshot(),
    an_instrument_table(),
    Exposure.empty("dep_1"),
]
EVENTS = [
    MarketUpdated(tick_id="t", snapshots=(a_snapshot(),), failed={"SOL": "no answer"}),
    SignalCreated(book="v3", signal_id="sig_1", cursor="c"),
    DeploymentSignal(book="v3", delivery_id="dlv_1"),
    OrderPlanned(plan=a_plan(), attempt=2),
    OrderUnknown(intent_id="int_1"),
    KeySubmitted(book="v3", deployment_id="dep_1", venue=Venue.HYPERLIQUID),
    NotificationRaised(notification=a_notification()),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    at: UtcDatetime
    first: Inner
    others: tuple[Inner, ...]
    by_name: dict[str, Inner]
    maybe: Inner | None = None


OUTER: dict[str, Any] = {
    "at": "2026-01-15T12:00:00.000000Z",
    "first": {"amount": "1"},
    "others": [{"amount": "2"}],
    "by_name": {"a": {"amount": "3"}},
    "maybe": {"amount": "4"},
}


@pytest.mark.parametrize("value", OBJECTS, ids=lambda value: type(value).__name__)
def test_to_document_when_any_domain_object_then_json_without_floats_reads_back_the_same(
    value: object,
) -> None:
    text = canonical_json(to_document(value))

    def refuse(number: str) -> None:
        raise AssertionError(f"a float crossed the port: {number}")

    assert from_document(type(value), json.loads(text, parse_float=refuse)) == value
    assert canonical_json(json.loads(text)) == text


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_message_when_encoded_then_it_decodes_to_the_same(event: Any) -> None:
    message = a_message(event)
    assert decode_message(json.loads(canonical_json(encode_message(message)))) == message


@given(
    amount=st.decimals(
        allow_nan=False, allow_infinity=False, places=18, min_value=-(10**20), max_value=10**20
    )
)
def test_money_when_any_amount_then_exact_on_the_wire(amount: Decimal) -> None:
    document = to_document(Inner(amount=amount))
    assert isinstance(document["amount"], str)
    assert from_document(Inner, document).amount == amount


@pytest.mark.parametrize(
    ("path", "change", "problem"),
    [
        ("first", {"amount": 1.5}, "first.amount: "),
        ("first", {"amount": "NaN"}, "first.amount: "),
        ("first", {"amount": True}, "first.amount: "),
        ("first", {"amount": "1", "note": "x"}, "first.note: Unexpected"),
        ("first", {}, "first.amount: Field required"),
        ("others", [{"amount": "1", "note": "x"}], "others.0.note: Unexpected"),
        ("by_name", {"a": {"amount": "1", "b": 2}}, "by_name.a.b: Unexpected"),
        ("maybe", {"amount": "1", "b": 2}, "maybe.b: Unexpected"),
        ("at", "2026-01-15T12:00:00", "at: "),
        ("surplus", 1, "surplus: Unexpected"),
    ],
)
def test_from_document_when_a_field_is_wrong_at_any_depth_then_it_is_named(
    path: str, change: object, problem: str
) -> None:
    assert from_document(Outer, OUTER).maybe == Inner(amount=Decimal(4))
    with pytest.raises(InvalidInputError) as caught:
        from_document(Outer, {**OUTER, path: change})

    assert caught.value.where == "Outer"
    assert caught.value.code == "INVALID_DOCUMENT"
    assert caught.value.message.startswith(problem)


def test_from_document_when_it_is_not_an_object_then_refused_without_a_path() -> None:
    broken: Any = "secret-looking input"
    with pytest.raises(InvalidInputError) as caught:
        from_document(Inner, broken)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("kind", [Order, OrderIntent, Position, Signal, SignalRecord])
def test_from_document_when_empty_then_refused(kind: type) -> None:
    with pytest.raises(InvalidInputError, match="Field required"):
        from_document(kind, {})


def test_canonical_json_when_written_then_sorted_tight_ascii_and_without_nan() -> None:
    assert canonical_json({"b": "ä", "a": [1, None]}) == '{"a":[1,null],"b":"\\u00e4"}'
    with pytest.raises(ValueError, match="Out of range float"):
        canonical_json({"a": float("nan")})


GOOD = encode_message(a_message())


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type": "Explode"}, "UNSUPPORTED_TYPE"),
        ({"type": None}, "UNSUPPORTED_TYPE"),
        ({"type": ["SignalCreated"]}, "UNSUPPORTED_TYPE"),
        ({"version": 2}, "UNSUPPORTED_VERSION"),
        ({"version": "1"}, "UNSUPPORTED_VERSION"),
        ({"version": True}, "UNSUPPORTED_VERSION"),
        ({"version": 1.0}, "UNSUPPORTED_VERSION"),
        ({"data": None}, "INVALID_MESSAGE"),
        ({"data": []}, "INVALID_MESSAGE"),
        ({"data": {}}, "INVALID_DOCUMENT"),
        ({"data": {**GOOD["data"], "extra": 1}}, "INVALID_DOCUMENT"),
        ({"id": ""}, "INVALID_MESSAGE"),
        ({"id": 5}, "INVALID_MESSAGE"),
        ({"topic": "x" * 257}, "INVALID_MESSAGE"),
        ({"occurred_at": None}, "INVALID_MESSAGE"),
        ({"occurred_at": "yesterday"}, "INVALID_MESSAGE"),
        ({"occurred_at": "2026-01-15T12:00:00"}, "INVALID_MESSAGE"),
        ({"deliver_at": ""}, "INVALID_MESSAGE"),
        ({"deliver_at": 0}, "INVALID_MESSAGE"),
        ({"deliver_at": False}, "INVALID_MESSAGE"),
        ({"deliver_at": "tomorrow"}, "INVALID_MESSAGE"),
        ({"deliver_at": "2026-01-15T12:00:00"}, "INVALID_MESSAGE"),
    ],
)
def test_decode_message_when_a_part_is_wrong_then_refused_with_its_code(
    change: dict[str, Any], code: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        decode_message({**GOOD, **change})
    assert caught.value.code == code


@pytest.mark.parametrize("body", [None, [], "text", 1])
def test_decode_message_when_it_is_not_an_object_then_refused(body: object) -> None:
    with pytest.raises(InvalidInputError, match="not a JSON object"):
        decode_message(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(body=json_values, field=st.sampled_from(sorted(GOOD)))
def test_decode_message_when_anything_at_all_comes_then_a_message_or_invalid_input(
    body: object, field: str
) -> None:
    for candidate in (body, {**GOOD, field: body}):
        try:
            decoded = decode_message(candidate)
        except InvalidInputError:
            continue
        assert decode_message(encode_message(decoded)) == decoded


@given(microseconds=st.integers(min_value=0, max_value=10**17))
def test_message_when_it_is_for_later_then_the_moment_is_exact_on_the_wire(
    microseconds: int,
) -> None:
    message = replace(a_message(), deliver_at=EPOCH + timedelta(microseconds=microseconds))
    text = canonical_json(encode_message(message))
    assert decode_message(json.loads(text)) == message
    assert message != a_message()


def test_message_when_it_is_for_no_moment_then_reads_and_is_written_as_it_always_was() -> None:
    assert set(GOOD) == {"type", "version", "id", "topic", "occurred_at", "data"}
    assert decode_message(GOOD).deliver_at is None
    assert decode_message({**GOOD, "deliver_at": None}) == a_message()


def test_encode_when_two_books_differ_then_the_texts_do() -> None:
    one, two = (a_message(SignalCreated(book=book, signal_id="s")) for book in ("v2", "v3"))
    assert encode_message(one) != encode_message(two)
    assert replace(one, occurred_at=NOON) == one
