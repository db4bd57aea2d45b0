"""What is open to everybody: health, the front page, the API reference."""

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from common.wire import JsonObject
from functions.api.health import Health
from infra.web.pages import DOCS, FRONT
from infra.web.requests import RuntimeOf, StrictRoute

router = APIRouter(tags=["health"], route_class=StrictRoute)
_health = Health()


@router.get("/health")
async def health(runtime: RuntimeOf) -> JsonObject:
    """Whether the chain runs; needs no token and tells nothing of any user."""
    return await _health.report(store=runtime.store, clock=runtime.clock, settings=runtime.settings)


@router.get("/", include_in_schema=False)
async def front() -> Response:
    return HTMLResponse(FRONT)


@router.get("/docs", include_in_schema=False)
async def docs() -> Response:
    return HTMLResponse(DOCS)
