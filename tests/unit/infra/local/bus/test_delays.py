"""Messages for later on the embedded bus: never early, in order of their time, kept on restart.

What every bus promises of them stands in tests/contract/test_bus.py.
"""

import asyncio
import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.events import OutboxMessage
from common.wire import JsonObject
from infra.gcp.envelope import open_push, read_message
from infra.local.bus.delivery import DeliveryPolicy
from infra.local.bus.embedded import EmbeddedBus
from infra.local.bus.faults import BusFaults, FaultRates
from infra.local.clock import ManualClock, ScaledClock
from tests.builders.messages import a_message
from tests.fakes.push_endpoint import START, TOPIC, Endpoint, delivered, messages, replayed

CERTAIN = {"duplicate": 0.0, "delay": 0.0, "reorder": 0.0, "lost_ack": 0.0}


def later(name: str, seconds: float) -> OutboxMessage:
    """For so long after START."""
    return replace(a_message(message_id=name), deliver_at=START + timedelta(seconds=seconds))


class Watch:
    """Notes what came, and when on a clock."""

    def __init__(self, clock: ScaledClock | ManualClock) -> None:
        self.came: list[tuple[str, datetime]] = []
        self._clock = clock

    async def __call__(self, envelope: JsonObject, _: int) -> int:
        name = read_message(open_push(envelope)).message_id
        self.came.append((name, self._clock.now()))
        return 204


async def test_bus_when_replayed_then_what_is_for_later_comes_when_nothing_else_is_left() -> None:
    endpoint = Endpoint({"b": [500]})
    clock = ManualClock(START)
    bus = EmbeddedBus(None, clock=clock)
    published = [later("z", 9), later("y", 0.5), *messages("a", "b", "c"), later("x", 2)]
    await delivered(bus, published, endpoint)
    # b's backoff ends after 1 s, between y's time and x's
    assert endpoint.ids == ["a", "b", "c", "y", "b", "x", "z"]
    assert clock.now() == START


async def test_bus_when_replayed_then_what_a_late_one_publishes_comes_before_later_ones() -> None:
    bus = replayed()
    came: list[str] = []

    async def deliver(envelope: JsonObject, _: int) -> int:
        name = envelope["message"]["attributes"]["id"]
        came.append(name)
        if name == "first":
            await bus.publish([later("second", 6), *messages("at once"), later("fourth", 8)])
        return 204

    await delivered(bus, [later("third", 7), later("first", 5)], deliver)
    assert came == ["first", "at once", "second", "third", "fourth"]


async def test_bus_when_a_replayed_clock_has_passed_the_time_then_it_comes_in_its_turn() -> None:
    endpoint = Endpoint()
    await delivered(
        replayed(), [*messages("a"), later("b", -1), later("c", 0), *messages("d")], endpoint
    )
    assert endpoint.ids == ["a", "b", "c", "d"]


@given(
    seconds=st.lists(st.one_of(st.none(), st.integers(-5, 5)), max_size=12),
    concurrency=st.integers(1, 3),
    seed=st.integers(0, 20),
)
def test_bus_when_replayed_again_then_the_order_is_the_same_and_that_of_the_times(
    seconds: list[int | None], concurrency: int, seed: int
) -> None:
    published = [
        later(str(number), each) if each is not None else messages(str(number))[0]
        for number, each in enumerate(seconds)
    ]

    async def run() -> list[str]:
        endpoint = Endpoint({str(number): [500] for number in range(seed % 3)})
        rates = FaultRates(**(CERTAIN | {"duplicate": 0.3, "lost_ack": 0.3}))
        bus = replayed(faults=BusFaults(seed, rates), delivery=DeliveryPolicy(max_attempts=99))
        await delivered(bus, published, endpoint, concurrency=concurrency)
        return endpoint.ids

    first = asyncio.run(run())
    assert asyncio.run(run()) == first
    assert set(first) == {message.message_id for message in published}
    waited = [name for name in dict.fromkeys(first) if (seconds[int(name)] or 0) > 0]
    assert waited == sorted(waited, key=lambda name: (seconds[int(name)] or 0, int(name)))


async def test_bus_when_the_clock_is_scaled_then_the_wait_passes_on_the_clock() -> None:
    clock = ScaledClock(START, 100)
    watch = Watch(clock)
    bus = EmbeddedBus(None, clock=clock)
    await delivered(bus, [later("b", 4), later("a", 2), *messages("now")], watch)
    assert [name for name, _ in watch.came] == ["now", "a", "b"]
    assert watch.came[1][1] >= START + timedelta(seconds=2)
    assert watch.came[2][1] >= START + timedelta(seconds=4)


