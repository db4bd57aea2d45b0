"""Agent Where: venue priorities, and the record of every routing decision."""

from fastapi import APIRouter

from common.books import V2, V3, Book
from common.ports import Ref
from common.where.priorities import RoutingConfig
from common.wire import JsonObject, to_document
from functions.api.payloads import RoutingConfigV3
from functions.api.records import required
from functions.api.routing import CONFIG_V3, latest_routes, set_order
from functions.api.signals import routes_of
from infra.bootstrap import Runtime
from infra.web.requests import Cursor, Limit, QueryId, RecordId, RuntimeOf, StrictRoute

router = APIRouter(tags=["routing"], route_class=StrictRoute)


@router.get("/api/v3/routing/history")
async def history_v3(
    runtime: RuntimeOf, signal_id: QueryId = None, limit: Limit = 100, cursor: Cursor = None
) -> JsonObject:
    """V3's routing: candidates in order, what each said, the choice and its reason."""
    return await _history(V3, runtime, signal_id, limit, cursor)


@router.get("/api/routing/history")
async def history_v2(
    runtime: RuntimeOf, signal_id: QueryId = None, limit: Limit = 100, cursor: Cursor = None
) -> JsonObject:
    """V2's routing: candidates in order, what each said, the choice and its reason."""
    return await _history(V2, runtime, signal_id, limit, cursor)


@router.put("/api/v3/routing/config")
@router.post("/api/v3/routing/config")
async def set_config(body: RoutingConfigV3, runtime: RuntimeOf) -> JsonObject:
    """Set the order in which an agent's or a deployment's venues are asked, and how to choose.

    `mode` is PRIORITY (the first that can), COST (the cheapest that can) or SPLIT (shares over
    several, at the least cost together); PRIORITY when left out. The order reorders and narrows
    what a deployment has enabled; a venue that is not enabled stays out.
    """
    config = await set_order(body, store=runtime.store, clock=runtime.clock)
    return to_document(config)


@router.get("/api/v3/routing/config/{id}")
async def get_config(id: RecordId, runtime: RuntimeOf) -> JsonObject:  # noqa: A002 - the path's word
    """The order and mode that were set for an agent or a deployment."""
    ref = Ref(CONFIG_V3, id)
    return to_document(await required(runtime.store, RoutingConfig, ref, "routing_config"))


async def _history(
    book: Book, runtime: Runtime, signal_id: str | None, limit: int, cursor: str | None
) -> JsonObject:
    if signal_id is not None:
        routes = (await routes_of(runtime.store, book, signal_id))[:limit]
        onward = None
    else:
        routes, onward = await latest_routes(
            book=book, store=runtime.store, limit=limit, cursor=cursor
        )
    return {"routing_history": [to_document(route) for route in routes], "next_cursor": onward}
