"""Which venues a deployment asks, and in what order (V3-07, VP-02)."""

from dataclasses import dataclass

from common.books import Book
from common.documents import load_many
from common.domain.agent import Deployment
from common.domain.instrument import Venue
from common.domain.moment import UtcDatetime
from common.ports import DocumentStore, Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingConfig:
    """The document under `venue_routing_config_v3`, id = agent id or deployment id."""

    subject_id: str
    venues: tuple[Venue, ...]
    updated_at: UtcDatetime


async def venue_order(
    store: DocumentStore, book: Book, deployment: Deployment
) -> tuple[Venue, ...]:
    """The venues to ask, by the deployment's own configuration, else its agent's, else as enabled.

    A configuration can reorder and narrow what the user enabled. It cannot add a venue: the router
    refuses one that is not enabled, and the record says so.
    """
    if book.routing_config is None:
        return deployment.enabled_venues
    subjects = (deployment.deployment_id, deployment.agent_id)
    found = await load_many(
        store, RoutingConfig, [Ref(book.routing_config, subject) for subject in subjects]
    )
    for stored in found:
        if stored is not None:
            return stored.value.venues
    return deployment.enabled_venues
