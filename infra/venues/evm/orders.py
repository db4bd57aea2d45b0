"""Orders as transactions: signed first, broadcast at will, traced to a proof, fenced off.

What the chain proves of an order's transaction (`Stage`), asked at finality depth:

    MINED       it happened; REVERTED: it took its nonce and changed nothing
    REPLACED    its nonce went to another transaction; it can never happen
    UNCONFIRMED mined in a block that may still be undone
    PENDING     a node has it and waits
    UNSEEN      nobody has it: it may still come, until a fence stands before it
"""

import asyncio
from dataclasses import dataclass
from enum import StrEnum

from common.books import SIGNED_REQUESTS
from common.documents import load
from common.domain.order import Order, SignedRequest
from common.errors import RejectedError, TransientError
from common.ports import Clock, DocumentStore, Ref
from infra.keys.signer import Signer
from infra.venues.evm.abi import Call
from infra.venues.evm.answers import Receipt
from infra.venues.evm.nonces import NonceSlots
from infra.venues.evm.refusals import RevertedError
from infra.venues.evm.rpc import JsonRpc
from infra.venues.evm.transactions import MARK_GAS, Fees, Transaction, fees_of, fence, sign

GWEI = 10**9
REPLACED_REASON = "its nonce went to another transaction"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainProfile:
    """`finality_blocks`: how deep a block must lie before it is not undone any more."""

    chain_id: int
    finality_blocks: int
    max_fee_limit: int  # wei per gas that we pay at most
    gas_limit: int  # that a transaction of ours needs at most


ARBITRUM_ONE = ChainProfile(  # 0.25 s a block: 5 s
    chain_id=42161, finality_blocks=20, max_fee_limit=20 * GWEI, gas_limit=5_000_000
)
ARBITRUM_SEPOLIA = ChainProfile(
    chain_id=421614, finality_blocks=20, max_fee_limit=20 * GWEI, gas_limit=5_000_000
)


class Stage(StrEnum):
    UNSEEN = "UNSEEN"
    PENDING = "PENDING"
    UNCONFIRMED = "UNCONFIRMED"
    MINED = "MINED"
    REVERTED = "REVERTED"
    REPLACED = "REPLACED"


@dataclass(frozen=True, slots=True)
class Trace:
    stage: Stage
    receipt: Receipt | None = None


