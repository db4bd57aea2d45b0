"""The keys of deployments: replaced and revoked. The answers are those of a deployment."""

from fastapi import APIRouter

from common.books import V2, V3, Book
from common.wire import JsonObject
from functions.api.keys import KeyChange, disable_superseded, revoke_key, rotate_key
from functions.api.payloads import RevokeKey, RotateKey
from functions.api.routes.deployments import deployment_view
from functions.api.wallets import WalletProof, WalletProofOf
from infra.bootstrap import Runtime
from infra.web.publish import publish
from infra.web.requests import RuntimeOf, StrictRoute

router = APIRouter(tags=["keys"], route_class=StrictRoute)


@router.post("/api/v3/agents/keys/rotate")
async def rotate_v3(body: RotateKey, runtime: RuntimeOf, proof: WalletProofOf) -> JsonObject:
    """Replace a V3 deployment's key by one of a new agent, sealed with the next key version.

    The agent before it is retired: no deployment may ever use its address again.
    """
    return await _rotate(body, V3, runtime, proof)


@router.post("/api/agents/keys/rotate")
async def rotate_v2(body: RotateKey, runtime: RuntimeOf, proof: WalletProofOf) -> JsonObject:
    """Replace a V2 deployment's key by one of a new agent."""
    return await _rotate(body, V2, runtime, proof)


@router.post("/api/v3/agents/keys/revoke")
async def revoke_v3(body: RevokeKey, runtime: RuntimeOf, proof: WalletProofOf) -> JsonObject:
    """Stop signing with a V3 deployment's key at once, for good. Deregister it at the venue too."""
    return await _revoke(body, V3, runtime, proof)


@router.post("/api/agents/keys/revoke")
async def revoke_v2(body: RevokeKey, runtime: RuntimeOf, proof: WalletProofOf) -> JsonObject:
    """Stop signing with a V2 deployment's key at once, for good."""
    return await _revoke(body, V2, runtime, proof)


async def _rotate(body: RotateKey, book: Book, runtime: Runtime, proof: WalletProof) -> JsonObject:
    await proof.require_owner("rotate", body.deployment_id, book)
    change = await rotate_key(
        body,
        book=book,
        store=runtime.store,
        clock=runtime.clock,
        secrets=runtime.make_secret_adder(),
    )
    return await _finished(change, runtime)


async def _revoke(body: RevokeKey, book: Book, runtime: Runtime, proof: WalletProof) -> JsonObject:
    await proof.require_owner("revoke", body.deployment_id, book)
    change = await revoke_key(body, book=book, store=runtime.store, clock=runtime.clock)
    return await _finished(change, runtime)


async def _finished(change: KeyChange, runtime: Runtime) -> JsonObject:
    await publish(runtime, change.messages)
    await disable_superseded(runtime.make_secret_adder(), change)
    return deployment_view(change.deployment)
