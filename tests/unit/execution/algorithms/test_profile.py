"""The volume profile: by the time of day, over whole days, or the reason why there is none."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.market import INTERVAL_MS, Candle
from common.domain.moment import from_ms, to_ms
from common.errors import InvalidInputError
from common.execution.algorithms.profile import volume_profile
from tests.builders import NOON, some_candles

DAY = timedelta(days=1)


def tape(
    days: int, volume_at: Callable[[datetime], int], *, interval: str = "5m", until: datetime = NOON
) -> tuple[Candle, ...]:
    """Candles of `days` days up to `until`, each with the volume that `volume_at` gives."""
    count = days * INTERVAL_MS["1d"] // INTERVAL_MS[interval]
    candles = some_candles(count, interval=interval, until=until)
    return tuple(
        replace(candle, volume=Decimal(volume_at(from_ms(candle.open_time_ms))))
        for candle in candles
    )


def profile(
    candles: Sequence[Candle], *, start: datetime = NOON, duration_s: int = 900, slices: int = 3
) -> tuple[Decimal, ...] | str:
    return volume_profile(candles, start=start, duration_s=duration_s, slices=slices)


def weights(candles: Sequence[Candle], **window: Any) -> list[Decimal]:
    found = profile(candles, **window)
    assert isinstance(found, tuple), found
    return list(found)


def after_noon(moment: datetime) -> int:
    """30, 50 and 20 in the three five minutes after noon, else 7."""
    minute = (moment - NOON) // timedelta(minutes=5) % (24 * 12)
    return [30, 50, 20][minute] if minute < 3 else 7


def test_profile_when_a_day_is_at_hand_then_its_volumes_at_that_time_of_day() -> None:
    assert weights(tape(1, after_noon)) == [30, 50, 20]


def test_profile_when_several_days_are_at_hand_then_their_mean() -> None:
    days = {1: 10, 2: 20, 3: 60}

    def volume_at(moment: datetime) -> int:
        return days[-((moment - NOON) // DAY)] * (1 + (moment.minute == 5))

    assert weights(tape(3, volume_at)) == [30, 60, 30]


def test_profile_when_candles_are_coarser_than_slices_then_spread_evenly() -> None:
    hourly = tape(2, lambda moment: 120 if moment.hour == 12 else 60, interval="1h")

    assert weights(hourly, duration_s=7200, slices=4) == [60, 60, 30, 30]


def test_profile_when_slices_are_coarser_and_off_the_grid_then_candles_are_cut() -> None:
    start = NOON + timedelta(minutes=2)
    candles = tape(2, after_noon, until=start + timedelta(minutes=3))

    assert weights(candles, start=start, duration_s=600, slices=1) == [18 + 50 + 8]


def test_profile_when_a_window_crosses_midnight_then_it_is_one_window() -> None:
    start = NOON + timedelta(hours=11, minutes=55)
    candles = tape(1, lambda moment: 9 if moment.hour == 0 else 3, until=start)

    assert weights(candles, start=start, duration_s=600, slices=2) == [3, 9]


def test_profile_when_candles_do_not_reach_back_a_day_then_it_says_how_far() -> None:
    assert profile(some_candles(200)) == (
        "no day before is covered by the candles at hand, which reach back 1000 minutes"
    )


@pytest.mark.parametrize("count", [0, 1])
def test_profile_when_there_are_hardly_any_candles_then_it_says_so(count: int) -> None:
    assert profile(some_candles(count)) == "there are no candles of the days before"


@pytest.mark.parametrize("minute", [0, 5, 10])
def test_profile_when_a_day_has_a_gap_in_the_window_then_the_day_does_not_count(
    minute: int,
) -> None:
    candles = tape(2, lambda moment: 10 if moment < NOON - DAY else 90)
    missing = to_ms(NOON - DAY + timedelta(minutes=minute))

    assert weights([each for each in candles if each.open_time_ms != missing]) == [10, 10, 10]


def test_profile_when_nothing_was_traded_then_it_says_so() -> None:
    candles = tape(2, lambda moment: int(moment.hour != 12))

    assert profile(candles) == ("nothing was traded at this time of day on the 2 days at hand")


def test_profile_when_candles_are_of_the_future_then_there_is_none() -> None:
    assert isinstance(profile(tape(1, after_noon), start=NOON - 2 * DAY), str)


def test_profile_when_candles_are_out_of_order_or_twice_there_then_it_does_not_break() -> None:
    candles = tape(1, after_noon)

    assert isinstance(profile(candles[::-1]), str)
    assert isinstance(profile([*candles[:1], *candles]), str)


@pytest.mark.parametrize(("slices", "duration_s"), [(0, 900), (1_000_000, 900), (3, 0)])
def test_profile_when_the_window_is_impossible_then_refused(slices: int, duration_s: int) -> None:
    with pytest.raises(InvalidInputError):
        profile(tape(1, after_noon), slices=slices, duration_s=duration_s)


@given(
    volumes=st.lists(st.integers(0, 1000), min_size=24, max_size=24),
    shift=st.integers(0, 86_399),
    duration_s=st.integers(1, 86_400),
    slices=st.integers(1, 50),
)
def test_profile_when_summed_then_what_the_window_traded_the_day_before(
    volumes: list[int], shift: int, duration_s: int, slices: int
) -> None:
    """Every day the same: the slices' sum is the window's volume, counted second by second."""
    start = NOON + timedelta(seconds=shift)
    candles = tape(3, lambda moment: volumes[moment.hour], interval="1h", until=NOON + DAY)

    found = profile(candles, start=start, duration_s=duration_s, slices=slices)

    seconds_of = [0] * 24
    for hour in range(49):
        begin, end = hour * 3600, hour * 3600 + 3600
        inside = min(shift + duration_s, end) - max(shift, begin)
        seconds_of[(12 + hour) % 24] += max(inside, 0)
    expected = sum(volume * seconds for volume, seconds in zip(volumes, seconds_of, strict=True))
    if isinstance(found, str):
        assert expected == 0
    else:
        assert abs(sum(found, Decimal(0)) * 3600 - expected) < Decimal("1e-12")
