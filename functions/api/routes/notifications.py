"""What people were told, or would have been."""

from fastapi import APIRouter

from common.books import NOTIFICATIONS
from common.ports import Query
from common.wire import JsonObject
from infra.web.requests import Cursor, Limit, RuntimeOf, StrictRoute

router = APIRouter(tags=["notifications"], route_class=StrictRoute)


@router.get("/api/notifications")
async def latest(runtime: RuntimeOf, limit: Limit = 50, cursor: Cursor = None) -> JsonObject:
    """The newest first, each with what became of its sending."""
    page = await runtime.store.query(
        Query(
            NOTIFICATIONS,
            order_by="notification.created_at",
            descending=True,
            limit=limit,
            cursor=cursor,
        )
    )
    return {
        "notifications": [
            {
                **item.data["notification"],
                "delivery": item.data["delivery"],
                "delivery_reason": item.data["reason"],
            }
            for item in page.documents
        ],
        "next_cursor": page.next_cursor,
    }
