"""kill -9 in the middle of a replay, twenty times: nothing is sent twice and nothing is lost."""

import asyncio
import random
import signal
import time
from pathlib import Path

import pytest

from common.books import FILLS, ORDERS
from common.documents import every
from infra.local.store.sqlite import SqliteStore
from infra.venues.paper.ledger import PAPER_FILLS, PAPER_ORDERS
from tests.integration.command import Running, value_of
from tests.integration.harness import Replay, recording, running
from tests.shared_data import shared_path

TICKS = 160
KILLS = 20


@pytest.mark.slow
def test_replay_when_killed_twenty_times_then_no_order_is_sent_twice_and_no_fill_is_lost(
    tmp_path: Path,
) -> None:
    chance = random.Random(20251120)
    data = shared_path("data/replay")
    line: tuple[str | Path, ...] = (
        "run",
        "--replay",
        data,
        "--ticks",
        str(TICKS),
        "--port",
        "0",
        "--data-dir",
        "state",
    )
    stopped_by_kill = 0
    for _ in range(KILLS):
        started = time.monotonic()
        command = Running(*line, "--speed", "15000", cwd=tmp_path)  # at most 50 ticks a second
        command.read_until("  state   ")
        start_s = time.monotonic() - started  # a slow machine dies as far on as a fast one
        time.sleep(chance.uniform(0.0, 0.2) * start_s)  # the random point, no wait for anything
        command.kill()
        stopped_by_kill += command.process.returncode == -signal.SIGKILL
    last = Running(*line, cwd=tmp_path)

    assert last.wait() == 0, "\n".join(last.lines)
    assert stopped_by_kill == KILLS
    assert 0 < int(value_of(last.lines, "ticks ").split()[0]) < TICKS
    assert any(text.startswith("check ok") for text in last.lines), "\n".join(last.lines)
    digest, fills = asyncio.run(_undisturbed())
    assert value_of(last.lines, "decisions sha256") == digest
    assert fills > 10
    asyncio.run(_check_ledger(tmp_path / "state" / "sapphire.sqlite"))


async def _undisturbed() -> tuple[str, int]:
    from infra.local.stack.figures import collect_figures

    replay = Replay(recording(), None, TICKS)
    async with running(replay):
        await replay.run()
    figures = await collect_figures(replay.store)
    return figures.decisions_digest, figures.fills


async def _check_ledger(path: Path) -> None:
    """The venues' own records against ours: the same orders, the same fills, one by one."""
    store = SqliteStore(path)
    try:
        ours = {item.ref.id: item.data async for item in every(store, ORDERS)}
        theirs = {
            item.data["order"]["client_order_id"]: item.data
            async for item in every(store, PAPER_ORDERS)
        }
        recorded = sorted([item.data["fill"]["trade_id"] async for item in every(store, FILLS)])
        happened = sorted(fill["trade_id"] for order in theirs.values() for fill in order["fills"])
        ledger_fills = [item async for item in every(store, PAPER_FILLS)]
    finally:
        store.close()
    assert theirs.keys() <= ours.keys(), "an order at a venue that was not written ahead"
    assert recorded == happened
    assert len(set(recorded)) == len(recorded)
    assert len(ledger_fills) in {0, len(recorded)}
    by_intent: dict[str, list[str]] = {}
    for client_order_id, order in ours.items():
        if client_order_id in theirs and theirs[client_order_id]["fills"]:
            by_intent.setdefault(order["intent_id"], []).append(client_order_id)
    assert all(len(orders) == 1 for orders in by_intent.values()), "one effect, filled twice"
