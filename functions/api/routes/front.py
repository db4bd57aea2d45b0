"""What is open to everybody: health, the front page, the API reference."""

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from common.wire import JsonObject
from functions.api.health import Health
from functions.api.together import as_json, json_bytes
from infra import bootstrap
from infra.web.pages import DOCS, FRONT
from infra.web.requests import StrictRoute

router = APIRouter(tags=["health"], route_class=StrictRoute)
_health = Health()


@router.get("/health", response_model=JsonObject)
async def health() -> Response:
    """Whether the chain runs; needs no token and tells nothing of any user."""
    return as_json(await health_body())


async def health_body() -> bytes:
    """What is answered at the entrance, too."""
    runtime = bootstrap.current()
    return json_bytes(
        await _health.report(store=runtime.store, clock=runtime.clock, settings=runtime.settings)
    )


@router.get("/", include_in_schema=False)
async def front() -> Response:
    return HTMLResponse(FRONT)


@router.get("/docs", include_in_schema=False)
async def docs() -> Response:
    return HTMLResponse(DOCS)
