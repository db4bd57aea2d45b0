"""Where a parent order may send nothing now, and why."""

from datetime import datetime

from common.books import EXPOSURES, book_named
from common.documents import load
from common.domain.agent import Deployment, DeploymentStatus
from common.domain.exposure import Exposure
from common.domain.instrument import Venue
from common.domain.parent_order import ParentOrder
from common.domain.scope import order_scopes
from common.how.denial import Denial
from common.how.limits import Refusal
from common.how.trading_state import standing, state_ref, state_refusal
from common.ports import DocumentStore, Ref


async def closed_venues(
    store: DocumentStore, parent: ParentOrder, *, now: datetime
) -> dict[Venue, Refusal]:
    """By the trading state of each venue, and by the deployment, where it has been paused since."""
    venues = [candidate.venue for candidate in parent.candidates]
    place = Ref(book_named(parent.book).deployments, parent.deployment_id)
    deployment = await load(store, Deployment, place)
    paused = deployment is None or deployment.value.status is not DeploymentStatus.ACTIVE
    if paused and not parent.reduce_only:
        refusal = Refusal(Denial.DEPLOYMENT_NOT_ACTIVE, "The deployment is paused")
        return dict.fromkeys(venues, refusal)
    scopes = {
        venue: order_scopes(
            book=parent.book,
            agent_id=parent.agent_id,
            deployment_id=parent.deployment_id,
            symbol=parent.symbol,
            venues=(venue,),
        )
        for venue in venues
    }
    every = list(dict.fromkeys(scope for each in scopes.values() for scope in each))
    documents = await store.get_many([state_ref(scope) for scope in every])
    found = dict(zip(every, documents, strict=True))
    exposed = await load(store, Exposure, Ref(EXPOSURES, parent.deployment_id))
    exposure = exposed.value if exposed else Exposure.empty(parent.deployment_id)
    refusals = {
        venue: state_refusal(
            standing(each, [found[scope] for scope in each], now),
            side=parent.side,
            quantity=parent.unspawned_qty,
            held=exposure.held(venue, parent.symbol),
        )
        for venue, each in scopes.items()
    }
    return {venue: refusal for venue, refusal in refusals.items() if refusal is not None}
