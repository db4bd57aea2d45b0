"""What the emulator backend still waits for, and what waits in it for its time."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from common.books import OUTBOX
from common.domain.events import OutboxMessage
from common.errors import TransientError
from common.outbox import OnlyInMemoryError, outbox_write
from common.ports import Clock, Query
from infra.local.clock import ManualClock, ScaledClock
from infra.local.stack.tracked_publisher import TrackedPublisher
from infra.local.store.memory import MemoryStore
from infra.pipeline import load_pipeline
from tests.builders import NOON, a_message
from tests.fakes.publisher import RecordingPublisher

READER = "fan_out"  # of signal-created


def later(name: str, seconds: float) -> OutboxMessage:
    """For so long after NOON."""
    return replace(a_message(message_id=name), deliver_at=NOON + timedelta(seconds=seconds))


class Answering(RecordingPublisher):
    """A bus whose functions answer as soon as it is told of a message, unless they are `slow`."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.slow: set[str] = set()
        self.came: dict[str, datetime] = {}
        self.tracked: TrackedPublisher | None = None
        self._clock = clock

    async def publish(self, messages: Sequence[OutboxMessage]) -> None:
        await super().publish(messages)
        assert self.tracked is not None
        for message in messages:
            self.came[message.message_id] = self._clock.now()
            if message.message_id not in self.slow:
                self.tracked.answered(READER, message.message_id)


class Desk:
    def __init__(self, clock: Clock) -> None:
        self.store = MemoryStore()
        self.bus = Answering(clock)
        self.publisher = TrackedPublisher(self.bus, load_pipeline(), self.store)
        self.bus.tracked = self.publisher

    async def publish(self, *messages: OutboxMessage) -> list[str]:
        """Committed and published; the ids of those whose rows must stay."""
        await self.store.commit([outbox_write(message) for message in messages])
        try:
            await self.publisher.publish(messages)
        except OnlyInMemoryError as error:
            return [message.message_id for message in error.messages]
        return []

    async def rows(self) -> set[str]:
        return {row.ref.id for row in (await self.store.query(Query(OUTBOX))).documents}


def a_desk(clock: Clock | None = None) -> Desk:
    clock = clock or ManualClock(NOON)
    desk = Desk(clock)
    desk.publisher.start(clock)
    return desk


async def test_tracked_publisher_when_nothing_was_published_then_it_is_idle() -> None:
    desk = a_desk()
    assert await desk.publish() == []
    await desk.publisher.idle()


async def test_tracked_publisher_when_a_push_is_unanswered_then_idle_waits_for_it() -> None:
    desk = a_desk()
    desk.bus.slow.add("one")
    await desk.publish(a_message(message_id="one"))
    idle = asyncio.create_task(desk.publisher.idle())
    await asyncio.sleep(0)
    assert not idle.done()
    desk.publisher.answered(READER, "one")
    await idle


