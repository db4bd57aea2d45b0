from datetime import UTC, datetime
from decimal import Decimal

import pytest

from common.text import quantity
from infra.cli.text import clock_time, full_time, gain, money


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "$0.00"),
        ("-0.001", "$0.00"),
        ("1234.565", "$1,234.56"),
        ("-0.125", "-$0.12"),
        ("1000000", "$1,000,000.00"),
    ],
)
def test_money_when_written_then_has_cents_and_thousands(value: str, text: str) -> None:
    assert money(Decimal(value)) == text


@pytest.mark.parametrize(
    ("value", "text"), [("12.3", "+$12.30"), ("-4", "-$4.00"), ("0", "$0.00"), ("0.001", "$0.00")]
)
def test_gain_when_written_then_shows_its_sign(value: str, text: str) -> None:
    assert gain(Decimal(value)) == text


@pytest.mark.parametrize(
    ("value", "text"), [("1250000", "1,250,000"), ("-0.0123", "-0.0123"), ("-1500.50", "-1,500.5")]
)
def test_quantity_when_written_then_is_exact(value: str, text: str) -> None:
    assert quantity(Decimal(value)) == text


def test_moments_when_written_then_say_utc() -> None:
    moment = datetime(2025, 10, 19, 12, 5, 9, tzinfo=UTC)
    assert clock_time(moment) == "12:05:09"
    assert full_time(moment) == "2025-10-19 12:05:09 UTC"
