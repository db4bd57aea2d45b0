"""The refusals that the contract suite does not try on every adapter."""

import base64
import json
from datetime import datetime
from typing import Any

import pytest

from common.errors import InvalidInputError
from common.ports import Create, Delete, Increment, Query, Ref, Update, Write
from infra.document_rules import check_writes, decode_cursor, encode_cursor

REF = Ref("orders", "o-1")


def nested(levels: int) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for _ in range(levels - 1):
        data = {"a": data}
    return data


def text(value: object) -> Any:
    """A value that an unchecked caller might pass where text belongs."""
    return value


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (Create(REF, nested(21)), "deeper than 20"),
        (Create(REF, text([1])), "not an object"),
        (Create(REF, {}, expires_at=datetime(2026, 1, 1)), "no timezone"),  # noqa: DTZ001 - naive on purpose
        (Update(REF, {}, "1"), "without fields"),
        (Update(REF, {"a": 1}, ""), "not one that a read returned"),
        (Delete(REF, text(1)), "not one that a read returned"),
        (Increment(REF, "n", text(True)), "64-bit"),
        (Increment(REF, "n", text(1.0)), "64-bit"),
        (Increment(REF, "n", 2**63), "64-bit"),
        (Increment(REF, "1n"), "not a field name"),
        (Increment(REF, ".".join("a" * 21)), "not a field path"),
        (Create(Ref("orders", text(7)), {}), "not a document id"),
        (Create(Ref("Orders", "o"), {}), "not a collection name"),
        (Create(REF, {"deep": {"list": [{"x": 0.5}]}}), "a float"),
    ],
)
def test_write_when_no_store_could_keep_it_then_says_where_and_why(
    write: Write, problem: str
) -> None:
    with pytest.raises(InvalidInputError, match=problem) as caught:
        check_writes([write])
    assert caught.value.where.startswith("orders") or "collection" in problem


def test_write_when_a_float_hides_deep_inside_then_its_path_is_named() -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_writes([Create(REF, {"a": {"b": [{"c": 0.5}]}})])
    assert caught.value.where == "orders/o-1 a.b.c"


def test_write_when_at_the_limits_then_taken() -> None:
    check_writes([Create(REF, nested(20)), *(Delete(Ref("a", f"{n}")) for n in range(399))])
    check_writes([Create(REF, {"x": "y" * 1_048_000})])
    check_writes([Create(REF, {"x": [0] * 131_000})])


@pytest.mark.parametrize(
    "content",
    [
        None,
        7,
        [],
        ["orders", None, False, None],
        ["orders", None, False, None, "o", "more"],
        ["orders", None, False, None, "../o"],
        ["orders", None, False, None, 7],
        ["orders", None, False, {}, "o"],
        ["orders", None, False, 1.5, "o"],
        ["fills", None, False, None, "o"],
        ["orders", "at", False, None, "o"],
        ["orders", None, True, None, "o"],
    ],
    ids=str,
)
def test_cursor_when_its_content_is_not_this_querys_then_refused(content: object) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(content).encode()).decode()
    with pytest.raises(InvalidInputError, match="not a cursor of this query"):
        decode_cursor(Query("orders", cursor=cursor))


@pytest.mark.parametrize("value", [None, "", "é?~", 0, -(2**63), True, False])
def test_cursor_when_encoded_then_decodes_to_the_same_type(value: object) -> None:
    query = Query("orders", order_by="at")
    cursor = encode_cursor(query, value, "o-1")
    decoded = decode_cursor(Query("orders", order_by="at", cursor=cursor))
    assert repr(decoded) == repr((value, "o-1"))
    assert decode_cursor(query) is None
