"""What every bus promises: at least once, acknowledged by 2xx, dead letters, one envelope."""

import asyncio
import itertools
import os
import sys
import textwrap
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from common.books import OUTBOX
from common.domain.events import OutboxMessage
from common.errors import ConfigurationError
from common.outbox import outbox_write, publish_and_clear
from common.ports import Clock, Publisher, Query
from common.wire import JsonObject
from infra.gcp.envelope import is_push, open_push, read_message
from infra.gcp.pubsub import PubSubPublisher, PubSubTopology, PushSubscription
from infra.local.bus.delivery import Deliver, DeliveryPolicy
from infra.local.bus.embedded import EmbeddedBus
from infra.local.clock import ManualClock, ScaledClock, SystemClock
from infra.local.emulators import Emulators
from infra.local.stack.tracked_publisher import TrackedPublisher
from infra.local.store.memory import MemoryStore
from infra.pipeline import DeliverySpec, FunctionSpec, Pipeline, TopicSpec, Trigger
from tests.builders.messages import a_message
from tests.shared_data import REPOSITORY
from tests.standins.serving import Fault, JsonStandIn, serving

TOPIC = "signal-created"
_PROJECTS = itertools.count(1)
"""Each test its own: the emulator may go on pushing for a subscription that was just deleted, and
a new one of the same name would lose messages to the former test's closed endpoint."""

MAX_ATTEMPTS = 5  # the fewest that Pub/Sub allows
START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


class Bus(Protocol):
    @property
    def publisher(self) -> Publisher: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def store(self) -> MemoryStore:
        """Whose outbox the messages are in."""

    async def open(self, deliver: Deliver) -> None:
        """Push every message of TOPIC to `deliver`."""

    async def dead_letters(self) -> list[str]:
        """The ids of the dead letters, once there is one."""

    async def idle(self) -> None:
        """Once everything is answered for good, what was for later too."""

    async def close(self) -> None: ...


class Embedded:
    def __init__(self, path: Path | None, clock: Clock, policy: DeliveryPolicy) -> None:
        self.clock = clock
        self.store = MemoryStore()
        self.publisher = self._bus = EmbeddedBus(path, clock=clock, delivery=policy)

    async def open(self, deliver: Deliver) -> None:
        self._bus.subscribe(TOPIC, "reader", deliver)
        await self._bus.start()

    async def dead_letters(self) -> list[str]:
        await self._bus.idle()
        return [letter.message.message_id for letter in self._bus.dead_letters()]

    async def idle(self) -> None:
        await self._bus.idle()

    async def close(self) -> None:
        await self._bus.stop()


class _Receiver(JsonStandIn):
    def __init__(
        self, deliver: Deliver, answered: Callable[[str, str], None] = lambda *_: None
    ) -> None:
        super().__init__()
        self._deliver = deliver
        self._answered = answered

    def answer(self, path: str, body: Any) -> Fault:
        assert path == f"/{TOPIC}"
        status = _result(self._deliver(body, body.get("deliveryAttempt", 1)))
        if status // 100 == 2:
            self._answered("reader", open_push(body).attributes["id"])
        return Fault(status=status)


def _result(answer: Any) -> int:
    """The inbox answers without waiting, so its coroutine ends at the first step."""
    try:
        answer.send(None)
    except StopIteration as end:
        return int(end.value)
    raise AssertionError("the inbox waited")


READER = Pipeline(
    topics={TOPIC: TopicSpec(event="SignalCreated")},
    secrets={},
    functions={
        "reader": FunctionSpec(
            summary="Reads.",
            triggers=(Trigger(topic=TOPIC),),
            publishes=(),
            secrets={},
            why="A test reads one message at a time.",
            memory_mb=256,
            timeout_s=60,
            max_instances=1,
        )
    },
    delivery=DeliverySpec(
        ack_deadline_s=10,
        max_attempts=MAX_ATTEMPTS,
        backoff_min_s=1,
        backoff_max_s=1,
        dead_letter_retention_d=1,
    ),
)


