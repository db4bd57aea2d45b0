"""Agents and their deployments, in two books: V2 and V3."""

from dataclasses import dataclass, field
from enum import StrEnum

from common.domain.instrument import Venue
from common.domain.moment import UtcDatetime
from common.domain.money import Money


class AgentStatus(StrEnum):
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"


class AgentKind(StrEnum):
    """Where the agent's signals come from."""

    SWARM = "SWARM"
    CREATOR = "CREATOR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Shares of the agent's sources; each 0..1, together exactly 1."""

    x: Money
    research: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    agent_id: str
    book: str  # v2, v3
    kind: AgentKind
    creator_wallet: str
    name: str
    venue: Venue  # MULTI, or the one venue of a single-venue V2 agent
    status: AgentStatus
    x_account_ids: tuple[str, ...]
    research_institute_ids: tuple[str, ...]
    weights: Weights | None
    profit_receiver_address: str | None
    created_at: UtcDatetime


class DeploymentStatus(StrEnum):
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueKey:
    """Where a venue key's ciphertext lies. The key itself is in the secret store, never here."""

    agent_address: str
    secret_name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One user's copy of an agent: wallet, venues in priority order, keys and capital."""

    deployment_id: str
    book: str
    agent_id: str
    user_wallet: str
    enabled_venues: tuple[Venue, ...]  # priority order
    venue_keys: dict[str, VenueKey] = field(default_factory=dict)
    capital: Money  # quote currency the sizing starts from
    status: DeploymentStatus
    paper: bool
    created_at: UtcDatetime
