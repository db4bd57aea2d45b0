"""What must hold between our books and the venue's own, whatever the errand was."""

from collections.abc import Iterator

from common.books import ORDERS
from common.domain.money import ZERO, Money, plain
from common.domain.order import IntentStatus, Order, OrderIntent
from common.execution.reconciliation import EXTERNAL
from tests.faults.course import Course


def parked(course: Course) -> list[OrderIntent]:
    """What a person must look at: it may have filled, or not."""
    return [each for each in course.intents if each.status is IntentStatus.UNRESOLVED]


def booked(course: Course) -> Money:
    """Signed base units that our records say this venue has filled."""
    here = [each.fill for each in course.recorded if each.fill.venue is course.stand.name]
    return sum((fill.last_qty * fill.side.sign for fill in here), ZERO)


def withheld(course: Course) -> Money:
    here = [each.fill for each in course.recorded if each.fill.venue is course.stand.name]
    return sum((fill.base_withheld for fill in here), ZERO)


def books_broken(course: Course) -> Iterator[str]:
    yield from _ends_broken(course)
    stand, lost = course.stand, {each.plan.intent_id for each in parked(course)}
    if any(each.intent_id == EXTERNAL for each in course.recorded):
        yield "our own fill was booked as external"
    told = booked(course)
    if told != stand.filled() and not lost:
        yield f"UNRECORDED: the venue filled {plain(stand.filled())}, we hold {plain(told)}"
    if course.exposure.held(stand.name, stand.symbol) != told - withheld(course):
        yield "the exposure is not the sum of the fills"
    if set(course.exposure.reservations) != lost:
        yield f"reservations: {sorted(course.exposure.reservations)}"


def _ends_broken(course: Course) -> Iterator[str]:
    lost = {each.plan.intent_id for each in parked(course)}
    for intent in course.intents:
        name = intent.plan.intent_id
        if name in lost and not course.is_told_of(name):
            yield f"{name} is UNRESOLVED, and nobody was told"
        elif name not in lost and not intent.status.is_terminal:
            yield f"the intent is {intent.status}: {intent.reason}"
    owners = {order.client_order_id: order for order in course.all_of(Order, ORDERS)}
    for order in owners.values():
        if not order.status.is_terminal and order.intent_id not in lost:
            yield f"order {order.client_order_id} is {order.status}"
    for resting in course.resting:
        owner = owners.get(resting.client_order_id or "")
        if owner is None or owner.intent_id not in lost:
            yield f"ORPHAN: {resting.venue_order_id} rests at the venue"
