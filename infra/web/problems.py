"""Errors as RFC 9457 problem documents: a stable code, a place, never the caller's own input."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from common.errors import (
    ConfigurationError,
    ConflictError,
    DeniedError,
    InvalidInputError,
    LockedError,
    NotFoundError,
    RateLimitedError,
    SapphireError,
    TransientError,
    UnauthenticatedError,
)

_BAD_REQUEST_CODES = frozenset({"INVALID_ID", "INVALID_CURSOR"})


class Problem(SapphireError):
    """An answer of `status` to the caller."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        where: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.where = where
        self.headers = dict(headers or {})

    def response(self) -> Response:
        body = {
            "type": f"urn:sapphire:problem:{self.code.lower().replace('_', '-')}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.where:
            body["where"] = self.where
        return Response(
            json.dumps(body),
            status_code=self.status,
            headers=self.headers,
            media_type="application/problem+json",
        )


def problem_of(error: SapphireError) -> Problem:
    """How an error of the house reads over HTTP."""
    match error:
        case Problem():
            return error
        case InvalidInputError(code="INVALID_DOCUMENT"):
            return Problem(500, "INTERNAL", "a record cannot be read; see the log")
        case InvalidInputError():
            status = 400 if error.code in _BAD_REQUEST_CODES else 422
            return Problem(status, error.code, error.message, where=error.where)
        case NotFoundError():
            return Problem(404, error.code, str(error))
        case LockedError():
            return Problem(423, error.code, error.message)
        case DeniedError(code="FOUR_EYES"):
            return Problem(403, error.code, error.message)
        case DeniedError():
            return Problem(409, error.code, error.message)
        case RateLimitedError():
            wait = str(max(1, round(error.retry_after_s or 1)))
            return Problem(503, "BUSY", "try again later", headers={"Retry-After": wait})
    return _in_fixed_words(error)


def _in_fixed_words(error: SapphireError) -> Problem:
    """Errors whose own words are for the log alone."""
    match error:
        case UnauthenticatedError():
            challenge = {"WWW-Authenticate": 'Bearer realm="sapphire"'}
            detail = "a valid bearer token is needed"
            return Problem(401, "UNAUTHENTICATED", detail, headers=challenge)
        case ConflictError():
            return Problem(409, "CONFLICT", "somebody else changed it meanwhile; try again")
        case TransientError():
            detail = "the store could not be reached; nothing is lost, try again"
            return Problem(503, "STORE_UNAVAILABLE", detail, headers={"Retry-After": "1"})
        case ConfigurationError():
            return Problem(503, "CONFIGURATION", "the deployment is set up wrong; see the log")
    return Problem(500, "INTERNAL", "an unexpected error; see the log")


def validation_problem(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """The first finding of a failed validation, without what the caller sent.

    `errors` are Pydantic's: `type`, `loc`, `msg`. The name of an unknown field is the caller's own
    text, so only the object that holds it is named.
    """
    first = errors[0]
    place = [str(part) for part in first["loc"]]
    status = 400 if place[:1] == ["path"] else 422
    if first["type"] == "extra_forbidden":
        return Problem(
            status, "UNKNOWN_FIELD", "a field that is not known", where=_path(place[:-1])
        )
    if first["type"] == "missing":
        return Problem(status, "MISSING_FIELD", "this field is required", where=_path(place))
    if first["type"] == "union_tag_invalid":  # Pydantic's own words repeat the tag that was sent
        detail = f"type must be one of {first['ctx']['expected_tags']}"
        return Problem(status, "INVALID_FIELD", detail, where=_path(place))
    detail = str(first["msg"]).removeprefix("Value error, ")
    return Problem(status, "INVALID_FIELD", detail, where=_path(place))


def http_problem(status: int, headers: Mapping[str, str] | None) -> Problem:
    """What the router itself refuses: no such path, no such method."""
    codes = {404: "NO_SUCH_PATH", 405: "METHOD_NOT_ALLOWED"}
    details = {404: "there is nothing at this path", 405: "this path has other methods"}
    code = codes.get(status, HTTPStatus(status).name)
    return Problem(status, code, details.get(status, HTTPStatus(status).phrase), headers=headers)


def _path(parts: Sequence[str]) -> str:
    return ".".join(parts)
