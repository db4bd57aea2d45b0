from decimal import Decimal

import pytest

from common.text import price


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("107749.3", "107,749.30"),
        ("0.00001234567", "0.0000123457"),
        ("2.4", "2.4"),
        ("99.999999", "100"),
        ("0", "0"),
    ],
)
def test_price_when_written_then_keeps_what_matters(value: str, text: str) -> None:
    assert price(Decimal(value)) == text
