"""The whole system on paper: every event function behind its real entry point, and the API."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import httpx

from common.books import MARKET_SNAPSHOTS, V3
from common.config import Settings
from common.documents import create
from common.domain.events import OutboxMessage
from common.domain.market import MarketSnapshot
from common.domain.signal import SignalRecord
from common.ports import Delete, Publisher, Ref, Update
from common.wire import from_document, to_document
from infra.bootstrap import Runtime
from infra.local.stack.seed_agents import DEPLOYMENT_ID, seed_agents
from infra.pipeline import load_pipeline
from tests.builders import NOON, SIGNAL_ID, a_message, a_signal, a_signal_record, a_tick
from tests.fakes.messenger import RecordingMessenger
from tests.functions.api_client import Api
from tests.functions.harness import Bench, body_of, framework_app, push_of

T = TypeVar("T")
SCHEDULED = ("fetch_market", "advance", "settle", "monitor", "relay")
DEPLOYED = DEPLOYMENT_ID
"""The swarm's deployment on paper, with every venue and 10,000 of capital."""


class _Prompt:
    """A bus that has delivered everything when `publish` returns."""

    def __init__(self, town: "Town") -> None:
        self._town = town

    async def publish(self, messages: Sequence[OutboxMessage]) -> None:
        await self._town.bench.publisher.publish(messages)
        await self._town.settle_down()


class _Numbered(Api):
    """Each signal has a key of its own, so that its id, and what is drawn from that (sizes that
    hide, delays), is the same in every run.
    """

    signals = 0

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        if path.endswith(("/signals/generate", "/trading/execute")):
            self.signals += 1
            key = {"Idempotency-Key": f"signal-{self.signals}"}
            options["headers"] = key | (options.get("headers") or {})
        return await super().call(method, path, **options)


class Town:
    """A bench on which published messages reach their subscribers, `copies` times each."""

    def __init__(self, copies: int = 1, *, settings: Settings | None = None) -> None:
        self.bench = Bench(settings=settings or Settings())
        self.copies = copies
        self.messenger = RecordingMessenger()
        self.runtime: Runtime = replace(self.bench.runtime(), make_messenger=lambda: self.messenger)

    async def start(self) -> None:
        await seed_agents(self.bench.store, self.bench.settings, now=NOON)
        await self.tick("fetch_market")

    async def open(self) -> "Town":
        """Started, and what the swarm makes of the first market is not the matter."""
        await self.start()
        self.bench.publisher.messages.clear()
        return self

    def api(self, data_dir: Path) -> Api:
        """People, with the same store, clock and bus."""
        return self._api(data_dir, self.bench.publisher)

    def prompt_api(self, data_dir: Path) -> Api:
        """As `api`, and the town has settled down before a request is answered."""
        return self._api(data_dir, _Prompt(self))

    def _api(self, data_dir: Path, publisher: Publisher) -> Api:
        bench = self.bench
        return _Numbered(data_dir, bench.store, bench.clock, publisher, settings=bench.settings)

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
        """Deliver until nothing that is due is under way; the functions called, in order."""
        called = []
        while (message := self._next_due()) is not None:
            for name in load_pipeline().subscribers(message.topic):
                called.append(name)
                await self.push(name, message)
        return called

    def _next_due(self) -> OutboxMessage | None:
        """What the swarm would make of a new market is left out: it has its own tests."""
        messages, now = self.bench.publisher.messages, self.bench.clock.now()
        for place, message in enumerate(messages):
            if message.topic == "market-updated":
                continue
            if message.deliver_at is None or message.deliver_at <= now:
                return messages.pop(place)
        return None

    async def pass_time(self, minutes: int = 1, *, step_s: int = 10) -> None:
        """The scheduler's ticks at every full minute, and the bus in between."""
        for _ in range(minutes):
            for _ in range(60 // step_s):
                self.bench.clock.advance(step_s)
                await self.settle_down()
            for name in SCHEDULED:
                await self.tick(name)
                await self.settle_down()

    async def mark(self, symbol: str) -> Decimal:
        document = await self.bench.store.get(Ref(MARKET_SNAPSHOTS, symbol))
        assert document is not None
        return Decimal(document.data["mark"])

    async def set_mark(self, symbol: str, price: str) -> None:
        """Another price, as the feed would have stored it a moment ago."""
        ref = Ref(MARKET_SNAPSHOTS, symbol)
        document = await self.bench.store.get(ref)
        assert document is not None
        snapshot = from_document(MarketSnapshot, document.data)
        factor = Decimal(price) / snapshot.mark
        moved = replace(
            snapshot,
            mark=Decimal(price),
            book=replace(
                snapshot.book,
                bid=snapshot.book.bid * factor,
                ask=snapshot.book.ask * factor,
            ),
            observed_at=self.bench.clock.now(),
        )
        await self.bench.store.commit([Update(ref, to_document(moved), document.version)])

    async def remove(self, collection: str, document_id: str) -> None:
        """As no function of ours does it."""
        document = await self.bench.store.get(Ref(collection, document_id))
        assert document is not None
        await self.bench.store.commit([Delete(document.ref, document.version)])

    async def send_signal(self, **changes: Any) -> None:
        fields = {
            "reference_price": None,
            "created_at": self.bench.clock.now(),
            "agent_id": "swarm",
            **changes,
        }
        signal = a_signal(**fields)
        await self.bench.store.commit([create(Ref(V3.signals, SIGNAL_ID), a_signal_record(signal))])
        await self.bench.publisher.publish([a_message()])

    async def signal(self, signal_id: str = SIGNAL_ID) -> SignalRecord:
        document = await self.bench.store.get(Ref(V3.signals, signal_id))
        assert document is not None
        return from_document(SignalRecord, document.data)

    async def only(self, kind: type[T], collection: str) -> T:
        return from_document(kind, (await self.bench.only(collection)).data)

    async def all(self, kind: type[T], collection: str) -> list[T]:
        return [from_document(kind, each.data) for each in await self.bench.documents(collection)]
