"""Parent orders for people: how each one goes, and pausing, resuming or canceling it."""

from collections.abc import Callable
from datetime import datetime

from common.audit import audit_write
from common.books import ORDER_INTENTS, ORDERS, PARENT_ORDERS
from common.contention import retry_on_conflict
from common.documents import load
from common.domain.events import OutboxMessage
from common.domain.order import Order, OrderIntent
from common.domain.parent_order import ParentOrder
from common.errors import DeniedError, InvalidInputError, NotFoundError
from common.execution.algorithms.parent import canceling, paused, resumed
from common.messages import parent_message
from common.outbox import outbox_write
from common.ports import Clock, DocumentStore, Query, Ref, Where
from common.wire import from_document
from functions.api.records import scan

CHILDREN_MAX = 500

Move = Callable[[ParentOrder, str, datetime], ParentOrder]


def _pause(parent: ParentOrder, reason: str, now: datetime) -> ParentOrder:
    return paused(parent, reason=reason, now=now)


def _resume(parent: ParentOrder, reason: str, now: datetime) -> ParentOrder:
    return resumed(parent, reason=reason, now=now)


def _cancel(parent: ParentOrder, reason: str, now: datetime) -> ParentOrder:
    return canceling(parent, code="CANCELED_BY_OPERATOR", reason=reason, now=now)


MOVES: dict[str, Move] = {"pause": _pause, "resume": _resume, "cancel": _cancel}


async def move_parent(
    parent_order_id: str, move: str, *, reason: str, by: str, store: DocumentStore, clock: Clock
) -> tuple[ParentOrder, list[OutboxMessage]]:
    """Pause, resume or cancel it; `advance` looks at it at once and does the rest.

    Raises:
        NotFoundError: PARENT_ORDER_NOT_FOUND.
        DeniedError: PARENT_MOVE_NOT_ALLOWED, as it has ended, or is being canceled.
    """
    ref = Ref(PARENT_ORDERS, parent_order_id)

    async def once() -> tuple[ParentOrder, list[OutboxMessage]]:
        stored = await load(store, ParentOrder, ref)
        if stored is None:
            raise NotFoundError("no such parent order", code="PARENT_ORDER_NOT_FOUND")
        now = clock.now()
        try:
            after = MOVES[move](stored.value, reason, now)
        except InvalidInputError as error:
            raise DeniedError(error.code, error.message) from None
        if after is stored.value:
            return after, []
        message = parent_message(parent_order_id, f"{move}:{stored.version}", now=now)
        audit = audit_write(
            f"parent-{move}",
            parent_order_id,
            at=now,
            step=stored.version,
            facts={"by": by, "reason": reason, "filled_qty": after.filled_qty},
        )
        await store.commit([stored.update(after), audit, outbox_write(message)])
        return after, [message]

    return await retry_on_conflict(once, what=f"parent order {parent_order_id}")


async def list_parents(
    *, store: DocumentStore, status: str | None, limit: int, cursor: str | None
) -> tuple[list[ParentOrder], str | None]:
    """Newest first; of one status in order of their ids."""
    if status is None:
        query = Query(
            PARENT_ORDERS, order_by="created_at", descending=True, limit=limit, cursor=cursor
        )
    else:
        where = (Where("status", "==", status),)
        query = Query(PARENT_ORDERS, where, limit=limit, cursor=cursor)
    page = await store.query(query)
    return [from_document(ParentOrder, item.data) for item in page.documents], page.next_cursor


async def children_of(store: DocumentStore, parent_order_id: str) -> list[Order]:
    """Every order that was sent for it, in order of submission; `CHILDREN_MAX` children at most."""
    where = (Where("plan.parent_order_id", "==", parent_order_id),)
    found = await scan(store, Query(ORDER_INTENTS, where), CHILDREN_MAX)
    intents = [from_document(OrderIntent, document.data) for document in found]
    refs = [Ref(ORDERS, key) for intent in intents for key in intent.client_order_ids]
    documents = await store.get_many(refs) if refs else []
    orders = [from_document(Order, item.data) for item in documents if item is not None]
    return sorted(orders, key=lambda order: (order.submitted_at, order.client_order_id))
