"""Live mode through its real wiring: API, keys, executor and a venue on a socket of loopback."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from hyperliquid.info import Info

from common.books import FILLS, ORDERS, SIGNED_REQUESTS, V2, V3, VENUE_MARKETS
from common.config import Settings, SwarmSettings
from common.documents import every
from common.domain.instrument import Venue
from common.domain.order import FillRecord
from common.domain.position import Position
from common.wire import JsonObject, from_document
from infra.bootstrap import build, use
from infra.feeds.registry import make_feed
from infra.keys.address import address_of
from infra.keys.vault import KeyVault
from infra.local.clock import ManualClock
from infra.local.exchanges.candles import QuietCandles
from infra.local.exchanges.faults import Fault, FaultKind, FaultRule, FaultSchedule
from infra.local.exchanges.hyperliquid.assets import Listing
from infra.local.exchanges.hyperliquid.exchange import HyperliquidExchange
from infra.local.exchanges.server import ExchangeServer
from infra.local.stack.assembly import LocalStack
from infra.local.stack.embedded import EmbeddedBackend
from infra.local.stack.functions import Functions
from infra.local.stack.server import LoopServer, bind
from infra.venues.hyperliquid.venue import HyperliquidVenue
from tests.builders.keys import a_private_key
from tests.fakes.publisher import refusing_publisher
from tests.functions.api_client import agent_body
from tests.integration.command import COMMAND, PATIENCE_S, environment
from tests.integration.harness import API_TOKEN, Api
from tests.integration.hyperliquid_floor import META, SPOT_META

WEDNESDAY = datetime(2025, 10, 22, 15, 0, tzinfo=UTC)
MASTER = "0x" + "a1" * 20
MARKS = {"BTC": Decimal(100_000), "ETH": Decimal(3000)}
AGENTS = [address_of(a_private_key(number)) for number in range(3)]
VENUES = (Venue.HYPERLIQUID, Venue.OSTIUM, Venue.DRIFT)
PUSH_TOKEN = "push-token-of-a-test"


class Town:
    """Everything of live trading but the venue, which stands in on a port of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.clock = ManualClock(WEDNESDAY)
        self.exchange = HyperliquidExchange(
            Listing.of(META, SPOT_META), marks=MARKS, candles=QuietCandles(MARKS, self.clock)
        )
        self.exchange.deposit(MASTER, "10000")
        self.venue = ExchangeServer(self.exchange, clock=self.clock)
        self._listening = LoopServer(self.venue, bind(0))
        self.url = self._listening.url
        self.settings = Settings(
            mode="live",
            network="testnet",
            feed="live",
            venues=VENUES,
            venue_urls={Venue.HYPERLIQUID: self.url},
            data_dir=str(data_dir),
            api_token=API_TOKEN,
            swarm=SwarmSettings(symbols=("ETH",), interval="1m", history_candles=1),
        )
        self.backend = EmbeddedBackend(None, clock=self.clock, in_order=True)
        self.feed = make_feed(self.settings, self.clock)
        self.stack = LocalStack(
            settings=self.settings,
            clock=self.clock,
            backend=self.backend,
            make_feed=lambda: self.feed,
            push_token=PUSH_TOKEN,
        )
        self.api = Api(self.stack)
        self.agent_id = ""
        self.deployment_id = ""

    async def start(self) -> None:
        await self._listening.start()
        await self.stack.start()
        await self.stack.run_job("fetch_market", self.clock.now())
        await self.stack.idle()
        self.agent_id = str(
            (await self.api.post("/api/v3/agents/create", agent_body()))["agent_id"]
        )

    async def stop(self) -> None:
        await self.api.close()
        await self.stack.stop()
        for venue in self.stack.runtime.make_venues().values():
            assert isinstance(venue, HyperliquidVenue)
            await venue.close()
        await self.feed.aclose()  # type: ignore[attr-defined]  # the live feed has it
        await self._listening.stop()

    async def pass_time(self, seconds: float = 5) -> None:
        """Later, with a new look at the market and one at every open order."""
        self.clock.advance_to(self.clock.now() + timedelta(seconds=seconds))
        for job in ("fetch_market", "relay", "settle"):
            await self.stack.run_job(job, self.clock.now())
        await self.stack.idle()

    async def sealed(
        self, number: int, *, version: int = 1, venue: str = "hyperliquid"
    ) -> JsonObject:
        """What `sapphire seal` prints for the key that is piped in."""
        named = ["--agent", self.agent_id, "--wallet", MASTER, "--venue", venue]
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *("seal", *named, "--key-version", str(version), "--data-dir", str(self.data_dir)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(),
        )
        async with asyncio.timeout(PATIENCE_S):
            out, error = await process.communicate(a_private_key(number).reveal().hex().encode())
        assert process.returncode == 0, error.decode()
        fields: JsonObject = json.loads(out)
        return fields

    async def deploy(self, number: int = 0) -> None:
        """With the key of an agent that the master has approved; READY afterwards."""
        self.approve(number)
        body = await self.deployment(number)
        made = await self.api.post("/api/v3/agents/deploy", body)
        self.deployment_id = str(made["deployment_id"])
        await self.stack.idle()
        assert await self.key_status() == "READY"

    async def deployment(self, number: int = 0) -> JsonObject:
        return {"agent_id": self.agent_id, "user_wallet": MASTER, **await self.sealed(number)}

    def approve(self, number: int) -> None:
        name = f"agent {number}"
        self.exchange.approve_agent(MASTER, AGENTS[number], self.clock.now(), name=name)

    async def key_status(self) -> str:
        told = await self.api.get(f"/api/v3/deployments/{self.deployment_id}")
        return str(told["keys"]["HYPERLIQUID"]["status"])

    async def rotate(self, number: int, version: int) -> None:
        subject = {"deployment_id": self.deployment_id, "venue": "HYPERLIQUID"}
        fields = await self.sealed(number, version=version)
        await self.api.post("/api/v3/agents/keys/rotate", {**subject, **fields})
        await self.stack.idle()

    async def signal(self, book: str = "/v3", **changes: Any) -> JsonObject:
        """Send one for 600 dollars of ETH, let it end, and return what the API says of it."""
        body: JsonObject = {
            "agent_id": self.agent_id,
            "token_symbol": "ETH",
            "side": "LONG",
            "size_model": {"type": "fixed", "value": "600"},
            "confidence": "0.9",
            **changes,
        }
        made = await self.api.post(f"/api{book}/signals/generate", body)
        await self.stack.idle()
        return await self.api.get(f"/api{book}/signals/{made['id']}")

    async def records(self, collection: str) -> list[JsonObject]:
        return [item.data async for item in every(self.stack.runtime.store, collection)]

    async def fills(self) -> list[FillRecord]:
        return [from_document(FillRecord, data) for data in await self.records(FILLS)]

    async def position(self) -> Decimal:
        held = [from_document(Position, data) for data in await self.records(V3.positions)]
        return sum((each.signed_qty for each in held), Decimal(0))

    def sent(self) -> int:
        """How many orders came in at the venue."""
        return sum(operation.name == "order" for operation, _ in self.venue.requests)

    async def assert_books_are_the_venue_s(self) -> None:
        ours = {
            (each.fill.trade_id, each.fill.last_qty, each.fill.last_px, each.fill.commission)
            for each in await self.fills()
        }
        theirs = self.exchange.fills(MASTER)
        assert ours == {(str(each.tid), each.size, each.price, each.fee) for each in theirs}
        assert len(ours) == len(theirs) == len(await self.fills())
        assert await self.position() == self.exchange.position(MASTER, "ETH")
        check = await self.stack.check()
        assert check.ok, check.line()


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    town = Town(tmp_path)
    await town.start()
    yield town
    await town.stop()


