"""What `execute` works with, and what the store holds for one plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from common.books import ORDER_INTENTS, PARENT_ORDERS, PLAN_APPROVALS, Book, book_named
from common.config import Settings
from common.documents import Stored, stored_as
from common.domain.agent import Deployment
from common.domain.exposure import Exposure, Reservation
from common.domain.instrument import Venue
from common.domain.order import OrderIntent, OrderPlan, OrderPurpose, VenueCandidate
from common.domain.parent_order import ParentOrder
from common.domain.signal import Delivery
from common.errors import InvalidInputError, TransientError
from common.execution.approval import approval_ref, has_own_approval, is_approved
from common.execution.parents import with_rest_reserved
from common.execution.sender import Sender
from common.how.last_look import LastLook
from common.how.message_counts import MessageCount, read_counts
from common.how.portfolio_state import PortfolioState, read_portfolio_state
from common.ports import Clock, DocumentStore, ExecutionVenue, Ref


@dataclass(frozen=True, slots=True)
class Desk:
    store: DocumentStore
    clock: Clock
    settings: Settings
    venues: Mapping[Venue, ExecutionVenue]
    sender: Sender


@dataclass(frozen=True, slots=True)
class Found:
    """What there is before the plan's next attempt is written ahead."""

    plan: OrderPlan
    intent: Stored[OrderIntent] | None
    delivery: Stored[Delivery] | None  # None: an exit
    parent: Stored[ParentOrder] | None  # of a child
    state: PortfolioState
    counts: Mapping[str, MessageCount]  # by scope key

    @property
    def index(self) -> int:
        return self.intent.value.candidate if self.intent else 0

    @property
    def candidate(self) -> VenueCandidate:
        return self.plan.candidates[self.index]

    @property
    def has_own_end(self) -> bool:
        """Whether who planned it looks for its intent: `advance`, `monitor` or a flatten."""
        return has_own_approval(self.plan)

    @property
    def exposure(self) -> Stored[Exposure] | None:
        return self.state.exposure

    def reserved(self) -> Exposure:
        """The exposure with this attempt in it; a child's part comes out of its parent's."""
        exposure = self.state.held.reserve(self.plan.intent_id, self.reservation())
        return with_rest_reserved(exposure, self.parent.value) if self.parent else exposure

    def reservation(self) -> Reservation:
        plan, candidate = self.plan, self.candidate
        return Reservation(
            venue=candidate.venue,
            symbol=plan.symbol,
            side=plan.side,
            quantity=candidate.quantity,
            price=max(plan.reference_price, candidate.price),
            protective=plan.is_protective,
            exits=plan.purpose is not OrderPurpose.ENTRY and not plan.is_protective,
        )


def _refs(plan: OrderPlan, book: Book) -> list[Ref]:
    """Of its intent, deployment and approval; of its delivery and its parent where it has one."""
    refs = [
        Ref(ORDER_INTENTS, plan.intent_id),
        Ref(book.deployments, plan.deployment_id),
        approval_ref(plan),
    ]
    if plan.delivery_id:
        refs.append(Ref(book.deliveries, plan.delivery_id))
    if plan.parent_order_id:
        refs.append(Ref(PARENT_ORDERS, plan.parent_order_id))
    return refs


async def find(desk: Desk, plan: OrderPlan, now: datetime) -> Found:
    """Raises InvalidInputError: PLAN_NOT_APPROVED; TransientError: its delivery is not there."""
    book = book_named(plan.book)
    refs = _refs(plan, book)
    found = dict(zip(refs, await desk.store.get_many(refs), strict=True))
    by_kind = {ref.collection: document for ref, document in found.items()}
    intent = stored_as(OrderIntent, by_kind[ORDER_INTENTS])
    delivery = stored_as(Delivery, by_kind.get(book.deliveries))
    if plan.delivery_id and delivery is None:
        raise TransientError(f"delivery {plan.delivery_id} is not in {book.deliveries} yet")
    parent = stored_as(ParentOrder, by_kind.get(PARENT_ORDERS))
    approval = by_kind.get(PLAN_APPROVALS)
    approved = is_approved(plan, delivery.value if delivery else None, approval)
    if not approved or (plan.parent_order_id and parent is None):
        raise InvalidInputError(
            "the plan is not one that was approved", code="PLAN_NOT_APPROVED", where=plan.intent_id
        )
    deployment = stored_as(Deployment, by_kind[book.deployments])
    if deployment is None:
        raise InvalidInputError("its deployment is gone", where=plan.intent_id)
    venue = plan.candidates[intent.value.candidate if intent else 0].venue
    state = await read_portfolio_state(
        desk.store,
        deployment=deployment.value,
        symbol=plan.symbol,
        venues=[venue],
        now=now,
    )
    counts = await read_counts(desk.store, last_look(plan, venue, now).scopes, now=now)
    return Found(plan, intent, delivery, parent, state, counts)


def last_look(plan: OrderPlan, venue: Venue, now: datetime) -> LastLook:
    """Whose scopes an order of the plan is counted in."""
    return LastLook(
        book=plan.book,
        agent_id=plan.agent_id,
        deployment_id=plan.deployment_id,
        venue=venue,
        at=now,
    )
