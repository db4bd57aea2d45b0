"""What an error means for the bus: 2xx acknowledges, 429 and 5xx ask for redelivery."""

import logging
from dataclasses import dataclass

from common.errors import (
    ConfigurationError,
    ConflictError,
    DeniedError,
    InvalidInputError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    RejectedError,
    SapphireError,
    StaleError,
    TransientError,
    UnauthenticatedError,
)
from infra.gcp.oidc import WrongCallerError


@dataclass(frozen=True, slots=True)
class Action:
    status: int
    code: str
    level: int
    record: bool = False  # keep the event in `rejected_events`: it will not come again


ACTIONS: dict[type[SapphireError], Action] = {
    TransientError: Action(503, "TRANSIENT", logging.WARNING),
    RateLimitedError: Action(429, "RATE_LIMITED", logging.WARNING),
    ConflictError: Action(503, "CONFLICT", logging.WARNING),
    RejectedError: Action(204, "REJECTED", logging.WARNING, record=True),
    OutcomeUnknownError: Action(204, "OUTCOME_UNKNOWN", logging.ERROR, record=True),
    DeniedError: Action(204, "DENIED", logging.WARNING, record=True),
    StaleError: Action(204, "STALE", logging.WARNING, record=True),
    InvalidInputError: Action(204, "INVALID_INPUT", logging.ERROR, record=True),
    NotFoundError: Action(204, "NOT_FOUND", logging.ERROR, record=True),
    UnauthenticatedError: Action(401, "UNAUTHENTICATED", logging.WARNING),
    WrongCallerError: Action(403, "FORBIDDEN", logging.WARNING),
    ConfigurationError: Action(500, "CONFIGURATION", logging.CRITICAL),
}
UNEXPECTED = Action(500, "INTERNAL", logging.ERROR)


def action_for(error: Exception) -> Action:
    """The nearest class of the error decides; what is not of our tree is unexpected."""
    found = (ACTIONS[kind] for kind in type(error).__mro__ if kind in ACTIONS)
    return next(found, UNEXPECTED)


def error_code(error: Exception) -> str:
    """The error's own code where it has one: a denial says which limit, an input which rule."""
    return str(getattr(error, "code", action_for(error).code))
