"""Functions as the cloud calls them: the framework's own ASGI app, a real envelope, in process."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

import httpx
from functions_framework import aio

from common.config import Settings
from common.domain.events import OutboxMessage, Tick
from common.domain.moment import iso
from common.ports import Document, Query, Ref, TokenVerifier
from infra.bootstrap import Runtime, build, use
from infra.gcp.envelope import message_attributes, message_data, wrap_push
from infra.local.store.memory import MemoryStore
from tests.builders import NOON
from tests.fakes.clock import FakeClock
from tests.fakes.publisher import RecordingPublisher
from tests.fakes.verifier import OpenVerifier
from tests.shared_data import REPOSITORY

Body = bytes | Mapping[str, Any]


@cache
def framework_app(target: str) -> Any:
    """The app that `functions-framework --target <target>` serves from the repository's main.py."""
    return aio.create_asgi_app(  # type: ignore[no-untyped-call]  # ships no annotations
        target, str(REPOSITORY / "main.py"), "http"
    )


def app_of(entry_point: Any) -> Any:
    """The framework's app for an entry point that a test has made."""
    name = entry_point.__name__
    module = SimpleNamespace(**{name: entry_point})
    return aio.create_asgi_app_from_module(  # type: ignore[no-untyped-call]  # as above
        name, "main.py", "http", module, None
    )


def push_of(message: OutboxMessage, *, delivery_attempt: int | None = 1) -> dict[str, Any]:
    """The envelope of a message as our publishers put it on the bus."""
    return wrap_push(
        message_data(message),
        message_attributes(message),
        bus_message_id="7000001",
        subscription="projects/sapphire-local/subscriptions/a-function",
        publish_time=iso(NOON),
        delivery_attempt=delivery_attempt,
    )


def body_of(tick: Tick) -> dict[str, Any]:
    return {"job": tick.job, "scheduled_at": iso(tick.scheduled_at)}


@dataclass
class Bench:
    """A runtime of fakes, and calls that run on it."""

    store: MemoryStore = field(default_factory=MemoryStore)
    clock: FakeClock = field(default_factory=FakeClock)
    publisher: RecordingPublisher = field(default_factory=RecordingPublisher)
    verifier: TokenVerifier = field(default_factory=OpenVerifier)
    settings: Settings = field(default_factory=Settings)

    def runtime(self) -> Runtime:
        return build(
            self.settings,
            clock=self.clock,
            store=self.store,
            publisher=self.publisher,
            verifier=self.verifier,
        )

    async def post(
        self,
        app: Any,
        body: Body,
        *,
        headers: Mapping[str, str] | None = None,
        runtime: Runtime | None = None,
    ) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.request(app, "POST", content=content, headers=headers, runtime=runtime)

    async def request(
        self,
        app: Any,
        method: str,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        runtime: Runtime | None = None,
    ) -> httpx.Response:
        transport = httpx.ASGITransport(app)
        with use(runtime or self.runtime()):
            async with httpx.AsyncClient(transport=transport, base_url="http://function") as http:
                return await http.request(method, "/", content=content, headers=headers)

    async def documents(self, collection: str) -> list[Document]:
        return list((await self.store.query(Query(collection))).documents)

    async def only(self, collection: str) -> Document:
        documents = await self.documents(collection)
        assert len(documents) == 1, documents
        return documents[0]

    async def exists(self, collection: str, document_id: str) -> bool:
        return await self.store.get(Ref(collection, document_id)) is not None