async def test_live_when_built_then_the_venues_and_the_vault_are_the_real_ones(town: Town) -> None:
    runtime = build(replace(town.settings, data_dir=str(town.data_dir / "other")))

    assert list(runtime.make_venues()) == [Venue.HYPERLIQUID]
    assert isinstance(runtime.make_venues()[Venue.HYPERLIQUID], HyperliquidVenue)
    assert isinstance(runtime.make_accounts(), KeyVault)
    assert [data["venue"] for data in await town.records(VENUE_MARKETS)] == ["HYPERLIQUID"]


async def test_signal_when_live_then_signed_filled_and_seen_by_the_official_client(
    town: Town,
) -> None:
    await town.deploy()

    signal = await town.signal()

    assert (signal["status"], signal["final_venue"]) == ("EXECUTED", "HYPERLIQUID"), signal
    [order] = await town.records(ORDERS)
    [request] = await town.records(SIGNED_REQUESTS)
    assert order["signer"] == request["signer"] == AGENTS[0]
    assert town.sent() == 1
    assert await town.position() == Decimal("0.2")
    await town.assert_books_are_the_venue_s()
    info = await asyncio.to_thread(Info, town.url, skip_ws=True)
    state = await asyncio.to_thread(info.user_state, MASTER)
    fills = await asyncio.to_thread(info.user_fills, MASTER)
    info.session.close()
    [row] = state["assetPositions"]
    assert (row["position"]["coin"], row["position"]["szi"]) == ("ETH", "0.2")
    assert [fill["cloid"] for fill in fills] == [order["client_order_id"]] * len(fills)
    assert {str(fill["tid"]) for fill in fills} == {r.fill.trade_id for r in await town.fills()}


