"""What must hold at the very moment of a send or a commit, judged from the store as it is then."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from common.books import (
    AUDIT,
    BOOKS,
    BREAKERS,
    EXPOSURES,
    ORDER_INTENTS,
    ORDERS,
    SIGNED_REQUESTS,
)
from common.config import LimitSettings
from common.domain.exposure import Exposure
from common.domain.identifiers import prefixed_id
from common.domain.money import ZERO
from common.domain.order import (
    IntentStatus,
    Order,
    OrderIntent,
    OrderPlan,
    OrderStatus,
    SignedRequest,
)
from common.domain.routing import RoutingDecision
from common.domain.signal import Delivery
from common.how.trading_state import PLATFORM, TradingState
from common.ports import Create, Document, Ref, Update, Write
from common.where.breaker import Breaker, BreakerStatus
from common.wire import JsonObject, from_document, to_document
from infra.local.store.memory import MemoryStore

PRICE_SLACK = Decimal("1.02")
"""Between the limit's check and the wire a fill may move the price that a holding is valued at."""

_AT_THE_WIRE = frozenset({IntentStatus.SENDING, IntentStatus.UNKNOWN})
_NEVER_CHANGES = ("intent_id", "venue", "side", "quantity", "price", "payload_hash", "expires_at")


@dataclass(slots=True)
class Watch:
    """Adds each broken invariant to `seen`, starting with its number."""

    store: MemoryStore
    limits: LimitSettings
    seen: list[str] = field(default_factory=list)

    def sends(
        self, order: Order, request: SignedRequest, now: datetime, request_timeout: timedelta
    ) -> None:
        """The venue is called: nothing awaits between the last gate's reading and this."""
        name = order.client_order_id
        self._written_ahead(order, request)
        if now + request_timeout > order.expires_at:
            self.seen.append(f"I14: {name} is sent too late to arrive before its expiry")
        state = self.store.peek(PLATFORM)
        if state is None or state.data["state"] == TradingState.HALTED:
            self.seen.append(f"I11: {name} is sent while trading is halted")
        self._breaker_allows(order)
        self._reserved(order)
        self._as_routed(order)

    def arrives(self, order: Order) -> None:
        """I02 at the very moment: an order that arrives was written ahead, as it arrives."""
        known = self.store.peek(Ref(ORDERS, order.client_order_id))
        if known is None:
            self.seen.append(f"I02: {order.client_order_id} arrived and was never written ahead")
        elif known.data["payload_hash"] != order.payload_hash:
            self.seen.append(f"I02: {order.client_order_id} arrived altered")

    def commits(self, writes: Sequence[Write]) -> None:
        """I07, for the commits that go through: an effect that ended has ended."""
        updates = [
            (write, self.store.peek(write.ref)) for write in writes if isinstance(write, Update)
        ]
        if any(found is None or found.version != write.version for write, found in updates):
            return
        for update, present in updates:
            if present is not None:
                self._moves(present, {**present.data, **update.data})
        for write in writes:
            if isinstance(write, Create) and write.ref.collection == ORDERS:
                self._further_attempt(write)
            if write.ref.collection == AUDIT and not isinstance(write, Create):
                self.seen.append(f"I12: the audit row {write.ref.id} is changed")

    def _written_ahead(self, order: Order, request: SignedRequest) -> None:
        intent, name = self._intent(order), order.client_order_id
        current = intent is not None and intent.client_order_id == name
        if intent is None or not current or intent.status not in _AT_THE_WIRE:
            self.seen.append(f"I01: {name} is sent, and its intent is not at it")
        kept = self.store.peek(Ref(SIGNED_REQUESTS, name))
        if kept is None or kept.data != to_document(request):
            self.seen.append(f"I22: {name} is sent with other bytes than were written ahead")
        row = Ref(AUDIT, prefixed_id("aud", "order-sending", name, order.attempt))
        if self.store.peek(row) is None:
            self.seen.append(f"I12: {name} is sent before its audit row is written")

    def _breaker_allows(self, order: Order) -> None:
        """I08: nothing is sent while it is open, and one request at a time while half open."""
        found = self.store.peek(Ref(BREAKERS, order.venue))
        breaker = from_document(Breaker, found.data) if found else None
        if breaker is None or breaker.status is BreakerStatus.CLOSED:
            return
        mine = breaker.probe_id == order.client_order_id
        if breaker.status is BreakerStatus.OPEN or not mine:
            self.seen.append(f"I08: {order.client_order_id} is sent, breaker {breaker.status}")

    def _reserved(self, order: Order) -> None:
        """I09: what is sent is reserved, and the reservations hold within the limit."""
        found = self.store.peek(Ref(EXPOSURES, order.account_id))
        exposure = (
            from_document(Exposure, found.data) if found else Exposure.empty(order.account_id)
        )
        held = exposure.reservations.get(order.intent_id)
        if held is None or (held.venue, held.side) != (order.venue, order.side):
            self.seen.append(f"I09: {order.client_order_id} is sent and not reserved")
            return
        if held.quantity < order.quantity:
            self.seen.append(f"I09: {order.client_order_id} is sent, {held.quantity} is reserved")
        worst, without = exposure.notional(), exposure.release(order.intent_id).notional()
        if worst > max(self.limits.max_exposure_per_deployment * PRICE_SLACK, without):
            self.seen.append(f"I09: {order.client_order_id} raises the exposure to {worst}")

    def _as_routed(self, order: Order) -> None:
        """Catalogue case 85: the quantity is the one that the routing record approved."""
        intent = self._intent(order)
        if intent is None:
            return
        place = BOOKS[intent.plan.book].routing_history
        found = self.store.peek(Ref(place, prefixed_id("rte", intent.plan.delivery_id)))
        route = from_document(RoutingDecision, found.data) if found else None
        approved = self._approved(route, intent.plan, order) if route else []
        if approved != [order.quantity]:
            self.seen.append(f"I09: {order.client_order_id} is over {order.quantity}: {approved}")

    def _approved(self, route: RoutingDecision, plan: OrderPlan, order: Order) -> list[Decimal]:
        """The quantity that the record gives this venue, or this leg of a split."""
        if not route.shares:
            checks = route.checked_venues
            return [each.quantity or ZERO for each in checks if each.venue == order.venue]
        found = self.store.peek(Ref(BOOKS[plan.book].deliveries, plan.delivery_id))
        legs = from_document(Delivery, found.data).intent_ids if found else ()
        return [
            share.quantity
            for leg, share in zip(legs, route.shares, strict=True)
            if leg == plan.intent_id
        ]

    def _intent(self, order: Order) -> OrderIntent | None:
        found = self.store.peek(Ref(ORDER_INTENTS, order.intent_id))
        return from_document(OrderIntent, found.data) if found else None

    def _moves(self, found: Document, after: JsonObject) -> None:
        if found.ref.collection not in {ORDERS, ORDER_INTENTS}:
            return
        kind = OrderStatus if found.ref.collection == ORDERS else IntentStatus
        before, name = found.data, f"{found.ref.collection}/{found.ref.id}"
        if kind(before["status"]).is_terminal and not kind(after["status"]).is_terminal:
            self.seen.append(f"I07: {name} goes from {before['status']} to {after['status']}")
        if Decimal(after["filled_qty"]) < Decimal(before["filled_qty"]):
            self.seen.append(f"I07: {name} loses a fill")
        if kind is OrderStatus and any(before[key] != after[key] for key in _NEVER_CHANGES):
            self.seen.append(f"I07: {name} is another order than the one written ahead")

    def _further_attempt(self, write: Create) -> None:
        found = self.store.peek(Ref(ORDER_INTENTS, write.data["intent_id"]))
        if found is not None and Decimal(found.data["filled_qty"]) > 0:
            self.seen.append(f"I01: a further attempt of {found.ref.id}, of which some has filled")
