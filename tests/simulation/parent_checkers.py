"""I10 of parent orders: their children's sums, their ends, and what they asked the bus for."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from common.books import FILLS, ORDER_INTENTS, PARENT_ORDERS
from common.domain.money import ZERO
from common.domain.order import FillRecord, IntentStatus, OrderIntent
from common.domain.parent_order import ParentOrder, ParentStatus
from common.wire import from_document
from tests.simulation.run import Run

_WITH_ALL = {ParentStatus.FILLED}
_WITH_NOTHING = {
    ParentStatus.CANCELED,
    ParentStatus.EXPIRED,
    ParentStatus.REJECTED,
    ParentStatus.DENIED,
}


def parent_violations(run: Run) -> Iterator[str]:
    """Every broken rule, each starting with its number."""
    contents = run.store.contents()
    filled: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for data in contents.get(FILLS, {}).values():
        record = from_document(FillRecord, data)
        filled[record.parent_order_id] += record.fill.last_qty
    children: dict[str, list[OrderIntent]] = defaultdict(list)
    for data in contents.get(ORDER_INTENTS, {}).values():
        intent = from_document(OrderIntent, data)
        children[intent.plan.parent_order_id].append(intent)
    overfilled = {
        entry.order.parent_order_id
        for venue in run.venues.values()
        for entry in venue.ledger
        if entry.overfilled
    }
    for key, data in contents.get(PARENT_ORDERS, {}).items():
        parent = from_document(ParentOrder, data)
        unresolved = any(each.status is IntentStatus.UNRESOLVED for each in children[key])
        yield from _ended(parent, unresolved)
        if parent.filled_qty != filled[key]:
            yield f"I10: {key} counts {parent.filled_qty}, its children filled {filled[key]}"
        if parent.filled_qty > parent.quantity and key not in overfilled:
            yield f"I10: {key} filled {parent.filled_qty} of {parent.quantity}"
        numbers = [intent.plan.slice_no for intent in children[key]]
        if len(numbers) != len(set(numbers)):
            yield f"I10: a slice of {key} was sent twice"
        if max(numbers, default=0) > parent.spawned:
            yield f"I10: {key} has spawned {parent.spawned}, there is slice {max(numbers)}"


def _ended(parent: ParentOrder, unresolved: bool) -> Iterator[str]:
    name = parent.parent_order_id
    if not parent.status.is_terminal or not parent.reason_code:
        yield f"I10: parent {name} is {parent.status}: {parent.reason}"
    if parent.open_children and not unresolved:
        yield f"I10: parent {name} ended with {len(parent.open_children)} open children"
    if parent.status in _WITH_ALL and parent.filled_qty < parent.quantity:
        yield f"I10: parent {name} is FILLED with {parent.filled_qty} of {parent.quantity}"
    if parent.status in _WITH_NOTHING and parent.filled_qty > 0:
        yield f"I10: parent {name} is {parent.status} with {parent.filled_qty}"
