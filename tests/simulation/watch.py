"""What must hold at the very moment of a send or a commit, judged from the store as it is then."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from common.books import (
    AUDIT,
    BREAKERS,
    EXPOSURES,
    FLATTENS,
    MARKET_SNAPSHOTS,
    ORDER_INTENTS,
    ORDERS,
    PARENT_ORDERS,
    SIGNED_REQUESTS,
)
from common.domain.exposure import Exposure
from common.domain.flatten import Flatten
from common.domain.identifiers import prefixed_id
from common.domain.moment import from_iso
from common.domain.order import (
    IntentStatus,
    Order,
    OrderIntent,
    OrderPurpose,
    OrderStatus,
    SignedRequest,
)
from common.domain.parent_order import ParentStatus
from common.ports import Create, Document, Ref, Update, Write
from common.where.breaker import Breaker, BreakerStatus
from common.wire import JsonObject, from_document, to_document
from infra.local.store.memory import MemoryStore
from tests.simulation.permits import intent_of, quantity_problem, state_problem
from tests.simulation.reserved import Reserved

_AT_THE_WIRE = frozenset({IntentStatus.SENDING, IntentStatus.UNKNOWN})
_NEVER_CHANGES = ("intent_id", "venue", "side", "quantity", "price", "payload_hash", "expires_at")
_KINDS: dict[str, type[OrderStatus] | type[IntentStatus] | type[ParentStatus]] = {
    ORDERS: OrderStatus,
    ORDER_INTENTS: IntentStatus,
    PARENT_ORDERS: ParentStatus,
}
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What no run may go beyond."""

    max_exposure: Decimal
    max_total: Decimal
    price_age_max: timedelta  # of the last candle's close, when an entry is written ahead
    messages_per_minute: int  # of one deployment
    max_attempts: int


