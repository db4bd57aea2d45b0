"""What routes ask of a request: the runtime, the nonce of a write, ids, pages."""

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import AfterValidator

from common.domain.identifiers import ID_PATTERN
from common.domain.moment import from_iso
from common.domain.principal import Principal
from common.errors import InvalidInputError
from infra import bootstrap
from infra.bootstrap import Runtime
from infra.web.access import Access
from infra.web.authorisation import CLEARED_KEY
from infra.web.guard import ACCESS_KEY, JSON_KEY, PRINCIPAL_KEY, PUBLIC_PATHS
from infra.web.idempotency import NONCE_KEY
from infra.web.problems import Problem

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class _StrictRequest(Request):
    async def json(self) -> Any:
        """What StrictBody parsed: Decimals, no duplicate keys."""
        return self.scope[JSON_KEY]


class StrictRoute(APIRoute):
    """Hands FastAPI the body that was parsed strictly, in place of its own `json.loads`."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            _require_cleared(request, self.path)
            return await handle(_StrictRequest(request.scope, request.receive))

        return strict


def _require_cleared(request: Request, path: str) -> None:
    """Whatever way the router found this route, a caller's role was looked at for this very one."""
    if path not in PUBLIC_PATHS and request.scope.get(CLEARED_KEY) != path:
        raise Problem(403, "ROLE_TOO_LOW", "no role was found to cover this path")


async def _principal(request: Request) -> Principal:
    principal: Principal = request.scope[PRINCIPAL_KEY]
    return principal


def access_of(request: Request) -> Access:
    """What this process knows of its callers."""
    access: Access = request.scope[ACCESS_KEY]
    return access


async def _runtime() -> Runtime:
    return bootstrap.current()


async def _nonce(request: Request) -> str:
    nonce: str = request.scope[NONCE_KEY]
    return nonce


def _record_id(text: str) -> str:
    if not ID_PATTERN.fullmatch(text):
        raise InvalidInputError("not an id", code="INVALID_ID", where="path")
    return text


async def _before(before: Annotated[str | None, Query(max_length=40)] = None) -> datetime | None:
    try:
        return from_iso(before) if before else None
    except ValueError:
        detail = "must be a moment such as 2026-11-20T08:15:40Z"
        raise InvalidInputError(detail, code="INVALID_FIELD", where="query.before") from None


Caller = Annotated[Principal, Depends(_principal)]
"""Who asks; `acts_as` is the name that an act is kept under."""
RuntimeOf = Annotated[Runtime, Depends(_runtime)]
Nonce = Annotated[str, Depends(_nonce)]
"""The same for each delivery of a request with an Idempotency-Key, else unique."""

RecordId = Annotated[str, Path(), AfterValidator(_record_id)]
QueryId = Annotated[str | None, Query(max_length=128, pattern=ID_PATTERN.pattern)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str | None, Query(max_length=1000)]
Before = Annotated[datetime | None, Depends(_before)]
"""`?before=`: an aware moment. A `+` of its offset must be sent as %2B."""
