"""The FastAPI application. Its lifespan never runs under functions-framework: none is used."""

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response

from common.config import VERSION
from common.errors import SapphireError
from infra.web.authorisation import Authorisation, Permissions, flat_routes
from infra.web.cors import CrossOrigin
from infra.web.guard import (
    PUBLIC_PATHS,
    Authentication,
    ProblemBoundary,
    StrictBody,
    TimeLimit,
    told,
)
from infra.web.idempotency import Idempotency
from infra.web.problems import http_problem, validation_problem

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "stable, for programs"},
        "where": {"type": "string", "description": "the field, such as body.weights.x"},
    },
}
_KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Same key and body: one effect, one answer. Without it a retry may act twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


class Application(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """FastAPI's own, plus what the middleware adds: token, Idempotency-Key, problems."""
        if self.openapi_schema is None:
            self.openapi_schema = _described(super().openapi())
        return self.openapi_schema


def create_application(routers: Iterable[APIRouter], permissions: Permissions) -> FastAPI:
    """Whoever has no role for a route of `routers` gets 403 before the body is read."""
    nouns = tuple(routers)
    application = Application(
        title="Sapphire",
        version=VERSION,
        description="Multi-venue trading agents: agents, deployments, signals, routing, orders.",
        docs_url=None,  # FastAPI's page loads its script from a CDN; ours is in pages.py
        redoc_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(CrossOrigin),
            Middleware(ProblemBoundary),
            Middleware(TimeLimit),
            Middleware(Authentication, urgent=permissions.urgent),
            Middleware(Authorisation, routes=flat_routes(nouns), permissions=permissions),
            Middleware(StrictBody),
            Middleware(Idempotency),
        ],
    )
    for router in nouns:
        application.include_router(router)
    application.add_exception_handler(SapphireError, _on_error)
    application.add_exception_handler(RequestValidationError, _on_validation_error)
    application.add_exception_handler(HTTPException, _on_http_exception)
    return application


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, SapphireError)  # noqa: S101 - what it is registered for
    return told(error, method=request.method, path=request.url.path).response()


async def _on_validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for
    return validation_problem(error.errors()).response()


async def _on_http_exception(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    return http_problem(error.status_code, error.headers).response()


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    components = schema.setdefault("components", {})
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    # FastAPI describes its own validation errors, which never leave this application.
    for unused in ("HTTPValidationError", "ValidationError"):
        components.get("schemas", {}).pop(unused, None)
    components.setdefault("schemas", {})["Problem"] = _PROBLEM
    problem = {
        "description": "A problem (RFC 9457)",
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = problem
            if path not in PUBLIC_PATHS:
                operation["security"] = [{"token": []}]
            if method in {"post", "put"}:
                operation.setdefault("parameters", []).append(_KEY_HEADER)
    return schema
