"""Access: who may use the API, and as what."""

from fastapi import APIRouter, Request

from common.domain.principal import Principal, Role
from common.wire import JsonObject, to_document
from functions.api.access import (
    Change,
    add_principal,
    change_principal,
    list_principals,
    revocation,
    role_change,
)
from functions.api.access_payloads import AddPrincipal, ChangeRole, RevokePrincipal
from infra.bootstrap import Runtime
from infra.web.idempotency import once_only
from infra.web.requests import (
    Caller,
    Cursor,
    Limit,
    RecordId,
    RuntimeOf,
    StrictRoute,
    access_of,
)
from infra.web.tokens import email_id, new_token, token_id

router = APIRouter(tags=["access"], route_class=StrictRoute)


@router.get("/api/access/me")
async def me(caller: Caller) -> JsonObject:
    """Who the token says that you are, and your role."""
    return principal_view(caller)


@router.get("/api/access/principals")
async def principals(runtime: RuntimeOf, limit: Limit = 100, cursor: Cursor = None) -> JsonObject:
    """Everybody who has or had access, in order of id. The built-in token is in no list."""
    found, onward = await list_principals(runtime.store, limit=limit, cursor=cursor)
    return {"principals": [principal_view(each) for each in found], "next_cursor": onward}


@router.post("/api/access/principals", status_code=201)
async def add(
    body: AddPrincipal, request: Request, runtime: RuntimeOf, caller: Caller
) -> JsonObject:
    """Give somebody access. Of kind token, this one answer has the token, and nothing else ever.

    So the same Idempotency-Key again is answered 409.
    """
    token = new_token() if body.kind == "token" else None
    principal_id = (token_id(token) if token else None) or email_id(body.email or "")
    by = caller.acts_as(None)
    added = await add_principal(body, principal_id, by=by, store=runtime.store, clock=runtime.clock)
    access_of(request).forget(principal_id)
    if token is None:
        return principal_view(added)
    once_only(request.scope)
    return {**principal_view(added), "token": token}


@router.post("/api/access/principals/{id}/revoke")
async def revoke(
    id: RecordId,  # noqa: A002 - the path's word
    request: Request,
    runtime: RuntimeOf,
    caller: Caller,
    body: RevokePrincipal | None = None,
) -> JsonObject:
    """Take all access away, at once here and within 3 s everywhere. The body may be left out."""
    wish = body or RevokePrincipal()
    change = revocation(caller.acts_as(None), wish.reason)
    return await _changed(id, change, request, runtime)


@router.post("/api/access/principals/{id}/role")
async def role(
    id: RecordId,  # noqa: A002 - the path's word
    body: ChangeRole,
    request: Request,
    runtime: RuntimeOf,
) -> JsonObject:
    """Change a principal's role, at once here and within 3 s everywhere."""
    return await _changed(id, role_change(Role(body.role), body.reason), request, runtime)


async def _changed(
    principal_id: str, change: Change, request: Request, runtime: Runtime
) -> JsonObject:
    after = await change_principal(principal_id, change, store=runtime.store, clock=runtime.clock)
    access_of(request).forget(principal_id)
    return principal_view(after)


def principal_view(principal: Principal) -> JsonObject:
    return to_document(principal)
