"""Creating, listing and deploying agents, in both books."""

from typing import Any

import pytest

from common.books import EXPOSURES, V2, V3
from common.config import Settings
from common.domain.agent import Agent, Deployment
from common.domain.exposure import Exposure
from common.errors import ConflictError, InvalidInputError
from common.ports import Query, Ref
from common.wire import from_document
from functions.api.deployments import deploy
from functions.api.payloads import DeployV2, DeployV3
from functions.api.records import scan
from tests.builders import an_agent
from tests.functions.api_client import (
    GMX_AGENT,
    PAUSED_AGENT,
    V2_AGENT,
    V3_AGENT,
    WALLET,
    Api,
    agent_body,
    assert_problem,
    key_of,
)

V2_COLLECTIONS = (V2.agents, V2.deployments, V2.signals, V2.positions)
V3_COLLECTIONS = (V3.agents, V3.deployments, V3.signals, V3.positions)


def _part(api: Api, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: api.store.contents().get(name, {}) for name in names}


async def test_create_v3_when_valid_then_a_multi_venue_agent_in_its_own_book(api: Api) -> None:
    """V3-01, V3-02."""
    before = _part(api, V2_COLLECTIONS)
    response = await api.post(
        "/api/v3/agents/create", agent_body(weights={"x": "0.3", "research": 0.7})
    )
    assert response.status_code == 201
    shown = response.json()
    assert shown["venue"] == "MULTI"
    assert shown["is_multi_venue"] is True
    assert shown["weights"] == {"x": 0.3, "research": 0.7}
    document = await api.store.get(Ref(V3.agents, shown["agent_id"]))
    assert document is not None
    agent = from_document(Agent, document.data)
    assert agent.creator_wallet == WALLET.lower()
    assert document.data["weights"] == {"x": "0.3", "research": "0.7"}
    assert _part(api, V2_COLLECTIONS) == before
    (audit,) = api.store.contents()["audit"].values()
    assert (audit["action"], audit["subject_id"]) == ("agent-created", agent.agent_id)


@pytest.mark.parametrize(
    ("given", "venue"),
    [
        ({}, "MULTI"),
        ({"venue": None}, "MULTI"),
        ({"venue": "MULTI"}, "MULTI"),
        ({"venue": "GMX"}, "GMX"),
    ],
)
async def test_create_v2_when_a_venue_is_given_or_not_then_it_is_kept_or_multi(
    api: Api, given: dict[str, Any], venue: str
) -> None:
    """VP-01."""
    before = _part(api, V3_COLLECTIONS)
    body = {"creator_wallet": WALLET, "name": "Old friend", **given}
    response = await api.post("/api/agents/create", body)
    assert response.status_code == 201
    assert response.json()["venue"] == venue
    assert _part(api, V3_COLLECTIONS) == before


async def test_names_when_they_hold_emoji_or_markup_then_they_are_kept_as_text(api: Api) -> None:
    name = "<b>Ünï 🧑‍🚀 Trader</b>"
    response = await api.post("/api/v3/agents/create", agent_body(name=name))
    assert response.json()["name"] == name


