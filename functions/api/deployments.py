"""Deploying an agent: a wallet, its venues, and their keys, which go to the secret store."""

from decimal import Decimal

from common.audit import audit_write
from common.books import EXPOSURES, Book
from common.config import Settings
from common.documents import create, load
from common.domain.agent import (
    KEYED_VENUES,
    Agent,
    AgentStatus,
    Deployment,
    DeploymentStatus,
)
from common.domain.events import OutboxMessage
from common.domain.exposure import Exposure
from common.domain.identifiers import prefixed_id
from common.domain.instrument import Venue
from common.errors import DeniedError, InvalidInputError
from common.outbox import outbox_write
from common.ports import Clock, Create, DocumentStore, Ref
from functions.api.keys import (
    ask_again,
    pending_messages,
    refuse_retired,
    secret_name,
    store_key,
)
from functions.api.payloads import DeployV2, DeployV3
from functions.api.records import create_once, required
from infra.keys.adder import SecretAdder

DEFAULT_V3 = (Venue.HYPERLIQUID, Venue.OSTIUM)
DEFAULT_V2 = (Venue.HYPERLIQUID,)

Keys = dict[Venue, dict[str, str]]
"""The four fields of each venue's key, by name."""


async def deploy(
    wish: DeployV2 | DeployV3,
    *,
    book: Book,
    store: DocumentStore,
    clock: Clock,
    settings: Settings,
    secrets: SecretAdder | None,
) -> tuple[Deployment, list[OutboxMessage]]:
    """One deployment for each agent and wallet, and the messages that have its keys checked.

    The same request again returns it, and asks again for every check without a verdict.
    `secrets` may be None when no key came along.

    Raises:
        NotFoundError: no such agent in this book.
        InvalidInputError: a venue that the agent cannot have, a key that is missing or unused,
            AGENT_ADDRESS_RETIRED, or, live, CAPITAL_MISSING.
        DeniedError: AGENT_PAUSED; DEPLOYMENT_EXISTS with other keys, venues or capital.
    """
    agent = await required(store, Agent, Ref(book.agents, wish.agent_id), "agent")
    if agent.status is not AgentStatus.ACTIVE:
        raise DeniedError("AGENT_PAUSED", "the agent is paused")
    keys = wish.keys()
    wanted = Deployment(
        deployment_id=prefixed_id("dep", book.name, agent.agent_id, wish.user_wallet),
        book=book.name,
        agent_id=agent.agent_id,
        user_wallet=wish.user_wallet,
        enabled_venues=_venues(wish, agent),
        venue_keys={},
        capital=_capital(wish, settings),
        status=DeploymentStatus.ACTIVE,
        paper=settings.mode == "paper",
        created_at=clock.now(),
    )
    _check_keys(wanted, keys)
    ref = Ref(book.deployments, wanted.deployment_id)
    present = await load(store, Deployment, ref)
    if present is not None:
        return await _again(present.value, wanted, keys, store)
    await _store_keys(wanted, keys, store, secrets)
    messages = pending_messages(wanted, now=wanted.created_at)
    # From now on its positions are compared with the venues': what was there before is known first.
    exposed = create(Ref(EXPOSURES, wanted.deployment_id), Exposure.empty(wanted.deployment_id))
    writes = [create(ref, wanted), exposed, _audit(wanted), *map(outbox_write, messages)]
    kept, is_new = await create_once(store, ref, wanted, writes)
    return (kept, messages) if is_new else await _again(kept, wanted, keys, store)


def _capital(wish: DeployV2 | DeployV3, settings: Settings) -> Decimal:
    """On paper it may be left out. Of real money only its owner knows how much there is."""
    if wish.capital is not None:
        return wish.capital
    if settings.mode == "live":
        detail = "live: say how much of the account this deployment may use"
        raise InvalidInputError(detail, code="CAPITAL_MISSING", where="body.capital")
    return settings.default_capital


def _audit(deployment: Deployment) -> Create:
    facts = {
        "book": deployment.book,
        "agent_id": deployment.agent_id,
        "enabled_venues": [venue.value for venue in deployment.enabled_venues],
        "keys": sorted(deployment.venue_keys),
    }
    at = deployment.created_at
    return audit_write("deployment-created", deployment.deployment_id, at=at, step=0, facts=facts)


def _venues(wish: DeployV2 | DeployV3, agent: Agent) -> tuple[Venue, ...]:
    chosen = tuple(wish.enabled_venues or ()) if isinstance(wish, DeployV2) else tuple(wish.keys())
    if agent.venue is not Venue.MULTI:
        if chosen not in {(), (agent.venue,)}:
            detail = f"this agent trades on {agent.venue.label} alone"
            raise InvalidInputError(detail, code="VENUE_NOT_OF_AGENT", where="body.enabled_venues")
        return (agent.venue,)
    return chosen or (DEFAULT_V2 if isinstance(wish, DeployV2) else DEFAULT_V3)


def _check_keys(wanted: Deployment, keys: Keys) -> None:
    for venue in keys:
        if venue not in wanted.enabled_venues:
            detail = f"a key of {venue.label}, which is not among the enabled venues"
            raise InvalidInputError(detail, code="KEY_NOT_USED", where="body")
    needed = [venue for venue in wanted.enabled_venues if venue in KEYED_VENUES]
    missing = [venue.label for venue in needed if venue not in keys]
    if missing and not wanted.paper:
        detail = f"live trading needs the key of {', '.join(missing)}"
        raise InvalidInputError(detail, code="KEY_MISSING", where="body")


async def _store_keys(
    wanted: Deployment, keys: Keys, store: DocumentStore, secrets: SecretAdder | None
) -> None:
    """Before the commit: a version that nobody comes to refer to does no harm."""
    if not keys:
        return
    if secrets is None:
        raise ValueError("keys came along, and no secret store")
    addresses = [
        (f"{venue.lower()}_agent_address", fields["agent_address"])
        for venue, fields in keys.items()
    ]
    await refuse_retired(store, addresses)
    for venue, fields in keys.items():
        key = await store_key(secrets, wanted.deployment_id, venue, fields)
        wanted.venue_keys[venue.value] = key


async def _again(
    present: Deployment, wanted: Deployment, keys: Keys, store: DocumentStore
) -> tuple[Deployment, list[OutboxMessage]]:
    """The deployment that is there, if it is what is asked for."""
    names = {
        venue.value: secret_name(present.deployment_id, venue, fields)
        for venue, fields in keys.items()
    }
    if names != {venue: key.secret_name for venue, key in present.venue_keys.items()}:
        detail = "deployed with another key; keys/rotate replaces a key"
        raise DeniedError("DEPLOYMENT_EXISTS", detail)
    if (present.enabled_venues, present.capital) != (wanted.enabled_venues, wanted.capital):
        raise DeniedError("DEPLOYMENT_EXISTS", "deployed with other venues or another capital")
    messages = pending_messages(present, now=wanted.created_at)
    await ask_again(store, messages)
    return present, messages
