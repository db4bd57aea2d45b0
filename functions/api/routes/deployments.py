"""Deployments: a user's copy of an agent."""

from fastapi import APIRouter

from common.books import V2, V3, Book
from common.domain.agent import Deployment
from common.wire import JsonObject, to_document
from functions.api.deployments import deploy
from functions.api.payloads import DeployV2, DeployV3
from infra.bootstrap import Runtime
from infra.web.requests import RuntimeOf, StrictRoute

router = APIRouter(tags=["deployments"], route_class=StrictRoute)


@router.post("/api/v3/agents/deploy", status_code=201)
async def deploy_v3(body: DeployV3, runtime: RuntimeOf) -> JsonObject:
    """Deploy a V3 agent. The same request again returns the same deployment."""
    return await _deploy(body, V3, runtime)


@router.post("/api/agents/deploy", status_code=201)
async def deploy_v2(body: DeployV2, runtime: RuntimeOf) -> JsonObject:
    """Deploy a V2 agent to its venues, in order of priority."""
    return await _deploy(body, V2, runtime)


async def _deploy(body: DeployV2 | DeployV3, book: Book, runtime: Runtime) -> JsonObject:
    deployment = await deploy(
        body,
        book=book,
        store=runtime.store,
        clock=runtime.clock,
        settings=runtime.settings,
        secrets=runtime.make_secrets() if body.keys() else None,
    )
    return deployment_view(deployment)


def deployment_view(deployment: Deployment) -> JsonObject:
    """Without the names of secrets: the venues that have a key, and its address."""
    document = to_document(deployment)
    keys = document.pop("venue_keys")
    addresses = {venue: key["agent_address"] for venue, key in keys.items()}
    return {**document, "agent_addresses": addresses}