async def test_list_v3_when_filtered_then_only_what_matches_in_pages(api: Api) -> None:
    """V3-03."""
    wallet = "0x" + "ef" * 20
    for number in range(5):
        await api.put_records(
            (Ref(V3.agents, f"agt_{number}"), an_agent(f"agt_{number}", creator_wallet=wallet))
        )
    query = f"/api/v3/agents/list?creator_wallet={wallet.upper().replace('0X', '0x')}&limit=2"
    found: list[str] = []
    cursor = None
    for _ in range(5):
        page = (await api.get(query + (f"&cursor={cursor}" if cursor else ""))).json()
        found += [agent["agent_id"] for agent in page["agents"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == [f"agt_{number}" for number in range(5)]
    paused = (await api.get("/api/v3/agents/list?status=PAUSED")).json()["agents"]
    assert [agent["agent_id"] for agent in paused] == [PAUSED_AGENT]
    assert_problem(await api.get("/api/v3/agents/list?status=GONE"), 422)
    assert_problem(await api.get("/api/v3/agents/list?creator_wallet=0x12"), 422)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
async def test_list_both_when_paged_then_every_agent_once(api: Api, limit: int) -> None:
    found: list[str] = []
    path = f"/api/agents?limit={limit}"
    cursor: str | None = ""
    while cursor is not None:
        page = (await api.get(path + (f"&cursor={cursor}" if cursor else ""))).json()
        assert len(page["agents"]) <= limit
        found += [agent["agent_id"] for agent in page["agents"]]
        cursor = page["next_cursor"]
    assert sorted(found) == sorted([V3_AGENT, PAUSED_AGENT, V2_AGENT, GMX_AGENT])


async def test_deploy_v3_when_keys_come_then_they_go_to_the_secret_store_alone(api: Api) -> None:
    """V3-04."""
    keys = {**key_of("hyperliquid", 0xA1), **key_of("ostium", 0xB2)}
    before = _part(api, V2_COLLECTIONS)
    body = {"agent_id": V3_AGENT, "user_wallet": WALLET, **keys}
    response = await api.post(
        "/api/v3/agents/deploy", body, headers={"Idempotency-Key": "deploy-1"}
    )
    assert response.status_code == 201, response.text
    shown = response.json()
    assert shown["enabled_venues"] == ["HYPERLIQUID", "OSTIUM"]
    assert shown["agent_addresses"]["OSTIUM"] == keys["ostium_agent_address"]
    stored = str(api.store.contents())
    for field, value in keys.items():
        if not field.endswith("_agent_address"):
            assert value not in stored
            assert value not in response.text
    assert _part(api, V2_COLLECTIONS) == before
    document = await api.store.get(Ref(V3.deployments, shown["deployment_id"]))
    assert document is not None
    deployment = from_document(Deployment, document.data)
    key = deployment.venue_keys["OSTIUM"]
    envelope = await api.runtime().make_secrets().access(key.secret_name, key.version)
    assert keys["ostium_agent_key_encrypted"].encode() in envelope
    assert keys["ostium_agent_key_iv"].encode() in envelope
    assert keys["ostium_agent_key_tag"].encode() in envelope
    assert keys["hyperliquid_agent_key_tag"].encode() not in envelope


async def test_deploy_v3_when_no_key_comes_then_both_venues_on_paper(api: Api) -> None:
    response = await api.post(
        "/api/v3/agents/deploy", {"agent_id": V3_AGENT, "user_wallet": WALLET}
    )
    shown = response.json()
    assert shown["enabled_venues"] == ["HYPERLIQUID", "OSTIUM"]
    assert shown["paper"] is True
    assert shown["capital"] == "10000"


async def test_deploy_when_new_then_its_positions_are_compared_from_the_start(api: Api) -> None:
    """What the user held before must be known before the first order of ours is doubted."""
    body = {"agent_id": V3_AGENT, "user_wallet": WALLET}
    shown = (await api.post("/api/v3/agents/deploy", body)).json()
    document = await api.store.get(Ref(EXPOSURES, shown["deployment_id"]))
    assert document is not None
    exposure = from_document(Exposure, document.data)
    assert exposure == Exposure.empty(shown["deployment_id"])


async def test_deploy_v3_when_one_key_comes_then_that_venue_alone(api: Api) -> None:
    body = {"agent_id": V3_AGENT, "user_wallet": WALLET, **key_of("ostium")}
    assert (await api.post("/api/v3/agents/deploy", body)).json()["enabled_venues"] == ["OSTIUM"]


@pytest.mark.parametrize(
    ("agent", "given", "venues"),
    [
        (V2_AGENT, {}, ["HYPERLIQUID"]),
        (V2_AGENT, {"enabled_venues": ["GMX", "HYPERLIQUID"]}, ["GMX", "HYPERLIQUID"]),
        (GMX_AGENT, {}, ["GMX"]),
        (GMX_AGENT, {"enabled_venues": ["GMX"]}, ["GMX"]),
    ],
)
async def test_deploy_v2_when_venues_are_given_or_not_then_in_their_order(
    api: Api, agent: str, given: dict[str, Any], venues: list[str]
) -> None:
    """VP-02; a single-venue agent stays on its venue (VP-01)."""
    before = _part(api, V3_COLLECTIONS)
    body = {"agent_id": agent, "user_wallet": WALLET, **given}
    response = await api.post("/api/agents/deploy", body)
    assert response.status_code == 201, response.text
    assert response.json()["enabled_venues"] == venues
    assert _part(api, V3_COLLECTIONS) == before


async def test_deploy_v2_when_a_single_venue_agent_gets_others_then_422(api: Api) -> None:
    body = {"agent_id": GMX_AGENT, "user_wallet": WALLET, "enabled_venues": ["GMX", "SPOT"]}
    assert_problem(await api.post("/api/agents/deploy", body), 422, "VENUE_NOT_OF_AGENT")


async def test_deploy_v2_when_a_key_is_of_no_enabled_venue_then_422(api: Api) -> None:
    body = {"agent_id": V2_AGENT, "user_wallet": WALLET, **key_of("gmx")}
    assert_problem(await api.post("/api/agents/deploy", body), 422, "KEY_NOT_USED")


async def test_deploy_when_repeated_then_the_same_deployment(api: Api) -> None:
    body = {"agent_id": V3_AGENT, "user_wallet": WALLET, **key_of("ostium")}
    first = await api.post("/api/v3/agents/deploy", body)
    again = await api.post("/api/v3/agents/deploy", {**body, "user_wallet": WALLET.lower()})
    assert first.json() == again.json()
    assert len(api.store.contents()[V3.deployments]) == 1


@pytest.mark.parametrize(
    "other", [key_of("ostium", 9), key_of("hyperliquid"), {}, {**key_of("ostium"), "capital": "77"}]
)
async def test_deploy_when_the_wallet_has_it_with_another_key_or_capital_then_409(
    api: Api, other: dict[str, Any]
) -> None:
    body = {"agent_id": V3_AGENT, "user_wallet": WALLET}
    await api.post("/api/v3/agents/deploy", {**body, **key_of("ostium")})
    before = api.store.contents()
    response = await api.post("/api/v3/agents/deploy", {**body, **other})
    assert_problem(response, 409, "DEPLOYMENT_EXISTS")
    assert api.store.contents() == before


async def test_deploy_when_the_agent_is_paused_then_409(api: Api) -> None:
    body = {"agent_id": PAUSED_AGENT, "user_wallet": WALLET}
    assert_problem(await api.post("/api/v3/agents/deploy", body), 409, "AGENT_PAUSED")


@pytest.mark.parametrize(
    ("path", "agent"),
    [
        ("/api/agents/deploy", V3_AGENT),
        ("/api/v3/agents/deploy", V2_AGENT),
        ("/api/v3/agents/deploy", "agt_nowhere"),
    ],
)
async def test_deploy_when_the_agent_is_of_the_other_book_then_404(
    api: Api, path: str, agent: str
) -> None:
    before = api.store.contents()
    response = await api.post(path, {"agent_id": agent, "user_wallet": WALLET})
    assert_problem(response, 404, "AGENT_NOT_FOUND")
    assert api.store.contents() == before


async def test_deploy_when_two_come_at_once_then_one_deployment_and_the_other_key_409(
    api: Api,
) -> None:
    body = {"agent_id": V3_AGENT, "user_wallet": WALLET}
    raced = False

    async def race(operation: str, argument: object) -> None:
        nonlocal raced
        if operation == "commit" and not raced:
            raced = True
            await api.post("/api/v3/agents/deploy", {**body, **key_of("ostium", 7)})

    api.store.before = race
    response = await api.post("/api/v3/agents/deploy", {**body, **key_of("ostium", 8)})
    assert_problem(response, 409, "DEPLOYMENT_EXISTS")
    assert len(api.store.contents()[V3.deployments]) == 1


async def test_deploy_when_trading_live_then_each_venue_needs_its_key(api: Api) -> None:
    body = {"agent_id": V2_AGENT, "user_wallet": WALLET, "capital": "250"}
    wish = DeployV2.model_validate({**body, "enabled_venues": ["GMX"]})
    with pytest.raises(InvalidInputError, match="GMX") as caught:
        await deploy(
            wish,
            book=V2,
            store=api.store,
            clock=api.clock,
            settings=Settings(mode="live"),
            secrets=None,
        )
    assert caught.value.code == "KEY_MISSING"


async def test_deploy_when_live_and_no_capital_is_said_then_refused_and_nothing_is_written(
    api: Api,
) -> None:
    """The default of paper trading is nobody's money."""
    before = api.store.contents()
    wish = DeployV3.model_validate(
        {"agent_id": V3_AGENT, "user_wallet": WALLET, **key_of("ostium")}
    )
    with pytest.raises(InvalidInputError, match="say how much of the account") as caught:
        await deploy(
            wish,
            book=V3,
            store=api.store,
            clock=api.clock,
            settings=Settings(mode="live"),
            secrets=None,
        )
    assert (caught.value.code, caught.value.where) == ("CAPITAL_MISSING", "body.capital")
    assert api.store.contents() == before


async def test_deploy_when_keys_come_and_no_secret_store_then_nothing_is_written(
    api: Api,
) -> None:
    before = api.store.contents()
    wish = DeployV3.model_validate(
        {"agent_id": V3_AGENT, "user_wallet": WALLET, **key_of("ostium")}
    )
    with pytest.raises(ValueError, match="no secret store"):
        await deploy(
            wish,
            book=V3,
            store=api.store,
            clock=api.clock,
            settings=Settings(),
            secrets=None,
        )
    assert api.store.contents() == before
    assert key_of("ostium")["ostium_agent_key_encrypted"] not in repr(wish)


async def test_scan_when_there_are_more_than_asked_for_then_it_stops_there(api: Api) -> None:
    query = Query(V2.agents, limit=1)
    assert [item.ref.id for item in await scan(api.store, query)] == [V2_AGENT, GMX_AGENT][::-1]
    assert len(await scan(api.store, query, most=1)) == 1


async def test_create_when_the_conflict_is_about_something_else_then_it_is_told(api: Api) -> None:
    async def lose(operation: str, argument: object) -> None:
        if operation == "commit":
            raise ConflictError("lost", collection="audit", document_id="aud_1")

    api.store.before = lose
    response = await api.post("/api/v3/agents/create", agent_body())
    assert_problem(response, 409, "CONFLICT")
