"""The API as people call it: the framework's own ASGI app over a memory store."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from common.books import EXPOSURES, ORDER_INTENTS, ORDERS, V2, V3
from common.config import Settings
from common.documents import create
from common.domain.agent import AgentStatus, KeyStatus, VenueKey
from common.domain.exposure import Exposure, Reservation
from common.domain.identifiers import digest
from common.domain.instrument import Venue
from common.domain.order import IntentStatus, OrderStatus
from common.domain.scope import PLATFORM_SCOPE, Scope
from common.domain.signal import SignalStatus
from common.how.trading_state import TradingState, TradingStateRecord, state_ref
from common.ports import DocumentStore, Publisher, Ref, Update
from common.wire import to_document
from infra.bootstrap import Runtime, build, use
from infra.local.store.memory import MemoryStore
from tests.builders import (
    DELIVERY_ID,
    DEPLOYMENT_ID,
    INTENT_ID,
    NOON,
    SIGNAL_ID,
    a_delivery,
    a_deployment,
    a_signal_record,
    an_agent,
    an_intent,
    an_order,
    limits_document,
)
from tests.fakes.clock import FakeClock
from tests.fakes.publisher import RecordingPublisher
from tests.fakes.verifier import OpenVerifier
from tests.functions.harness import framework_app

TOKEN = "a-token-of-the-tests"
V3_AGENT, V2_AGENT, GMX_AGENT, PAUSED_AGENT = "agt_v3", "agt_v2", "agt_gmx", "agt_paused"
KEYED_V3, KEYED_V2 = "dep_keyed_v3", "dep_keyed_v2"
WALLET = "0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB"  # as people paste it: its case is a checksum


@dataclass
class Api:
    """Calls go through `use(runtime)`, so that each test has its own store, clock and bus."""

    data_dir: Path
    store: MemoryStore = field(default_factory=MemoryStore)
    clock: FakeClock = field(default_factory=FakeClock)
    publisher: Publisher = field(default_factory=RecordingPublisher)
    token: str | None = TOKEN
    settings: Settings = field(default_factory=Settings)

    def runtime(self) -> Runtime:
        return build(
            replace(self.settings, api_token=self.token, data_dir=str(self.data_dir)),
            clock=self.clock,
            store=self.store,
            publisher=self.publisher,
            verifier=OpenVerifier(),
        )

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content: bytes | AsyncIterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
        token: str | None = TOKEN,
    ) -> httpx.Response:
        given = dict(headers or {})
        if token is not None:
            given.setdefault("Authorization", f"Bearer {token}")
        if body is not None:
            content = json.dumps(body).encode()
        if content is not None:
            given.setdefault("Content-Type", "application/json")
        raw = {name.encode(): value.encode("latin-1") for name, value in given.items()}
        transport = httpx.ASGITransport(framework_app("api"))
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            with use(self.runtime()):
                return await client.request(method, path, content=content, headers=raw)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.call("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return await self.call("POST", path, body=body, **options)

    async def put_records(self, *records: tuple[Ref, object]) -> None:
        await self.store.commit([create(ref, value) for ref, value in records])

    async def change(self, ref: Ref, value: object) -> None:
        """Put `value` there, whatever is there now."""
        found = self.store.peek(ref)
        write = Update(ref, to_document(value), found.version) if found else create(ref, value)
        await self.store.commit([write])

    async def set_state(self, state: TradingState, scope: Scope = PLATFORM_SCOPE) -> None:
        """As somebody has left it: nothing is audited, and nobody is told."""
        record = TradingStateRecord(
            state=state, epoch=1, reason="a drill", changed_by="Grace", changed_at=NOON
        )
        await self.change(state_ref(scope), record)


async def seed_agents(store: DocumentStore) -> None:
    """One agent in each book, one that trades on GMX alone, and one that is paused."""
    agents = [
        (V3, an_agent(V3_AGENT, book="v3")),
        (V2, an_agent(V2_AGENT, book="v2")),
        (V2, an_agent(GMX_AGENT, book="v2", venue=Venue.GMX)),
        (V3, an_agent(PAUSED_AGENT, book="v3", status=AgentStatus.PAUSED)),
    ]
    writes = [create(Ref(book.agents, each.agent_id), each) for book, each in agents]
    await store.commit([*writes, limits_document()])


async def seed_keyed_deployments(store: DocumentStore) -> None:
    """One deployment in each book with a Hyperliquid key that the executor found READY."""
    key = VenueKey(
        agent_address="0x" + "33" * 20,
        secret_name="of-the-tests",
        version="1",
        status=KeyStatus.READY,
    )
    deployments = [
        (book, a_deployment(name, book=book.name, venue_keys={"HYPERLIQUID": key}))
        for book, name in ((V3, KEYED_V3), (V2, KEYED_V2))
    ]
    await store.commit(
        [create(Ref(book.deployments, each.deployment_id), each) for book, each in deployments]
    )


async def seed_unresolved_order(api: Api, **order: Any) -> None:
    """BUY 1 ETH at Hyperliquid near 3000 that nothing proves, with all that it touches."""
    placed = an_order(**{"status": OrderStatus.UNKNOWN, "quantity": Decimal(1), **order})
    intent = an_intent(
        status=IntentStatus.UNRESOLVED,
        filled_qty=placed.filled_qty,
        reason_code="OUTCOME_UNRESOLVED",
        reason="Hyperliquid does not know the order",
    )
    held = Reservation(
        venue=placed.venue,
        symbol=placed.symbol,
        side=placed.side,
        quantity=placed.quantity - placed.filled_qty,
        price=placed.price,
    )
    delivery = a_delivery(status=SignalStatus.FAILED, intent_id=INTENT_ID)
    signal = a_signal_record(
        status=SignalStatus.FAILED, deployments_expected=1, outcomes={"FAILED": 1}
    )
    await api.put_records(
        (Ref(ORDER_INTENTS, INTENT_ID), intent),
        (Ref(ORDERS, placed.client_order_id), placed),
        (Ref(V3.deployments, DEPLOYMENT_ID), a_deployment()),
        (Ref(V3.deliveries, DELIVERY_ID), delivery),
        (Ref(V3.signals, SIGNAL_ID), signal),
        (Ref(EXPOSURES, DEPLOYMENT_ID), Exposure.empty(DEPLOYMENT_ID).reserve(INTENT_ID, held)),
    )


def rotation_body(deployment_id: str, seed: int = 2, **changes: Any) -> dict[str, Any]:
    """A rotation of the Hyperliquid key to another agent."""
    fields = {
        name.removeprefix("hyperliquid_"): v for name, v in key_of("hyperliquid", seed).items()
    }
    return {"deployment_id": deployment_id, "venue": "HYPERLIQUID", **fields, **changes}


def key_of(venue: str, seed: int = 1) -> dict[str, str]:
    """The four key fields of a venue."""
    sizes = {"key_encrypted": 32, "key_iv": 12, "key_tag": 16}
    parts = {
        f"{venue}_agent_{name}": digest(venue, seed, name)[: 2 * size]
        for name, size in sizes.items()
    }
    return {f"{venue}_agent_address": "0x" + digest(venue, seed)[:40], **parts}


def agent_body(**changes: Any) -> dict[str, Any]:
    return {
        "creator_wallet": WALLET,
        "name": "Momentum",
        "x_account_ids": ["1001", "1002"],
        "research_institute_ids": ["institute-1"],
        "weights": {"x": 0.6, "research": 0.4},
        "profit_receiver_address": "0x" + "22" * 20,
        **changes,
    }


def signal_body(agent_id: str = V3_AGENT, **changes: Any) -> dict[str, Any]:
    return {
        "agent_id": agent_id,
        "token_symbol": "ETH",
        "side": "LONG",
        "size_model": {"type": "percentage", "value": 10},
        "risk_model": {"type": "trailing-stop", "stop": 2.5},
        "confidence": 0.8,
        "source_tweets": ["tweet-1"],
        "source_research": ["research-1"],
        **changes,
    }


def assert_problem(response: httpx.Response, status: int, code: str | None = None) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert {"type", "title", "status", "detail", "code"} <= set(problem)
    assert problem["status"] == status
    if code is not None:
        assert problem["code"] == code


async def in_chunks(content: bytes, size: int = 8192) -> AsyncIterator[bytes]:
    """A body without a content-length."""
    for start in range(0, len(content), size):
        yield content[start : start + size]
        await asyncio.sleep(0)
