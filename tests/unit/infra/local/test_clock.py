"""The three clocks."""

import asyncio
import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from common.ports import Clock
from infra.local.clock import ManualClock, ScaledClock, SystemClock

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


class _Monotonic:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_system_clock_when_read_then_it_is_aware_utc_and_real() -> None:
    before = datetime.now(UTC)
    clock: Clock = SystemClock()
    now = clock.now()
    assert now.tzinfo is UTC
    assert before <= now <= datetime.now(UTC)


async def test_system_clock_when_it_sleeps_then_real_time_passes() -> None:
    loop = asyncio.get_running_loop()
    before = loop.time()
    await SystemClock().sleep(0.01)
    assert loop.time() - before >= 0.009


def test_scaled_clock_when_a_real_second_passes_then_it_advances_by_its_speed() -> None:
    monotonic = _Monotonic()
    clock = ScaledClock(START, 60, monotonic=monotonic)
    assert clock.now() == START
    monotonic.seconds += 1
    assert clock.now() == START + timedelta(minutes=1)


async def test_scaled_clock_when_it_sleeps_an_hour_then_a_blink_passes() -> None:
    loop = asyncio.get_running_loop()
    before = loop.time()
    await ScaledClock(START, 360_000).sleep(3600)
    assert 0.009 <= loop.time() - before < 5


@pytest.mark.parametrize("speed", [0, -1, math.inf, math.nan])
def test_scaled_clock_when_its_speed_is_no_speed_then_it_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        ScaledClock(START, speed)


async def test_manual_clock_when_it_sleeps_then_its_time_stands_and_others_run() -> None:
    clock = ManualClock(START)
    ran = asyncio.Event()
    asyncio.get_running_loop().call_soon(ran.set)
    await clock.sleep(3600)
    assert ran.is_set()
    assert clock.now() == START


def test_manual_clock_when_advanced_then_it_stands_there() -> None:
    clock = ManualClock(START.astimezone(timezone(timedelta(hours=7))))
    clock.advance_to(START + timedelta(minutes=5))
    clock.advance_to(START + timedelta(minutes=5))
    assert clock.now() == START + timedelta(minutes=5)
    assert clock.now().tzinfo is UTC


def test_manual_clock_when_moved_back_then_it_refuses_and_stays() -> None:
    clock = ManualClock(START)
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance_to(START - timedelta(microseconds=1))
    assert clock.now() == START


@pytest.mark.parametrize("make", [ManualClock, lambda start: ScaledClock(start, 1)])
def test_clock_when_started_without_an_offset_then_it_is_refused(make: type[ManualClock]) -> None:
    with pytest.raises(ValueError, match="offset"):
        make(START.replace(tzinfo=None))
