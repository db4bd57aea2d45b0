"""Every write is measured the quick way; the slow one, which can explain itself, is its oracle."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InvalidInputError
from common.ports import Ref
from infra.document_rules import MAX_DEPTH, _size, _usual_size

REF = Ref("orders", "o-1")

names = st.sampled_from(["a", "open_time_ms", "reason", "é", "", "__x__", "a__b", "_", "x_"])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 0.5]),
    st.text(alphabet="ab1é€\ud800", max_size=6),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(names, values, max_size=4))
def test_document_when_measured_quickly_then_as_measured_slowly(data: dict[str, Any]) -> None:
    quick = _usual_size(data)
    if quick >= 0:
        assert quick == _size(REF, data, "", 1)


def test_document_when_usual_then_the_quick_way_takes_it() -> None:
    candle = {"open_time_ms": 1, "open": "1.5"}
    data = {"a": [candle, candle], "b": None, "c": True, "d": {"e": ["x", 7, {}]}}
    assert _usual_size(data) == _size(REF, data, "", 1)


def test_document_when_too_deep_then_neither_way_takes_it() -> None:
    data: dict[str, Any] = {}
    for _ in range(MAX_DEPTH - 1):
        data = {"a": data}
    assert _usual_size(data) == _size(REF, data, "", 1)
    assert _usual_size({"a": data}) == -1
    with pytest.raises(InvalidInputError, match="deeper"):
        _size(REF, {"a": data}, "", 1)
