"""How often one caller may ask."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.web import rates
from infra.web.rates import Buckets


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(rates, "monotonic", time)
    return time


def test_take_when_the_bucket_is_empty_then_the_wait_is_until_the_next_token(time: Time) -> None:
    buckets = Buckets()
    assert [buckets.take("ada", 2) for _ in range(3)] == [0.0, 0.0, 30.0]
    time.now += 10
    assert buckets.take("ada", 2) == pytest.approx(20.0)
    time.now += 20
    assert buckets.take("ada", 2) == 0.0
    assert buckets.take("grace", 2) == 0.0


def test_wait_when_asked_then_no_token_is_taken(time: Time) -> None:
    buckets = Buckets()
    assert [buckets.wait("ada", 1) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert buckets.take("ada", 1) == 0.0
    assert buckets.wait("ada", 1) == 60.0


def test_take_when_there_are_too_many_callers_then_the_longest_unseen_is_forgotten(
    time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "CALLERS_MAX", 2)
    buckets = Buckets()
    for caller in ("ada", "grace", "ada", "linus"):
        buckets.take(caller, 1)
    assert buckets.wait("ada", 1) == 60.0
    assert buckets.wait("grace", 1) == 0.0  # forgotten, so as new; and now linus is the oldest


@given(
    per_minute=st.integers(1, 1000),
    gaps=st.lists(st.floats(0, 90, allow_nan=False), max_size=200),
)
def test_take_when_asked_at_any_times_then_never_more_than_the_burst_and_the_flow(
    per_minute: int, gaps: list[float]
) -> None:
    time, taken = Time(), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rates, "monotonic", time)
        buckets = Buckets()
        for gap in gaps:
            time.now += gap
            taken += buckets.take("ada", per_minute) == 0.0
    assert taken <= per_minute * (1 + time.now / 60) + 1e-6
