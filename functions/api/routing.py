"""How venues are asked and chosen, as people set it, and what routing has recorded."""

from dataclasses import replace

from common.audit import audit_write
from common.books import V3, Book
from common.documents import load, put
from common.domain.agent import Agent, Deployment
from common.domain.moment import to_ms
from common.domain.routing import RoutingDecision, RoutingMode
from common.errors import InvalidInputError
from common.ports import Clock, DocumentStore, Query, Ref
from common.where.priorities import RoutingConfig
from common.wire import from_document
from functions.api.payloads import RoutingConfigV3
from functions.api.records import required

CONFIG_V3 = V3.routing_config or ""


async def set_order(wish: RoutingConfigV3, *, store: DocumentStore, clock: Clock) -> RoutingConfig:
    """Set order and mode for an agent or one deployment, which must exist in V3.

    Raises:
        NotFoundError: no such agent or deployment.
        InvalidInputError: a venue that the deployment has not enabled.
        ConflictError: somebody else set it meanwhile.
    """
    if wish.agent_id is not None:
        subject = wish.agent_id
        await required(store, Agent, Ref(V3.agents, subject), "agent")
    else:
        subject = wish.deployment_id or ""
        ref = Ref(V3.deployments, subject)
        deployment = await required(store, Deployment, ref, "deployment")
        if not set(wish.venues) <= set(deployment.enabled_venues):
            detail = "a venue that the deployment has not enabled"
            raise InvalidInputError(detail, code="VENUE_NOT_ENABLED", where="body.venues")
    place = Ref(CONFIG_V3, subject)
    stored = await load(store, RoutingConfig, place)
    config = RoutingConfig(
        subject_id=subject,
        venues=tuple(wish.venues),
        updated_at=clock.now(),
        mode=RoutingMode(wish.mode),
    )
    if stored and replace(stored.value, updated_at=config.updated_at) == config:
        return stored.value
    audit = audit_write(
        "routing-config-set",
        subject,
        at=config.updated_at,
        step=f"{to_ms(config.updated_at)}:{stored.version if stored else 0}",
        facts={"venues": [venue.value for venue in config.venues], "mode": config.mode.value},
    )
    await store.commit([put(stored, place, config), audit])
    return config


async def latest_routes(
    *, book: Book, store: DocumentStore, limit: int, cursor: str | None
) -> tuple[list[RoutingDecision], str | None]:
    """The newest first, and the cursor of the next page."""
    page = await store.query(
        Query(
            book.routing_history,
            order_by="created_at",
            descending=True,
            limit=limit,
            cursor=cursor,
        )
    )
    return [from_document(RoutingDecision, item.data) for item in page.documents], page.next_cursor
