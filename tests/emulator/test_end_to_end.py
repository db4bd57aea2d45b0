"""The whole pipeline on Google's emulators: real HTTP servers, real pushes, real Firestore."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from common.config import Settings, SwarmSettings
from infra.local.emulators import Emulators
from infra.local.replay import ReplayDriver, warm_up_before
from infra.local.stack.assembly import Backend, LocalStack
from infra.local.stack.embedded import EmbeddedBackend
from infra.local.stack.emulator import EmulatorBackend
from infra.local.stack.figures import RunFigures, collect_figures
from infra.local.stack.options import Recording, open_recording
from tests.integration.command import Running
from tests.shared_data import shared_path

pytestmark = [pytest.mark.emulator, pytest.mark.slow]

TICKS = 30
PROJECT = "sapphire-end-to-end"


@pytest.fixture
def emulator_environment(emulators: Emulators, monkeypatch: pytest.MonkeyPatch) -> Emulators:
    for name, value in emulators.env.items():
        monkeypatch.setenv(name, value)
    return emulators


async def replayed(backend: Backend, recording: Recording) -> tuple[RunFigures, list[str]]:
    symbols = recording.feed.symbols
    settings = Settings(feed="replay", swarm=SwarmSettings(symbols=symbols, interval="5m"))
    stack = LocalStack(
        settings=settings,
        clock=recording.clock,
        backend=backend,
        make_feed=lambda: recording.feed,
        push_token="push-token-of-a-test",
    )
    driver = ReplayDriver(
        pipeline=stack,
        store=backend.store,
        feed=recording.feed,
        clock=recording.clock,
        interval="5m",
        run_key="test",
        ticks=TICKS,
        warm_up=warm_up_before(TICKS, recording.feed.tick_count, history=200),
    )
    await driver.prepare()
    await stack.start()
    try:
        await driver.run(asyncio.Event())
        check = await stack.check()
        return await collect_figures(backend.store), check.problems
    finally:
        await stack.stop()


async def test_replay_when_run_on_the_emulators_then_decides_and_trades_as_embedded(
    emulator_environment: Emulators,
) -> None:
    data = shared_path("data/replay")
    assert os.environ["FIRESTORE_EMULATOR_HOST"] == emulator_environment.firestore_host

    there = open_recording(data, "5m", None)
    on_emulators, problems = await replayed(EmulatorBackend(None, PROJECT), there)
    here = open_recording(data, "5m", None)
    embedded, _ = await replayed(EmbeddedBackend(None, clock=here.clock, in_order=True), here)

    assert problems == []
    assert on_emulators.fills >= 1
    assert on_emulators.decisions_digest == embedded.decisions_digest
    assert on_emulators.signals == embedded.signals
    assert on_emulators.orders == embedded.orders


def test_run_when_started_on_the_emulators_then_makes_its_first_trade_there(
    emulator_environment: Emulators, tmp_path: Path
) -> None:
    command = Running("run", "--backend", "emulator", "--port", "0", cwd=tmp_path)
    command.read_until("  trade     ")
    code, seconds = command.stop(signal.SIGTERM)

    assert (code, seconds < 10) == (0, True)
    assert command.lines[-1] == "stopped; what the emulators held is gone with them"


def test_emulators_when_asked_for_then_say_where_they_are_and_stop(
    emulator_environment: Emulators, tmp_path: Path
) -> None:
    command = Running("emulators", cwd=tmp_path)
    firestore = command.read_until("export FIRESTORE_EMULATOR_HOST=")
    command.read_until("export PUBSUB_EMULATOR_HOST=127.0.0.1:")
    command.read_until("# running")
    code, _ = command.stop(signal.SIGINT)

    assert code == 0
    assert firestore != f"export FIRESTORE_EMULATOR_HOST={emulator_environment.firestore_host}"
