"""Decimals as JSON numbers."""

import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from infra.web.numbers import number, number_or_none


@given(st.integers(-(10**15) + 1, 10**15 - 1), st.integers(0, 18))
def test_number_when_it_has_15_digits_then_its_json_reads_back_the_same(
    digits: int, places: int
) -> None:
    value = Decimal(digits).scaleb(-places)
    assert Decimal(json.dumps(number(value))) == value


def test_number_when_it_has_more_digits_then_it_is_rounded_and_none_stays_none() -> None:
    assert json.dumps(number(Decimal(1) / 3)) == "0.333333333333333"
    assert number_or_none(None) is None
    assert number_or_none(Decimal("0.30")) == 0.3
