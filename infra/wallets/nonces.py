"""Nonces of wallets' messages: the server's own, each for one wallet, each used once."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from common.audit import audit_write
from common.books import WALLET_NONCES
from common.documents import Stored, load
from common.domain.moment import UtcDatetime
from common.errors import ConflictError
from common.ports import Clock, Create, DocumentStore, Ref
from common.wire import to_document
from infra.wallets.refusal import ProofRefusedError, unproven

LIVES_FOR = timedelta(
    minutes=10
)  # a message must be five minutes old at most, and be signed before
RANDOM_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletNonce:
    """The document under `wallet_nonces`; its id is the nonce."""

    wallet: str  # lower case
    issued_at: UtcDatetime
    expires_at: UtcDatetime
    used_at: UtcDatetime | None = None
    used_by: str = ""  # the request: infra.web.requests.Nonce


def random_nonce() -> str:
    """32 hexadecimal digits, 128 random bits."""
    return secrets.token_hex(RANDOM_BYTES)


async def issue_nonce(
    wallet: str, *, store: DocumentStore, clock: Clock, draw: Callable[[], str] = random_nonce
) -> tuple[str, WalletNonce]:
    """A nonce that only a message of `wallet` can use. Kept until it expires, used or not."""
    now = clock.now()
    nonce = draw()
    record = WalletNonce(wallet=wallet, issued_at=now, expires_at=now + LIVES_FOR)
    ref = Ref(WALLET_NONCES, nonce)
    await store.commit([Create(ref, to_document(record), expires_at=record.expires_at)])
    return nonce, record


async def usable_nonce(
    nonce: str, *, wallet: str, request_id: str, store: DocumentStore, clock: Clock
) -> Stored[WalletNonce]:
    """The nonce, not used yet, or used by this very request, which is being repeated.

    Raises:
        ProofRefusedError: WALLET_NONCE_UNKNOWN, of another wallet too; WALLET_NONCE_EXPIRED;
            WALLET_NONCE_USED.
    """
    ref = Ref(WALLET_NONCES, nonce)
    stored = await load(store, WalletNonce, ref) if len(nonce) == 2 * RANDOM_BYTES else None
    if stored is None or stored.value.wallet != wallet:
        detail = "the message's nonce was not issued here for this wallet: POST /api/wallet/nonce"
        raise unproven("WALLET_NONCE_UNKNOWN", detail)
    if stored.value.used_at is not None and stored.value.used_by != request_id:
        raise _used()
    if clock.now() >= stored.value.expires_at:
        raise unproven("WALLET_NONCE_EXPIRED", "the message's nonce has expired: take a new one")
    return stored


async def burn_nonce(
    stored: Stored[WalletNonce],
    *,
    request_id: str,
    facts: Mapping[str, object],
    store: DocumentStore,
    clock: Clock,
) -> None:
    """Before the act itself, with a row in the audit of what was signed. A request that comes again
    with the same Idempotency-Key may do so; no other request can, whatever became of the act.

    Raises:
        ProofRefusedError: WALLET_NONCE_USED by another request meanwhile.
    """
    if stored.value.used_at is not None:
        return  # by this very request
    now = clock.now()
    used = replace(stored.value, used_at=now, used_by=request_id)
    row = audit_write("wallet-proven", stored.ref.id, at=now, step=0, facts=facts)
    try:
        await store.commit([stored.update(used), row])
    except ConflictError:
        raise _used() from None


def _used() -> ProofRefusedError:
    detail = "the message's nonce was used before: take a new one, and sign again"
    return unproven("WALLET_NONCE_USED", detail)
