"""The chain on Google's emulators, each push and each tick signed, each signature checked."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from common.books import DECISIONS, MARKET_SNAPSHOTS, REJECTED_EVENTS
from common.config import Settings
from common.ports import Query
from common.wire import JsonObject
from infra.feeds.registry import make_feed
from infra.local.clock import SystemClock
from infra.local.emulators import Emulators
from infra.local.stack.assembly import LocalStack
from infra.local.stack.emulator import EmulatorBackend
from infra.local.stack.server import KEEP_ALIVE_S
from tests.builders.forgeries import FORGERIES, Forger, bearer
from tests.emulator.documents import contents
from tests.functions.test_push_tokens import INTERNAL, REFUSED, strange_tick

pytestmark = [pytest.mark.emulator, pytest.mark.asyncio(loop_scope="module")]

PROJECT = "sapphire-push-tokens"
SHARED_TOKEN = "push-token-of-a-test"


@dataclass
class Chain:
    """A stack on the emulators that has handled one tick of the market and is quiet."""

    stack: LocalStack
    backend: EmulatorBackend
    clock: SystemClock
    client: httpx.AsyncClient
    firestore: str

    async def documents(self) -> dict[str, Any]:
        return await contents(self.client, self.firestore, PROJECT)

    async def count(self, collection: str) -> int:
        return await self.backend.store.count(Query(collection))

    def forger(self, function: str) -> Forger:
        elsewhere = next(name for name in INTERNAL if name != function)
        return Forger(
            issuer=self.backend.pushes.issuer,
            clock=self.clock,
            audience=self.backend.url(function),
            elsewhere=self.backend.url(elsewhere),
            email=self.backend.pushes.email,
        )

    async def post(
        self, function: str, headers: dict[str, str], query: dict[str, str] | None = None
    ) -> int:
        body: JsonObject = strange_tick(function)
        url = f"{self.backend.url(function)}/"
        answer = await self.client.post(url, json=body, headers=headers, params=query)
        return answer.status_code


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chain(emulators: Emulators) -> AsyncIterator[Chain]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in emulators.env.items():
            patch.setenv(name, value)
        await emulators.reset(PROJECT)
        clock, settings = SystemClock(), Settings(project=PROJECT)
        backend = EmulatorBackend(None, PROJECT)
        stack = LocalStack(
            settings=settings,
            clock=clock,
            backend=backend,
            make_feed=lambda: make_feed(settings, clock, seed=1),
            push_token=SHARED_TOKEN,
        )
        await stack.start()
        try:
            await stack.run_job("fetch_market", clock.now())
            await stack.idle()
            async with httpx.AsyncClient(
                timeout=60, trust_env=False, limits=httpx.Limits(keepalive_expiry=KEEP_ALIVE_S)
            ) as client:
                yield Chain(stack, backend, clock, client, emulators.firestore_host)
        finally:
            await stack.stop()


async def test_tick_when_signed_then_fetched_pushed_and_decided(chain: Chain) -> None:
    symbols = len(chain.stack.runtime.settings.swarm.symbols)

    assert await chain.count(MARKET_SNAPSHOTS) == symbols
    assert await chain.count(DECISIONS) == symbols
    assert await chain.count(REJECTED_EVENTS) == 0
    assert await chain.backend.dead_letters() == 0


@pytest.mark.parametrize("wrong", FORGERIES)
async def test_functions_when_the_token_is_wrong_then_each_refuses_and_no_document_changes(
    chain: Chain, wrong: str
) -> None:
    before = await chain.documents()

    answers = {
        function: await chain.post(function, FORGERIES[wrong](chain.forger(function)))
        for function in INTERNAL
    }

    assert set(answers.values()) <= REFUSED, answers
    assert await chain.documents() == before
    assert before


async def test_functions_when_the_token_is_in_the_address_then_each_refuses(chain: Chain) -> None:
    """Neither a good one, nor the one that the stack without emulators takes there."""
    before = await chain.documents()

    answers = [
        await chain.post(function, {}, {"token": token})
        for function in INTERNAL
        for token in (chain.forger(function).good(), SHARED_TOKEN)
    ]

    assert set(answers) <= REFUSED, answers
    assert await chain.documents() == before


async def test_functions_when_the_token_is_right_then_each_changes_the_documents(
    chain: Chain,
) -> None:
    before = await chain.documents()

    answers = {
        function: await chain.post(function, bearer(chain.forger(function).good()))
        for function in INTERNAL
    }

    assert set(answers.values()) == {204}, answers
    changed = {name for name in await chain.documents() if name not in before}
    assert len(changed) == len(INTERNAL)
    assert {name.split("/")[-2] for name in changed} == {REJECTED_EVENTS}
