"""What venues accept as price and size. Examples: reference of Hyperliquid's tick and lot rules."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.instrument import Instrument
from common.domain.rounding import (
    check_order,
    is_valid_price,
    price_step,
    round_price,
    round_quantity,
)
from common.errors import InvalidInputError
from tests.builders import an_instrument

positive = st.decimals(
    min_value=Decimal("0.000001"),
    max_value=Decimal(10_000_000),
    allow_nan=False,
    allow_infinity=False,
    places=18,
)


def perpetual(size_decimals: int) -> Instrument:
    return an_instrument(
        price_decimals_max=6 - size_decimals,
        size_increment=Decimal(1).scaleb(-size_decimals),
        min_quantity=Decimal(1).scaleb(-size_decimals),
    )


def ticked(tick: str = "0.5") -> Instrument:
    return an_instrument(price_increment=Decimal(tick), price_significant_figures=None)


@pytest.mark.parametrize(
    ("size_decimals", "price", "valid"),
    [
        (0, "1234.5", True),
        (0, "1234.56", False),
        (0, "0.001234", True),
        (0, "0.0012345", False),
        (1, "0.01234", True),
        (1, "0.012345", False),
        (0, "123456", True),
        (0, "12345.6", False),
        (5, "110427.0", True),
        (0, "0", False),
        (0, "-1", False),
    ],
)
def test_is_valid_price_when_significant_figures_rule_then_as_the_docs_say(
    size_decimals: int, price: str, valid: bool
) -> None:
    assert is_valid_price(perpetual(size_decimals), Decimal(price)) is valid


@pytest.mark.parametrize(
    ("price", "buy", "rounded"),
    [
        ("1234.56", True, "1234.5"),
        ("1234.51", False, "1234.6"),
        ("0.0012345", True, "0.001234"),
        ("9.99999", False, "10"),
        ("99999.9", False, "100000"),
        ("123456.7", True, "123456"),
    ],
)
def test_round_price_when_between_prices_then_never_worse_for_us(
    price: str, buy: bool, rounded: str
) -> None:
    assert round_price(perpetual(0), Decimal(price), buy=buy) == Decimal(rounded)


def test_round_price_when_the_venue_has_a_tick_then_whole_ticks() -> None:
    assert round_price(ticked(), Decimal("10.7"), buy=True) == Decimal("10.5")
    assert round_price(ticked(), Decimal("10.7"), buy=False) == Decimal("11.0")


def test_price_step_when_only_decimals_rule_then_the_last_decimal() -> None:
    instrument = an_instrument(price_significant_figures=None, price_decimals_max=3)
    assert price_step(instrument, Decimal(5)) == Decimal("0.001")


@pytest.mark.parametrize(("price", "buy"), [("0.1", True), ("0", True), ("-3", False)])
def test_round_price_when_there_is_no_such_price_then_refused(price: str, buy: bool) -> None:
    with pytest.raises(InvalidInputError):
        round_price(ticked(), Decimal(price), buy=buy)


@given(price=positive, size_decimals=st.integers(0, 5))
def test_round_price_when_any_price_then_valid_close_and_no_worse(
    price: Decimal, size_decimals: int
) -> None:
    instrument = perpetual(size_decimals)
    step = price_step(instrument, price)
    up = round_price(instrument, price, buy=False)
    assert is_valid_price(instrument, up)
    assert price <= up < price + step
    if price >= step:
        down = round_price(instrument, price, buy=True)
        assert is_valid_price(instrument, down)
        assert price - step < down <= price
        assert round_price(instrument, down, buy=True) == down


@given(price=positive, size_decimals=st.integers(0, 5))
def test_is_valid_price_when_any_price_then_as_its_digits_say(
    price: Decimal, size_decimals: int
) -> None:
    price = price.quantize(Decimal("0.0000001")) or Decimal(1)
    digits = price.normalize()
    exponent = digits.as_tuple().exponent
    assert isinstance(exponent, int)
    figures = len(digits.as_tuple().digits)
    expected = exponent >= 0 or (figures <= 5 and -exponent <= 6 - size_decimals)
    assert is_valid_price(perpetual(size_decimals), price) is expected


@given(quantity=positive, size_decimals=st.integers(0, 5))
def test_round_quantity_when_any_size_then_whole_lots_and_never_more(
    quantity: Decimal, size_decimals: int
) -> None:
    instrument = perpetual(size_decimals)
    rounded = round_quantity(instrument, quantity)
    assert rounded <= quantity < rounded + instrument.size_increment
    assert rounded % instrument.size_increment == 0


def test_round_quantity_when_the_digits_are_many_then_still_down() -> None:
    assert round_quantity(perpetual(0), Decimal("0." + "9" * 60)) == 0


@pytest.mark.parametrize("quantity", ["0", "-1"])
def test_round_quantity_when_nothing_then_nothing(quantity: str) -> None:
    assert round_quantity(perpetual(0), Decimal(quantity)) == 0


@pytest.mark.parametrize(
    ("quantity", "price", "code"),
    [
        ("1", "100", None),
        ("0.1", "100", None),
        ("0", "100", "QUANTITY_BELOW_MINIMUM"),
        ("0.001", "100", "QUANTITY_BELOW_MINIMUM"),
        ("0.015", "1000", "QUANTITY_NOT_ON_LOT"),
        ("1", "100.123", "PRICE_NOT_ON_TICK"),
        ("0.09", "100", "NOTIONAL_BELOW_MINIMUM"),
        ("10.01", "100", "NOTIONAL_EXCEEDS_MAXIMUM"),
        ("10", "100", None),
    ],
)
def test_check_order_when_asked_then_the_code_of_the_refusal(
    quantity: str, price: str, code: str | None
) -> None:
    instrument = an_instrument(
        price_decimals_max=4,
        size_increment=Decimal("0.01"),
        min_quantity=Decimal("0.01"),
        max_notional=Decimal(1000),
    )
    assert check_order(instrument, Decimal(quantity), Decimal(price)) == code
