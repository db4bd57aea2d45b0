"""All documents that one order effect touches, read together before each compare-and-set."""

from dataclasses import dataclass

from common.books import EXPOSURES, ORDER_INTENTS, ORDERS, book_named
from common.documents import Stored, load
from common.domain.exposure import Exposure
from common.domain.order import Order, OrderIntent
from common.domain.signal import Delivery
from common.errors import InvalidInputError
from common.ports import DocumentStore, Ref


@dataclass(frozen=True, slots=True)
class Case:
    intent: Stored[OrderIntent]
    order: Stored[Order]
    delivery: Stored[Delivery]
    exposure: Stored[Exposure]


async def load_case(store: DocumentStore, intent_id: str, client_order_id: str) -> Case:
    """Raises InvalidInputError when a document that the write-ahead created is missing."""
    intent = await load(store, OrderIntent, Ref(ORDER_INTENTS, intent_id))
    if intent is None:
        raise InvalidInputError("no such intent", where=f"{ORDER_INTENTS}/{intent_id}")
    plan = intent.value.plan
    book = book_named(plan.book)
    order = await load(store, Order, Ref(ORDERS, client_order_id))
    delivery = await load(store, Delivery, Ref(book.deliveries, plan.delivery_id))
    exposure = await load(store, Exposure, Ref(EXPOSURES, plan.deployment_id))
    if order is None or delivery is None or exposure is None:
        raise InvalidInputError("its order, delivery or exposure is missing", where=intent_id)
    return Case(intent, order, delivery, exposure)
