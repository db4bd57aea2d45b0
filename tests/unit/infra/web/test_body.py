"""Strict JSON: what is taken, and what is refused with which code."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.wire import canonical_json
from infra.web.body import MAX_DEPTH, parse_json
from infra.web.problems import Problem


def test_parse_when_numbers_have_fractions_then_they_are_exact_decimals() -> None:
    parsed = parse_json(b'{"a": 0.1, "b": 1e3, "c": 12, "d": -0.00}')
    assert parsed == {"a": Decimal("0.1"), "b": Decimal(1000), "c": 12, "d": Decimal("-0.00")}
    assert isinstance(parsed, dict)
    assert not any(isinstance(value, float) for value in parsed.values())


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"", 400, "INVALID_JSON"),
        (b"{", 400, "INVALID_JSON"),
        (b"{} {}", 400, "INVALID_JSON"),
        (b'{"a": 01}', 400, "INVALID_JSON"),
        (b'"open', 400, "INVALID_JSON"),
        (b'"\\', 400, "INVALID_JSON"),
        (b"\xff", 400, "INVALID_UTF8"),
        (b'{"a": 1, "a": 1}', 400, "DUPLICATE_KEY"),
        (b'{"x": {"a": 1, "a": 2}}', 400, "DUPLICATE_KEY"),
        (b"NaN", 422, "INVALID_NUMBER"),
        (b"-Infinity", 422, "INVALID_NUMBER"),
        (b"1" * 65, 422, "INVALID_NUMBER"),
        (b"0." + b"1" * 65, 422, "INVALID_NUMBER"),
    ],
)
def test_parse_when_not_strict_json_then_refused(raw: bytes, status: int, code: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_json(raw)
    assert (caught.value.status, caught.value.code) == (status, code)


@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_parse_when_nested_to_the_limit_then_taken_and_one_deeper_refused(pair: str) -> None:
    start, end = ("[", "]") if pair == "[]" else ('{"a":', "}")
    inner = "1"
    text = start * MAX_DEPTH + inner + end * MAX_DEPTH
    parse_json(text.encode())
    with pytest.raises(Problem, match="TOO_DEEP"):
        parse_json((start + text + end).encode())


def test_parse_when_brackets_stand_in_text_then_they_are_no_depth() -> None:
    text = '{"a": "' + '[{\\"' * 100 + '"}'
    assert parse_json(text.encode()) == {"a": '[{"' * 100}


@pytest.mark.parametrize(
    "raw", [b'"' + b'\\"' * 32_000, b'"\\' * 32_000, b"[" * 64_000, b'["a",' * 12_000]
)
def test_parse_when_the_body_would_make_a_careless_scan_quadratic_then_refused(raw: bytes) -> None:
    with pytest.raises(Problem):
        parse_json(raw)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(json_values)
def test_parse_when_written_by_us_then_read_back_the_same(value: object) -> None:
    assert parse_json(canonical_json(value).encode()) == value


@given(st.binary(max_size=200))
def test_parse_when_any_bytes_then_a_value_or_a_problem(raw: bytes) -> None:
    status = 200
    try:
        parse_json(raw)
    except Problem as problem:
        status = problem.status
    assert status in {200, 400, 422}
