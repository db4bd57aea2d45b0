"""An account's nonces on a chain: one transaction under way at a time, so that no gap can block it.

A nonce takes exactly one transaction, for ever. So two orders may hold the same nonce without harm:
at most one of them happens, and the chain proves that the other cannot. What the slot prevents is
the waste of that, and a nonce that nobody uses and everybody behind it waits for.
"""

from dataclasses import dataclass
from datetime import timedelta

from common.books import ORDERS, SIGNER_NONCES
from common.contention import retry_on_conflict
from common.documents import load, put
from common.domain.moment import UtcDatetime
from common.domain.order import Order, OrderStatus
from common.errors import RateLimitedError
from common.ports import Clock, DocumentStore, Ref

BUSY_RETRY_S = 1.0
SKEW_MAX = timedelta(seconds=5)
_NEVER_HAPPENED = frozenset({OrderStatus.DENIED, OrderStatus.REJECTED, OrderStatus.EXPIRED})


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceSlot:
    """Who holds an account's nonce; under `signer_nonces`, id = `evm:<chain>:<address>`."""

    chain_id: int
    address: str
    nonce: int
    client_order_id: str
    expires_at: UtcDatetime  # after this its order is not sent for the first time
    updated_at: UtcDatetime


class NonceSlots:
    """Hands nonces to orders by compare-and-set."""

    def __init__(self, store: DocumentStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def take(
        self, order: Order, *, chain_id: int, address: str, final: int, latest: int
    ) -> int:
        """The order's nonce: the same at every call until the chain has used it.

        `final` and `latest` are the account's transaction counts, at finality depth and now.

        Raises:
            RateLimitedError: another order's transaction is under way; deliver again.
            TransientError: contended to the end; no number was given.
        """
        ref = Ref(SIGNER_NONCES, f"evm:{chain_id}:{address}")

        async def once() -> int:
            stored = await load(self._store, NonceSlot, ref)
            slot = stored.value if stored else None
            if slot is not None:
                if slot.client_order_id == order.client_order_id and latest <= slot.nonce:
                    return await self._again(slot)
                if not await self._is_free(slot, final):
                    raise RateLimitedError(
                        f"nonce {slot.nonce} of {address} is under way for another order",
                        retry_after_s=BUSY_RETRY_S,
                    )
            taken = NonceSlot(
                chain_id=chain_id,
                address=address,
                nonce=latest,
                client_order_id=order.client_order_id,
                expires_at=order.expires_at,
                updated_at=self._clock.now(),
            )
            await self._store.commit([put(stored, ref, taken)])
            return latest

        return await retry_on_conflict(once, what=f"the nonce of {address}")

    async def _again(self, slot: NonceSlot) -> int:
        """An order that is written ahead is never signed again: its bytes may be with the chain."""
        if await self._holder(slot) is not None:
            raise RateLimitedError(
                f"{slot.client_order_id} is signed and written ahead", retry_after_s=BUSY_RETRY_S
            )
        return slot.nonce

    async def _is_free(self, slot: NonceSlot, final: int) -> bool:
        """Used up for good, or never to be used by its holder.

        A holder that was never written ahead is not sent after its expiry: the last gate refuses.
        """
        if final > slot.nonce:
            return True
        holder = await self._holder(slot)
        if holder is None:
            return self._clock.now() > slot.expires_at + SKEW_MAX
        return holder.status in _NEVER_HAPPENED

    async def _holder(self, slot: NonceSlot) -> Order | None:
        stored = await load(self._store, Order, Ref(ORDERS, slot.client_order_id))
        return stored.value if stored else None
