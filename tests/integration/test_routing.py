"""V3-07, VP-01 to VP-04: people's signals, from the API to a position or a stated reason."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.books import V2, V3, WATCHED_SYMBOLS
from common.config import BreakerSettings, Settings, SwarmSettings
from common.documents import every
from common.domain.instrument import Venue
from common.domain.moment import iso
from common.ports import Create, Ref
from common.where.breakers import Breakers
from common.wire import JsonObject
from infra.feeds.simulated import SimulatedFeed
from infra.local.clock import ManualClock
from infra.local.stack.assembly import LocalStack
from infra.local.stack.checks import check_books
from infra.local.stack.embedded import EmbeddedBackend
from tests.integration.harness import API_TOKEN, Api

WEDNESDAY = datetime(2025, 10, 22, 15, 0, tzinfo=UTC)  # every market is open
CREATOR = "0x" + "11" * 20
USER = "0x" + "22" * 20
NOWHERE = "ZZZTOKEN"


class Town:
    """A swarm that stays cold, and so silent, and the API."""

    def __init__(self) -> None:
        self.clock = ManualClock(WEDNESDAY)
        swarm = SwarmSettings(symbols=("ETH",), interval="1m", history_candles=1)
        settings = Settings(swarm=swarm, api_token=API_TOKEN)
        self.stack = LocalStack(
            settings=settings,
            clock=self.clock,
            backend=EmbeddedBackend(None, clock=self.clock, in_order=True),
            make_feed=lambda: SimulatedFeed(7, self.clock, "1m"),
            push_token="push-token-of-a-test",
        )
        self.api = Api(self.stack)

    async def start(self) -> None:
        await self.stack.start()
        until = iso(WEDNESDAY + timedelta(hours=1))
        store = self.stack.runtime.store
        for symbol in ("EUR", NOWHERE):  # as `route` asks for the price of what nobody watches yet
            watched = {"symbol": symbol, "until": until}
            await store.commit([Create(Ref(WATCHED_SYMBOLS, symbol), watched)])
        await self.stack.run_job("fetch_market", WEDNESDAY)
        await self.stack.idle()

    async def stop(self) -> None:
        await self.api.close()
        await self.stack.stop()

    async def v3_agent(self) -> str:
        agent = await self.api.post(
            "/api/v3/agents/create",
            {
                "creator_wallet": CREATOR,
                "name": "Ada",
                "x_account_ids": ["x1"],
                "research_institute_ids": ["r1"],
                "weights": {"x": "0.5", "research": "0.5"},
                "profit_receiver_address": CREATOR,
            },
        )
        agent_id = str(agent["agent_id"])
        await self.api.post("/api/v3/agents/deploy", {"agent_id": agent_id, "user_wallet": USER})
        return agent_id

    async def v2_agent(self, venue: str) -> str:
        agent = await self.api.post(
            "/api/agents/create", {"creator_wallet": CREATOR, "name": "Bob", "venue": venue}
        )
        agent_id = str(agent["agent_id"])
        await self.api.post("/api/agents/deploy", {"agent_id": agent_id, "user_wallet": USER})
        return agent_id

    async def signal(self, agent_id: str, symbol: str, book: str = "/v3") -> JsonObject:
        """Send it, let it end, and return what the API then says of it."""
        body: dict[str, Any] = {
            "agent_id": agent_id,
            "token_symbol": symbol,
            "side": "LONG",
            "size_model": {"type": "fixed", "value": "600"},
            "confidence": "0.9",
        }
        made = await self.api.post(f"/api{book}/signals/generate", body)
        await self.stack.idle()
        return await self.api.get(f"/api{book}/signals/{made['id']}")

    async def book_of(self, *collections: str) -> dict[str, list[JsonObject]]:
        store = self.stack.runtime.store
        return {
            name: [{"id": item.ref.id, **item.data} async for item in every(store, name)]
            for name in collections
        }


V2_COLLECTIONS = (
    V2.agents,
    V2.deployments,
    V2.signals,
    V2.deliveries,
    V2.positions,
    V2.routing_history,
)


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    town = Town()
    await town.start()
    yield town
    await town.stop()


async def test_signal_when_hyperliquid_lists_it_then_goes_there(town: Town) -> None:
    signal = await town.signal(await town.v3_agent(), "ETH")

    assert (signal["status"], signal["final_venue"]) == ("EXECUTED", "HYPERLIQUID")
    assert signal["orders"][0]["status"] == "FILLED"
    (position,) = (await town.book_of(V3.positions))[V3.positions]
    assert (position["venue"], position["symbol"]) == ("HYPERLIQUID", "ETH")


async def test_signal_when_only_ostium_lists_it_then_goes_there_and_says_why(town: Town) -> None:
    signal = await town.signal(await town.v3_agent(), "EUR")

    assert (signal["status"], signal["final_venue"]) == ("EXECUTED", "OSTIUM")
    history = await town.api.get(f"/api/v3/routing/history?signal_id={signal['id']}")
    (route,) = history["routing_history"]
    assert [check["venue"] for check in route["checked_venues"]] == ["HYPERLIQUID", "OSTIUM"]
    assert [check["ok"] for check in route["checked_venues"]] == [False, True]


async def test_signal_when_nobody_lists_it_then_is_skipped_with_the_reason(town: Town) -> None:
    signal = await town.signal(await town.v3_agent(), NOWHERE)

    assert (signal["status"], signal["final_venue"]) == ("SKIPPED", None)
    assert signal["reason"] == "No venue has this pair"
    assert signal["orders"] == []


async def test_signal_when_the_first_venue_s_breaker_is_open_then_goes_to_the_next(
    town: Town,
) -> None:
    runtime = town.stack.runtime
    breakers = Breakers(runtime.store, runtime.clock, BreakerSettings())
    for number in range(BreakerSettings().failures_to_open):
        ticket = await breakers.admit(Venue.HYPERLIQUID, f"request-{number}")
        assert ticket is not None
        await breakers.failed(ticket, "the test says so")

    signal = await town.signal(await town.v3_agent(), "ETH")

    assert (signal["status"], signal["final_venue"]) == ("EXECUTED", "OSTIUM")


async def test_v3_signals_when_traded_then_the_v2_collections_are_untouched(town: Town) -> None:
    v2_agent = await town.v2_agent("GMX")
    await town.signal(v2_agent, "ETH", book="")
    before = await town.book_of(*V2_COLLECTIONS)

    agent = await town.v3_agent()
    for symbol in ("ETH", "EUR", NOWHERE):
        await town.signal(agent, symbol)

    assert before[V2.positions], "the diff must have something to compare"
    assert await town.book_of(*V2_COLLECTIONS) == before


@pytest.mark.parametrize("venue", ["HYPERLIQUID", "OSTIUM", "GMX"])
async def test_v2_agent_when_made_for_one_venue_then_trades_there(town: Town, venue: str) -> None:
    signal = await town.signal(await town.v2_agent(venue), "ETH", book="")

    assert (signal["status"], signal["final_venue"]) == ("EXECUTED", venue)
    assert signal["routing_history"][0]["selected_venue"] == venue


async def test_books_when_all_kinds_of_signals_have_ended_then_balance(town: Town) -> None:
    agent = await town.v3_agent()
    for symbol in ("ETH", "EUR", NOWHERE):
        await town.signal(agent, symbol)
    await town.signal(await town.v2_agent("GMX"), "ETH", book="")

    check = await check_books(town.stack.runtime.store, town.stack.runtime.make_venues())

    assert check.problems == []
    assert (check.signals, check.fills) == (4, 3)


async def test_trading_state_when_halted_then_a_signal_is_denied(town: Town) -> None:
    agent = await town.v3_agent()
    await town.api.post("/api/ops/halt", {"reason": "a test"})

    signal = await town.signal(agent, "ETH")

    assert signal["status"] == "DENIED"
    assert signal["orders"] == []
