"""The embedded bus's deliveries: order, backoff, dead letters, concurrency.

The promises that every bus keeps stand in tests/contract/test_bus.py.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path

import pytest

from common.domain.events import OrderUnknown
from common.errors import ConfigurationError, NotFoundError
from common.wire import JsonObject
from infra.local.bus.delivery import BusCounts, DeliveryPolicy, Reply
from infra.local.bus.embedded import EmbeddedBus
from infra.local.clock import ManualClock, ScaledClock
from infra.pipeline import load_pipeline
from tests.builders.messages import a_message
from tests.fakes.push_endpoint import START, TOPIC, Endpoint, delivered, messages, replayed


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


async def test_bus_when_a_subscription_makes_no_sense_then_it_is_refused() -> None:
    bus = replayed()
    bus.subscribe(TOPIC, "reader", Endpoint())
    for name, concurrency in (("reader", 1), ("", 1), ("none", 0)):
        with pytest.raises(ConfigurationError, match="taken, empty or without concurrency"):
            bus.subscribe(TOPIC, name, Endpoint(), concurrency=concurrency)
    await bus.start()
    with pytest.raises(ConfigurationError, match="before the bus is started"):
        bus.subscribe(TOPIC, "late", Endpoint())
