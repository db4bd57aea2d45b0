"""Deployments: a user's copy of an agent."""

from fastapi import APIRouter

from common.books import V2, V3, Book
from common.domain.agent import Deployment
from common.ports import Ref
from common.wire import JsonObject, to_document
from functions.api.deployments import deploy
from functions.api.payloads import DeployV2, DeployV3
from functions.api.records import required
from functions.api.wallets import WalletProof, WalletProofOf
from infra.bootstrap import Runtime
from infra.web.publish import publish
from infra.web.requests import RecordId, RuntimeOf, StrictRoute

router = APIRouter(tags=["deployments"], route_class=StrictRoute)

_KEY_FIELDS = ("agent_address", "key_version", "status", "code", "checked_at")


@router.post("/api/v3/agents/deploy", status_code=201)
async def deploy_v3(body: DeployV3, runtime: RuntimeOf, proof: WalletProofOf) -> JsonObject:
    """Deploy a V3 agent. The same request again returns the same deployment."""
    return await _deploy(body, V3, runtime, proof)


@router.post("/api/agents/deploy", status_code=201)
async def deploy_v2(body: DeployV2, runtime: RuntimeOf, proof: WalletProofOf) -> JsonObject:
    """Deploy a V2 agent to its venues, in order of priority."""
    return await _deploy(body, V2, runtime, proof)


@router.get("/api/v3/deployments/{id}")
async def get_v3(id: RecordId, runtime: RuntimeOf) -> JsonObject:  # noqa: A002 - the path's word
    """A V3 deployment: its venues, and whether its keys are checked."""
    return await _get(id, V3, runtime)


@router.get("/api/deployments/{id}")
async def get_v2(id: RecordId, runtime: RuntimeOf) -> JsonObject:  # noqa: A002 - the path's word
    """A V2 deployment: its venues, and whether its keys are checked."""
    return await _get(id, V2, runtime)


async def _deploy(
    body: DeployV2 | DeployV3, book: Book, runtime: Runtime, proof: WalletProof
) -> JsonObject:
    await proof.require("deploy", agent_id=body.agent_id, wallet=body.user_wallet)
    deployment, messages = await deploy(
        body,
        book=book,
        store=runtime.store,
        clock=runtime.clock,
        settings=runtime.settings,
        secrets=runtime.make_secret_adder() if body.keys() else None,
    )
    await publish(runtime, messages)
    return deployment_view(deployment)


async def _get(deployment_id: str, book: Book, runtime: Runtime) -> JsonObject:
    ref = Ref(book.deployments, deployment_id)
    return deployment_view(await required(runtime.store, Deployment, ref, "deployment"))


def deployment_view(deployment: Deployment) -> JsonObject:
    """Without the names of secrets: each venue's key by its address, version and verdict."""
    document = to_document(deployment)
    keys = document.pop("venue_keys")
    return {
        **document,
        "agent_addresses": {venue: key["agent_address"] for venue, key in keys.items()},
        "keys": {venue: {name: key[name] for name in _KEY_FIELDS} for venue, key in keys.items()},
        "key_status": deployment.key_status,
    }
