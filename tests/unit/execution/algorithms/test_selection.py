"""SW-08: the selection matrix at and around its thresholds, and the figures that it goes by."""

import math
import statistics
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest

from common.domain.market import INTERVAL_MS, Candle
from common.domain.parent_order import ExecAlgorithm, ExecutionWish
from common.execution.algorithms.selection import (
    RETURNS_MIN,
    Choice,
    average_hourly_volume,
    choose,
    realised_volatility,
)
from tests.builders import some_candles
from tests.unit.execution.algorithms.desk import SETTINGS

MARKET, TWAP, VWAP = ExecAlgorithm.MARKET, ExecAlgorithm.TWAP, ExecAlgorithm.VWAP
ICEBERG, SNIPER, LIMIT = ExecAlgorithm.ICEBERG, ExecAlgorithm.SNIPER, ExecAlgorithm.LIMIT
FIVE_MINUTES = INTERVAL_MS["5m"]


def chosen(
    quantity: str = "10",
    *,
    wish: ExecutionWish | None = None,
    volume: str | None = "1000",
    volatility: str | None = "0.65",
) -> Choice:
    return choose(
        wish,
        quantity=Decimal(quantity),
        hourly_volume=None if volume is None else Decimal(volume),
        volatility=None if volatility is None else Decimal(volatility),
        settings=SETTINGS,
    )


@pytest.mark.parametrize(
    ("quantity", "volatility", "algorithm"),
    [
        ("0.999", "0.65", MARKET),
        ("0.999", "5", MARKET),
        ("1", "0.799999", VWAP),
        ("1", "0.8", TWAP),
        ("99.999", "0.799999", VWAP),
        ("99.999", "0.8", TWAP),
        ("100", "0.1", ICEBERG),
        ("5000", "5", ICEBERG),
    ],
)
def test_choose_when_nothing_is_wished_then_by_size_and_volatility(
    quantity: str, volatility: str, algorithm: ExecAlgorithm
) -> None:
    assert chosen(quantity, volatility=volatility).algorithm is algorithm


@pytest.mark.parametrize(
    ("wish", "algorithm", "reason"),
    [
        (ExecutionWish(algorithm=LIMIT, limit_price=Decimal(9)), LIMIT, "the signal asks for it"),
        (ExecutionWish(algorithm=MARKET), MARKET, "the signal asks for it"),
        (
            ExecutionWish(limit_price=Decimal("2990.50")),
            SNIPER,
            "the signal has a price as its target: 2990.5",
        ),
        (
            ExecutionWish(visible_quantity=Decimal(5), limit_price=Decimal(9)),
            ICEBERG,
            "the signal wants 5 to be visible at a time",
        ),
    ],
)
def test_choose_when_the_signal_says_then_as_it_says_whatever_the_market(
    wish: ExecutionWish, algorithm: ExecAlgorithm, reason: str
) -> None:
    assert chosen("0.1", wish=wish) == Choice(algorithm, reason)
    assert chosen("5000", wish=wish, volume=None, volatility=None) == Choice(algorithm, reason)


def test_choose_when_a_wish_leaves_the_algorithm_open_then_the_matrix() -> None:
    assert chosen("0.1", wish=ExecutionWish(slices=5)).algorithm is MARKET


def test_choose_when_it_has_chosen_then_the_reason_has_the_figures() -> None:
    told = "10 is 1 % of the 1000 that are traded in an hour"

    assert chosen("0.0001").reason == (
        "0.0001 is 0.00001 % of the 1000 that are traded in an hour: small, below 0.1 %"
    )
    assert chosen().reason == f"{told}: medium; volatility is 65 % a year: low, below 80 %"
    assert chosen(volatility="0.81").reason == (
        f"{told}: medium; volatility is 81 % a year: high, from 80 % on"
    )
    assert chosen("100").reason == (
        "100 is 10 % of the 1000 that are traded in an hour: large, from 10 % on"
    )
    assert chosen("0").reason.startswith("0 is 0 % of")


@pytest.mark.parametrize("volume", [None, "0", "-1"])
def test_choose_when_the_volume_is_not_known_then_in_slices_and_it_says_so(
    volume: str | None,
) -> None:
    choice = chosen(volume=volume)

    assert choice.algorithm is TWAP
    assert "volume is not known" in choice.reason


def test_choose_when_the_volatility_is_not_known_then_twap_for_what_is_medium_alone() -> None:
    choice = chosen(volatility=None)

    assert choice.algorithm is TWAP
    assert choice.reason.endswith("medium; the volatility is not known")
    assert chosen("0.1", volatility=None).algorithm is MARKET
    assert chosen("100", volatility=None).algorithm is ICEBERG


def swinging(count: int) -> tuple[Candle, ...]:
    return some_candles(closes=[str(3000 + 7 * (number * number % 11)) for number in range(count)])


def test_volatility_when_measured_then_as_the_formula_in_floats() -> None:
    candles = swinging(100)
    closes = [float(candle.close) for candle in candles]
    returns = [math.log(two / one) for one, two in pairwise(closes)]
    expected = statistics.stdev(returns) * math.sqrt(365 * 24 * 12)

    found = realised_volatility(candles, FIVE_MINUTES)

    assert found is not None
    assert found.as_tuple().exponent == -6
    assert float(found) == pytest.approx(expected, abs=1e-6)


def test_volatility_when_the_price_stands_still_or_grows_steadily_then_zero() -> None:
    still = some_candles(closes=["3000"] * 50)
    doubling = some_candles(closes=[str(2**number) for number in range(50)])

    assert realised_volatility(still, FIVE_MINUTES) == 0
    assert realised_volatility(doubling, FIVE_MINUTES) == 0


def test_volatility_when_there_are_too_few_returns_then_none() -> None:
    assert realised_volatility((), FIVE_MINUTES) is None
    assert realised_volatility(swinging(RETURNS_MIN), FIVE_MINUTES) is None
    assert realised_volatility(swinging(RETURNS_MIN + 1), FIVE_MINUTES) is not None


def test_volatility_when_candles_are_missing_then_the_return_over_the_gap_is_left_out() -> None:
    candles = list(some_candles(closes=["3000"] * 25 + ["6000"] * 25))
    del candles[25]

    assert realised_volatility(candles, FIVE_MINUTES) == 0


def test_volatility_when_a_close_is_zero_then_its_returns_are_left_out() -> None:
    candles = list(some_candles(closes=["3000"] * 50))
    candles[10] = replace(candles[10], close=Decimal(0))

    assert realised_volatility(candles, FIVE_MINUTES) == 0


@pytest.mark.parametrize(("interval", "expected"), [("5m", 1200), ("1h", 100), ("4h", 25)])
def test_hourly_volume_when_candles_are_of_any_interval_then_scaled(
    interval: str, expected: int
) -> None:
    candles = some_candles(3, interval=interval)
    assert average_hourly_volume(candles, INTERVAL_MS[interval]) == expected


def test_hourly_volume_when_there_are_no_candles_then_none() -> None:
    assert average_hourly_volume((), FIVE_MINUTES) is None
