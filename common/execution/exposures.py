"""Changing an exposure, and the totals that it is part of, in one commit."""

from collections.abc import Iterable
from datetime import datetime

from common.books import EXPOSURES
from common.documents import Stored, put
from common.domain.exposure import Exposure
from common.domain.scope import PLATFORM_SCOPE, Scope, agent_scope, venue_scope
from common.errors import ConflictError
from common.how.risk_totals import GROSS, ORDERS, Addition, gross_ref, orders_ref
from common.how.worst_case import added
from common.ports import Create, DocumentStore, Increment, Ref, Write


async def exposure_writes(
    store: DocumentStore,
    before: Stored[Exposure] | None,
    after: Exposure,
    *,
    book: str,
    agent_id: str,
) -> list[Write]:
    """The exposure by compare-and-set, and what it adds to, or takes from, each total.

    For the commit of whoever changes an exposure; no exposure may be written otherwise. As the
    exposure holds the version that the differences were worked out from, every total is at any
    moment the sum over all exposures, to the cent. At most ten writes for one venue's change.

    Totals that are not there yet are created first, as 0, in commits of their own: so the writes
    conflict with nobody else's but the deployment's own.

    Raises TransientError: the store does not answer; nothing of the exposure is written.
    """
    old = before.value if before else Exposure.empty(after.deployment_id)
    increments = _differences(old, after, agent_scope(book, agent_id))
    await ensure(store, increments)
    ref = Ref(EXPOSURES, after.deployment_id)
    return [put(before, ref, after), *increments]


def _differences(old: Exposure, new: Exposure, agent: Scope) -> list[Increment]:
    by_venue = added(old, new)
    addition = Addition(by_venue)
    increments = []
    for scope in (PLATFORM_SCOPE, agent, *map(venue_scope, sorted(by_venue))):
        more = addition.of(scope)
        if more.gross_cents:
            increments.append(Increment(gross_ref(scope), GROSS, more.gross_cents))
        if more.open_orders:
            increments.append(Increment(orders_ref(scope), ORDERS, more.open_orders))
    return increments


async def ensure(
    store: DocumentStore, increments: Iterable[Increment], *, expires_at: datetime | None = None
) -> None:
    """Create, at 0, the documents that are not there: an increment needs one.

    Raises TransientError: the store does not answer.
    """
    asked = list(increments)
    present = await store.get_many([each.ref for each in asked]) if asked else []
    for each, document in zip(asked, present, strict=True):
        if document is None:
            try:
                await store.commit([Create(each.ref, {each.path: 0}, expires_at)])
            except ConflictError:  # somebody else was quicker, and it is there
                continue
