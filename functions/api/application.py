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
    limits,
    notifications,
    ops,
    parents,
    policies,
    portfolio,
    preflight,
    routing,
    signals,
    throttles,
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
    parents,
    portfolio,
    decisions,
    analytics,
    venues,
    policies,
    ops,
    limits,
    throttles,
    preflight,
    notifications,
)


@cache
def application() -> FastAPI:
    return create_application(noun.router for noun in NOUNS)
