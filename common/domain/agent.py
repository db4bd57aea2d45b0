"""Agents and their deployments, in two books: V2 and V3."""

from dataclasses import dataclass, field
from enum import StrEnum

from common.domain.instrument import DEFAULT_PRIORITY, Venue
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


KEYED_VENUES = (*DEFAULT_PRIORITY, Venue.ASTER)
"""Where the key of an EVM agent signs. Symphony takes an API key, Drift a key of another curve."""


class KeyStatus(StrEnum):
    """What the executor found: the api stores a key unread and cannot judge it."""

    PENDING = "PENDING"  # stored, not checked yet
    READY = "READY"
    KEY_INVALID = "KEY_INVALID"  # `VenueKey.code` says why


class KeyCode(StrEnum):
    """Why a key is KEY_INVALID."""

    NOT_FOUND = "KEY_NOT_FOUND"  # the secret store has no such enabled version
    MALFORMED = "KEY_MALFORMED"  # what the secret store has is no envelope
    AUTHENTICATION_FAILED = "KEY_AUTHENTICATION_FAILED"  # altered, or sealed for something else
    OUT_OF_RANGE = "KEY_OUT_OF_RANGE"  # 0, or not below the order of secp256k1
    ADDRESS_MISMATCH = "KEY_ADDRESS_MISMATCH"  # another address than the declared one
    IV_REUSED = "KEY_IV_REUSED"  # another key was sealed under the same IV
    ADDRESS_RETIRED = "AGENT_ADDRESS_RETIRED"  # rotated away or revoked before, anywhere
    REVOKED = "KEY_REVOKED"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretVersion:
    """A numbered version in the secret store."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueKey:
    """Where a venue key's ciphertext lies. The key itself is in the secret store, never here."""

    agent_address: str
    secret_name: str
    version: str  # of the secret
    key_version: int = 1  # 1, 2, ...: grows with each rotation, and the seal binds it
    status: KeyStatus = KeyStatus.PENDING
    code: str = ""  # of `KeyCode`; empty while nothing is wrong
    checked_at: UtcDatetime | None = None
    replaced: SecretVersion | None = None  # the key before it, which a rotation disables


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredAddress:
    """An agent address that was rotated away or revoked: never to be used again, by anybody.

    Hyperliquid may forget a deregistered agent's nonces; what it once signed could then be played
    again: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/nonces-and-api-wallets
    """

    address: str
    deployment_id: str
    venue: Venue
    key_version: int
    reason: str  # rotated, revoked
    retired_at: UtcDatetime


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
    paper: bool  # trades without waiting for its keys
    created_at: UtcDatetime

    @property
    def key_status(self) -> str:
        """Of all its keys together: KEY_INVALID if any is, else PENDING if any is; or NONE."""
        found = {key.status for key in self.venue_keys.values()}
        worst = (KeyStatus.KEY_INVALID, KeyStatus.PENDING, KeyStatus.READY)
        return next((status.value for status in worst if status in found), "NONE")
