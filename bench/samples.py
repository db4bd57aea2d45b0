"""Timed calls: wall time and this process's own CPU time, and what percentiles say of them."""

import gc
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

_NS_PER_MS = 1_000_000


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` % of them do not exceed (nearest rank).

    Never interpolated: what it returns was measured. Of fewer than 100 values the 99th percentile
    is the largest.
    """
    if not values or not 0 < percent <= 100:
        raise ValueError(f"no {percent} percentile of {len(values)} values")
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


@dataclass(frozen=True, slots=True)
class Samples:
    """Milliseconds. CPU time leaves out what other programs on the machine took meanwhile."""

    wall_ms: tuple[float, ...]
    cpu_ms: tuple[float, ...]


async def sampled(
    call: Callable[[T], Awaitable[object]], inputs: Sequence[T], *, warmup: int
) -> Samples:
    """Time `call` once for each input; the first `warmup` inputs are not counted.

    The garbage collector is emptied before and stays on, as it does in the functions: its pauses
    are in the figures. The prepared inputs, a million objects that no function would hold, are
    kept out of its sight.
    """
    timed = []
    gc.collect()
    gc.freeze()
    try:
        for value in inputs:
            cpu, wall = time.process_time_ns(), time.perf_counter_ns()
            await call(value)
            timed.append((time.perf_counter_ns() - wall, time.process_time_ns() - cpu))
    finally:
        gc.unfreeze()
    return _samples(timed[warmup:])


def sampled_sync(call: Callable[[], object], *, count: int, warmup: int) -> Samples:
    """`sampled` for a call that awaits nothing and needs no input."""
    timed = []
    gc.collect()
    for _ in range(warmup + count):
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        call()
        timed.append((time.perf_counter_ns() - wall, time.process_time_ns() - cpu))
    return _samples(timed[warmup:])


def _samples(timed: Sequence[tuple[int, int]]) -> Samples:
    return Samples(
        wall_ms=tuple(wall / _NS_PER_MS for wall, _ in timed),
        cpu_ms=tuple(cpu / _NS_PER_MS for _, cpu in timed),
    )