class PubSub:
    """As the emulator backend has it: what is for later waits in this process."""

    def __init__(self, emulators: Emulators, project: str) -> None:
        self.clock = SystemClock()
        self.store = MemoryStore()
        self._pubsub = PubSubPublisher(project=project)
        self.publisher = TrackedPublisher(self._pubsub, READER, self.store)
        self._emulators = emulators
        self._project = project
        self._topology = PubSubTopology(project=project)

    async def open(self, deliver: Deliver) -> None:
        self._serving = serving(_Receiver(deliver, self.publisher.answered))
        url = await self._serving.__aenter__()
        self.publisher.start(self.clock)
        push = PushSubscription(
            name="reader",
            topic=TOPIC,
            endpoint=f"{url}/{TOPIC}",
            ack_deadline_s=10,
            max_attempts=MAX_ATTEMPTS,
            backoff_min_s=0.1,
            backoff_max_s=0.1,
        )
        await self._topology.create([TOPIC], [push])

    async def dead_letters(self) -> list[str]:
        letters = await self._topology.pull_dead_letters(timeout_s=60)
        return [letter["id"] for letter in letters]

    async def idle(self) -> None:
        await self.publisher.idle()

    async def close(self) -> None:
        await self._emulators.reset(self._project)
        await self._serving.__aexit__(None, None, None)
        await self.publisher.close()
        await self._pubsub.close()
        await self._topology.close()


@pytest.fixture(params=["memory", "durable", pytest.param("pubsub", marks=pytest.mark.emulator)])
async def bus(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bus]:
    policy = DeliveryPolicy(max_attempts=MAX_ATTEMPTS, backoff_min_s=0.1, backoff_max_s=0.4)
    made: Bus
    if request.param == "memory":
        made = Embedded(None, ManualClock(START), policy)
    elif request.param == "durable":
        made = Embedded(tmp_path / "bus.sqlite", ScaledClock(START, 60), policy)
    else:
        emulators: Emulators = request.getfixturevalue("emulators")
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulators.pubsub_host)
        made = PubSub(emulators, f"bus-contract-{next(_PROJECTS)}")
    yield made
    await made.close()


class Inbox:
    """A push endpoint: answers from `script` by message id, else 204, and notes its answers."""

    def __init__(self, script: dict[str, list[int]] | None = None) -> None:
        self.script = script or {}
        self.envelopes: list[JsonObject] = []
        self.acknowledged: Counter[str] = Counter()
        self._changed = asyncio.Event()

    async def __call__(self, envelope: JsonObject, _attempt: int) -> int:
        self.envelopes.append(envelope)
        name = read_message(open_push(envelope)).message_id
        answers = self.script.get(name)
        status = answers.pop(0) if answers else 204
        self.acknowledged[name] += status // 100 == 2
        self._changed.set()
        return status

    def deliveries(self, name: str) -> list[JsonObject]:
        return [body for body in self.envelopes if open_push(body).attributes["id"] == name]

    async def acknowledges(self, *names: str, times: int = 1) -> None:
        """Return once each of them was acknowledged so often."""
        try:
            async with asyncio.timeout(150):  # longer than that backoff
                while not all(self.acknowledged[name] >= times for name in names):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            seen = Counter(read_message(open_push(body)).message_id for body in self.envelopes)
            pytest.fail(f"acknowledged {dict(self.acknowledged)}, delivered {dict(seen)}")


def messages(*names: str) -> list[OutboxMessage]:
    return [a_message(message_id=name) for name in names]


async def test_bus_when_messages_are_published_then_every_one_arrives(bus: Bus) -> None:
    inbox = Inbox()
    await bus.open(inbox)
    names = [f"msg_{number}" for number in range(40)]
    await bus.publisher.publish(messages(*names[:1]))
    await bus.publisher.publish(messages(*names[1:]))
    await inbox.acknowledges(*names)
    assert set(inbox.acknowledged) == set(names)


async def test_bus_when_nothing_is_published_then_publish_returns(bus: Bus) -> None:
    inbox = Inbox()
    await bus.open(inbox)
    await bus.publisher.publish([])
    await bus.publisher.publish(messages("msg_1"))
    await inbox.acknowledges("msg_1")
    assert set(inbox.acknowledged) == {"msg_1"}


async def test_bus_when_it_pushes_then_the_envelope_decodes_to_the_message(bus: Bus) -> None:
    inbox = Inbox()
    await bus.open(inbox)
    sent = messages("msg_1")
    await bus.publisher.publish(sent)
    await inbox.acknowledges("msg_1")
    body = inbox.envelopes[0]
    push = open_push(body)
    assert is_push(body)
    assert [read_message(push)] == sent
    assert push.attributes == {"type": "SignalCreated", "id": "msg_1"}
    assert push.bus_message_id
    assert push.subscription.endswith("/subscriptions/reader")
    assert body["message"]["publishTime"] == body["message"]["publish_time"]


