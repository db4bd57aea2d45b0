"""All documents that one order effect touches, read together before each compare-and-set."""

from dataclasses import dataclass

from common.books import ACCOUNTS, EXPOSURES, ORDER_INTENTS, ORDERS, PARENT_ORDERS, book_named
from common.documents import Stored, load, stored_as
from common.domain.account import Account
from common.domain.exposure import Exposure
from common.domain.order import Order, OrderIntent
from common.domain.parent_order import ParentOrder
from common.domain.signal import Delivery
from common.errors import InvalidInputError
from common.ports import DocumentStore, Ref


@dataclass(frozen=True, slots=True)
class Case:
    intent: Stored[OrderIntent]
    order: Stored[Order]
    exposure: Stored[Exposure]
    delivery: Stored[Delivery] | None  # None: an exit, which no signal waits for
    parent: Stored[ParentOrder] | None  # of a child
    account: Stored[Account] | None  # None before the deployment's first fill


async def load_case(store: DocumentStore, intent_id: str, client_order_id: str) -> Case:
    """Raises InvalidInputError when a document that the write-ahead created is missing."""
    intent = await load(store, OrderIntent, Ref(ORDER_INTENTS, intent_id))
    if intent is None:
        raise InvalidInputError("no such intent", where=f"{ORDER_INTENTS}/{intent_id}")
    plan = intent.value.plan
    refs = [
        Ref(ORDERS, client_order_id),
        Ref(EXPOSURES, plan.deployment_id),
        Ref(ACCOUNTS, plan.deployment_id),
    ]
    if plan.delivery_id:
        refs.append(Ref(book_named(plan.book).deliveries, plan.delivery_id))
    if plan.parent_order_id:
        refs.append(Ref(PARENT_ORDERS, plan.parent_order_id))
    found = dict(zip(refs, await store.get_many(refs), strict=True))
    waiting = {ref.collection: document for ref, document in found.items()}
    order = stored_as(Order, waiting[ORDERS])
    exposure = stored_as(Exposure, waiting[EXPOSURES])
    delivery = stored_as(Delivery, waiting.get(book_named(plan.book).deliveries))
    parent = stored_as(ParentOrder, waiting.get(PARENT_ORDERS))
    lost = (plan.delivery_id and delivery is None) or (plan.parent_order_id and parent is None)
    if order is None or exposure is None or lost:
        raise InvalidInputError(
            "its order, exposure, delivery or parent order is missing", where=intent_id
        )
    return Case(intent, order, exposure, delivery, parent, stored_as(Account, waiting[ACCOUNTS]))
