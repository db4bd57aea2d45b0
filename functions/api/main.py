"""Entry point of `api`."""

from functions_framework import aio
from starlette.requests import Request

from functions.api.application import entrance
from infra.gcp.logging import configure_logging
from infra.web.entrance import Entrance


@aio.http  # type: ignore[arg-type] # it declares responses; any ASGI application is awaited alike
async def api(_: Request) -> Entrance:
    """Hand the request on: Starlette awaits what is returned as the ASGI application it is.

    functions-framework does not document this; tests/functions/test_api_entry_point.py guards it.
    """
    configure_logging()
    return entrance()
