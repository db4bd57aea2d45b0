"""Every event function through its real entry point, with real envelopes and the paper venues."""

from dataclasses import replace

import pytest

from common.books import (
    DECISIONS,
    FILLS,
    MARKET_SNAPSHOTS,
    NOTIFICATIONS,
    OUTBOX,
    REJECTED_EVENTS,
    V3,
    VENUE_MARKETS,
)
from common.documents import create
from common.domain.agent import Deployment, KeyStatus, VenueKey
from common.domain.events import MarketUpdated, NotificationRaised, OrderUnknown, OutboxMessage
from common.domain.position import Position
from common.domain.signal import Delivery, SignalRecord, SignalStatus
from common.ports import Ref, Update
from common.wire import from_document, to_document
from infra.bootstrap import Runtime
from infra.local.stack.seed_agents import seed_agents
from infra.pipeline import load_pipeline
from tests.builders import (
    NOON,
    SIGNAL_ID,
    a_message,
    a_notification,
    a_notification_message,
    a_signal,
    a_signal_record,
    a_tick,
)
from tests.fakes.messenger import RecordingMessenger
from tests.functions.harness import Bench, body_of, framework_app, push_of


class Town:
    """A bench on which published messages reach their subscribers, `copies` times each."""

    def __init__(self, copies: int = 1) -> None:
        self.bench = Bench()
        self.copies = copies
        self.messenger = RecordingMessenger()
        self.runtime: Runtime = replace(self.bench.runtime(), make_messenger=lambda: self.messenger)

    async def start(self) -> None:
        await seed_agents(self.bench.store, self.bench.settings, now=NOON)
        await self.tick("fetch_market")

    async def tick(self, name: str) -> None:
        for _ in range(self.copies):
            body = body_of(a_tick(name, scheduled_at=self.bench.clock.now()))
            await self._post(name, body)

    async def push(self, name: str, message: OutboxMessage) -> None:
        for copy in range(self.copies):
            await self._post(name, push_of(message, delivery_attempt=copy + 1))

    async def _post(self, name: str, body: dict[str, object]) -> None:
        response = await self.bench.post(framework_app(name), body, runtime=self.runtime)
        assert response.status_code == 204, (name, response.text)

    async def settle_down(self) -> list[str]:
        """Deliver until nothing is under way; the functions called, in order."""
        called = []
        messages = self.bench.publisher.messages
        while messages:
            message = messages.pop(0)
            for name in load_pipeline().subscribers(message.topic):
                called.append(name)
                await self.push(name, message)
        return called

    async def send_signal(self) -> None:
        signal = a_signal(reference_price=None, created_at=self.bench.clock.now(), agent_id="swarm")
        await self.bench.store.commit([create(Ref(V3.signals, SIGNAL_ID), a_signal_record(signal))])
        await self.bench.publisher.publish([a_message()])

    async def signal(self) -> SignalRecord:
        document = await self.bench.store.get(Ref(V3.signals, SIGNAL_ID))
        assert document is not None
        return from_document(SignalRecord, document.data)


@pytest.fixture
async def town() -> Town:
    town = Town()
    await town.start()
    return town


async def test_fetch_market_when_ticked_then_market_and_instruments_are_stored_and_told(
    town: Town,
) -> None:
    (event,) = town.bench.publisher.events

    assert isinstance(event, MarketUpdated)
    symbols = {snapshot.symbol for snapshot in event.snapshots}
    assert symbols == set(town.bench.settings.swarm.symbols)
    assert {d.ref.id for d in await town.bench.documents(MARKET_SNAPSHOTS)} == symbols
    assert {d.ref.id for d in await town.bench.documents(VENUE_MARKETS)} == set(
        town.bench.settings.venues
    )
    assert await town.bench.documents(OUTBOX) == []


async def test_decide_when_the_market_is_updated_then_each_symbol_has_one_decision(
    town: Town,
) -> None:
    (message,) = town.bench.publisher.messages

    await town.push("decide", message)
    first = await town.bench.documents(DECISIONS)
    await town.push("decide", message)

    assert len(first) == len(town.bench.settings.swarm.symbols)
    assert await town.bench.documents(DECISIONS) == first


@pytest.mark.parametrize("copies", [1, 2])
async def test_chain_when_a_signal_is_created_then_it_is_traded_once_and_told(copies: int) -> None:
    town = Town(copies)
    await town.start()
    town.bench.publisher.messages.clear()  # the swarm's own opinion is not the matter here
    await town.send_signal()

    called = await town.settle_down()
    await town.tick("settle")
    called += await town.settle_down()

    record = await town.signal()
    assert record.status is SignalStatus.EXECUTED, (record.reason, called)
    assert record.final_venue == "HYPERLIQUID"
    assert {"fan_out", "route", "execute", "notify"} <= set(called)
    delivery = from_document(Delivery, (await town.bench.only(V3.deliveries)).data)
    position = from_document(Position, (await town.bench.only(V3.positions)).data)
    fills = await town.bench.documents(FILLS)
    assert delivery.status is SignalStatus.EXECUTED
    assert position.fill_count == len(fills) > 0
    assert position.signed_qty > 0
    assert len({n.notification_id for n in town.messenger.sent}) == len(town.messenger.sent) > 0
    assert await town.bench.documents(OUTBOX) == []
    assert await town.bench.documents(REJECTED_EVENTS) == []


@pytest.mark.parametrize("status", KeyStatus)
async def test_chain_when_the_deployment_trades_on_paper_then_it_waits_for_no_key(
    status: KeyStatus,
) -> None:
    town = Town()
    await town.start()
    town.bench.publisher.messages.clear()
    key = VenueKey(agent_address="0x" + "33" * 20, secret_name="x", version="1", status=status)
    for document in await town.bench.documents(V3.deployments):
        deployment = from_document(Deployment, document.data)
        keyed = replace(deployment, venue_keys={"HYPERLIQUID": key})
        await town.bench.store.commit([Update(document.ref, to_document(keyed), document.version)])
    await town.send_signal()

    await town.settle_down()

    assert (await town.signal()).status is SignalStatus.EXECUTED


async def test_settle_when_nothing_is_open_then_the_tick_and_a_strange_intent_change_nothing(
    town: Town,
) -> None:
    town.bench.publisher.messages.clear()

    await town.tick("settle")
    await town.push("settle", a_message(OrderUnknown(intent_id="int_nobody")))

    assert town.bench.publisher.messages == []
    assert await town.bench.documents(FILLS) == []


async def test_notify_when_the_event_comes_twice_then_the_person_hears_it_once(town: Town) -> None:
    for _ in range(2):
        await town.push("notify", a_notification_message())

    assert town.messenger.sent == [a_notification()]


async def test_notify_when_there_is_no_messenger_then_the_notification_is_kept(town: Town) -> None:
    town.runtime = replace(town.runtime, make_messenger=lambda: None)

    await town.push("notify", a_message(NotificationRaised(notification=a_notification())))

    assert (await town.bench.only(NOTIFICATIONS)).ref.id == a_notification().notification_id
