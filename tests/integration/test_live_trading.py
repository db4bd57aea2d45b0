"""Live mode through its real wiring: API, keys, executor and a venue on a socket of loopback."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from hyperliquid.info import Info

from common.books import ORDERS, SIGNED_REQUESTS, V2, V3, VENUE_MARKETS
from common.documents import load
from common.domain.agent import Deployment
from common.domain.instrument import Venue
from common.ports import Ref
from infra.bootstrap import build, use
from infra.keys.vault import KeyVault
from infra.local.exchanges.faults import Fault, FaultKind, FaultRule, FaultSchedule
from infra.local.stack.functions import Functions
from infra.venues.hyperliquid.venue import HyperliquidVenue
from tests.fakes.publisher import refusing_publisher
from tests.integration.harness import API_TOKEN
from tests.integration.live_town import AGENTS, MASTER, PUSH_TOKEN, LiveTown


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[LiveTown]:
    town = LiveTown(tmp_path)
    await town.start()
    yield town
    await town.stop()


async def test_live_when_built_then_the_venues_and_the_vault_are_the_real_ones(
    town: LiveTown,
) -> None:
    runtime = build(replace(town.settings, data_dir=str(town.data_dir / "other")))

    assert list(runtime.make_venues()) == [Venue.HYPERLIQUID]
    assert isinstance(runtime.make_venues()[Venue.HYPERLIQUID], HyperliquidVenue)
    assert isinstance(runtime.make_accounts(), KeyVault)
    assert [data["venue"] for data in await town.records(VENUE_MARKETS)] == ["HYPERLIQUID"]


async def test_signal_when_live_then_signed_filled_and_seen_by_the_official_client(
    town: LiveTown,
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
    town: LiveTown,
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
    town: LiveTown, fault: Fault
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


@pytest.fixture
async def told_town(tmp_path: Path) -> AsyncIterator[LiveTown]:
    """A town whose people are told, as live trading asks for."""
    town = LiveTown(tmp_path, telegram=True)
    await town.start()
    yield town
    await town.stop()


async def test_signal_when_trading_is_halted_then_nothing_is_signed(told_town: LiveTown) -> None:
    town = told_town
    await town.deploy()
    await town.api.post("/api/ops/halt", {"reason": "a test"})

    halted = await town.signal()
    await town.api.post("/api/ops/resume", {"reason": "a test"})
    await town.pass_time()
    resumed = await town.signal()

    assert (halted["status"], halted["reason_code"]) == ("DENIED", "TRADING_HALTED"), halted
    assert resumed["status"] == "EXECUTED", resumed
    assert len(await town.records(SIGNED_REQUESTS)) == town.sent() == 1
    told = "\n".join(sent.text for sent in town.people.sent)
    assert "Trading HALTED by operator over the API: a test" in told
    assert "Trading resumed by operator over the API: a test" in told


async def test_preflight_when_live_and_all_is_set_up_then_every_line_is_green(
    told_town: LiveTown,
) -> None:
    await told_town.deploy()

    shown = await told_town.api.get("/api/ops/preflight")

    assert shown["ok"], [line for line in shown["lines"] if not line["ok"]]
    assert shown["mode"] == "live"
    details = {line["name"]: line["detail"] for line in shown["lines"]}
    assert details["keys"].startswith("1 key of 1 deployment READY; keys open and fit")
    assert "pairs (live), breaker CLOSED" in details["venue Hyperliquid"]
    assert details["telegram"] == "@sapphire_stand_in_bot writes to You"
    assert details["clock"] == "0.5 s behind Telegram"  # its Date is the middle of its second
    assert told_town.sent() == 0


async def test_resume_when_live_and_the_preflight_is_red_then_refused_and_still_halted(
    town: LiveTown,
) -> None:
    await town.api.post("/api/ops/halt", {"reason": "a test"})
    with pytest.raises(AssertionError, match=r"telegram: not set.*PREFLIGHT_FAILED"):
        await town.api.post("/api/ops/resume", {"reason": "a test"})
    assert (await town.api.get("/api/ops/state"))["state"] == "HALTED"


async def test_signal_when_the_key_is_revoked_then_denied_at_once(town: LiveTown) -> None:
    await town.deploy()
    assert (await town.signal())["status"] == "EXECUTED"
    subject = {"deployment_id": town.deployment_id, "venue": "HYPERLIQUID"}
    await town.api.post("/api/v3/agents/keys/revoke", subject)
    await town.pass_time()

    revoked = await town.signal()

    assert (revoked["status"], revoked["reason_code"]) == ("DENIED", "KEY_REVOKED"), revoked
    assert town.sent() == 1


async def test_signal_when_the_key_is_rotated_then_the_new_agent_trades_once_approved(
    town: LiveTown,
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


async def test_signal_when_the_deployment_was_made_on_paper_then_refused(town: LiveTown) -> None:
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


async def test_settle_when_a_position_is_on_paper_then_no_real_venue_is_asked_to_confirm_it(
    town: LiveTown,
) -> None:
    await town.deploy()
    assert (await town.signal())["status"] == "EXECUTED"
    place = Ref(V3.deployments, town.deployment_id)
    stored = await load(town.stack.runtime.store, Deployment, place)
    assert stored is not None
    await town.stack.runtime.store.commit([stored.update(replace(stored.value, paper=True))])
    town.exchange.engine.accounts[MASTER].positions.clear()
    before = await town.fills()

    for _ in range(5):
        await town.pass_time(120)

    assert await town.position() == Decimal("0.2")
    assert await town.fills() == before


async def test_deploy_when_live_and_no_key_comes_along_then_refused(town: LiveTown) -> None:
    body = {"agent_id": town.agent_id, "user_wallet": MASTER, "capital": "10000"}
    with pytest.raises(AssertionError, match="KEY_MISSING"):
        await town.api.post("/api/v3/agents/deploy", body)


async def test_route_when_venues_cannot_be_had_then_skipped_with_their_reasons(
    town: LiveTown,
) -> None:
    """Drift has no live adapter, and Ostium is not set up: the third in order trades."""
    agent = await town.api.post(
        "/api/agents/create", {"creator_wallet": MASTER, "name": "Bob", "venue": "MULTI"}
    )
    town.agent_id = str(agent["agent_id"])
    town.approve(0)
    keys = {**await town.sealed(0), **await town.sealed(1, venue="ostium")}
    venues = ["DRIFT", "OSTIUM", "HYPERLIQUID"]
    body = {
        "agent_id": town.agent_id,
        "user_wallet": MASTER,
        "capital": "10000",
        "enabled_venues": venues,
        **keys,
    }
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