async def test_bus_when_the_answer_is_not_2xx_then_the_message_comes_again(bus: Bus) -> None:
    # Once each: Pub/Sub backs a whole push subscription off, up to 60 s, for failures in a row.
    script = {f"msg_{status}": [status] for status in (400, 401, 409, 429, 500, 503)}
    inbox = Inbox({name: list(statuses) for name, statuses in script.items()})
    await bus.open(inbox)
    await bus.publisher.publish(messages(*script))
    await inbox.acknowledges(*script)
    for name in script:
        pushes = [open_push(body) for body in inbox.deliveries(name)]
        assert len({push.bus_message_id for push in pushes}) == 1
        attempts = [push.delivery_attempt for push in pushes]
        assert attempts in ([1, 2], [None, None])  # the emulator does not count them


async def test_bus_when_a_message_fails_then_the_others_do_not_wait_for_it(bus: Bus) -> None:
    inbox = Inbox({"msg_1": [500]})
    await bus.open(inbox)
    await bus.publisher.publish(messages("msg_1", "msg_2", "msg_3"))
    await inbox.acknowledges("msg_1", "msg_2", "msg_3")


async def test_bus_when_acknowledged_then_a_message_does_not_come_again(bus: Bus) -> None:
    inbox = Inbox({"last": [500]})
    await bus.open(inbox)
    await bus.publisher.publish(messages("msg_1"))
    await inbox.acknowledges("msg_1")
    await bus.publisher.publish(messages("last"))  # and its redelivery
    await inbox.acknowledges("last")
    assert len(inbox.deliveries("msg_1")) == 1


async def test_bus_when_one_id_is_published_twice_then_it_is_two_deliveries(bus: Bus) -> None:
    inbox = Inbox()
    await bus.open(inbox)
    await bus.publisher.publish(messages("msg_1"))
    await bus.publisher.publish(messages("msg_1"))
    await inbox.acknowledges("msg_1", times=2)
    ids = {open_push(body).bus_message_id for body in inbox.deliveries("msg_1")}
    assert len(ids) == 2


async def test_bus_when_attempts_are_used_up_then_there_is_a_dead_letter(bus: Bus) -> None:
    inbox = Inbox({"msg_1": [500] * 50})
    await bus.open(inbox)
    await bus.publisher.publish(messages("msg_1", "msg_2"))
    assert await bus.dead_letters() == ["msg_1"]
    await inbox.acknowledges("msg_2")
    assert len(inbox.deliveries("msg_1")) == MAX_ATTEMPTS
    assert inbox.acknowledged["msg_1"] == 0


# ------------------------------------------------------------------------- messages for later
def later(bus: Bus, name: str, seconds: float) -> OutboxMessage:
    """For so long after now, on the bus's clock."""
    deliver_at = bus.clock.now() + timedelta(seconds=seconds)
    return replace(a_message(message_id=name), deliver_at=deliver_at)


async def committed(bus: Bus, published: Sequence[OutboxMessage]) -> None:
    """With its outbox row, published, and cleared as a function does it."""
    await bus.store.commit([outbox_write(message) for message in published])
    await publish_and_clear(published, publisher=bus.publisher, store=bus.store)


