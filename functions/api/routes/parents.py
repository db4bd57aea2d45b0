"""Parent orders: what an algorithm works, how far it is, and an operator's hand on it."""

from typing import Literal

from fastapi import APIRouter

from common.books import PARENT_ORDERS
from common.domain.money import plain
from common.domain.order import Order
from common.domain.parent_order import ParentOrder, ParentStatus
from common.ports import Ref
from common.wire import JsonObject, to_document
from functions.api.parents import children_of, list_parents, move_parent
from functions.api.payloads import OperatorReason
from functions.api.records import required
from infra.web.publish import publish
from infra.web.requests import Caller, Cursor, Limit, RecordId, RuntimeOf, StrictRoute

router = APIRouter(tags=["parent orders"], route_class=StrictRoute)


@router.get("/api/orders/parents")
async def list_all(
    runtime: RuntimeOf,
    status: ParentStatus | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> JsonObject:
    """Parent orders, newest first; of one `status` in order of their ids."""
    wanted = status.value if status else None
    found, onward = await list_parents(
        store=runtime.store, status=wanted, limit=limit, cursor=cursor
    )
    return {"parents": [parent_view(each) for each in found], "next_cursor": onward}


@router.get("/api/orders/parents/{parent_order_id}")
async def get_one(parent_order_id: RecordId, runtime: RuntimeOf) -> JsonObject:
    """A parent order with its schedule and every child order that was sent for it."""
    ref = Ref(PARENT_ORDERS, parent_order_id)
    parent = await required(runtime.store, ParentOrder, ref, "parent_order")
    children = await children_of(runtime.store, parent_order_id)
    schedule = to_document(parent)["schedule"]
    return {
        **parent_view(parent),
        "schedule": schedule,
        "children": [_child(order) for order in children],
    }


@router.post("/api/orders/parents/{parent_order_id}/{move}")
async def move(
    parent_order_id: RecordId,
    move: Literal["pause", "resume", "cancel"],
    runtime: RuntimeOf,
    caller: Caller,
    body: OperatorReason | None = None,
) -> JsonObject:
    """Pause it (what rests is canceled, its time goes on), resume it, or cancel what is left."""
    wish = body or OperatorReason()
    parent, messages = await move_parent(
        parent_order_id,
        move,
        reason=wish.reason,
        by=caller.acts_as(wish.by),
        store=runtime.store,
        clock=runtime.clock,
    )
    await publish(runtime, messages)
    return parent_view(parent)


def parent_view(parent: ParentOrder) -> JsonObject:
    document = to_document(parent)
    document.pop("schedule")
    document.pop("open_children")
    return {
        **document,
        "avg_px": None if parent.avg_px is None else plain(parent.avg_px),
        "leaves_qty": plain(parent.quantity - parent.filled_qty),
        "open_qty": plain(parent.open_qty),
        "slices": len(parent.schedule),
    }


def _child(order: Order) -> JsonObject:
    document = to_document(order)
    wanted = (
        "client_order_id",
        "exec_spawn_id",
        "venue",
        "order_type",
        "time_in_force",
        "quantity",
        "price",
        "status",
        "filled_qty",
        "avg_px",
        "reason",
        "submitted_at",
    )
    return {name: document[name] for name in wanted}