async def test_signal_when_the_key_has_no_verdict_yet_then_denied_until_it_has(
    town: Town,
) -> None:
    """The bus was down when it was deployed: the outbox keeps the check until `relay` comes."""
    town.approve(0)
    body = await town.deployment()
    runtime = replace(town.stack.runtime, publisher=refusing_publisher())
    app = Functions(runtime, PUSH_TOKEN).app("api")
    headers = {"authorization": f"Bearer {API_TOKEN}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://api.test", headers=headers
    ) as http:
        made = await http.post("/api/v3/agents/deploy", json=body)
    assert made.status_code == 201, made.text
    town.deployment_id = made.json()["deployment_id"]
    assert await town.key_status() == "PENDING"

    early = await town.signal()
    await town.pass_time(60)
    later = await town.signal()

    assert (early["status"], early["reason_code"]) == ("DENIED", "DEPLOYMENT_NOT_READY"), early
    assert await town.key_status() == "READY"
    assert later["status"] == "EXECUTED", later
    assert town.sent() == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.LOST_ANSWER),
        Fault(FaultKind.LATE, delay_s=10),
        Fault(FaultKind.SERVER_ERROR, lands=True),
    ],
    ids=lambda fault: fault.kind.value,
)
async def test_signal_when_the_answer_is_lost_then_settled_to_what_the_venue_did(
    town: Town, fault: Fault
) -> None:
    await town.deploy()
    town.venue.faults = FaultSchedule([FaultRule(fault, operation="order")])

    signal = await town.signal()
    for _ in range(6):
        await town.pass_time(10)

    assert town.venue.faults.fired == {fault.kind: 1}
    shown = await town.api.get(f"/api/v3/signals/{signal['id']}")
    assert shown["status"] == "EXECUTED", shown
    assert town.exchange.position(MASTER, "ETH") == Decimal("0.2")
    await town.assert_books_are_the_venue_s()


async def test_signal_when_trading_is_halted_then_nothing_is_signed(town: Town) -> None:
    await town.deploy()
    await town.api.post("/api/ops/halt", {"reason": "a test"})

    halted = await town.signal()
    await town.api.post("/api/ops/resume", {"reason": "a test"})
    await town.pass_time()
    resumed = await town.signal()

    assert (halted["status"], halted["reason_code"]) == ("DENIED", "TRADING_HALTED"), halted
    assert resumed["status"] == "EXECUTED", resumed
    assert len(await town.records(SIGNED_REQUESTS)) == town.sent() == 1


