"""From starting a server process to its first 200, and on to its first real event, handled.

Rounds are interleaved (hello world, decide, execute, and again), so that what else the machine does
falls on all three alike. Files are in the page cache: the first round is not counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import httpx

from bench.calls import TOKEN, push_of
from bench.desk import open_desk, planned_order, venue_tables
from bench.figures import Goal, Row, row_of
from bench.machine import REPOSITORY
from bench.market import BAR, WalkingMarket
from bench.samples import Samples, percentile
from bench.servers import Server, serve
from common.books import DECISIONS, ORDERS
from common.domain.events import Event
from common.ports import Query, Where
from infra.local.store.sqlite import SqliteStore

ROUNDS = 9
SYMBOLS = 6
START_GOAL = Goal("p50", 450.0)
RATIO_GOAL = Goal("p50", 2.5)
_EVENT_NOTES = {
    "decide": "6 symbols x 200 candles",
    "execute": "an order written ahead and filled; 200 ms are the paper venue's own latency",
}
_HELLO = """from functions_framework import aio


@aio.http
async def hello(request):
    return "hello"
"""


@dataclass(frozen=True, slots=True)
class Timed:
    """Milliseconds, one entry a round; no CPU figures where there is no /proc."""

    ready: list[float] = field(default_factory=list)
    ready_cpu: list[float] = field(default_factory=list)
    handled: list[float] = field(default_factory=list)
    handled_cpu: list[float] = field(default_factory=list)


async def run() -> list[Row]:
    timed = {name: Timed() for name in ("hello", "decide", "execute")}
    for number in range(ROUNDS + 1):
        for name, figures in timed.items():
            await _round(name, figures if number else Timed())
    hello = timed["hello"]
    rows = [_row("start to first 200, bare hello world", hello.ready, hello.ready_cpu)]
    for name in ("decide", "execute"):
        own, note = timed[name], _EVENT_NOTES[name]
        rows += [
            _row(f"start to first 200, {name}", own.ready, own.ready_cpu, goal=START_GOAL),
            _ratio(name, own, hello),
            _row(f"start to first event handled, {name}", own.handled, own.handled_cpu, note=note),
        ]
    return rows


def _row(
    name: str,
    wall: Sequence[float],
    cpu: Sequence[float],
    *,
    goal: Goal | None = None,
    note: str = "",
) -> Row:
    return row_of(name, Samples(tuple(wall), tuple(cpu)), goal=goal, note=note)


def _ratio(name: str, own: Timed, hello: Timed) -> Row:
    """Of the medians, which one slow round does not move."""
    has_cpu = bool(own.ready_cpu and hello.ready_cpu)
    cpu = percentile(own.ready_cpu, 50) / percentile(hello.ready_cpu, 50) if has_cpu else None
    return Row(
        name=f"  {name} / hello world, of the medians",
        unit="x",
        p50=percentile(own.ready, 50) / percentile(hello.ready, 50),
        cpu_p50=cpu,
        count=len(own.ready),
        goal=RATIO_GOAL,
    )


async def _round(name: str, figures: Timed) -> None:
    with TemporaryDirectory(prefix="sapphire-bench-") as folder:
        if name == "hello":
            source = Path(folder) / "main.py"
            source.write_text(_HELLO, encoding="utf-8")
            with serve("hello", source, {}) as server:
                _note(server, figures.ready, figures.ready_cpu, server.ready_ms)
            return
        event = await _prepared(name, Path(folder))
        environment = {"SAPPHIRE_DATA_DIR": folder, "SAPPHIRE_PUSH_TOKEN": TOKEN}
        with serve(name, REPOSITORY / "main.py", environment) as server:
            _note(server, figures.ready, figures.ready_cpu, server.ready_ms)
            took_ms = _post(server, event)
            _note(server, figures.handled, figures.handled_cpu, server.ready_ms + took_ms)
        await _require_effect(name, Path(folder))


def _note(server: Server, wall: list[float], cpu: list[float], wall_ms: float) -> None:
    wall.append(wall_ms)
    cpu_ms = server.cpu_ms()
    if cpu_ms is not None:
        cpu.append(cpu_ms)


async def _prepared(name: str, folder: Path) -> Event:
    """Fill the store that the server will find; the event to send it."""
    now = datetime.now(UTC)
    if name == "decide":
        minutes = int(BAR.total_seconds()) // 60
        closed = now.replace(minute=now.minute // minutes * minutes, second=0, microsecond=0)
        market = WalkingMarket(SYMBOLS, bars=0, history=200, start=closed)
        return market.event(0, candles=200)
    store = SqliteStore(folder / "sapphire.sqlite")
    try:
        await open_desk(store, await venue_tables(now), now=now)
        return await planned_order(store, now=now)
    finally:
        store.close()


def _post(server: Server, event: Event) -> float:
    """Milliseconds until the event was acknowledged."""
    body = push_of(event, message_id="bench:1")
    started = perf_counter()
    answer = httpx.post(server.url, params={"token": TOKEN}, json=body, timeout=30, trust_env=False)
    took_ms = (perf_counter() - started) * 1000
    if answer.status_code != 204:
        raise RuntimeError(f"the event was answered {answer.status_code}: {answer.text[:300]}")
    return took_ms


async def _require_effect(name: str, folder: Path) -> None:
    """A 204 may also acknowledge what was refused: look at what was written."""
    effects = {
        "decide": (Query(DECISIONS), SYMBOLS),
        "execute": (Query(ORDERS, where=(Where("status", "==", "FILLED"),)), 1),
    }
    query, expected = effects[name]
    store = SqliteStore(folder / "sapphire.sqlite")
    try:
        found = await store.count(query)
    finally:
        store.close()
    if found != expected:
        raise RuntimeError(f"{name} left {found} documents in {query.collection}, not {expected}")
