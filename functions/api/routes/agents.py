"""Agents: V3's, V2's, and how the swarm's four have done."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from common.books import V2, V3
from common.domain.agent import Agent
from common.domain.instrument import Venue
from common.ports import DocumentStore
from common.wire import JsonObject, to_document
from functions.api.agents import create_agent, list_agents, list_all_agents
from functions.api.payloads import CreateAgentV2, CreateAgentV3
from functions.api.swarm_record import SwarmMember, swarm_record
from functions.api.together import Together, as_json, json_bytes
from functions.api.wallets import WalletProofOf
from infra.wallets.proof import NEW_AGENT
from infra.web.fields import Address
from infra.web.numbers import number
from infra.web.requests import Cursor, Limit, Nonce, RuntimeOf, StrictRoute

router = APIRouter(tags=["agents"], route_class=StrictRoute)
_performances: Together[bytes] = Together()

Status = Literal["ACTIVE", "PAUSED"]
Wallet = Annotated[Address | None, Query()]


@router.post("/api/v3/agents/create", status_code=201)
async def create_v3(
    body: CreateAgentV3, nonce: Nonce, runtime: RuntimeOf, proof: WalletProofOf
) -> JsonObject:
    """Create a multi-venue agent."""
    await proof.require("create", agent_id=NEW_AGENT, wallet=body.creator_wallet)
    agent = await create_agent(body, book=V3, nonce=nonce, store=runtime.store, clock=runtime.clock)
    return agent_view(agent)


@router.post("/api/agents/create", status_code=201)
async def create_v2(
    body: CreateAgentV2, nonce: Nonce, runtime: RuntimeOf, proof: WalletProofOf
) -> JsonObject:
    """Create a V2 agent; without a venue, or with MULTI, its orders are routed."""
    await proof.require("create", agent_id=NEW_AGENT, wallet=body.creator_wallet)
    agent = await create_agent(body, book=V2, nonce=nonce, store=runtime.store, clock=runtime.clock)
    return agent_view(agent)


@router.get("/api/v3/agents/list")
async def list_v3(
    runtime: RuntimeOf,
    creator_wallet: Wallet = None,
    status: Status | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> JsonObject:
    """The multi-venue agents, in order of id."""
    agents, onward = await list_agents(
        book=V3,
        store=runtime.store,
        creator_wallet=creator_wallet,
        status=status,
        limit=limit,
        cursor=cursor,
    )
    return {"agents": [agent_view(agent) for agent in agents], "next_cursor": onward}


@router.get("/api/agents")
async def list_both(runtime: RuntimeOf, limit: Limit = 100, cursor: Cursor = None) -> JsonObject:
    """The agents of both versions, V3's first."""
    agents, onward = await list_all_agents(store=runtime.store, limit=limit, cursor=cursor)
    return {"agents": [agent_view(agent) for agent in agents], "next_cursor": onward}


@router.get("/api/agents/performance", response_model=JsonObject)
async def performance(runtime: RuntimeOf) -> Response:
    """The swarm's four agents, over the last 500 fills.

    An agent's trades are the executed signals whose direction it voted for. A closing fill's
    realised result, before commissions, belongs to the signals that opened the quantity, and to
    every agent that backed them, whole.
    """
    return as_json(await _performances.read(runtime.store, lambda: _performance(runtime.store)))


async def _performance(store: DocumentStore) -> bytes:
    records = await swarm_record(store)
    return json_bytes({"agents": [_member(each) for each in records]})


def _member(member: SwarmMember) -> JsonObject:
    return {
        "agent_id": member.agent_id,
        "name": member.name,
        "specialty": member.specialty,
        "trades": member.record.trades,
        "closed_trades": member.record.closed,
        "win_rate": number(member.record.win_rate),
        "pnl": number(member.record.pnl),
        "health": member.health,
    }


def agent_view(agent: Agent) -> JsonObject:
    document = to_document(agent)
    if agent.weights is not None:
        document["weights"] = {
            "x": number(agent.weights.x),
            "research": number(agent.weights.research),
        }
    return {**document, "is_multi_venue": agent.venue is Venue.MULTI}
