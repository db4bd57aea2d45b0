"""What a parent order holds of its deployment's exposure, and how its delivery ends with it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from common.domain.events import OutboxMessage
from common.domain.exposure import Exposure, Reservation
from common.domain.instrument import Venue
from common.domain.money import ZERO
from common.domain.parent_order import ParentOrder, ParentStatus
from common.domain.signal import SignalStatus
from common.execution.deliveries import End
from common.execution.signals import place_of
from common.messages import parent_message

PARENT_END = {
    ParentStatus.FILLED: SignalStatus.EXECUTED,
    ParentStatus.PARTIAL: SignalStatus.PARTIAL,
    ParentStatus.CANCELED: SignalStatus.SKIPPED,
    ParentStatus.EXPIRED: SignalStatus.EXPIRED,
    ParentStatus.REJECTED: SignalStatus.FAILED,
    ParentStatus.DENIED: SignalStatus.DENIED,
}


def with_rest_reserved(exposure: Exposure, parent: ParentOrder) -> Exposure:
    """Reserve what the parent may still send beside what its children hold by themselves.

    So the whole of it counts from its first moment to its last, whichever child has how much, and
    a child that comes to nothing gives its part back to the parent.
    """
    if parent.status.is_terminal:
        return exposure.release(parent.parent_order_id)
    with_children = sum(
        (
            exposure.reservations[child].quantity
            for child in parent.open_children
            if child in exposure.reservations
        ),
        ZERO,
    )
    rest = parent.quantity - parent.filled_qty - with_children
    if rest <= 0:
        return exposure.release(parent.parent_order_id)
    return exposure.reserve(parent.parent_order_id, _reservation(parent, rest))


def _reservation(parent: ParentOrder, quantity: Decimal) -> Reservation:
    first = parent.candidates[0]
    return Reservation(
        venue=first.venue,
        symbol=parent.symbol,
        side=parent.side,
        quantity=quantity,
        price=max(parent.arrival_price, first.price),
        at_venue=False,
    )


def filled_at(parent: ParentOrder, venues: Iterable[Venue]) -> ParentOrder:
    """The parent with the `venues` of further fills of its children."""
    return replace(parent, filled_at=tuple(dict.fromkeys((*parent.filled_at, *venues))))


def parent_end(parent: ParentOrder) -> End:
    """The end of the parent's part of its delivery. The parent must have ended.

    Its venue is where it filled, MULTI where it filled at several. Where nothing filled it is the
    only one that it could go to; None where there were more.
    """
    only = parent.candidates[0].venue if len(parent.candidates) == 1 else None
    return End(
        status=PARENT_END[parent.status],
        reason_code=parent.reason_code,
        reason=parent.reason,
        venue=place_of(parent.filled_at) or only,
        adds_venue=bool(parent.filled_at),
    )


def child_ended(parent: ParentOrder, cause: str, *, now: datetime) -> OutboxMessage:
    """Something of the parent is free again: `advance` is to look at once."""
    return parent_message(parent.parent_order_id, cause, now=now)
