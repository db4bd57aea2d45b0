"""The application, built at the first request (its lifespan never runs)."""

from functools import cache

from fastapi import FastAPI

from functions.api.routes import (
    agents,
    analytics,
    decisions,
    deployments,
    front,
    keys,
    notifications,
    ops,
    portfolio,
    routing,
    signals,
    trading,
    venues,
)
from infra.web.application import create_application

NOUNS = (
    front,
    agents,
    deployments,
    keys,
    signals,
    routing,
    trading,
    portfolio,
    decisions,
    analytics,
    venues,
    ops,
    notifications,
)


@cache
def application() -> FastAPI:
    return create_application(noun.router for noun in NOUNS)
