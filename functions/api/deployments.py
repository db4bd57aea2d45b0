"""Deploying an agent: a wallet, its venues, and their keys, which go to the secret store."""

from common.audit import audit_write
from common.books import Book
from common.config import Settings
from common.documents import create, load
from common.domain.agent import Agent, AgentStatus, Deployment, DeploymentStatus, VenueKey
from common.domain.identifiers import digest, prefixed_id
from common.domain.instrument import Venue
from common.errors import DeniedError, InvalidInputError
from common.ports import Clock, DocumentStore, Ref, SecretStore
from common.wire import canonical_json
from functions.api.payloads import DeployV2, DeployV3
from functions.api.records import create_once, required

DEFAULT_V3 = (Venue.HYPERLIQUID, Venue.OSTIUM)
DEFAULT_V2 = (Venue.HYPERLIQUID,)


async def deploy(
    wish: DeployV2 | DeployV3,
    *,
    book: Book,
    store: DocumentStore,
    clock: Clock,
    settings: Settings,
    secrets: SecretStore | None,
) -> Deployment:
    """One deployment for each agent and wallet; the same request again returns it.

    `secrets` may be None when no key came along.

    Raises:
        NotFoundError: no such agent in this book.
        InvalidInputError: a venue that the agent cannot have, or a key that is missing or unused.
        DeniedError: AGENT_PAUSED; DEPLOYMENT_EXISTS with other keys, venues or capital.
    """
    agent = await required(store, Agent, Ref(book.agents, wish.agent_id), "agent")
    if agent.status is not AgentStatus.ACTIVE:
        raise DeniedError("AGENT_PAUSED", "the agent is paused")
    deployment_id = prefixed_id("dep", book.name, agent.agent_id, wish.user_wallet)
    keys = wish.keys()
    wanted = Deployment(
        deployment_id=deployment_id,
        book=book.name,
        agent_id=agent.agent_id,
        user_wallet=wish.user_wallet,
        enabled_venues=_venues(wish, agent),
        venue_keys={},
        capital=wish.capital or settings.default_capital,
        status=DeploymentStatus.ACTIVE,
        paper=settings.mode == "paper",
        created_at=clock.now(),
    )
    _check_keys(wanted, keys)
    ref = Ref(book.deployments, deployment_id)
    present = await load(store, Deployment, ref)
    if present is not None:
        return _same(present.value, wanted, keys)
    wanted.venue_keys.update(await _store_keys(deployment_id, keys, secrets))
    facts = {
        "book": book.name,
        "agent_id": agent.agent_id,
        "enabled_venues": [venue.value for venue in wanted.enabled_venues],
        "keys": sorted(wanted.venue_keys),
    }
    at = wanted.created_at
    audit = audit_write("deployment-created", deployment_id, at=at, step=0, facts=facts)
    kept, is_new = await create_once(store, ref, wanted, [create(ref, wanted), audit])
    return kept if is_new else _same(kept, wanted, keys)


def _venues(wish: DeployV2 | DeployV3, agent: Agent) -> tuple[Venue, ...]:
    chosen = tuple(wish.enabled_venues or ()) if isinstance(wish, DeployV2) else tuple(wish.keys())
    if agent.venue is not Venue.MULTI:
        if chosen not in {(), (agent.venue,)}:
            detail = f"this agent trades on {agent.venue.label} alone"
            raise InvalidInputError(detail, code="VENUE_NOT_OF_AGENT", where="body.enabled_venues")
        return (agent.venue,)
    return chosen or (DEFAULT_V2 if isinstance(wish, DeployV2) else DEFAULT_V3)


def _check_keys(wanted: Deployment, keys: dict[Venue, dict[str, str]]) -> None:
    for venue in keys:
        if venue not in wanted.enabled_venues:
            detail = f"a key of {venue.label}, which is not among the enabled venues"
            raise InvalidInputError(detail, code="KEY_NOT_USED", where="body")
    missing = [venue.label for venue in wanted.enabled_venues if venue not in keys]
    if missing and not wanted.paper:
        detail = f"live trading needs the key of {', '.join(missing)}"
        raise InvalidInputError(detail, code="KEY_MISSING", where="body")


async def _store_keys(
    deployment_id: str, keys: dict[Venue, dict[str, str]], secrets: SecretStore | None
) -> dict[str, VenueKey]:
    if not keys:
        return {}
    if secrets is None:
        raise ValueError("keys came along, and no secret store")
    stored = {}
    for venue, envelope in keys.items():
        name = _secret_name(deployment_id, venue, envelope)
        version = await secrets.add(name, canonical_json(envelope).encode())
        stored[venue.value] = VenueKey(
            agent_address=envelope["agent_address"], secret_name=name, version=version
        )
    return stored


def _secret_name(deployment_id: str, venue: Venue, envelope: dict[str, str]) -> str:
    """Ends in a fingerprint of the envelope, so that another key is told from the same one.

    Nothing can be learnt from it: the envelope holds 32 bytes of ciphertext that nobody can guess.
    """
    return f"{deployment_id}-{venue.lower()}-{digest(canonical_json(envelope))[:16]}"


def _same(present: Deployment, wanted: Deployment, keys: dict[Venue, dict[str, str]]) -> Deployment:
    """The deployment that is there, if it is what is asked for."""
    names = {
        venue.value: _secret_name(present.deployment_id, venue, envelope)
        for venue, envelope in keys.items()
    }
    if names != {venue: key.secret_name for venue, key in present.venue_keys.items()}:
        raise DeniedError("DEPLOYMENT_EXISTS", "deployed with another key; keys are not replaced")
    if (present.enabled_venues, present.capital) != (wanted.enabled_venues, wanted.capital):
        raise DeniedError("DEPLOYMENT_EXISTS", "deployed with other venues or another capital")
    return present
