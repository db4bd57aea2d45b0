"""What must hold of legs, of what was booked as external, and of the audit trail."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from common.audit import row_hash
from common.books import (
    AUDIT,
    BOOKS,
    FILLS,
    NOTIFICATIONS,
    ORDER_INTENTS,
    ORDERS,
    PARENT_ORDERS,
    V2,
    V3,
)
from common.domain.agent import Deployment, DeploymentStatus
from common.domain.identifiers import prefixed_id
from common.domain.money import ZERO
from common.domain.order import FillRecord, IntentStatus, Order, OrderIntent
from common.domain.routing import RoutingDecision
from common.domain.signal import Delivery, SignalStatus
from common.execution.reconciliation import EXTERNAL
from common.wire import JsonObject, from_document
from tests.simulation.run import Run

Contents = dict[str, dict[str, JsonObject]]


def record_violations(run: Run) -> Iterator[str]:
    """Every broken rule, each starting with its number."""
    contents = run.store.contents()
    yield from _legs_add_up(run, contents)
    yield from _external_is_what_was_traded_by_hand(run, contents)
    yield from _overfills_freeze(run, contents)
    yield from _decisions_are_on_record(contents)
    yield from _chains_hold(contents)


def _legs_add_up(run: Run, contents: Contents) -> Iterator[str]:
    """I10: legs never fill more than was routed, and the delivery ends as its legs did."""
    filled: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for venue in run.venues.values():
        for entry in venue.ledger:
            share = entry.order.parent_order_id or entry.order.intent_id
            filled[share] += min(entry.report.filled_qty, entry.order.quantity)
    for book in (V2, V3):
        for key, data in contents.get(book.deliveries, {}).items():
            delivery = from_document(Delivery, data)
            routing = contents.get(book.routing_history, {}).get(prefixed_id("rte", key))
            shares = from_document(RoutingDecision, routing).shares if routing else ()
            if delivery.intent_id and len(delivery.legs) != len(shares):
                yield f"I10: {key} has {len(delivery.legs)} legs, {len(shares)} were routed"
            if not delivery.legs:
                continue
            total = sum((filled[leg] for leg in delivery.intent_ids), ZERO)
            if total > sum((share.quantity for share in shares), ZERO):
                yield f"I10: the legs of {key} filled {total}, {shares} were routed"
            ends = {leg.status for leg in delivery.legs}
            if SignalStatus.ROUTED in ends or SignalStatus.EXECUTING in ends:
                yield f"I10: {key} has a leg that never ended: {delivery.status}"
            if (delivery.status is SignalStatus.EXECUTED) != (ends == {SignalStatus.EXECUTED}):
                yield f"I10: {key} is {delivery.status} and its legs are {ends}"
            yield from _leg_is_its_intent(contents, delivery)


_END = {
    IntentStatus.FILLED: SignalStatus.EXECUTED,
    IntentStatus.PARTIAL: SignalStatus.PARTIAL,
}


def _leg_is_its_intent(contents: Contents, delivery: Delivery) -> Iterator[str]:
    """Or its parent order, where an algorithm works it: both have the same words for these ends."""
    for leg in delivery.legs:
        data = contents.get(ORDER_INTENTS, {}).get(leg.intent_id)
        data = data or contents.get(PARENT_ORDERS, {}).get(leg.intent_id)
        status = data["status"] if data else None
        has = leg.status in _END.values()
        if has != (status in _END) or (status in _END and _END[status] is not leg.status):
            yield f"I10: leg {leg.intent_id} is {leg.status}, its intent {status}"


def _external_is_what_was_traded_by_hand(run: Run, contents: Contents) -> Iterator[str]:
    """I03: what is booked as external is what the user did, unless a person must say which."""
    booked: dict[tuple[str, str, str], Decimal] = defaultdict(lambda: ZERO)
    gross: dict[tuple[str, str, str], Decimal] = defaultdict(lambda: ZERO)
    for data in contents.get(FILLS, {}).values():
        record = from_document(FillRecord, data)
        if record.intent_id == EXTERNAL:
            fill = record.fill
            place = (fill.account_id, fill.venue.value, fill.symbol)
            booked[place] += fill.last_qty * fill.side.sign
            gross[place] += fill.last_qty
    traded: dict[tuple[str, str, str], Decimal] = defaultdict(lambda: ZERO)
    for venue in run.venues.values():
        for trade in venue.by_hand:
            place = (trade.account_id, venue.venue.value, trade.symbol)
            traded[place] += trade.signed_qty
            gross[place] -= abs(trade.signed_qty)
    busy = _unresolved(contents)
    known = set(contents.get("exposures", {}))
    for place in {*booked, *traded}:
        if place in busy or place[0] not in known:
            continue
        if booked[place] != traded[place]:
            yield f"I03: {place}: {traded[place]} by hand, {booked[place]} booked as external"
        if gross[place] > 0:
            yield f"I03: {place}: {gross[place]} too much was booked as external, then taken back"


def _unresolved(contents: Contents) -> set[tuple[str, str, str]]:
    found = set()
    for data in contents.get(ORDER_INTENTS, {}).values():
        intent = from_document(OrderIntent, data)
        if intent.status is IntentStatus.UNRESOLVED:
            order = from_document(Order, contents[ORDERS][intent.client_order_id])
            found.add((order.account_id, order.venue.value, order.symbol))
    return found


def _overfills_freeze(run: Run, contents: Contents) -> Iterator[str]:
    """Case 103: a deployment whose order was overfilled is paused, and a person knows."""
    texts = [data["notification"]["text"] for data in contents.get(NOTIFICATIONS, {}).values()]
    for venue in run.venues.values():
        for entry in venue.ledger:
            if not entry.overfilled:
                continue
            data = contents[ORDER_INTENTS][entry.order.intent_id]
            plan = from_document(OrderIntent, data).plan
            held = contents[BOOKS[plan.book].deployments][plan.deployment_id]
            if from_document(Deployment, held).status is not DeploymentStatus.PAUSED:
                yield f"R10: {plan.deployment_id} was overfilled and trades on"
            if not any(text.startswith("OVERFILL") for text in texts):
                yield f"R12: nobody was told that {entry.order.client_order_id} was overfilled"


def _decisions_are_on_record(contents: Contents) -> Iterator[str]:
    """I12: each delivery has the record of its route, or the row that says why it has none."""
    rows = contents.get(AUDIT, {})
    refused = {row["subject_id"] for row in rows.values() if row["action"] == "delivery-refused"}
    for book in (V2, V3):
        for key in contents.get(book.deliveries, {}):
            routed = prefixed_id("rte", key) in contents.get(book.routing_history, {})
            if not routed and key not in refused:
                yield f"I12: {key} was decided and nothing says why"


def _chains_hold(contents: Contents) -> Iterator[str]:
    """I12: from the head that the intent holds, every row of the effect, each unaltered."""
    rows = {row["hash"]: row for row in contents.get(AUDIT, {}).values()}
    for row in rows.values():
        if row_hash(row) != row["hash"]:
            yield f"I12: the row {row['action']} of {row['subject_id']} was altered"
    for key, data in contents.get(ORDER_INTENTS, {}).items():
        intent = from_document(OrderIntent, data)
        head, seen = intent.audit_head, 0
        while head and head in rows:
            head, seen = rows[head]["previous"], seen + 1
        of_effect = [
            row
            for row in rows.values()
            if row["facts"].get("intent_id") == key or row["subject_id"] == key
        ]
        chained = [row for row in of_effect if row["action"] != "delivery-refused"]
        if head or seen != len(chained):
            yield f"I12: the chain of {key} has {seen} of {len(chained)} rows"
