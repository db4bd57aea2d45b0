"""Which venues a deployment asks, in what order, and how it chooses (V3-07, VP-02)."""

from dataclasses import dataclass

from common.books import Book
from common.documents import load_many
from common.domain.agent import Deployment
from common.domain.instrument import Venue
from common.domain.moment import UtcDatetime
from common.domain.routing import RoutingMode
from common.ports import DocumentStore, Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingConfig:
    """The document under `venue_routing_config_v3`, id = agent id or deployment id."""

    subject_id: str
    venues: tuple[Venue, ...]
    updated_at: UtcDatetime
    mode: RoutingMode = RoutingMode.PRIORITY


@dataclass(frozen=True, slots=True)
class RoutingPreference:
    """The venues to ask, in order, and how to choose among those that can."""

    venues: tuple[Venue, ...]
    mode: RoutingMode = RoutingMode.PRIORITY


async def routing_preference(
    store: DocumentStore, book: Book, deployment: Deployment
) -> RoutingPreference:
    """By the deployment's own configuration, else its agent's, else as enabled and by priority.

    A configuration can reorder and narrow what the user enabled. It cannot add a venue: the router
    refuses one that is not enabled, and the record says so.
    """
    if book.routing_config is None:
        return RoutingPreference(deployment.enabled_venues)
    subjects = (deployment.deployment_id, deployment.agent_id)
    found = await load_many(
        store, RoutingConfig, [Ref(book.routing_config, subject) for subject in subjects]
    )
    for stored in found:
        if stored is not None:
            return RoutingPreference(stored.value.venues, stored.value.mode)
    return RoutingPreference(deployment.enabled_venues)
