"""Orders that were stopped because they came too often, and the person who lets them go on."""

from fastapi import APIRouter

from common.wire import JsonObject, to_document
from functions.api.limits_payloads import EnableThrottle
from functions.api.throttles import disabled_throttles, enable_throttle
from infra.web.requests import Caller, Cursor, Limit, RecordId, RuntimeOf, StrictRoute

router = APIRouter(tags=["operations"], route_class=StrictRoute)


@router.get("/api/ops/throttles")
async def throttles(runtime: RuntimeOf, limit: Limit = 50, cursor: Cursor = None) -> JsonObject:
    """Those that are disabled, by id: no new order of theirs goes until a person enables them."""
    page = await disabled_throttles(runtime.store, limit=limit, cursor=cursor)
    return {
        "throttles": [{**item.data, "throttle_id": item.ref.id} for item in page.documents],
        "next_cursor": page.next_cursor,
    }


@router.post("/api/ops/throttles/{id}/enable")
async def enable(
    id: RecordId,  # noqa: A002 - the path's word
    body: EnableThrottle,
    runtime: RuntimeOf,
    caller: Caller,
) -> JsonObject:
    """Let its orders go again, and count them anew. A name is required, and kept."""
    throttle = await enable_throttle(
        id,
        by=caller.acts_as(body.by),
        reason=body.reason,
        store=runtime.store,
        clock=runtime.clock,
    )
    return {**to_document(throttle), "throttle_id": throttle.throttle_id}
