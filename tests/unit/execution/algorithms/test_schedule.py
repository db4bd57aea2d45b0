"""SW-08: when how much falls due. Sums are exact, with odd lots too."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.parent_order import DURATION_MAX_S, SLICES_MAX, SliceTarget
from common.errors import InvalidInputError
from common.execution.algorithms.schedule import twap_schedule, vwap_schedule
from tests.builders import NOON

ONE = Decimal(1)


def twap(quantity: str = "100", **changes: Any) -> tuple[SliceTarget, ...]:
    wanted: dict[str, Any] = {"start": NOON, "duration_s": 600, "slices": 10, "lot": ONE}
    return twap_schedule(Decimal(quantity), **(wanted | changes))


def vwap(weights: str, quantity: str = "100", **changes: Any) -> tuple[SliceTarget, ...]:
    wanted: dict[str, Any] = {
        "start": NOON,
        "duration_s": 180,
        "weights": [Decimal(text) for text in weights.split()],
        "lot": ONE,
    }
    return vwap_schedule(Decimal(quantity), **(wanted | changes))


def shown(schedule: tuple[SliceTarget, ...]) -> list[tuple[float, str]]:
    """Minutes from the start, and how much."""
    return [
        ((target.at - NOON) / timedelta(minutes=1), str(target.quantity)) for target in schedule
    ]


def test_twap_when_100_go_over_ten_minutes_then_10_each_at_minutes_0_to_9() -> None:
    assert shown(twap()) == [(minute, "10") for minute in range(10)]


def test_vwap_when_the_profile_is_30_50_20_then_the_slices_are() -> None:
    assert shown(vwap("30 50 20")) == [(0, "30"), (1, "50"), (2, "20")]


def test_twap_when_lots_are_odd_then_never_ahead_and_the_sum_is_exact() -> None:
    assert shown(twap("1.0", lot=Decimal("0.1"), slices=3, duration_s=180)) == [
        (0, "0.3"),
        (1, "0.3"),
        (2, "0.4"),
    ]


def test_twap_when_there_are_fewer_lots_than_slices_then_empty_slices_are_merged_into_later() -> (
    None
):
    assert shown(twap("3")) == [(3, "1"), (6, "1"), (9, "1")]


def test_twap_when_slices_are_below_the_minimum_then_merged_and_the_last_one_backward() -> None:
    assert shown(twap("100", min_quantity=Decimal(25))) == [(2, "30"), (5, "30"), (8, "40")]


def test_twap_when_all_is_below_the_minimum_then_one_slice_at_the_last_place() -> None:
    assert shown(twap("5", min_quantity=Decimal(25))) == [(9, "5")]


def test_vwap_when_weights_are_zero_in_places_then_there_are_no_slices_there() -> None:
    assert shown(vwap("0 1 0")) == [(1, "100")]
    assert shown(vwap("1 0 0")) == [(0, "100")]


def test_vwap_when_a_minimum_is_met_in_a_slice_of_no_weight_then_it_waits_for_the_next() -> None:
    assert shown(vwap("10 0 90", min_quantity=Decimal(10))) == [(0, "10"), (2, "90")]


def test_twap_when_the_duration_does_not_divide_then_to_the_microsecond() -> None:
    schedule = twap("3", slices=3, duration_s=1)

    assert [target.at - NOON for target in schedule] == [
        timedelta(0),
        timedelta(microseconds=333_333),
        timedelta(microseconds=666_667),
    ]


def test_vwap_when_weights_have_more_digits_than_a_context_then_the_sum_is_exact() -> None:
    quantity, lot = Decimal("12345678901234567890.123456789"), Decimal("1e-9")
    weights = [Decimal(f"0.{'3' * 60}"), Decimal(1) / 7, Decimal("1e-40")]

    schedule = vwap_schedule(quantity, start=NOON, duration_s=60, weights=weights, lot=lot)

    assert sum(Fraction(target.quantity) for target in schedule) == Fraction(quantity)


@pytest.mark.parametrize(
    ("made", "code", "where"),
    [
        (lambda: twap(slices=0), "INVALID_SLICES", "slices"),
        (lambda: twap(slices=-1), "INVALID_SLICES", "slices"),
        (lambda: twap(slices=1_000_000), "INVALID_SLICES", "slices"),
        (lambda: twap(slices=SLICES_MAX + 1), "INVALID_SLICES", "slices"),
        (lambda: twap(duration_s=0), "INVALID_DURATION", "duration_s"),
        (lambda: twap(duration_s=-60), "INVALID_DURATION", "duration_s"),
        (lambda: twap(duration_s=DURATION_MAX_S + 1), "INVALID_DURATION", "duration_s"),
        (lambda: twap("0"), "INVALID_QUANTITY", "quantity"),
        (lambda: twap("-1"), "INVALID_QUANTITY", "quantity"),
        (lambda: twap("NaN"), "INVALID_QUANTITY", "quantity"),
        (lambda: twap("Infinity"), "INVALID_QUANTITY", "quantity"),
        (lambda: twap(lot=Decimal(0)), "INVALID_QUANTITY", "lot"),
        (lambda: twap(min_quantity=Decimal("NaN")), "INVALID_QUANTITY", "min_quantity"),
        (lambda: twap(min_quantity=Decimal(-1)), "INVALID_QUANTITY", "min_quantity"),
        (lambda: twap("100.5"), "QUANTITY_NOT_ON_LOT", "quantity"),
        (lambda: vwap(""), "INVALID_SLICES", "slices"),
        (lambda: vwap("0 0 0"), "INVALID_WEIGHTS", "weights"),
        (lambda: vwap("1 -1 1"), "INVALID_WEIGHTS", "weights"),
        (lambda: vwap("1 NaN"), "INVALID_WEIGHTS", "weights"),
        (lambda: vwap("1 Infinity"), "INVALID_WEIGHTS", "weights"),
        (lambda: vwap("1", duration_s=0), "INVALID_DURATION", "duration_s"),
    ],
)
def test_schedule_when_it_can_never_be_then_refused_with_code_and_place(
    made: Callable[[], object], code: str, where: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        made()

    assert (refused.value.code, refused.value.where) == (code, where)


def test_twap_when_as_long_and_as_fine_as_allowed_then_it_is_made() -> None:
    assert len(twap("1000000", slices=SLICES_MAX, duration_s=DURATION_MAX_S)) == SLICES_MAX


@given(
    lots=st.integers(1, 10**12),
    lot=st.sampled_from(["1", "0.001", "0.1", "25", "1e-18"]),
    weights=st.lists(
        st.decimals(0, 10**6, allow_nan=False, allow_infinity=False, places=6),
        min_size=1,
        max_size=40,
    ).filter(any),
    minimum=st.integers(0, 1000),
    duration_s=st.integers(1, DURATION_MAX_S),
)
def test_vwap_when_anything_is_scheduled_then_whole_lots_exact_sum_never_ahead_and_in_order(
    lots: int, lot: str, weights: list[Decimal], minimum: int, duration_s: int
) -> None:
    step, end = Decimal(lot), NOON + timedelta(seconds=duration_s)
    schedule = vwap_schedule(
        lots * step,
        start=NOON,
        duration_s=duration_s,
        weights=weights,
        lot=step,
        min_quantity=minimum * step,
    )

    counts = [target.quantity / step for target in schedule]
    assert all(count == int(count) and count > 0 for count in counts)
    assert sum(counts) == lots
    assert all(count >= minimum for count in counts) or len(counts) == 1
    moments = [target.at for target in schedule]
    assert moments == sorted(set(moments))
    assert moments[0] >= NOON
    assert moments[-1] < end
    # Ahead of the curve only by what was below the minimum at the end.
    for place, moment in enumerate(moments[:-1]):
        upto = round((moment - NOON) / timedelta(seconds=duration_s) * len(weights))
        share = sum(weights[: upto + 1], Decimal(0)) / sum(weights, Decimal(0))
        assert sum(counts[: place + 1]) <= lots * share * (1 + Decimal("1e-15"))
