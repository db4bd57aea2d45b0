"""What the embedded bus keeps: stopping, starting again, and its file."""

import asyncio
import sqlite3
from pathlib import Path
from random import Random

import pytest

from common.domain.events import OutboxMessage
from common.errors import ConfigurationError, TransientError
from common.wire import JsonObject
from infra.gcp.envelope import open_push, read_message
from infra.local.bus.delivery import DeliveryPolicy
from infra.local.bus.embedded import EmbeddedBus
from infra.local.bus.faults import BusFaults, FaultRates
from infra.local.clock import ManualClock, SystemClock
from tests.fakes.push_endpoint import START, TOPIC, Endpoint, messages, replayed


async def test_bus_when_nobody_subscribed_yet_then_the_message_waits_for_the_first(
    tmp_path: Path,
) -> None:
    publisher = EmbeddedBus(tmp_path / "bus", clock=SystemClock())
    await publisher.publish(messages("one"))
    await publisher.stop()
    assert (tmp_path / "bus").stat().st_mode & 0o777 == 0o600
    file = sqlite3.connect(tmp_path / "bus")
    assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    file.close()
    first, second = Endpoint(), Endpoint()
    bus = EmbeddedBus(tmp_path / "bus", clock=ManualClock(START))
    bus.subscribe(TOPIC, "first", first)
    bus.subscribe(TOPIC, "second", second)
    await bus.start()
    await bus.idle()
    await bus.stop()
    assert first.seen == second.seen == [("one", 1)]


async def test_bus_when_it_stops_then_what_is_in_flight_finishes_and_the_rest_waits(
    tmp_path: Path,
) -> None:
    arrived, leave = asyncio.Event(), asyncio.Event()
    seen: list[str] = []

    async def deliver(envelope: JsonObject, _: int) -> int:
        seen.append(envelope["message"]["attributes"]["id"])
        arrived.set()
        await leave.wait()
        return 200

    bus = EmbeddedBus(tmp_path / "bus", clock=ManualClock(START))
    bus.subscribe(TOPIC, "reader", deliver)
    await bus.start()
    await bus.publish(messages("one", "two"))
    await arrived.wait()
    idle = asyncio.create_task(bus.idle())
    stopping = asyncio.create_task(bus.stop())
    await asyncio.sleep(0)
    leave.set()
    await stopping
    with pytest.raises(TransientError, match="not running"):
        await idle
    assert seen == ["one"]
    await bus.start()
    await bus.idle()
    await bus.stop()
    assert seen == ["one", "two"]


async def test_bus_when_it_stops_without_grace_then_the_abandoned_comes_again(
    tmp_path: Path,
) -> None:
    arrived = asyncio.Event()
    attempts: list[int] = []

    async def deliver(_: JsonObject, attempt: int) -> int:
        attempts.append(attempt)
        if len(attempts) == 1:
            arrived.set()
            await asyncio.Event().wait()
        return 200

    bus = EmbeddedBus(tmp_path / "bus", clock=ManualClock(START))
    bus.subscribe(TOPIC, "reader", deliver)
    await bus.start()
    await bus.publish(messages("one"))
    await arrived.wait()
    await bus.stop(grace_s=0)
    await bus.start()
    await bus.idle()
    await bus.stop()
    assert len(attempts) == 2


async def test_bus_when_it_stops_during_a_backoff_then_the_message_comes_after_the_start(
    tmp_path: Path,
) -> None:
    failed = asyncio.Event()
    attempts: list[int] = []

    async def deliver(_: JsonObject, attempt: int) -> int:
        attempts.append(attempt)
        failed.set()
        return 500 if len(attempts) == 1 else 200

    bus = EmbeddedBus(tmp_path / "bus", clock=SystemClock())
    bus.subscribe(TOPIC, "reader", deliver)
    await bus.start()
    await bus.publish(messages("one"))
    await failed.wait()
    await bus.stop()
    await bus.start()
    await bus.idle()
    await bus.stop()
    assert attempts == [1, 2]


async def test_bus_when_it_does_not_run_then_idle_says_so() -> None:
    with pytest.raises(TransientError, match="not running"):
        await replayed().idle()


