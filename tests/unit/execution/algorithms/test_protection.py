"""SW-09: fuzz and jitter are pure functions of the child's id, and really uniform."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.identifiers import intent_id
from common.execution.algorithms.protection import fuzzed, jitter

TWO_PERCENT = Decimal("0.02")
SEEDS = [intent_id("swarm", "dep_1", f"sig_{number}", 0, 1) for number in range(20_000)]
CHI_SQUARE_19 = 43.82
"""The 99.9 % point of chi-squared with 19 degrees of freedom."""


def fuzz(seed: str, quantity: str = "100", most: str = "1000") -> Decimal:
    return fuzzed(Decimal(quantity), seed=seed, fraction=TWO_PERCENT, most=Decimal(most))


def fuzz_place(seed: str) -> float:
    return float((fuzz(seed) - 98) / 4)


def capped_place(seed: str) -> float:
    return float((fuzz(seed, most="101") - 98) / 3)


def jitter_place(seed: str) -> float:
    return (jitter(seed, min_ms=100, max_ms=1500) / timedelta(milliseconds=1) - 100) / 1400.001


@pytest.mark.parametrize("place_of", [fuzz_place, capped_place, jitter_place])
def test_protection_when_drawn_often_then_every_place_is_as_likely(
    place_of: Callable[[str], float],
) -> None:
    counts = Counter(min(int(place_of(seed) * 20), 19) for seed in SEEDS)

    expected = len(SEEDS) / 20
    chi_square = sum((counts[place] - expected) ** 2 / expected for place in range(20))
    assert set(counts) == set(range(20))
    assert chi_square < CHI_SQUARE_19


def test_protection_when_fuzz_and_jitter_share_a_seed_then_one_does_not_tell_the_other() -> None:
    pairs = [(fuzz_place(seed), jitter_place(seed)) for seed in SEEDS]
    mean = [sum(values) / len(values) for values in zip(*pairs, strict=True)]
    covariance = sum((one - mean[0]) * (two - mean[1]) for one, two in pairs) / len(pairs)

    assert abs(covariance * 12) < 0.03  # the variance of a uniform place is 1/12


def test_fuzz_when_asked_again_then_the_same_and_another_for_another_child() -> None:
    assert fuzz(SEEDS[0]) == fuzz(SEEDS[0])
    assert fuzz(SEEDS[0]) != fuzz(SEEDS[1])
    assert jitter(SEEDS[0], min_ms=0, max_ms=10**6) == jitter(SEEDS[0], min_ms=0, max_ms=10**6)
    assert jitter(SEEDS[0], min_ms=0, max_ms=10**6) != jitter(SEEDS[1], min_ms=0, max_ms=10**6)


@given(
    seed=st.text(max_size=40),
    quantity=st.decimals("1e-18", 10**12, places=18),
    most=st.decimals(0, 10**12, places=18),
    fraction=st.decimals(0, "0.5", places=4),
)
def test_fuzz_when_anything_is_fuzzed_then_within_the_fraction_and_never_above_most(
    seed: str, quantity: Decimal, most: Decimal, fraction: Decimal
) -> None:
    result = fuzzed(quantity, seed=seed, fraction=fraction, most=most)

    assert result <= most
    assert result <= quantity * (1 + fraction)
    assert result >= min(quantity * (1 - fraction), most)


@given(seed=st.text(max_size=40), low=st.integers(0, 2000), span=st.integers(0, 2000))
def test_jitter_when_drawn_then_within_its_bounds(seed: str, low: int, span: int) -> None:
    delay = jitter(seed, min_ms=low, max_ms=low + span)
    assert timedelta(milliseconds=low) <= delay <= timedelta(milliseconds=low + span)


def test_fuzz_when_there_is_no_room_then_the_most_and_without_a_fraction_the_quantity() -> None:
    assert fuzz(SEEDS[0], most="50") == 50
    assert fuzz(SEEDS[0], most="98") == 98
    assert fuzzed(Decimal(10), seed="x", fraction=Decimal(0), most=Decimal(20)) == 10