async def test_bus_when_the_clock_is_set_back_then_it_waits_for_the_clock() -> None:
    class SetBack(ScaledClock):
        """Falls back by 2 s after the first 2."""

        fell = False

        def now(self) -> datetime:
            now = super().now()
            self.fell = self.fell or now > START + timedelta(seconds=2)
            return now - timedelta(seconds=2 * self.fell)

    clock = SetBack(START, 100)
    watch = Watch(clock)
    await delivered(EmbeddedBus(None, clock=clock), [later("a", 3)], watch)
    [(_, at)] = watch.came
    assert clock.fell
    assert at >= START + timedelta(seconds=3)


@pytest.mark.parametrize("fault", ["duplicate", "delay"])
async def test_bus_when_the_weather_is_bad_then_no_delivery_is_early(fault: str) -> None:
    clock = ScaledClock(START, 200)
    watch = Watch(clock)
    faults = BusFaults(1, FaultRates(**(CERTAIN | {fault: 1.0})))
    await delivered(EmbeddedBus(None, clock=clock, faults=faults), [later("a", 4)], watch)
    assert len(watch.came) == (2 if fault == "duplicate" else 1)
    assert all(at >= START + timedelta(seconds=4) for _, at in watch.came)


async def test_bus_when_one_is_for_later_then_idle_waits_for_it_too() -> None:
    clock = ScaledClock(START, 100)
    watch = Watch(clock)
    bus = EmbeddedBus(None, clock=clock)
    bus.subscribe(TOPIC, "reader", watch)
    await bus.start()
    await bus.publish([later("a", 2)])
    assert watch.came == []
    await bus.idle()
    assert [name for name, _ in watch.came] == ["a"]
    await bus.stop()


async def test_bus_when_it_restarts_before_the_time_then_it_still_waits(tmp_path: Path) -> None:
    path = tmp_path / "bus.sqlite"
    first = EmbeddedBus(path, clock=ManualClock(START))  # never started: it only holds
    await first.publish([later("a", 3)])
    await first.stop()

    clock = ScaledClock(START, 100)
    watch = Watch(clock)
    second = EmbeddedBus(path, clock=clock)
    second.subscribe(TOPIC, "reader", watch)
    await second.start()
    await second.publish(messages("now"))
    await second.stop(grace_s=0)
    third = EmbeddedBus(path, clock=clock)
    third.subscribe(TOPIC, "reader", watch)
    await third.start()
    await third.idle()
    await third.stop()

    assert dict(watch.came)["a"] >= START + timedelta(seconds=3)
    assert [name for name, _ in watch.came].count("a") == 1


_VERSION_1 = """
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    number INTEGER NOT NULL,
    topic TEXT NOT NULL,
    subscription TEXT NOT NULL,
    message_id TEXT NOT NULL,
    type TEXT NOT NULL,
    body TEXT NOT NULL,
    published_at TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    status INTEGER,
    reason TEXT NOT NULL DEFAULT '',
    dead_at TEXT
) STRICT
"""
_ROW = (
    1,
    TOPIC,
    "reader",
    "old",
    "SignalCreated",
    '{"data":{"book":"v3","cursor":null,"signal_id":"sig_1"},"id":"old",'
    '"occurred_at":"2026-01-15T12:00:00.000000Z","topic":"signal-created",'
    '"type":"SignalCreated","version":1}',
    "2026-11-20T08:00:00.000000Z",
    2,
)


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_bus_when_its_file_is_of_an_earlier_version_then_it_goes_on_with_it(
    tmp_path: Path, version: int
) -> None:
    """0: the process died between making the table and writing its version."""
    path = tmp_path / "bus.sqlite"
    old = sqlite3.connect(path)
    old.execute(_VERSION_1)
    old.execute(
        "INSERT INTO deliveries (number, topic, subscription, message_id, type, body,"
        " published_at, attempts) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        _ROW,
    )
    if version == 2:
        old.execute("ALTER TABLE deliveries ADD COLUMN deliver_at TEXT")
    old.execute(f"PRAGMA user_version = {version}")
    old.commit()
    old.close()

    for name in ("new", "newer"):  # brought up once, then opened as it is
        endpoint = Endpoint()
        bus = EmbeddedBus(path, clock=ManualClock(START))
        bus.subscribe(TOPIC, "reader", endpoint)
        await bus.start()
        await bus.publish([later(name, 1)])
        await bus.idle()
        await bus.stop()
        assert endpoint.seen == ([("old", 3)] if name == "new" else []) + [(name, 1)]

    file = sqlite3.connect(path)
    assert file.execute("PRAGMA user_version").fetchone() == (3,)
    file.close()


async def test_bus_when_the_migration_fails_then_the_file_is_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "bus.sqlite"
    old = sqlite3.connect(path)
    old.execute("CREATE VIEW deliveries AS SELECT 1 AS id")
    old.execute("PRAGMA user_version = 1")
    old.commit()
    old.close()

    with pytest.raises(Exception, match="not a usable bus file"):
        await EmbeddedBus(path, clock=ManualClock(START)).publish(messages("one"))

    file = sqlite3.connect(path)
    assert file.execute("PRAGMA user_version").fetchone() == (1,)
    file.close()
