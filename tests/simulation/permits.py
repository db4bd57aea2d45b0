"""Who may have an order sent, and how much of it: judged from the records, as it goes out."""

from datetime import datetime
from decimal import Decimal

from common.books import BOOKS, ORDER_INTENTS, PARENT_ORDERS, PLAN_APPROVALS
from common.domain.identifiers import prefixed_id
from common.domain.money import ZERO
from common.domain.order import Order, OrderIntent, OrderPlan, OrderPurpose
from common.domain.parent_order import ParentOrder, ParentStatus
from common.domain.routing import RoutingDecision
from common.domain.scope import order_scopes
from common.domain.signal import Delivery
from common.execution.plan import plan_hash
from common.how.trading_state import TradingState, standing, state_ref
from common.ports import Ref
from common.wire import from_document
from infra.local.store.memory import MemoryStore


def intent_of(store: MemoryStore, order: Order) -> OrderIntent | None:
    found = store.peek(Ref(ORDER_INTENTS, order.intent_id))
    return from_document(OrderIntent, found.data) if found else None


def state_problem(
    store: MemoryStore, plan: OrderPlan, order: Order, now: datetime, held: Decimal
) -> str | None:
    """I11: no scope that the order is within is halted; where one only reduces, so does it."""
    scopes = order_scopes(
        book=plan.book,
        agent_id=plan.agent_id,
        deployment_id=plan.deployment_id,
        symbol=order.symbol,
        venues=(order.venue,),
    )
    found = standing(scopes, [store.peek(state_ref(scope)) for scope in scopes], now)
    if found.state is TradingState.HALTED:
        return f"is sent while {found.scope.label} is halted"
    closes = held * order.side.sign < 0 and order.quantity <= abs(held)
    if found.state is TradingState.REDUCING and not closes:
        return f"is sent while {found.scope.label} only reduces, and {held} is held"
    return None


def quantity_problem(store: MemoryStore, plan: OrderPlan, order: Order) -> str | None:
    """Catalogue case 85, R10: the quantity is what route, the parent or the exit approved."""
    if plan.parent_order_id:
        return _beyond_parent(store, plan, order)
    if plan.purpose is not OrderPurpose.ENTRY:
        return _not_an_exit(store, plan, order)
    place = BOOKS[plan.book].routing_history
    found = store.peek(Ref(place, prefixed_id("rte", plan.delivery_id)))
    route = from_document(RoutingDecision, found.data) if found else None
    approved = _routed(store, route, plan, order) if route else []
    return None if approved == [order.quantity] else f"is over {order.quantity}: {approved}"


def _beyond_parent(store: MemoryStore, plan: OrderPlan, order: Order) -> str | None:
    found = store.peek(Ref(PARENT_ORDERS, plan.parent_order_id))
    if found is None:
        return "is a child of nothing"
    parent = from_document(ParentOrder, found.data)
    child = parent.open_children.get(plan.intent_id)
    if parent.status is not ParentStatus.ACTIVE:
        return f"is a child, and its parent is {parent.status}"
    if child is None or order.quantity > child.quantity:
        return f"is over {order.quantity}, and its parent knows {child}"
    if parent.filled_qty + parent.open_qty > parent.quantity:
        return f"is part of more than its parent's {parent.quantity}"
    return None


def _not_an_exit(store: MemoryStore, plan: OrderPlan, order: Order) -> str | None:
    approval = store.peek(Ref(PLAN_APPROVALS, plan.intent_id))
    if approval is None or approval.data["plan_hash"] != plan_hash(plan):
        return "is an exit that nobody approved"
    if not order.reduce_only or [order.quantity] != [each.quantity for each in plan.candidates]:
        return f"is an exit over {order.quantity} that could open something"
    return None


def _routed(
    store: MemoryStore, route: RoutingDecision, plan: OrderPlan, order: Order
) -> list[Decimal]:
    """The quantity that the record gives this venue, or this leg of a split."""
    if not route.shares:
        checks = route.checked_venues
        return [each.quantity or ZERO for each in checks if each.venue == order.venue]
    found = store.peek(Ref(BOOKS[plan.book].deliveries, plan.delivery_id))
    legs = from_document(Delivery, found.data).intent_ids if found else ()
    return [
        share.quantity
        for leg, share in zip(legs, route.shares, strict=True)
        if leg == plan.intent_id
    ]
