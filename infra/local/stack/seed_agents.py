"""What a fresh local store starts with: trading ACTIVE and the swarm; on paper also limits and a
deployment. Live, a person sets the limits, and says whose money it is.
"""

from datetime import datetime

from common.books import V3
from common.config import Settings
from common.domain.agent import (
    Agent,
    AgentKind,
    AgentStatus,
    Deployment,
    DeploymentStatus,
)
from common.domain.instrument import Venue
from common.domain.scope import PLATFORM_SCOPE
from common.errors import ConflictError
from common.how.limit_documents import default_limits, limits_ref, version_ref
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord
from common.ports import Create, DocumentStore, Ref
from common.wire import to_document

DEPLOYMENT_ID = "dep_swarm_paper"


async def seed_agents(store: DocumentStore, settings: Settings, *, now: datetime) -> None:
    """Create what is not there; what is there is left as it is, a halt above all."""
    agent_id = settings.swarm.agent_id
    seeds: list[tuple[Ref, object]] = [
        (PLATFORM, _trading_state(now)),
        (Ref(V3.agents, agent_id), _agent(agent_id, now)),
    ]
    if settings.mode == "paper":
        deployment = _deployment(agent_id, settings, now)
        limits = default_limits(settings.limits, now)
        seeds += [
            (Ref(V3.deployments, DEPLOYMENT_ID), deployment),
            (limits_ref(PLATFORM_SCOPE), limits),
            (version_ref(PLATFORM_SCOPE, limits.version), limits),
        ]
    present = await store.get_many([ref for ref, _ in seeds])
    for (ref, record), document in zip(seeds, present, strict=True):
        if document is None:
            await _create(store, Create(ref, to_document(record)))


async def _create(store: DocumentStore, write: Create) -> None:
    try:
        await store.commit([write])
    except ConflictError:
        if await store.get(write.ref) is None:
            raise


def _trading_state(now: datetime) -> TradingStateRecord:
    return TradingStateRecord(
        state=TradingState.ACTIVE,
        epoch=1,
        reason="first start of the local stack",
        changed_by="local stack",
        changed_at=now,
    )


def _agent(agent_id: str, now: datetime) -> Agent:
    return Agent(
        agent_id=agent_id,
        book=V3.name,
        kind=AgentKind.SWARM,
        creator_wallet="local",
        name="Sapphire Swarm",
        venue=Venue.MULTI,
        status=AgentStatus.ACTIVE,
        x_account_ids=(),
        research_institute_ids=(),
        weights=None,
        profit_receiver_address=None,
        created_at=now,
    )


def _deployment(agent_id: str, settings: Settings, now: datetime) -> Deployment:
    return Deployment(
        deployment_id=DEPLOYMENT_ID,
        book=V3.name,
        agent_id=agent_id,
        user_wallet="local",
        enabled_venues=settings.venues,
        venue_keys={},
        capital=settings.default_capital,
        status=DeploymentStatus.ACTIVE,
        paper=True,
        created_at=now,
    )
