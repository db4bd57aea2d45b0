"""The whole stack inside a test: recorded candles, every function, the API."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from common.config import Settings, SwarmSettings
from common.documents import every
from common.ports import Document, DocumentStore, MarketFeed, Query
from common.wire import JsonObject
from infra.local.replay import Pipeline, ReplayDriver, ReplayResult, warm_up_before
from infra.local.stack.assembly import LocalStack
from infra.local.stack.embedded import EmbeddedBackend
from infra.local.stack.options import Recording, open_recording
from tests.shared_data import shared_path

API_TOKEN = "token-of-a-test"


def recording(interval: str = "5m", symbols: tuple[str, ...] | None = None) -> Recording:
    return open_recording(shared_path("data/replay"), interval, symbols)


@dataclass
class Replay:
    """A stack on a recording; `data_dir` None keeps everything in memory.

    `settings` replace the defaults, `feed` what the recording would tell.
    """

    recording: Recording
    data_dir: Path | None = None
    ticks: int | None = None
    settings: Settings | None = None
    feed: MarketFeed | None = None
    stack: LocalStack = field(init=False)
    driver: ReplayDriver = field(init=False)

    def __post_init__(self) -> None:
        swarm = SwarmSettings(symbols=self.recording.feed.symbols, interval="5m")
        settings = self.settings or Settings(feed="replay", swarm=swarm)
        settings = replace(settings, api_token=API_TOKEN)
        if self.data_dir is not None:
            settings = replace(settings, data_dir=str(self.data_dir))
        backend = EmbeddedBackend(self.data_dir, clock=self.recording.clock, in_order=True)
        self.stack = LocalStack(
            settings=settings,
            clock=self.recording.clock,
            backend=backend,
            make_feed=lambda: self.feed or self.recording.feed,
            push_token="push-token-of-a-test",
        )
        self.drive(self.stack)

    def drive(self, pipeline: Pipeline) -> None:
        """Drive this, which stands before the stack, instead of the stack itself."""
        history = self.stack.runtime.settings.swarm.history_candles
        self.driver = ReplayDriver(
            pipeline=pipeline,
            store=self.store,
            feed=self.recording.feed,
            clock=self.recording.clock,
            interval="5m",
            run_key="test",
            ticks=self.ticks,
            warm_up=warm_up_before(self.ticks, self.recording.feed.tick_count, history=history),
        )

    @property
    def store(self) -> DocumentStore:
        return self.stack.runtime.store

    async def run(self) -> ReplayResult:
        return await self.driver.run(asyncio.Event())

    async def documents(self, collection: str) -> list[Document]:
        return [document async for document in every(self.store, collection)]

    async def count(self, collection: str) -> int:
        return await self.store.count(Query(collection))

    async def pass_time(self, seconds: float) -> None:
        """Let the replay's clock go on, with a settle and a relay at its end."""
        clock = self.recording.clock
        clock.advance_to(clock.now() + timedelta(seconds=seconds))
        await self.stack.recover()
        await self.stack.idle()


@asynccontextmanager
async def running(replay: Replay) -> AsyncIterator[Replay]:
    await replay.driver.prepare()
    await replay.stack.start()
    try:
        yield replay
    finally:
        await replay.stack.stop()


class Api:
    """The API as people reach it: the function's own app, a token, JSON."""

    def __init__(self, stack: LocalStack, headers: Mapping[str, str] | None = None) -> None:
        """`headers` go with every request."""
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(stack.functions.app("api")),
            base_url="http://api.local",
            headers={"authorization": f"Bearer {API_TOKEN}", **(headers or {})},
        )

    async def get(self, path: str) -> JsonObject:
        answer = await self._client.get(path)
        assert answer.status_code == 200, answer.text
        found: JsonObject = answer.json()
        return found

    async def post(self, path: str, body: dict[str, Any]) -> JsonObject:
        answer = await self._client.post(path, json=body)
        assert answer.is_success, answer.text
        found: JsonObject = answer.json()
        return found

    async def close(self) -> None:
        await self._client.aclose()