async def test_tracked_publisher_when_nobody_answers_then_idle_names_what_is_stuck(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("infra.local.stack.tracked_publisher._IDLE_MAX_S", 0.01)
    desk = a_desk()
    desk.bus.slow.add("one")
    await desk.publish(a_message(message_id="one"))
    with pytest.raises(TransientError, match=r"still not handled .*: fan_out one$"):
        await desk.publisher.idle()


async def test_tracked_publisher_when_the_bus_refuses_then_nothing_is_waited_for() -> None:
    desk = a_desk()
    desk.bus.refuse = lambda _: True
    with pytest.raises(TransientError, match="did not take one"):
        await desk.publish(a_message(message_id="one"))
    await desk.publisher.idle()


async def test_tracked_publisher_when_some_are_for_later_then_they_wait_and_keep_their_rows() -> (
    None
):
    desk = a_desk(ScaledClock(NOON, 100))
    kept = await desk.publish(later("b", 4), a_message(message_id="one"), later("a", 2))
    assert kept == ["b", "a"]
    assert list(desk.bus.came) == ["one"]
    await desk.publisher.idle()
    assert list(desk.bus.came) == ["one", "a", "b"]
    assert desk.bus.came["a"] >= NOON + timedelta(seconds=2)
    assert desk.bus.came["b"] >= NOON + timedelta(seconds=4)
    assert await desk.rows() == {"one"}  # which the caller clears


async def test_tracked_publisher_when_the_time_is_past_then_it_goes_at_once() -> None:
    desk = a_desk()
    assert await desk.publish(later("past", -1), later("now", 0)) == []
    assert list(desk.bus.came) == ["past", "now"]


async def test_tracked_publisher_when_time_stands_still_then_later_ones_come_singly() -> None:
    desk = a_desk()
    desk.bus.slow = {"one", "a", "b"}
    await desk.publish(later("b", 4), later("a", 2), a_message(message_id="one"))
    for name, so_far in [("one", ["one"]), ("a", ["one", "a"]), ("b", ["one", "a", "b"])]:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert list(desk.bus.came) == so_far
        desk.publisher.answered(READER, name)
    await desk.publisher.idle()
    assert await desk.rows() == {"one"}


async def test_tracked_publisher_when_one_is_published_twice_early_then_it_goes_once() -> None:
    desk = a_desk(ScaledClock(NOON, 100))
    await desk.publish(later("a", 1))
    with pytest.raises(OnlyInMemoryError):
        await desk.publisher.publish([later("a", 1)])
    await desk.publisher.idle()
    assert [message.message_id for message in desk.bus.messages] == ["a"]


async def test_tracked_publisher_when_the_bus_refuses_at_the_time_then_the_row_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = a_desk()
    desk.bus.refuse = lambda message: message.message_id == "a"
    await desk.publish(later("a", 1), later("b", 2))
    await desk.publisher.idle()
    assert list(desk.bus.came) == ["b"]
    assert await desk.rows() == {"a"}
    assert "left in the outbox: a: " in caplog.text


async def test_tracked_publisher_when_it_cannot_clear_a_row_then_it_stays_for_the_relay(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def away(operation: str, _: object) -> None:
        if operation == "commit":
            raise TransientError("the store is away")

    desk = a_desk()
    desk.bus.slow = {"a"}
    await desk.publish(later("a", 1))
    desk.store.before = away
    desk.publisher.answered(READER, "a")
    await desk.publisher.idle()
    assert await desk.rows() == {"a"}
    assert "the store is away" in caplog.text


async def test_tracked_publisher_when_not_started_then_what_is_for_later_waits_for_that() -> None:
    clock = ScaledClock(NOON, 100)
    desk = Desk(clock)
    assert await desk.publish(later("a", -1), later("b", 1)) == ["a", "b"]
    desk.publisher.start(clock)
    await desk.publisher.idle()
    assert list(desk.bus.came) == ["a", "b"]


async def test_tracked_publisher_when_the_clock_is_set_back_then_it_waits_for_the_clock() -> None:
    class SetBack(ScaledClock):
        """Falls back by 2 s after the first 2."""

        fell = False

        def now(self) -> datetime:
            now = super().now()
            self.fell = self.fell or now > NOON + timedelta(seconds=2)
            return now - timedelta(seconds=2 * self.fell)

    desk = a_desk(SetBack(NOON, 100))
    await desk.publish(later("a", 3))
    await desk.publisher.idle()
    assert desk.bus.came["a"] >= NOON + timedelta(seconds=3)


async def test_tracked_publisher_when_a_wait_is_longer_than_its_patience_then_idle_still_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("infra.local.stack.tracked_publisher._IDLE_MAX_S", 0.02)
    desk = a_desk(ScaledClock(NOON, 100))
    await desk.publish(later("a", 6))
    await desk.publisher.idle()
    assert list(desk.bus.came) == ["a"]


async def test_tracked_publisher_when_closed_then_nothing_goes_out_any_more() -> None:
    clock = ScaledClock(NOON, 100)
    desk, witness = a_desk(clock), a_desk(clock)
    await desk.publish(later("a", 1), later("b", 1))
    await desk.publisher.close()
    await witness.publish(later("a", 2))
    await witness.publisher.idle()
    assert desk.bus.messages == []
    assert await desk.rows() == {"a", "b"}


async def test_tracked_publisher_when_closed_while_it_sends_then_the_row_stays() -> None:
    reached = asyncio.Event()

    class Hanging(Answering):
        async def publish(self, messages: Sequence[OutboxMessage]) -> None:
            reached.set()
            await asyncio.Event().wait()

    clock = ManualClock(NOON)
    desk = Desk(clock)
    desk.publisher = TrackedPublisher(Hanging(clock), load_pipeline(), desk.store)
    desk.publisher.start(clock)
    await desk.publish(later("a", 1))
    await reached.wait()
    await desk.publisher.close()
    assert await desk.rows() == {"a"}
