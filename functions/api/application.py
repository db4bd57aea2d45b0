"""The application, built at the first request (its lifespan never runs)."""

import gc
from functools import cache

from fastapi import FastAPI

from functions.api.permissions import PERMISSIONS
from functions.api.routes import (
    access,
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
    wallets,
)
from infra.web.application import create_application
from infra.web.entrance import Entrance

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
    access,
    wallets,
)


@cache
def application() -> FastAPI:
    return create_application((noun.router for noun in NOUNS), PERMISSIONS)


@cache
def entrance() -> Entrance:
    """What requests meet first.

    What is built by now lives as long as the process. Frozen, it is not walked through again at
    every full collection, which was the slowest thing that a heavy answer met.
    """
    made = Entrance(application(), {"/health": front.health_body})
    gc.freeze()
    return made