@dataclass(slots=True)
class Watch:
    """Adds each broken invariant to `seen`, starting with its number."""

    store: MemoryStore
    bounds: Bounds
    seen: list[str] = field(default_factory=list)
    nonces: dict[tuple[str, int], str] = field(default_factory=dict)
    sent_at: dict[str, list[datetime]] = field(default_factory=dict)  # by deployment
    copies: Counter[str] = field(default_factory=Counter)
    reserved: Reserved = field(init=False)
    on_flat: Callable[[Flatten], None] = lambda _: None

    def __post_init__(self) -> None:
        self.reserved = Reserved(self.bounds.max_exposure, self.bounds.max_total)

    def sends(
        self, order: Order, request: SignedRequest, now: datetime, request_timeout: timedelta
    ) -> None:
        """The venue is called: nothing awaits between the last gate's reading and this."""
        name = order.client_order_id
        intent = intent_of(self.store, order)
        if intent is None:
            self.seen.append(f"I01: {name} is sent without an intent")
            return
        self._written_ahead(order, request, intent)
        self._in_time(order, intent, now, request_timeout)
        self._breaker_allows(order)
        exposure = self._exposure(order.account_id)
        held = exposure.left_to_reduce(order.intent_id, order.venue, order.symbol, order.side)
        if intent.plan.purpose is not OrderPurpose.ENTRY:  # which the venue cuts by itself
            held = exposure.held(order.venue, order.symbol)
        state = state_problem(self.store, intent.plan, order, now, held)
        if state is not None:
            self.seen.append(f"I11: {name} {state}")
        self.seen += self.reserved.sends(self.store, intent.plan, order)
        quantity = quantity_problem(self.store, intent.plan, order)
        if quantity is not None:
            self.seen.append(f"I10: {name} {quantity}")
        self._counted(order, now)
        self._signed_once(order, request)

    def arrives(self, order: Order) -> None:
        """I02 at the very moment: an order that arrives was written ahead, as it arrives."""
        known = self.store.peek(Ref(ORDERS, order.client_order_id))
        if known is None:
            self.seen.append(f"I02: {order.client_order_id} arrived and was never written ahead")
        elif known.data["payload_hash"] != order.payload_hash:
            self.seen.append(f"I02: {order.client_order_id} arrived altered")

    def commits(self, writes: Sequence[Write]) -> None:
        """I07, for the commits that go through: an effect that ended has ended."""
        before: list[Document] = []
        after: dict[Ref, JsonObject] = {}
        for write in writes:
            present = self.store.peek(write.ref)
            if isinstance(write, Update):
                if present is None or present.version != write.version:
                    return
                before.append(present)
                after[write.ref] = {**present.data, **write.data}
            elif isinstance(write, Create):
                if present is not None:
                    return
                after[write.ref] = write.data
        for document in before:
            self._moves(document, after[document.ref])
            if document.ref.collection == FLATTENS and after[document.ref]["status"] == "FLAT":
                self.on_flat(from_document(Flatten, after[document.ref]))
            if document.ref.collection == EXPOSURES:
                self.seen += self.reserved.releases(self.store, document.data, after)
        self._creates(writes)

    def _creates(self, writes: Sequence[Write]) -> None:
        for write in writes:
            if isinstance(write, Create) and write.ref.collection == ORDERS:
                self._further_attempt(write)
            if write.ref.collection == AUDIT and not isinstance(write, Create):
                self.seen.append(f"I12: the audit row {write.ref.id} is changed")

    def _written_ahead(self, order: Order, request: SignedRequest, intent: OrderIntent) -> None:
        name = order.client_order_id
        if intent.client_order_id != name or intent.status not in _AT_THE_WIRE:
            self.seen.append(f"I01: {name} is sent, and its intent is not at it")
        kept = self.store.peek(Ref(SIGNED_REQUESTS, name))
        if kept is None or kept.data != to_document(request):
            self.seen.append(f"I22: {name} is sent with other bytes than were written ahead")
        row = Ref(AUDIT, prefixed_id("aud", "order-sending", name, order.attempt))
        if self.store.peek(row) is None:
            self.seen.append(f"I12: {name} is sent before its audit row is written")

    def _in_time(
        self, order: Order, intent: OrderIntent, now: datetime, request_timeout: timedelta
    ) -> None:
        """I14: of its own expiry, of its plan's (the signal's), and by a fresh price."""
        name = order.client_order_id
        if now + request_timeout > order.expires_at:
            self.seen.append(f"I14: {name} is sent too late to arrive before its expiry")
        if order.submitted_at >= intent.plan.expires_at:
            self.seen.append(f"I14: {name} was written ahead after its signal had expired")
        if intent.plan.purpose is not OrderPurpose.ENTRY:
            return
        found = self.store.peek(Ref(MARKET_SNAPSHOTS, order.symbol))
        age = order.submitted_at - from_iso(found.data["observed_at"]) if found else None
        if age is None or age > self.bounds.price_age_max:
            self.seen.append(f"I14: {name} goes by a price that is {age} old")

    def _breaker_allows(self, order: Order) -> None:
        """I08: nothing is sent while it is open, and one request at a time while half open."""
        found = self.store.peek(Ref(BREAKERS, order.venue))
        breaker = from_document(Breaker, found.data) if found else None
        if breaker is None or breaker.status is BreakerStatus.CLOSED:
            return
        mine = breaker.probe_id == order.client_order_id
        if breaker.status is BreakerStatus.OPEN or not mine:
            self.seen.append(f"I08: {order.client_order_id} is sent, breaker {breaker.status}")

    def _counted(self, order: Order, now: datetime) -> None:
        """I21: no storm, neither of one intent nor of one deployment."""
        self.copies[order.client_order_id] += 1
        if order.attempt > self.bounds.max_attempts:
            self.seen.append(f"I21: {order.client_order_id} is attempt {order.attempt}")
        if self.copies[order.client_order_id] > 1:
            return
        times = self.sent_at.setdefault(order.account_id, [])
        times.append(order.submitted_at)
        lately = sum(1 for moment in times if abs(order.submitted_at - moment) < _MINUTE / 2)
        if lately > self.bounds.messages_per_minute:
            self.seen.append(f"I21: {order.account_id} sent {lately} orders within a minute")

    def _signed_once(self, order: Order, request: SignedRequest) -> None:
        """I22: a nonce belongs to one body for ever."""
        if not request.signer:
            return
        body = f"{request.request_key}:{request.body}"
        first = self.nonces.setdefault((f"{order.venue}:{request.signer}", request.nonce), body)
        if first != body:
            self.seen.append(f"I22: {request.signer} signed nonce {request.nonce} twice")

    def _exposure(self, deployment_id: str) -> Exposure:
        found = self.store.peek(Ref(EXPOSURES, deployment_id))
        return from_document(Exposure, found.data) if found else Exposure.empty(deployment_id)

    def _moves(self, found: Document, after: JsonObject) -> None:
        kind = _KINDS.get(found.ref.collection)
        if kind is None:
            return
        before, name = found.data, f"{found.ref.collection}/{found.ref.id}"
        ended = kind(before["status"]).is_terminal
        late = kind is ParentStatus and after["filled_qty"] != before["filled_qty"]
        if ended and not (kind(after["status"]).is_terminal or late):
            self.seen.append(f"I07: {name} goes from {before['status']} to {after['status']}")
        if Decimal(after["filled_qty"]) < Decimal(before["filled_qty"]):
            self.seen.append(f"I07: {name} loses a fill")
        if kind is OrderStatus and any(before[key] != after[key] for key in _NEVER_CHANGES):
            self.seen.append(f"I07: {name} is another order than the one written ahead")

    def _further_attempt(self, write: Create) -> None:
        found = self.store.peek(Ref(ORDER_INTENTS, write.data["intent_id"]))
        if found is not None and Decimal(found.data["filled_qty"]) > 0:
            self.seen.append(f"I01: a further attempt of {found.ref.id}, of which some has filled")
