"""Kelly's fraction, against the textbook's own form in exact fractions."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.how.kelly import PRIOR_TRIPS, TrackRecord, kelly_fraction


def a_record(
    trips: int = 40, won: int = 24, gains: str = "2400", losses: str = "-800"
) -> TrackRecord:
    return TrackRecord(trips=trips, won=won, gains=Decimal(gains), losses=Decimal(losses))


@st.composite
def records(draw: st.DrawFn) -> TrackRecord:
    """Any record that a series of trips could have left."""
    won, lost = draw(st.integers(0, 200)), draw(st.integers(0, 200))
    gains = draw(st.decimals("0.01", "1000000", places=6)) if won else Decimal(0)
    losses = draw(st.decimals("0", "1000000", places=6)) if lost else Decimal(0)
    return TrackRecord(trips=won + lost, won=won, gains=gains, losses=-losses)


def textbook(record: TrackRecord) -> Fraction:
    """p - (1 - p) / b with the imagined trips added one by one."""
    half = Fraction(PRIOR_TRIPS, 2)
    gains, losses = Fraction(record.gains), -Fraction(record.losses)
    mean = (gains + losses) / record.trips
    won, lost = record.won + half, record.trips - record.won + half
    p = won / (record.trips + PRIOR_TRIPS)
    b = ((gains + mean * half) / won) / ((losses + mean * half) / lost)
    return p - (1 - p) / b


def test_kelly_when_the_record_is_long_then_near_the_fraction_of_its_own_figures() -> None:
    """60 % won at 2:1 is 0.6 - 0.4 / 2 = 0.4."""
    short, long = (
        kelly_fraction(a_record(trips, trips * 6 // 10, str(trips * 120), str(trips * -40)))
        for trips in (10, 1_000_000)
    )

    assert long.quantize(Decimal("0.0001")) == Decimal("0.4000")
    assert short.quantize(Decimal("0.0001")) == Decimal("0.1524")  # 16/30 x (1 - 2000/2800)


def test_kelly_when_the_record_is_as_long_as_the_prior_then_half_of_each_counts() -> None:
    """20 trips, all won with 1 each: p is 30/40; b is (30/30) / (10/10) = 1."""
    assert kelly_fraction(a_record(20, 20, "20", "0")) == Decimal("0.5")


@given(record=records())
def test_kelly_when_there_is_an_edge_then_the_textbooks_fraction_rounded_down(
    record: TrackRecord,
) -> None:
    found = kelly_fraction(record)

    assert 0 <= found < 1
    if record.gains + record.losses <= 0:
        assert found == 0
        assert record.gains == record.losses or textbook(record) <= 0
    else:
        exact = textbook(record)
        assert Fraction(found) <= exact
        assert exact - Fraction(found) <= exact * Fraction(1, 10**26)


@given(record=records(), gain=st.decimals("0", "1000000", places=6))
def test_kelly_when_one_more_trip_is_won_then_never_less(
    record: TrackRecord, gain: Decimal
) -> None:
    better = replace(record, trips=record.trips + 1, won=record.won + 1, gains=record.gains + gain)
    assert kelly_fraction(better) >= kelly_fraction(record)


@given(
    trips=st.integers(1, 100),
    gain=st.decimals("0.01", "1000", places=2),
    loss=st.decimals("0", "1000", places=2),
)
def test_kelly_when_more_of_the_same_trips_are_won_then_never_less(
    trips: int, gain: Decimal, loss: Decimal
) -> None:
    found = [
        kelly_fraction(
            TrackRecord(trips=trips, won=won, gains=gain * won, losses=-loss * (trips - won))
        )
        for won in range(trips + 1)
    ]
    assert found == sorted(found)


@pytest.mark.parametrize(
    "record",
    [
        a_record(0, 0, "0", "0"),
        a_record(10, 9, "90", "-90"),
        a_record(10, 9, "90", "-91"),
        a_record(10, 5, "0", "0"),
    ],
)
def test_kelly_when_nothing_was_measured_or_won_on_the_whole_then_no_edge(
    record: TrackRecord,
) -> None:
    assert kelly_fraction(record) == 0


@pytest.mark.parametrize(
    "record",
    [
        a_record(10, 11),
        a_record(10, -1),
        a_record(10, 6, gains="-1", losses="-2"),
        a_record(10, 6, losses="1"),
    ],
)
def test_kelly_when_the_record_contradicts_itself_then_no_edge(record: TrackRecord) -> None:
    assert not record.is_sound
    assert kelly_fraction(record) == 0


def test_kelly_when_the_record_has_a_problem_then_no_edge() -> None:
    record = replace(a_record(100, 60, "120", "-40"), problem="it cannot be read")

    assert not record.is_sound
    assert kelly_fraction(record) == 0
    assert kelly_fraction(replace(record, problem="")) > 0


@pytest.mark.parametrize(
    ("trips", "short"), [(0, True), (PRIOR_TRIPS - 1, True), (PRIOR_TRIPS, False)]
)
def test_record_when_it_has_as_many_trips_as_the_prior_then_it_is_asked(
    trips: int, short: bool
) -> None:
    assert TrackRecord(trips=trips).is_short is short
