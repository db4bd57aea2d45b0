"""One agent's signal to all of its deployments, each delivery routed: does the cost of one grow?

Each size runs in a process of its own, `python -m bench.fanout COUNT`, so that the memory of one
is not the next one's.
"""

import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.calls import sqlite_store
from bench.desk import open_desk, venue_tables
from bench.figures import Goal, Row
from bench.machine import REPOSITORY
from common.books import ACCOUNTS, V3
from common.config import Settings
from common.documents import create
from common.domain.events import DeploymentSignal, OutboxMessage, SignalCreated
from common.domain.instrument import DEFAULT_PRIORITY
from common.domain.signal import SignalStatus
from common.execution.accounts import open_account
from common.outbox import publish_and_clear
from common.ports import DocumentStore, Instruments, Query, Ref, Where, Write
from functions.fan_out.handler import fan_out
from functions.route.handler import route
from infra.local.clock import ManualClock
from infra.venues.instruments import StoredInstruments
from tests.builders import NOON, SIGNAL_ID, a_deployment, an_agent

SIZES = (1_000, 10_000)
FULL_SIZE = 100_000
"""Takes many minutes: only with BENCH_FULL=1."""
GROWTH_MAX = Goal("p50", 24)
"""MiB, whatever the size: what is held must not depend on how many deployments there are."""
_SEEDED_AT_ONCE = 200  # deployments, with an account each: a commit's 400 writes
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """Seconds of the fan-out and all routing; `peak_mib` beyond what the seeded process held."""

    count: int
    wall_s: float
    cpu_s: float
    held_mib: float | None
    peak_mib: float | None


class _CountingPublisher:
    """Takes every message at once, and keeps none."""

    def __init__(self) -> None:
        self.taken = 0

    async def publish(self, messages: Sequence[OutboxMessage]) -> None:
        self.taken += len(messages)


@dataclass(frozen=True, slots=True)
class _Desk:
    store: DocumentStore
    clock: ManualClock
    settings: Settings
    instruments: Instruments
    publisher: _CountingPublisher


async def run() -> list[Row]:
    full = os.environ.get("BENCH_FULL") == "1"
    rows: list[Row] = []
    for count in (*SIZES, *((FULL_SIZE,) if full else ())):
        rows += _rows(await asyncio.to_thread(_in_child, count))
    if not full:
        rows.append(Row(name=_name(FULL_SIZE), skipped="minutes long; BENCH_FULL=1 runs it"))
    return rows


def _rows(done: _Done) -> list[Row]:
    speed = Row(
        name=_name(done.count),
        unit="deployments/s",
        p50=done.count / done.wall_s,
        cpu_p50=done.count / done.cpu_s,
        count=done.count,
        note=f"{done.wall_s:.1f} s wall, {done.cpu_s:.1f} s CPU of one process; plans written",
    )
    memory = f"  peak memory beyond the start, {done.count:,}"
    if done.peak_mib is None:
        return [speed, Row(name=memory, skipped="this system does not tell a process's peak")]
    note = f"over {done.held_mib:.0f} MiB before the first page"
    return [
        speed,
        Row(
            name=memory,
            unit="MiB",
            p50=done.peak_mib,
            count=done.count,
            goal=GROWTH_MAX,
            note=note,
        ),
    ]


def _name(count: int) -> str:
    return f"fan out and route, {count:,} deployments"


def _in_child(count: int) -> _Done:
    done = subprocess.run(
        [sys.executable, "-m", "bench.fanout", str(count)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{count} deployments: {(done.stderr or done.stdout)[-400:]}")
    return _Done(**json.loads(done.stdout))


# -- in the child ---------------------------------------------------------------------------------


async def measured(count: int) -> _Done:
    """Seed a store with `count` deployments of one agent, and bring one signal to all of them."""
    with sqlite_store() as store:
        clock = ManualClock(NOON)
        await open_desk(store, await venue_tables())
        await _seed(store, count)
        instruments = StoredInstruments(store, clock)
        desk = _Desk(store, clock, Settings(), instruments, _CountingPublisher())
        gc.collect()
        held, _ = _memory()
        cpu, wall = time.process_time(), time.perf_counter()
        await _bring_to_all(desk)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        _, peak = _memory()
        await _check(store, count)
    return _Done(
        count=count,
        wall_s=wall,
        cpu_s=cpu,
        held_mib=held,
        peak_mib=None if peak is None or held is None else peak - held,
    )


async def _seed(store: DocumentStore, count: int) -> None:
    """ACTIVE on paper, each with its account, as after its first fill."""
    agent = an_agent()
    await store.commit([create(Ref(V3.agents, agent.agent_id), agent)])
    for start in range(0, count, _SEEDED_AT_ONCE):
        writes: list[Write] = []
        for number in range(start, min(start + _SEEDED_AT_ONCE, count)):
            deployment = a_deployment(f"dep_{number:06}", enabled_venues=DEFAULT_PRIORITY)
            key = deployment.deployment_id
            writes.append(create(Ref(V3.deployments, key), deployment))
            writes.append(create(Ref(ACCOUNTS, key), open_account(deployment, NOON)))
        await store.commit(writes)


async def _bring_to_all(desk: _Desk) -> None:
    """Page after page, and every delivery of a page before the next, published and cleared."""
    waiting: deque[SignalCreated | DeploymentSignal] = deque()
    waiting.append(SignalCreated(book=V3.name, signal_id=SIGNAL_ID))
    while waiting:
        event = waiting.popleft()
        messages = await _handled(desk, event)
        await publish_and_clear(messages, publisher=desk.publisher, store=desk.store)
        followed = (message.event for message in messages)
        waiting += (one for one in followed if isinstance(one, SignalCreated | DeploymentSignal))


async def _handled(desk: _Desk, event: SignalCreated | DeploymentSignal) -> list[OutboxMessage]:
    if isinstance(event, SignalCreated):
        return await fan_out(event, store=desk.store, clock=desk.clock, settings=desk.settings)
    return await route(
        event,
        store=desk.store,
        clock=desk.clock,
        settings=desk.settings,
        instruments=desk.instruments,
        unavailable={},
    )


async def _check(store: DocumentStore, count: int) -> None:
    routed = Where("status", "==", SignalStatus.ROUTED.value)
    found = await store.count(Query(V3.deliveries, (routed,)))
    assert found == count, f"{found} of {count} deliveries were routed"


def _memory() -> tuple[float | None, float | None]:
    """What this process holds, and its peak so far, in MiB; None where the system does not tell."""
    if not _STATUS.exists():
        return None, None
    lines = (line.partition(":") for line in _STATUS.read_text().splitlines())
    told = {name: value.split() for name, _, value in lines}
    return int(told["VmRSS"][0]) / 1024, int(told["VmHWM"][0]) / 1024


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(measured(int(sys.argv[1]))))))
