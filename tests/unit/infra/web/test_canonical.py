"""One text for one body: what an Idempotency-Key and a wallet's signature are held to."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.web.body import parse_json
from infra.web.canonical import canonical_body

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b'{"b": 1, "a": [true, null]}', '{"a":[true,null],"b":1}'),
        (b'{"x": 0.60}', '{"x":"0.60"}'),
        (b'{"x": "0.60"}', '{"x":"0.60"}'),
        (b'{"x": 1.0}', '{"x":"1.0"}'),
        (b'{"x": -0}', '{"x":0}'),
        ('{"x": "für 🚀"}'.encode(), '{"x":"f\\u00fcr \\ud83d\\ude80"}'),
        (b'{"x": "\\u0041\\/"}', '{"x":"A/"}'),
    ],
)
def test_canonical_when_written_one_way_or_another_then_this_text(raw: bytes, text: str) -> None:
    assert canonical_body(parse_json(raw)) == text


def test_canonical_when_there_is_no_body_then_null() -> None:
    assert canonical_body(None) == "null"


@given(_JSON)
def test_canonical_when_spaced_and_turned_round_then_the_same_text(value: object) -> None:
    spaced = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        raw = spaced.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return
    expected = json.dumps(value, sort_keys=True, separators=(",", ":"))
    assert canonical_body(parse_json(raw)) == expected
