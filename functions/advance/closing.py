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
from common.how.policy import entry_refusal, policy_of, policy_ref
from common.how.trading_state import standing, state_ref, state_refusal
from common.ports import DocumentStore, Ref
from common.wire import from_document


async def closed_venues(
    store: DocumentStore, parent: ParentOrder, *, now: datetime
) -> dict[Venue, Refusal]:
    """By the trading state of each venue; and by the deployment and its policy, where one has been
    paused and the other tightened since.
    """
    venues = [candidate.venue for candidate in parent.candidates]
    unwanted = {} if parent.reduce_only else await _unwanted(store, parent, now=now)
    if len(unwanted) == len(venues):
        return unwanted
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
    stopped = {venue: refusal for venue, refusal in refusals.items() if refusal is not None}
    return stopped | unwanted


async def _unwanted(
    store: DocumentStore, parent: ParentOrder, *, now: datetime
) -> dict[Venue, Refusal]:
    """Where its user wants no entry of it any more."""
    venues = [candidate.venue for candidate in parent.candidates]
    place = Ref(book_named(parent.book).deployments, parent.deployment_id)
    found, rules = await store.get_many([place, policy_ref(parent.deployment_id)])
    deployment = from_document(Deployment, found.data) if found else None
    if deployment is None or deployment.status is not DeploymentStatus.ACTIVE:
        refusal = Refusal(Denial.DEPLOYMENT_NOT_ACTIVE, "The deployment is paused")
        return dict.fromkeys(venues, refusal)
    policy = policy_of(rules)
    if policy is None or isinstance(policy, Refusal):
        return dict.fromkeys(venues, policy) if policy else {}
    refused = entry_refusal(policy.rules, symbol=parent.symbol, side=parent.side, now=now)
    if refused is not None:
        return dict.fromkeys(venues, refused)
    allowed = policy.rules.allowed_venues
    return {
        venue: Refusal(Denial.POLICY_VENUE_NOT_ALLOWED, f"The policy does not allow {venue.label}")
        for venue in venues
        if allowed is not None and venue not in allowed
    }