class ChainOrders:
    """The transactions of one chain's orders, over one node."""

    def __init__(
        self, rpc: JsonRpc, store: DocumentStore, clock: Clock, profile: ChainProfile
    ) -> None:
        self.rpc = rpc
        self._store = store
        self._clock = clock
        self._profile = profile
        self._slots = NonceSlots(store, clock)

    async def prepare(self, order: Order, signer: Signer, call: Call) -> SignedRequest:
        """Sign the call with the account's next nonce. Nothing is sent.

        Raises:
            RevertedError: the contract would refuse it.
            RejectedError: the account cannot pay, or gas costs more than we pay.
            RateLimitedError: another transaction of the account is under way; deliver again.
            ConfigurationError: the node is of another chain.
            TransientError: the node does not answer.
        """
        await self.rpc.check_chain()
        gas = await self._gas(call, signer.address)
        fees, head = await asyncio.gather(self.market_fees(), self.rpc.head())
        final, latest = await asyncio.gather(
            self.rpc.transaction_count(signer.address, self._deep(head)),
            self.rpc.transaction_count(signer.address, head),
        )
        nonce = await self._slots.take(
            order,
            chain_id=self._profile.chain_id,
            address=signer.address,
            final=final,
            latest=max(final, latest),
        )
        signed = sign(
            Transaction(
                chain_id=self._profile.chain_id,
                nonce=nonce,
                call=call,
                gas=gas,
                fees=fees,
                order_id=order.client_order_id,
            ),
            signer.account,
        )
        return SignedRequest(
            client_order_id=order.client_order_id,
            signer=signer.address,
            nonce=nonce,
            request_key=signed.hash,
            body=signed.raw,
            created_at=self._clock.now(),
            expires_at=order.expires_at,
        )

    async def broadcast(self, request: SignedRequest) -> None:
        """Send the bytes. That a node took them is no fill.

        Raises as `JsonRpc.send` does.
        """
        await self.rpc.send(request.body, request.request_key)

    async def trace(self, order: Order) -> Trace:
        """How far the chain has come with the order's transaction.

        REPLACED only on the word of a node that has the block in which the nonce was used and no
        receipt of ours.

        Raises TransientError: the node did not answer, or nodes disagree.
        """
        if not order.request_key:
            return Trace(Stage.UNSEEN)
        receipt, head = await self.rpc.receipt_and_head(order.request_key)
        if receipt is not None:
            return self._mined(receipt, head)
        used = await self.rpc.transaction_count(order.signer, self._deep(head))
        if used > order.nonce:
            return await self._replaced(order, head)
        seen = await self.rpc.transaction(order.request_key)
        return Trace(Stage.UNSEEN if seen is None else Stage.PENDING)

    async def is_final(self, block: int) -> bool:
        """Whether the block lies deep enough not to be undone."""
        return block <= self._deep(await self.rpc.head())

    async def fence(self, order: Order, signer: Signer) -> None:
        """Offer the chain another transaction for the order's nonce, which pays more.

        Afterwards either may be mined, and `trace` sees which.

        Raises:
            TransientError: it cannot be offered now (no answer, or gas above our limit).
            OutcomeUnknownError: the node gave no proof that it took it; fencing again is safe.
        """
        if signer.address != order.signer:
            raise TransientError(f"{order.client_order_id} was signed by another key")
        await self.rpc.check_chain()
        stored = await load(self._store, SignedRequest, Ref(SIGNED_REQUESTS, order.client_order_id))
        base, tip = await self.rpc.fees()
        transaction = fence(
            chain_id=self._profile.chain_id,
            nonce=order.nonce,
            address=signer.address,
            order_id=order.client_order_id,
            original=fees_of(stored.value.body) if stored else None,
            market=Fees(base + tip, tip),
        )
        if transaction.fees.max_fee > self._profile.max_fee_limit:
            raise TransientError("gas costs more than we pay; the order is fenced off later")
        signed = sign(transaction, signer.account)
        try:
            await self.rpc.send(signed.raw, signed.hash)
        except RejectedError as error:
            raise TransientError(f"the fence was refused: {error.message}") from None

    async def revert_reason(self, order: Order, receipt: Receipt) -> str:
        """Why the chain reverted it, by calling the same again one block before; "" unknown."""
        seen = await self.rpc.transaction(order.request_key)
        if seen is None:
            return ""
        try:
            await self.rpc.call(seen.call, sender=seen.sender, block=max(0, receipt.block - 1))
        except RevertedError as error:
            return error.revert.text
        except RejectedError as error:
            return error.message
        return "it passes one block earlier: something before it in its block was in the way"

    async def market_fees(self) -> Fees:
        """Twice the base fee, so that six full blocks cannot price it out, and the node's tip.

        Raises RejectedError: gas costs more than we pay.
        """
        base, tip = await self.rpc.fees()
        if base + tip > self._profile.max_fee_limit:
            raise RejectedError(
                "GAS_PRICE_SPIKE",
                f"gas costs {base + tip} wei, our limit is {self._profile.max_fee_limit}",
            )
        return Fees(min(2 * base + tip, self._profile.max_fee_limit), tip)

    async def _gas(self, call: Call, sender: str) -> int:
        needed = await self.rpc.estimate_gas(call, sender=sender) + MARK_GAS
        if needed > self._profile.gas_limit:
            raise RejectedError("GAS_LIMIT", f"it needs {needed} gas")
        return min(needed + needed // 4, self._profile.gas_limit)

    def _deep(self, head: int) -> int:
        return max(0, head - self._profile.finality_blocks)

    def _mined(self, receipt: Receipt, head: int) -> Trace:
        if receipt.block > self._deep(head):
            return Trace(Stage.UNCONFIRMED, receipt)
        return Trace(Stage.MINED if receipt.succeeded else Stage.REVERTED, receipt)

    async def _replaced(self, order: Order, head: int) -> Trace:
        receipt, later = await self.rpc.receipt_and_head(order.request_key)
        if receipt is not None:
            return self._mined(receipt, later)
        if later < head:
            raise TransientError("the node that was asked lags behind another")
        return Trace(Stage.REPLACED)