async def test_signal_when_the_key_is_revoked_then_denied_at_once(town: Town) -> None:
    await town.deploy()
    assert (await town.signal())["status"] == "EXECUTED"
    subject = {"deployment_id": town.deployment_id, "venue": "HYPERLIQUID"}
    await town.api.post("/api/v3/agents/keys/revoke", subject)
    await town.pass_time()

    revoked = await town.signal()

    assert (revoked["status"], revoked["reason_code"]) == ("DENIED", "KEY_REVOKED"), revoked
    assert town.sent() == 1


async def test_signal_when_the_key_is_rotated_then_the_new_agent_trades_once_approved(
    town: Town,
) -> None:
    await town.deploy()
    assert (await town.signal())["status"] == "EXECUTED"
    await town.rotate(1, version=2)
    assert await town.key_status() == "READY"
    await town.pass_time()

    stranger = await town.signal()
    town.approve(1)
    await town.pass_time()
    known = await town.signal()

    assert stranger["status"] == "FAILED", stranger
    assert "SIGNER_UNKNOWN" in json.dumps(stranger)
    assert known["status"] == "EXECUTED", known
    signers = {data["signer"] for data in await town.records(ORDERS) if data["status"] == "FILLED"}
    assert signers == {AGENTS[0], AGENTS[1]}
    await town.assert_books_are_the_venue_s()


async def test_signal_when_the_deployment_was_made_on_paper_then_refused(town: Town) -> None:
    runtime = town.stack.runtime
    on_paper = replace(runtime, settings=replace(town.settings, mode="paper"))
    with use(on_paper):
        app = Functions(on_paper, PUSH_TOKEN).app("api")
        headers = {"authorization": f"Bearer {API_TOKEN}"}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://api.test", headers=headers
        ) as http:
            made = await http.post("/api/v3/agents/deploy", json=await town.deployment())
    assert made.status_code == 201, made.text
    await town.stack.idle()

    signal = await town.signal()

    told = (signal["status"], signal["reason_code"])
    assert told == ("DENIED", "DEPLOYMENT_MODE_MISMATCH"), signal
    assert town.sent() == 0


async def test_deploy_when_live_and_no_key_comes_along_then_refused(town: Town) -> None:
    body = {"agent_id": town.agent_id, "user_wallet": MASTER}
    with pytest.raises(AssertionError, match="KEY_MISSING"):
        await town.api.post("/api/v3/agents/deploy", body)


async def test_route_when_venues_cannot_be_had_then_skipped_with_their_reasons(town: Town) -> None:
    """Drift has no live adapter, and Ostium is not set up: the third in order trades."""
    agent = await town.api.post(
        "/api/agents/create", {"creator_wallet": MASTER, "name": "Bob", "venue": "MULTI"}
    )
    town.agent_id = str(agent["agent_id"])
    town.approve(0)
    keys = {**await town.sealed(0), **await town.sealed(1, venue="ostium")}
    venues = ["DRIFT", "OSTIUM", "HYPERLIQUID"]
    body = {"agent_id": town.agent_id, "user_wallet": MASTER, "enabled_venues": venues, **keys}
    await town.api.post("/api/agents/deploy", body)
    await town.stack.idle()

    signal = await town.signal(book="")

    assert (signal["status"], signal["final_venue"]) == ("EXECUTED", "HYPERLIQUID"), signal
    [route] = await town.records(V2.routing_history)
    drift, ostium, hyperliquid = route["checked_venues"]
    assert [drift["code"], ostium["code"]] == ["VENUE_UNAVAILABLE"] * 2
    assert "paused" in drift["reason"]
    assert "ARBITRUM_RPC_URL is missing" in ostium["reason"]
    assert hyperliquid["ok"]
    shown = await town.api.get("/api/venues")
    refusals = {item["venue"]: item["live_refusal"] for item in shown["venues"]}
    assert refusals["HYPERLIQUID"] is None
    assert refusals["OSTIUM"] in ostium["reason"]