class TimedInbox(Inbox):
    """Notes the clock at each delivery."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.came: dict[str, datetime] = {}
        self._clock = clock

    async def __call__(self, envelope: JsonObject, attempt: int) -> int:
        self.came.setdefault(open_push(envelope).attributes["id"], self._clock.now())
        return await super().__call__(envelope, attempt)


async def test_bus_when_messages_are_for_later_then_they_come_in_order_of_their_times(
    bus: Bus,
) -> None:
    inbox = TimedInbox(bus.clock)
    await bus.open(inbox)
    published = [later(bus, "third", 1.6), later(bus, "second", 0.8), *messages("first")]
    await committed(bus, published)
    await inbox.acknowledges("first", "second", "third")
    assert list(inbox.came) == ["first", "second", "third"]
    assert [read_message(open_push(body)) for body in inbox.envelopes] == published[::-1]


async def test_bus_when_a_message_is_for_later_then_it_does_not_come_before_its_time(
    bus: Bus,
) -> None:
    inbox = TimedInbox(bus.clock)
    await bus.open(inbox)
    published = [later(bus, f"msg_{number}", 0.1 + 0.35 * number) for number in range(5)]
    await committed(bus, published)
    await inbox.acknowledges(*(message.message_id for message in published))
    if not isinstance(bus.clock, ManualClock):  # whose time only a replay moves
        for message in published:
            assert inbox.came[message.message_id] >= (message.deliver_at or START)


async def test_bus_when_the_time_is_past_then_a_message_comes_at_once(bus: Bus) -> None:
    inbox = Inbox()
    await bus.open(inbox)
    await committed(bus, [later(bus, "late", 3600), later(bus, "past", -1)])
    await inbox.acknowledges("past")
    assert isinstance(bus.clock, ManualClock) or not inbox.acknowledged["late"]


async def test_bus_when_a_message_for_later_is_acknowledged_then_its_row_is_gone_and_it_is_quiet(
    bus: Bus,
) -> None:
    inbox = Inbox()
    await bus.open(inbox)
    await committed(bus, [later(bus, "msg_1", 0.5), *messages("msg_2")])
    await bus.idle()
    assert inbox.acknowledged == {"msg_1": 1, "msg_2": 1}
    assert await bus.store.count(Query(OUTBOX)) == 0


async def test_bus_when_a_message_for_later_fails_then_it_comes_again(bus: Bus) -> None:
    inbox = Inbox({"msg_1": [500]})
    await bus.open(inbox)
    await committed(bus, [later(bus, "msg_1", 0.2)])
    await inbox.acknowledges("msg_1")
    assert len(inbox.deliveries("msg_1")) == 2


@pytest.mark.emulator
async def test_pubsub_when_the_process_dies_before_the_time_then_the_row_is_still_there(
    emulators: Emulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulators.pubsub_host)
    bus = PubSub(emulators, f"bus-contract-{next(_PROJECTS)}")
    inbox = Inbox()
    await bus.open(inbox)
    await committed(bus, [later(bus, "early", 3600), *messages("now")])
    await inbox.acknowledges("now")
    await bus.close()
    [row] = (await bus.store.query(Query(OUTBOX))).documents
    assert row.ref.id == "early"


@pytest.mark.emulator
async def test_pubsub_when_the_topic_is_missing_then_a_person_is_told(
    emulators: Emulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulators.pubsub_host)
    publisher = PubSubPublisher(project="bus-without-topics")
    with pytest.raises(ConfigurationError, match="cannot publish msg_1 to signal-created"):
        await publisher.publish(messages("msg_1"))
    await publisher.close()


@pytest.mark.emulator
async def test_pubsub_when_the_topology_is_created_again_then_endpoints_follow(
    emulators: Emulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulators.pubsub_host)
    topology = PubSubTopology(project="bus-topology")
    inbox = Inbox()
    gone = PushSubscription(name="reader", topic=TOPIC, endpoint="http://127.0.0.1:9/nowhere")
    await topology.create([TOPIC], [gone])
    async with serving(_Receiver(inbox)) as url:
        here = PushSubscription(name="reader", topic=TOPIC, endpoint=f"{url}/{TOPIC}")
        await topology.create([TOPIC], [here])
        publisher = PubSubPublisher(project="bus-topology")
        await publisher.publish(messages("msg_1"))
        await inbox.acknowledges("msg_1")
        await emulators.reset("bus-topology")
    await publisher.close()
    await topology.close()


_PUBLISH_FOREVER = """
    import asyncio, sys
    from pathlib import Path
    from infra.local.bus.embedded import EmbeddedBus
    from infra.local.clock import SystemClock
    from tests.builders.messages import a_message

    async def main():
        bus = EmbeddedBus(Path(sys.argv[1]), clock=SystemClock())
        async def deliver(envelope, attempt):
            await asyncio.Event().wait()  # in flight when the process dies
        bus.subscribe("signal-created", "reader", deliver)
        await bus.start()
        number = 0
        while True:
            await bus.publish([a_message(message_id=f"msg_{number}")])
            print(number, flush=True)
            number += 1

    asyncio.run(main())
"""


async def test_durable_bus_when_killed_then_nothing_that_publish_returned_for_is_lost(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bus.sqlite"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(_PUBLISH_FOREVER), str(path)),
        stdout=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    assert process.stdout is not None
    last = -1
    while last < 200:
        last = int(await process.stdout.readline())
    process.kill()
    told = (await process.stdout.read()).split(b"\n")[:-1]  # what came through before the kill
    last = int(told[-1]) if told else last
    await process.wait()

    inbox = Inbox()
    bus = EmbeddedBus(path, clock=ManualClock(START))
    bus.subscribe(TOPIC, "reader", inbox)
    await bus.start()
    await bus.idle()
    await bus.stop()
    names = [f"msg_{number}" for number in range(last + 1)]
    assert set(names) <= set(inbox.acknowledged)
    again = EmbeddedBus(path, clock=ManualClock(START))
    nothing = Inbox()
    again.subscribe(TOPIC, "reader", nothing)
    await again.start()
    await again.idle()
    await again.stop()
    assert nothing.envelopes == []
