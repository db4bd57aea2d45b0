"""What `route` works with, and what it knows of one delivery."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.books import Book
from common.config import Settings
from common.documents import Stored, load
from common.domain.agent import Deployment
from common.domain.instrument import Venue
from common.domain.order import OrderSide
from common.domain.signal import Delivery, PositionSide, Signal, SignalRecord
from common.errors import InvalidInputError, TransientError
from common.how.marks import Mark
from common.how.policy import PolicyVerdict
from common.how.portfolio_state import PortfolioState
from common.ports import Clock, DocumentStore, Instruments, Ref


@dataclass(frozen=True, slots=True)
class Desk:
    store: DocumentStore
    clock: Clock
    settings: Settings
    instruments: Instruments
    unavailable: Mapping[Venue, str]  # why nothing can be traded there in this mode


@dataclass(frozen=True, slots=True)
class Case:
    """A delivery that waits, with its signal and deployment."""

    book: Book
    delivery: Stored[Delivery]
    signal: Signal
    deployment: Deployment
    side: OrderSide


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the policy lets through, at which price, beside what is held and allowed."""

    mark: Mark
    verdict: PolicyVerdict
    state: PortfolioState
    closing_venue: Venue | None = None  # where it closes something, if it does

    def in_order(self, venues: Sequence[Venue]) -> tuple[Venue, ...]:
        """What closes something is asked for first where that is held."""
        first = [venue for venue in venues if venue == self.closing_venue]
        return (*first, *(venue for venue in venues if venue != self.closing_venue))


async def load_case(store: DocumentStore, book: Book, delivery_id: str) -> Case:
    """Raises TransientError: it is not there yet; InvalidInputError: what it belongs to is gone."""
    delivery = await load(store, Delivery, Ref(book.deliveries, delivery_id))
    if delivery is None:
        raise TransientError(f"delivery {delivery_id} is not in {book.deliveries} yet")
    value = delivery.value
    record = await load(store, SignalRecord, Ref(book.signals, value.signal_id))
    deployment = await load(store, Deployment, Ref(book.deployments, value.deployment_id))
    if record is None or deployment is None:
        raise InvalidInputError("its signal or deployment is gone", where=delivery_id)
    signal = record.value.signal
    side = OrderSide.BUY if signal.side is PositionSide.LONG else OrderSide.SELL
    return Case(book, delivery, signal, deployment.value, side)