async def test_bus_when_its_file_fails_then_publish_is_transient_and_holds_nothing(
    tmp_path: Path,
) -> None:
    bus = EmbeddedBus(tmp_path / "bus", clock=ManualClock(START))
    endpoint = Endpoint()
    bus.subscribe(TOPIC, "reader", endpoint)
    await bus.start()
    spoil = sqlite3.connect(tmp_path / "bus")
    spoil.execute(
        "CREATE TRIGGER full BEFORE INSERT ON deliveries WHEN NEW.message_id = 'two' "
        "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    spoil.close()
    with pytest.raises(TransientError, match="bus: disk full"):
        await bus.publish(messages("one", "two"))
    await bus.idle()
    await bus.stop()
    assert endpoint.seen == []
    assert bus.counts.published == 0


@pytest.mark.parametrize("event", ["DELETE", "UPDATE"])
async def test_bus_when_an_answer_cannot_be_written_then_the_message_comes_again(
    tmp_path: Path, event: str, caplog: pytest.LogCaptureFixture
) -> None:
    bus = EmbeddedBus(tmp_path / "bus", clock=ManualClock(START))

    async def deliver(_: JsonObject, attempt: int) -> int:
        with sqlite3.connect(tmp_path / "bus") as spoil:
            if attempt == 1:
                spoil.execute(
                    f"CREATE TRIGGER broken BEFORE {event} ON deliveries WHEN OLD.number = 1 "
                    "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
                )
            else:
                spoil.execute("DROP TRIGGER broken")
        spoil.close()
        return 200 if event == "DELETE" else (500 if attempt == 1 else 200)

    bus.subscribe(TOPIC, "reader", deliver)
    await bus.start()
    # The row gets its number by an UPDATE of its own, before the first delivery.
    await bus.publish(messages("one"))
    await bus.idle()
    await bus.stop()
    assert bus.counts.acknowledged == 1
    assert bus.counts.redelivered == 1
    assert "was not written" in caplog.text


@pytest.mark.parametrize("spoil", ["folder", "garbage", "newer"])
async def test_bus_when_its_file_is_not_usable_then_a_person_is_told(
    tmp_path: Path, spoil: str
) -> None:
    path = tmp_path / "state" / "bus.sqlite"
    if spoil == "folder":
        path.parent.touch()
        problem = "cannot be opened"
    else:
        path.parent.mkdir()
        path.write_bytes(b"not a database" * 100 if spoil == "garbage" else b"")
        problem = "not a usable bus file"
    if spoil == "newer":
        newer = sqlite3.connect(path)
        newer.execute("PRAGMA user_version = 4")
        newer.close()
        problem = "has schema 4, this Sapphire reads 3"
    bus = EmbeddedBus(path, clock=ManualClock(START))
    with pytest.raises(ConfigurationError, match=problem):
        await bus.publish(messages("one"))
    await bus.stop()


async def test_bus_when_another_process_holds_its_file_then_publish_is_transient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.local.bus.journal._LOCK_TIMEOUT_S", 0.01)
    path = tmp_path / "bus.sqlite"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    bus = EmbeddedBus(path, clock=ManualClock(START))
    with pytest.raises(TransientError, match="held by another process"):
        await bus.publish(messages("one"))
    holder.execute("ROLLBACK")
    await bus.publish(messages("one"))
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(TransientError, match="database is locked"):
        await bus.publish(messages("two"))
    holder.close()
    await bus.stop()


async def _life(
    path: Path, seed: int, published: list[OutboxMessage], acknowledged: set[str]
) -> None:
    """One process's life: publish, deliver with faults and failures, stop at a random point."""
    draw = Random(seed)
    left = draw.randint(1, 40)
    enough = asyncio.Event()

    async def deliver(envelope: JsonObject, _: int) -> int:
        nonlocal left
        left -= 1
        if left <= 0:
            enough.set()
        await asyncio.sleep(0)
        if draw.random() < 0.3:
            return 500
        acknowledged.add(read_message(open_push(envelope)).message_id)
        return 200

    rates = FaultRates(duplicate=0.2, delay=0.2, reorder=0.3, lost_ack=0.2)
    bus = EmbeddedBus(
        path,
        clock=ManualClock(START),
        delivery=DeliveryPolicy(max_attempts=1000),
        faults=BusFaults(seed, rates),
    )
    bus.subscribe(TOPIC, "reader", deliver, concurrency=draw.randint(1, 3))
    await bus.start()
    await bus.publish(published)
    idle = asyncio.ensure_future(bus.idle())
    stop = asyncio.ensure_future(enough.wait())
    await asyncio.wait([idle, stop], return_when=asyncio.FIRST_COMPLETED)
    await bus.stop(grace_s=draw.choice([0.0, 5.0]))
    stop.cancel()
    await asyncio.gather(idle, stop, return_exceptions=True)


@pytest.mark.parametrize("seed", range(25))
async def test_bus_when_it_is_stopped_again_and_again_in_bad_weather_then_nothing_is_lost(
    tmp_path: Path, seed: int
) -> None:
    path = tmp_path / "bus.sqlite"
    acknowledged: set[str] = set()
    names = [f"m{number}" for number in range(20)]
    for life in range(5):
        batch = messages(*names[life * 4 : life * 4 + 4])
        await _life(path, seed * 100 + life, batch, acknowledged)
    last = EmbeddedBus(path, clock=ManualClock(START))
    endpoint = Endpoint()
    last.subscribe(TOPIC, "reader", endpoint)
    await last.start()
    await last.idle()
    await last.stop()
    assert acknowledged | set(endpoint.ids) == set(names)
