"""What a wallet needs to sign for a request."""

from fastapi import APIRouter

from common.domain.moment import iso
from common.wire import JsonObject
from functions.api.payloads import WalletNonceWish
from infra.keys.address import checksum_address
from infra.wallets.nonces import issue_nonce
from infra.wallets.proof import relying_party
from infra.web.requests import RuntimeOf, StrictRoute

router = APIRouter(tags=["wallets"], route_class=StrictRoute)


@router.post("/api/wallet/nonce", status_code=201)
async def nonce(body: WalletNonceWish, runtime: RuntimeOf) -> JsonObject:
    """A nonce for one message of this wallet, and what else such a message must say.

    The message is one of ERC-4361. Its URI is `origin` and the path of the request that it is for,
    its statement `Sapphire <action> of agent <id>, body sha256 <hex>`; it is sent with that request
    as Wallet-Message (base64) and Wallet-Signature. `required` is false where nobody asks for it.
    """
    settings = runtime.settings
    by = relying_party(settings) if settings.wallet_proof else None
    value, record = await issue_nonce(body.wallet, store=runtime.store, clock=runtime.clock)
    return {
        "required": settings.wallet_proof,
        "nonce": value,
        "address": checksum_address(body.wallet),
        "domain": by.domain if by else None,
        "origin": by.origin if by else None,
        "version": "1",
        "chain_ids": list(by.chains) if by else [],
        "issued_at": iso(record.issued_at),
        "expires_at": iso(record.expires_at),
    }
