"""I09 and I18: what is out, or may be, is reserved; and never more than the limits let out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from common.books import EXPOSURES, ORDER_INTENTS, PARENT_ORDERS
from common.domain.exposure import Exposure
from common.domain.money import ZERO
from common.domain.order import IntentStatus, Order, OrderPlan, OrderPurpose
from common.domain.parent_order import ParentOrder, ParentStatus
from common.how.worst_case import gross, notionals
from common.ports import Ref
from common.wire import JsonObject, from_document
from infra.local.store.memory import MemoryStore

PRICE_SLACK = Decimal("1.02")
"""Between the limit's check and the wire a fill may move the price that a holding is valued at."""


@dataclass(slots=True)
class Reserved:
    max_exposure: Decimal  # quote currency, per deployment
    max_total: Decimal  # over all deployments
    sent: set[str] = field(default_factory=set)  # intent ids

    def sends(self, store: MemoryStore, plan: OrderPlan, order: Order) -> Iterator[str]:
        """As `order` goes to the wire."""
        exposure = self._exposure(store, order.account_id)
        held = exposure.reservations.get(order.intent_id)
        self.sent.add(order.intent_id)
        if held is None or (held.venue, held.side) != (order.venue, order.side):
            yield f"I09: {order.client_order_id} is sent and not reserved"
            return
        if held.quantity < order.quantity:
            yield f"I09: {order.client_order_id} is sent, {held.quantity} is reserved"
        if plan.purpose is not OrderPurpose.ENTRY:
            return
        if plan.parent_order_id:
            yield from self._parent(store, plan, exposure)
        worst, without = (
            gross(notionals(exposure)),
            gross(notionals(exposure.release(order.intent_id))),
        )
        if worst > max(self.max_exposure * PRICE_SLACK, without):
            yield f"I09: {order.client_order_id} raises the exposure to {worst}"
        yield from self._total(store, order)

    def _parent(self, store: MemoryStore, plan: OrderPlan, exposure: Exposure) -> Iterator[str]:
        """All of it that has not filled is held, by itself or by its children."""
        found = store.peek(Ref(PARENT_ORDERS, plan.parent_order_id))
        if found is None:
            return
        parent = from_document(ParentOrder, found.data)
        names = {plan.parent_order_id, *parent.open_children}
        held = sum(
            (each.quantity for key, each in exposure.reservations.items() if key in names), ZERO
        )
        if held < parent.quantity - parent.filled_qty:
            yield f"I09: of the parent {plan.parent_order_id} only {held} is reserved"

    def _total(self, store: MemoryStore, order: Order) -> Iterator[str]:
        """Of what is held and what is out: that others have reserved, and may be refused, is not
        out.
        """
        total = without = ZERO
        for key in store.documents(EXPOSURES):
            exposure = self._exposure(store, key)
            out = {name: each for name, each in exposure.reservations.items() if name in self.sent}
            total += gross(notionals(replace(exposure, reservations=out)))
            out.pop(order.intent_id, None)
            without += gross(notionals(replace(exposure, reservations=out)))
        if total > max(self.max_total * PRICE_SLACK, without):
            yield f"I09: {order.client_order_id} raises the platform's exposure to {total}"

    def releases(
        self, store: MemoryStore, before: JsonObject, after: Mapping[Ref, JsonObject]
    ) -> Iterator[str]:
        """A commit takes reservations out of an exposure: each one's effect must have ended."""
        place = Ref(EXPOSURES, before["deployment_id"])
        kept = after[place]["reservations"]
        for name in before["reservations"].keys() - kept.keys():
            status = _status(store, after, Ref(ORDER_INTENTS, name))
            if status is not None:
                if not IntentStatus(status).is_terminal:
                    yield f"I18: {name} is {status}, and its reservation is gone"
                continue
            parent = _status(store, after, Ref(PARENT_ORDERS, name))
            if parent is None or ParentStatus(parent).is_terminal:
                continue
            if not _is_all_with_children(store, after, name):
                yield f"I18: the parent {name} is {parent}, and its rest is not reserved"

    def _exposure(self, store: MemoryStore, deployment_id: str) -> Exposure:
        found = store.peek(Ref(EXPOSURES, deployment_id))
        return from_document(Exposure, found.data) if found else Exposure.empty(deployment_id)


def _data(store: MemoryStore, after: Mapping[Ref, JsonObject], ref: Ref) -> JsonObject | None:
    if ref in after:
        return after[ref]
    found = store.peek(ref)
    return found.data if found else None


def _status(store: MemoryStore, after: Mapping[Ref, JsonObject], ref: Ref) -> str | None:
    data = _data(store, after, ref)
    return str(data["status"]) if data else None


def _is_all_with_children(store: MemoryStore, after: Mapping[Ref, JsonObject], name: str) -> bool:
    parent = _data(store, after, Ref(PARENT_ORDERS, name))
    assert parent is not None
    out = sum(
        (Decimal(each["quantity"]) - Decimal(each["filled_qty"]))
        for each in parent["open_children"].values()
    )
    return Decimal(parent["filled_qty"]) + out >= Decimal(parent["quantity"])
