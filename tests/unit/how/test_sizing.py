"""SW-11: from a size model to a quantity, and what has no size."""

from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.signal import SizeModel, SizeType
from common.how.denial import Denial
from common.how.kelly import TrackRecord, kelly_fraction
from common.how.limits import Refusal
from common.how.sizing import (
    KELLY_SHARE_MAX,
    Target,
    figure,
    percent,
    quantity_at,
    target_quantity,
)

RECORD = TrackRecord(trips=20, won=20, gains=Decimal(20), losses=Decimal(0))
"""Kelly's fraction of it is one half."""


def sized(kind: SizeType, value: str, **changes: Any) -> Target | Refusal:
    facts: dict[str, Any] = {
        "capital": Decimal(10_000),
        "price": Decimal(2500),
        "volatility_day": Decimal("0.04"),
        "record": RECORD,
        "starter": Decimal("0.01"),
    }
    return target_quantity(SizeModel(type=kind, value=Decimal(value)), **{**facts, **changes})


@pytest.mark.parametrize(
    ("kind", "value", "quantity", "words"),
    [
        (SizeType.PERCENTAGE, "10", "0.4", "10 % of 10,000 at 2,500 is 0.4"),
        (SizeType.PERCENTAGE, "100", "4", "100 % of 10,000 at 2,500 is 4"),
        (SizeType.FIXED, "500", "0.2", "500 at 2,500 is 0.2"),
        (SizeType.QUANTITY, "0.7", "0.7", "a quantity of 0.7"),
        (
            SizeType.VOLATILITY,
            "1",
            "1",
            "1 % of 10,000 for 4 % in a day: 2,500 at 2,500 is 1",
        ),
        (
            SizeType.VOLATILITY,
            "4.1",
            "4",
            "4.1 % of 10,000 for 4 % in a day: 10,000, the whole capital at 2,500 is 4",
        ),
        (
            SizeType.KELLY,
            "25",
            "0.5",
            "25 % of Kelly's 50 % (20 of 20 trips won): 12.5 % of 10,000 at 2,500 is 0.5",
        ),
        (
            SizeType.KELLY,
            "100",
            "1",
            "100 % of Kelly's 50 % (20 of 20 trips won): 25 %, the most of 10,000 at 2,500 is 1",
        ),
    ],
)
def test_target_quantity_when_sized_then_by_its_model_and_in_words(
    kind: SizeType, value: str, quantity: str, words: str
) -> None:
    assert sized(kind, value) == Target(Decimal(quantity), words)


@pytest.mark.parametrize("volatility", [None, Decimal(0), Decimal("-0.01")])
def test_target_quantity_when_the_volatility_says_nothing_then_refused(
    volatility: Decimal | None,
) -> None:
    refusal = sized(SizeType.VOLATILITY, "1", volatility_day=volatility)

    assert isinstance(refusal, Refusal)
    assert refusal.code is Denial.SIZE_NEEDS_VOLATILITY


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (TrackRecord(trips=20, won=5, gains=Decimal(5), losses=Decimal(-9)), "5 of 20 trips won"),
        (TrackRecord(trips=3, won=4), "4 of 3 trips won"),
        (TrackRecord(problem="it cannot be read"), "it cannot be read"),
    ],
)
def test_target_quantity_when_kelly_has_no_edge_then_refused(
    record: TrackRecord, told: str
) -> None:
    refusal = sized(SizeType.KELLY, "50", record=record)

    assert refusal == Refusal(Denial.KELLY_NO_EDGE, f"The record shows no edge: {told}")


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (TrackRecord(), "no trip so far"),
        (TrackRecord(trips=19, won=19, gains=Decimal(19)), "19 of 19 trips won"),
        (TrackRecord(trips=19, losses=Decimal(-19)), "0 of 19 trips won"),
    ],
)
def test_target_quantity_when_the_record_is_short_then_the_starter_is_staked(
    record: TrackRecord, told: str
) -> None:
    """However good or bad it looks so far: it says too little yet."""
    assert sized(SizeType.KELLY, "50", record=record) == Target(
        Decimal("0.02"),
        f"50 % of the starter's 1 % ({told}): 0.5 % of 10,000 at 2,500 is 0.02",
    )


def test_target_quantity_when_the_starter_is_large_then_kellys_most_holds_for_it_too() -> None:
    target = sized(SizeType.KELLY, "100", record=TrackRecord(), starter=Decimal(1))

    assert isinstance(target, Target)
    assert target.quantity == 10_000 * KELLY_SHARE_MAX / 2500


@pytest.mark.parametrize("kind", SizeType)
def test_target_quantity_when_nothing_is_left_then_refused_with_a_code(kind: SizeType) -> None:
    refusal = sized(kind, "0")

    assert isinstance(refusal, Refusal)
    assert refusal.code is Denial.QUANTITY_ROUNDS_TO_ZERO
    assert refusal.reason.startswith("Nothing to trade: ")


values = st.decimals("0.01", "100", places=2)
capitals = st.decimals("1", "10000000", places=2)
prices = st.decimals("0.00001", "200000", places=5)


@given(
    kind=st.sampled_from([SizeType.PERCENTAGE, SizeType.VOLATILITY, SizeType.KELLY]),
    value=values,
    capital=capitals,
    price=prices,
    volatility=st.decimals("0.000001", "3", places=6),
)
def test_target_quantity_when_relative_to_the_capital_then_never_more_than_it_to_the_last_digit(
    kind: SizeType, value: Decimal, capital: Decimal, price: Decimal, volatility: Decimal
) -> None:
    target = sized(kind, str(value), capital=capital, price=price, volatility_day=volatility)

    assert isinstance(target, Target)
    worth = Fraction(target.quantity) * Fraction(price)
    share = {SizeType.KELLY: Fraction(KELLY_SHARE_MAX)}.get(kind, Fraction(1))
    assert worth <= Fraction(capital) * share
    if kind is SizeType.VOLATILITY:
        assert worth * Fraction(volatility) <= Fraction(capital) * Fraction(value) / 100
    if kind is SizeType.KELLY:
        wanted = Fraction(kelly_fraction(RECORD)) * Fraction(value) / 100
        assert worth <= wanted * Fraction(capital)


@given(kind=st.sampled_from(SizeType), value=values, capital=capitals, price=prices)
def test_target_quantity_when_the_threads_precision_is_another_then_the_same(
    kind: SizeType, value: Decimal, capital: Decimal, price: Decimal
) -> None:
    usual = sized(kind, str(value), capital=capital, price=price)
    with localcontext() as context:
        context.prec = 6
        assert sized(kind, str(value), capital=capital, price=price) == usual


@given(notional=capitals, price=prices)
def test_quantity_at_when_any_price_then_worth_the_notional_at_most(
    notional: Decimal, price: Decimal
) -> None:
    worth = Fraction(quantity_at(notional, price)) * Fraction(price)
    assert worth <= Fraction(notional)
    assert worth >= Fraction(notional) * (1 - Fraction(1, 10**26))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("10000", "10,000"),
        ("123456789.5", "123,456,789"),
        ("12345.67890", "12,345.678"),
        ("0.999999999", "0.99999999"),
        ("0.0000001234567899", "0.00000012345678"),
        ("0.500", "0.5"),
        ("1E+3", "1,000"),
        ("0", "0"),
    ],
)
def test_figure_when_shown_then_short_and_never_more_than_it_is(value: str, text: str) -> None:
    assert figure(Decimal(value)) == text


def test_percent_when_a_fraction_then_times_a_hundred() -> None:
    assert percent(Decimal("0.025")) == "2.5 %"
