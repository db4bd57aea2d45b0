"""The embedded bus: order, backoff, dead letters, stopping, faults. The promises that every bus
keeps stand in tests/contract/test_bus.py."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from common.domain.events import OrderUnknown, OutboxMessage
from common.errors import ConfigurationError, NotFoundError, TransientError
from common.wire import JsonObject
from infra.gcp.envelope import open_push, read_message
from infra.local.bus import BusCounts, Deliver, DeliveryPolicy, EmbeddedBus, Reply
from infra.local.bus_faults import BusFaults, FaultRates
from infra.local.clock import ManualClock, ScaledClock, SystemClock
from infra.pipeline import load_pipeline
from tests.builders.messages import a_message

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
TOPIC = "signal-created"
NO_FAULTS = {"duplicate": 0.0, "delay": 0.0, "reorder": 0.0, "lost_ack": 0.0}


class Endpoint:
    """Notes the id and attempt of every delivery; answers from `script` by id, else 204."""

    def __init__(self, script: dict[str, list[int | Reply | BaseException]] | None = None) -> None:
        self.script = script or {}
        self.seen: list[tuple[str, int]] = []
        self.envelopes: list[JsonObject] = []

    async def __call__(self, envelope: JsonObject, attempt: int) -> int | Reply:
        name = read_message(open_push(envelope)).message_id
        self.seen.append((name, attempt))
        self.envelopes.append(envelope)
        answers = self.script.get(name)
        answer = answers.pop(0) if answers else 204
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @property
    def ids(self) -> list[str]:
        return [name for name, _ in self.seen]


def messages(*names: str) -> list[OutboxMessage]:
    return [a_message(message_id=name) for name in names]


async def delivered(
    bus: EmbeddedBus, published: list[OutboxMessage], deliver: Deliver, *, concurrency: int = 1
) -> None:
    """Publish, deliver until nothing is left, stop."""
    bus.subscribe(TOPIC, "reader", deliver, concurrency=concurrency)
    await bus.start()
    await bus.publish(published)
    await bus.idle()
    await bus.stop()


def replayed(**options: object) -> EmbeddedBus:
    return EmbeddedBus(None, clock=ManualClock(START), **options)  # type: ignore[arg-type] # passed on


def test_delivery_policy_when_nothing_is_given_then_it_is_that_of_the_pipeline() -> None:
    ours, written = DeliveryPolicy(), load_pipeline().delivery
    assert (ours.ack_deadline_s, ours.max_attempts) == (
        written.ack_deadline_s,
        written.max_attempts,
    )
    assert ours.backoff_min_s == written.backoff_min_s
    assert ours.backoff_max_s == written.backoff_max_s
    assert ours.dead_letter_retention_d == written.dead_letter_retention_d


def test_delivery_policy_when_attempts_fail_then_the_backoff_doubles_to_its_maximum() -> None:
    policy = DeliveryPolicy(backoff_min_s=1, backoff_max_s=60)
    assert [policy.backoff_s(n) for n in (1, 2, 3, 6, 7, 8, 5000)] == [1, 2, 4, 32, 60, 60, 60]


async def test_bus_when_all_is_well_then_messages_come_in_the_order_of_publishing() -> None:
    endpoint = Endpoint()
    bus = replayed()
    names = [f"m{number}" for number in range(50)]
    await delivered(bus, messages(*names), endpoint)
    assert endpoint.seen == [(name, 1) for name in names]
    assert bus.counts == BusCounts(published=50, acknowledged=50, redelivered=0, dead=0)


async def test_bus_when_an_envelope_is_posted_then_it_is_the_wrapped_push_body() -> None:
    endpoint = Endpoint()
    await delivered(replayed(project="a-project"), messages("one"), endpoint)
    body = endpoint.envelopes[0]
    assert body["subscription"] == "projects/a-project/subscriptions/reader"
    assert body["deliveryAttempt"] == 1
    assert body["message"]["attributes"] == {"type": "SignalCreated", "id": "one"}
    assert body["message"]["messageId"] == "1"
    assert body["message"]["publishTime"] == "2026-11-20T08:00:00.000000Z"


async def test_bus_when_the_same_id_is_published_twice_then_it_is_delivered_twice() -> None:
    endpoint = Endpoint()
    await delivered(replayed(), messages("one", "one"), endpoint)
    assert endpoint.ids == ["one", "one"]
    assert [body["message"]["messageId"] for body in endpoint.envelopes] == ["1", "2"]


async def test_bus_when_a_topic_has_two_subscriptions_then_each_gets_the_message() -> None:
    first, second, other = Endpoint({"one": [500]}), Endpoint(), Endpoint()
    bus = replayed()
    bus.subscribe(TOPIC, "first", first)
    bus.subscribe(TOPIC, "second", second)
    bus.subscribe("order-unknown", "other", other)
    await bus.start()
    await bus.publish(
        [*messages("one"), a_message(OrderUnknown(intent_id="int_1"), message_id="x")]
    )
    await bus.idle()
    assert first.seen == [("one", 1), ("one", 2)]
    assert second.seen == [("one", 1)]
    assert other.seen == [("x", 1)]
    same = {body["message"]["messageId"] for body in first.envelopes + second.envelopes}
    assert len(same) == 1


async def test_bus_when_replayed_then_a_retry_comes_after_everything_else_and_at_once() -> None:
    endpoint = Endpoint({"a": [500, 500], "b": [ValueError("no")]})
    clock = ManualClock(START)
    bus = EmbeddedBus(None, clock=clock)
    await delivered(bus, messages("a", "b", "c"), endpoint)
    assert endpoint.seen == [("a", 1), ("b", 1), ("c", 1), ("a", 2), ("b", 2), ("a", 3)]
    assert clock.now() == START
    assert bus.counts.redelivered == 3


async def test_bus_when_the_clock_is_scaled_then_the_backoff_passes_on_the_clock() -> None:
    times: list[float] = []
    loop = asyncio.get_running_loop()

    async def deliver(_: JsonObject, attempt: int) -> int:
        times.append(loop.time())
        return 503 if attempt < 3 else 200

    bus = EmbeddedBus(None, clock=ScaledClock(START, 100), delivery=DeliveryPolicy(backoff_min_s=2))
    await delivered(bus, messages("one"), deliver)
    assert times[1] - times[0] >= 0.019  # 2 s
    assert times[2] - times[1] >= 0.039  # 4 s


@pytest.mark.parametrize("status", [429, 503])
async def test_bus_when_told_to_wait_then_it_waits_at_least_that_long(status: int) -> None:
    endpoint = Endpoint({"slow": [Reply(status, retry_after_s=30)], "quick": [500, 500, 500, 500]})
    await delivered(replayed(), messages("slow", "quick"), endpoint)
    # quick's backoffs end at 1, 3, 7 and 15 s, slow's wait at 30 s
    assert endpoint.ids == ["slow", "quick", "quick", "quick", "quick", "quick", "slow"]


async def test_bus_when_another_status_names_a_wait_then_only_the_backoff_counts() -> None:
    endpoint = Endpoint({"a": [Reply(500, retry_after_s=30)], "b": [500, 500]})
    await delivered(replayed(), messages("a", "b"), endpoint)
    assert endpoint.ids == ["a", "b", "a", "b", "b"]


async def test_bus_when_the_deadline_passes_then_the_call_is_dropped_and_made_again() -> None:
    cancelled = asyncio.Event()

    async def deliver(_: JsonObject, attempt: int) -> int:
        if attempt == 1:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
        return 200

    bus = replayed(delivery=DeliveryPolicy(ack_deadline_s=0.02))
    await delivered(bus, messages("one"), deliver)
    assert cancelled.is_set()
    assert bus.counts == BusCounts(published=1, acknowledged=1, redelivered=1, dead=0)


@pytest.mark.parametrize(
    ("failure", "status", "reason"),
    [
        (500, 500, "HTTP 500"),
        (Reply(422, reason="the book is closed"), 422, "the book is closed"),
        (ValueError("bad"), None, "ValueError: bad"),
        (TimeoutError("venue"), None, "TimeoutError: venue"),
        (asyncio.CancelledError(), None, "the endpoint cancelled the call"),
    ],
)
async def test_bus_when_attempts_are_used_up_then_the_dead_letter_says_why(
    failure: int | Reply | BaseException, status: int | None, reason: str
) -> None:
    clock = ManualClock(START)
    bus = EmbeddedBus(None, clock=clock, delivery=DeliveryPolicy(max_attempts=3))
    endpoint = Endpoint({"one": [failure] * 3})
    await delivered(bus, messages("one", "two"), endpoint)
    [letter] = bus.dead_letters()
    assert (letter.subscription, letter.message) == ("reader", messages("one")[0])
    assert (letter.attempts, letter.status, letter.reason) == (3, status, reason)
    assert letter.dead_at == START
    assert bus.counts == BusCounts(published=2, acknowledged=1, redelivered=2, dead=1)


@pytest.mark.parametrize("running", [True, False])
async def test_bus_when_a_dead_letter_is_republished_then_it_has_all_its_attempts(
    running: bool, tmp_path: Path
) -> None:
    endpoint = Endpoint({"one": [500, 500, 500]})
    bus = EmbeddedBus(
        tmp_path / "bus", clock=ManualClock(START), delivery=DeliveryPolicy(max_attempts=2)
    )
    await delivered(bus, messages("one"), endpoint)
    [letter] = bus.dead_letters()
    if running:
        await bus.start()
    bus.republish(letter.id)
    await bus.start()
    await bus.idle()
    assert endpoint.seen == [("one", 1), ("one", 2), ("one", 1), ("one", 2)]
    assert bus.dead_letters() == []
    with pytest.raises(NotFoundError):
        bus.republish(letter.id)
    await bus.stop()


async def test_bus_when_a_dead_letter_is_too_old_then_the_next_start_drops_it() -> None:
    clock = ManualClock(START)
    policy = DeliveryPolicy(max_attempts=1, dead_letter_retention_d=7)
    bus = EmbeddedBus(None, clock=clock, delivery=policy)
    await delivered(bus, messages("one"), Endpoint({"one": [500]}))
    clock.advance_to(START + timedelta(days=7))
    await bus.start()
    assert len(bus.dead_letters()) == 1
    await bus.stop()
    clock.advance_to(START + timedelta(days=7, microseconds=1))
    await bus.start()
    assert bus.dead_letters() == []
    await bus.stop()


class Crowd:
    """Holds every delivery until `expected` of them are there, and notes the largest crowd."""

    def __init__(self, expected: int) -> None:
        self.largest = 0
        self._expected = expected
        self._now = 0
        self._full = asyncio.Event()

    async def __call__(self, _: JsonObject, __: int) -> int:
        self._now += 1
        self.largest = max(self.largest, self._now)
        if self._now == self._expected:
            self._full.set()
        await self._full.wait()
        self._now -= 1
        return 200


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_bus_when_it_delivers_then_at_most_its_concurrency_is_in_flight(
    concurrency: int,
) -> None:
    crowd = Crowd(concurrency)
    await delivered(replayed(), messages(*map(str, range(12))), crowd, concurrency=concurrency)
    assert crowd.largest == concurrency


async def test_bus_when_bounded_as_a_whole_then_subscriptions_take_turns_by_age() -> None:
    order: list[str] = []
    busy = 0

    def reader(name: str) -> Callable[[JsonObject, int], Awaitable[int]]:
        async def deliver(envelope: JsonObject, _: int) -> int:
            nonlocal busy
            busy += 1
            assert busy == 1
            await asyncio.sleep(0)
            order.append(f"{name}{envelope['message']['attributes']['id']}")
            busy -= 1
            return 200

        return deliver

    bus = replayed(in_flight_max=1)
    bus.subscribe(TOPIC, "a", reader("a"), concurrency=3)
    bus.subscribe("order-unknown", "b", reader("b"), concurrency=3)
    await bus.start()
    unknown = a_message(OrderUnknown(intent_id="int_1"), message_id="2")
    await bus.publish([*messages("1"), unknown, *messages("3")])
    await bus.idle()
    assert order == ["a1", "b2", "a3"]


async def test_bus_when_a_delivery_publishes_then_idle_waits_for_that_too() -> None:
    bus = replayed()
    chain: list[str] = []

    async def deliver(envelope: JsonObject, _: int) -> int:
        name = envelope["message"]["attributes"]["id"]
        chain.append(name)
        if name != "x":
            await bus.publish(messages("x"))
        return 200

    await delivered(bus, messages("one"), deliver)
    assert chain == ["one", "x"]


async def test_bus_when_it_delivers_then_the_context_is_that_of_start() -> None:
    mark: ContextVar[str] = ContextVar("mark", default="none")
    marks: list[str] = []

    async def deliver(_: JsonObject, __: int) -> int:
        marks.append(mark.get())
        mark.set("a delivery")
        return 200

    bus = replayed()
    bus.subscribe(TOPIC, "reader", deliver)
    mark.set("start")
    await bus.start()
    mark.set("publish")
    await bus.publish(messages("one", "two"))
    await bus.idle()
    assert marks == ["start", "start"]
    assert mark.get() == "publish"


async def test_bus_when_observed_then_each_message_is_told_and_a_failing_observer_harms_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[OutboxMessage] = []

    def failing(_: OutboxMessage) -> None:
        raise ValueError("the screen is gone")

    bus, endpoint = replayed(), Endpoint()
    bus.observe(failing)
    bus.observe(told.append)
    await delivered(bus, messages("one", "two"), endpoint)
    assert told == messages("one", "two")
    assert endpoint.ids == ["one", "two"]
    assert "an observer failed; one is held all the same" in caplog.text


async def test_bus_when_nobody_subscribed_yet_then_the_message_waits_for_the_first(
    tmp_path: Path,
) -> None:
    publisher = EmbeddedBus(tmp_path / "bus", clock=SystemClock())
    await publisher.publish(messages("one"))
    await publisher.stop()
    assert (tmp_path / "bus").stat().st_mode & 0o777 == 0o600
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


async def test_bus_when_a_subscription_makes_no_sense_then_it_is_refused() -> None:
    bus = replayed()
    bus.subscribe(TOPIC, "reader", Endpoint())
    for name, concurrency in (("reader", 1), ("", 1), ("none", 0)):
        with pytest.raises(ConfigurationError, match="taken, empty or without concurrency"):
            bus.subscribe(TOPIC, name, Endpoint(), concurrency=concurrency)
    await bus.start()
    with pytest.raises(ConfigurationError, match="before the bus is started"):
        bus.subscribe(TOPIC, "late", Endpoint())


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
        newer.execute("PRAGMA user_version = 2")
        newer.close()
        problem = "has schema 2, this Sapphire reads 1"
    bus = EmbeddedBus(path, clock=ManualClock(START))
    with pytest.raises(ConfigurationError, match=problem):
        await bus.publish(messages("one"))
    await bus.stop()


async def test_bus_when_another_process_holds_its_file_then_publish_is_transient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.local.bus_journal._LOCK_TIMEOUT_S", 0.01)
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


def test_bus_faults_when_drawn_again_then_the_same_seed_gives_the_same_fates() -> None:
    def drawn(seed: int) -> list[object]:
        faults = BusFaults(seed, FaultRates(duplicate=0.3, delay=0.3, reorder=0.3, lost_ack=0.3))
        return [
            (faults.fate(f"m{n}", "reader"), faults.loses_ack(f"m{n}", "reader", 1))
            for n in range(50)
        ]

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)


def test_bus_faults_when_drawn_often_then_each_comes_about_as_often_as_its_rate() -> None:
    rates = FaultRates(duplicate=0.1, delay=0.2, reorder=0.3, lost_ack=0.4, delay_max_s=5)
    faults = BusFaults(1, rates)
    fates = [faults.fate(f"m{n}", "reader") for n in range(2000)]
    assert sum(fate.copies for fate in fates) / 2000 == pytest.approx(0.1, abs=0.03)
    assert sum(fate.delay_s > 0 for fate in fates) / 2000 == pytest.approx(0.2, abs=0.03)
    assert max(fate.delay_s for fate in fates) <= 5
    assert sum(fate.overtakes > 0 for fate in fates) / 2000 == pytest.approx(0.3, abs=0.04)
    lost = sum(faults.loses_ack(f"m{n}", "reader", 1) for n in range(2000))
    assert lost / 2000 == pytest.approx(0.4, abs=0.04)


@pytest.mark.parametrize("rate", [-0.1, 1.1])
def test_fault_rates_when_no_probability_then_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        FaultRates(lost_ack=rate)


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ({"duplicate": 1.0}, ["a", "a", "b", "b", "c", "c"]),
        ({"lost_ack": 1.0}, ["a", "b", "c", "a", "b", "c"]),
    ],
)
async def test_bus_when_a_fault_is_certain_then_every_message_comes_twice(
    rates: dict[str, float], expected: list[str]
) -> None:
    bus = replayed(
        faults=BusFaults(1, FaultRates(**(NO_FAULTS | rates))),
        delivery=DeliveryPolicy(max_attempts=2),
    )
    endpoint = Endpoint()
    await delivered(bus, messages("a", "b", "c"), endpoint)
    assert endpoint.ids == expected
    assert bus.counts.dead == (3 if "lost_ack" in rates else 0)


@pytest.mark.parametrize("fault", ["delay", "reorder"])
async def test_bus_when_a_fault_disturbs_the_order_then_nothing_is_lost_and_it_repeats(
    fault: str,
) -> None:
    async def run() -> list[str]:
        rates = FaultRates(**(NO_FAULTS | {fault: 0.5}))
        endpoint = Endpoint()
        await delivered(replayed(faults=BusFaults(3, rates)), messages(*names), endpoint)
        return endpoint.ids

    names = [f"m{number:02}" for number in range(30)]
    first = await run()
    assert first != names
    assert sorted(first) == names
    assert await run() == first


async def test_bus_when_a_duplicate_fails_then_only_the_original_is_retried() -> None:
    endpoint = Endpoint({"a": [500, 500]})
    bus = replayed(faults=BusFaults(1, FaultRates(**(NO_FAULTS | {"duplicate": 1.0}))))
    await delivered(bus, messages("a"), endpoint)
    assert endpoint.seen == [("a", 1), ("a", 1), ("a", 2)]
    assert bus.counts.acknowledged == 1
