"""Our positions beside the venue's own word."""

from decimal import Decimal

from common.books import EXPOSURES, book_named
from common.documents import load
from common.domain.agent import Deployment
from common.domain.exposure import Exposure
from common.domain.money import ZERO
from common.domain.order import Order, OrderPlan
from common.execution.wallets import neighbours
from common.ports import DocumentStore, ExecutionVenue, Ref


async def venue_agrees(
    store: DocumentStore, venue: ExecutionVenue, plan: OrderPlan, order: Order
) -> bool:
    """Whether the venue's net quantity is explained by the fills that we hold.

    A difference may be this order, accepted and not told; it may also be another open order of
    the deployment, which its own query will find. Either way nothing is concluded from it. What
    other deployments hold from the same wallet is in the venue's quantity too.

    Raises:
        TransientError: the venue did not answer, which is not the same as flat.
    """
    stored = await load(store, Exposure, Ref(EXPOSURES, plan.deployment_id))
    exposure = stored.value if stored else Exposure.empty(plan.deployment_id)
    place = Ref(book_named(plan.book).deployments, plan.deployment_id)
    deployment = await load(store, Deployment, place)
    others = await neighbours(store, deployment.value) if deployment else ()
    told = await venue.query_position(account_id=order.account_id, symbol=order.symbol)
    quantity = Decimal(told.signed_qty) if told else ZERO
    held = (each.held(order.venue, order.symbol) for each in (exposure, *others))
    return quantity == sum(held, ZERO)
