"""The user's rules for a deployment."""

from typing import Annotated

from fastapi import APIRouter, Query

from common.books import V2, V3, Book
from common.domain.principal import Principal
from common.wire import JsonObject
from functions.api.policies import get_policy, set_policy
from functions.api.policy_payloads import SetPolicy, pass_through_view, policy_view
from infra.bootstrap import Runtime
from infra.web.requests import Caller, RecordId, RuntimeOf, StrictRoute

router = APIRouter(tags=["policies"], route_class=StrictRoute)

Version = Annotated[int | None, Query(ge=1, le=1_000_000_000)]


@router.post("/api/v3/deployments/{id}/policy")
async def set_v3(id: RecordId, body: SetPolicy, runtime: RuntimeOf, caller: Caller) -> JsonObject:  # noqa: A002 - the path's word
    """Set a V3 deployment's rules. They can make a signal smaller or refuse it, never raise it.

    Distances are in percent: a `stop_loss` of 2.5 is 2.5 %. The same rules again keep the version.
    """
    return await _set(id, body, V3, runtime, caller)


@router.post("/api/deployments/{id}/policy")
async def set_v2(id: RecordId, body: SetPolicy, runtime: RuntimeOf, caller: Caller) -> JsonObject:  # noqa: A002 - the path's word
    """Set a V2 deployment's rules. They can make a signal smaller or refuse it, never raise it.

    Distances are in percent: a `stop_loss` of 2.5 is 2.5 %. The same rules again keep the version.
    """
    return await _set(id, body, V2, runtime, caller)


@router.get("/api/v3/deployments/{id}/policy")
async def get_v3(id: RecordId, runtime: RuntimeOf, version: Version = None) -> JsonObject:  # noqa: A002 - the path's word
    """A V3 deployment's rules in force, or a former version's. Version 0 passes everything."""
    return await _get(id, version, V3, runtime)


@router.get("/api/deployments/{id}/policy")
async def get_v2(id: RecordId, runtime: RuntimeOf, version: Version = None) -> JsonObject:  # noqa: A002 - the path's word
    """A V2 deployment's rules in force, or a former version's. Version 0 passes everything."""
    return await _get(id, version, V2, runtime)


async def _set(
    deployment_id: str, body: SetPolicy, book: Book, runtime: Runtime, caller: Principal
) -> JsonObject:
    policy = await set_policy(
        deployment_id,
        body,
        by=caller.acts_as(body.by),
        book=book,
        store=runtime.store,
        clock=runtime.clock,
        settings=runtime.settings,
        instruments=runtime.make_instruments(),
    )
    return policy_view(policy)


async def _get(deployment_id: str, version: int | None, book: Book, runtime: Runtime) -> JsonObject:
    policy = await get_policy(deployment_id, version, book=book, store=runtime.store)
    return policy_view(policy) if policy else pass_through_view(deployment_id)
