"""Spot tokens at Uniswap: quoted by the Trading API, settled by one transaction of the wallet.

The key signs for its own address, so the wallet that trades is the agent address. A sale is an
exact input, a purchase an exact output with the order's price as the most it may cost; both fill
whole or revert. What the exchange hands us to sign is read and checked field by field first.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from common.domain.instrument import InstrumentTable, Venue
from common.domain.money import ZERO, plain
from common.domain.order import Order, OrderReport, OrderSide, OrderStatus, SignedRequest
from common.errors import InvalidInputError, RejectedError, TransientError
from common.ports import FundingPayment, VenueAccountState, VenuePosition
from infra.keys.signer import Signer
from infra.venues.evm.abi import Call
from infra.venues.evm.answers import Receipt
from infra.venues.evm.orders import (
    ARBITRUM_ONE,
    REPLACED_REASON,
    ChainOrders,
    Stage,
)
from infra.venues.evm.refusals import RevertedError
from infra.venues.evm.rpc import PRIVATE_RPC_URL, JsonRpc
from infra.venues.http import VenueHttp
from infra.venues.parts import VenueParts
from infra.venues.spot.api import MAINNET, TradingApi
from infra.venues.spot.calldata import check_call
from infra.venues.spot.capabilities import LIVE
from infra.venues.spot.fills import report_of_swap
from infra.venues.spot.instruments import live_table, lot_of
from infra.venues.spot.permit import PERMIT2, ROUTERS, Permit, check_permit
from infra.venues.spot.quote import FIRST_SLIPPAGE, Quote, tighter_slippage
from infra.venues.spot.refusals import ERRORS, code_of_text, revert_code
from infra.venues.spot.swap import Swap, swap_of
from infra.venues.spot.tokens import Token, token_book
from infra.venues.spot.transaction import RouterCall, check_transaction
from infra.venues.spot.units import from_units, whole_lots
from infra.venues.spot.wallet import Wallets

LABEL = "SPOT"
RPC_URL = "ARBITRUM_RPC_URL"
PUBLIC_RPC = "https://arb1.arbitrum.io/rpc"


class SpotVenue:
    """Fits `ExecutionVenue`."""

    venue = Venue.SPOT
    capabilities = LIVE

    def __init__(self, parts: VenueParts, further: tuple[Token, ...] = ()) -> None:
        """`further`: the tokens of the user's own list. Raises ConfigurationError: no such
        network.
        """
        self._book = token_book(parts.network, further)
        self._accounts = parts.accounts
        self._clock = parts.clock
        self._api = TradingApi(
            VenueHttp(
                parts.api_url or MAINNET, label=LABEL, timeout_s=5.0, transport=parts.transport
            ),
            parts.clock,
            parts.api_key,
        )
        self._rpc = JsonRpc(
            parts.urls.get(RPC_URL, PUBLIC_RPC),
            chain_id=self._book.chain_id,
            label=f"{LABEL} chain",
            private_url=parts.urls.get(PRIVATE_RPC_URL),
            errors=ERRORS,
            transport=parts.transport,
        )
        self._chain = ChainOrders(self._rpc, parts.store, parts.clock, ARBITRUM_ONE)
        self._wallets = Wallets(self._rpc, parts.store, parts.clock)

    async def load_instruments(self) -> InstrumentTable:
        """Our list, once the node proves to be of its chain."""
        await self._rpc.check_chain()
        return live_table(self._book, self._clock.now())

    # ------------------------------------------------------------------------------------ orders

    async def prepare(self, order: Order) -> SignedRequest:
        """Approval, quote, permit, call: each checked, then the transaction signed.

        Raises as the port says; RejectedError ALLOWANCE_INSUFFICIENT names what the wallet must
        approve first, since approving is the owner's to do.
        """
        signer = await self._signer(order)
        swap = swap_of(order, self._book, _checksummed(signer.address))
        await self._check_holding(order, swap)
        if await self._api.needs_approval(swap):
            raise RejectedError(
                "ALLOWANCE_INSUFFICIENT",
                f"the wallet {swap.wallet} must approve Permit2 ({PERMIT2}) to spend"
                f" {swap.pays_most} base units of {swap.token_in.symbol}"
                f" ({swap.token_in.address}); send that approval from it once",
            )
        quote = await self._quote(swap)
        permit, signature = await self._permit(swap, quote, signer)
        call = await self._call(swap, quote, permit, signature)
        try:
            request = await self._chain.prepare(order, signer, Call(call.to.lower(), call.data))
        except RevertedError as error:
            raise RejectedError(revert_code(error.revert), error.message) from None
        return replace(request, expires_at=min(order.expires_at, quote.expires_at))

    async def submit(self, order: Order, request: SignedRequest) -> OrderReport:
        """Broadcast. That a node took it is no fill; `query_order` finds what the chain made of it.

        A request whose quote is over is not sent, and nothing is concluded: it may have been sent
        before, when it was not.
        """
        if self._clock.now() >= request.expires_at:
            raise TransientError(f"SPOT: the quote of {order.client_order_id} is over; not sent")
        await self._chain.broadcast(request)
        return _report(order, OrderStatus.ACCEPTED, request.request_key, "waits for its block")

    async def query_order(self, order: Order) -> OrderReport | None:
        """What the chain proves at finality; None while it proves nothing."""
        trace = await self._chain.trace(order)
        if trace.stage is Stage.REPLACED:
            return _report(order, OrderStatus.REJECTED, order.request_key, REPLACED_REASON)
        if trace.receipt is None or trace.stage not in {Stage.MINED, Stage.REVERTED}:
            return None
        if trace.stage is Stage.REVERTED:
            text = await self._chain.revert_reason(order, trace.receipt)
            reason = f"{code_of_text(text)}: reverted: {text or 'without a reason'}"
            return _report(order, OrderStatus.REJECTED, order.request_key, reason)
        return await self._filled(order, trace.receipt)

    async def cancel(self, order: Order) -> OrderReport | None:
        """A fence: another transaction takes the order's nonce. Whoever is mined, the next look at
        the order proves it.
        """
        report = await self.query_order(order)
        if report is not None or not order.request_key:
            return report
        signer = await self._accounts.signer(order.account_id, self.venue)
        await self._chain.fence(order, signer)
        return await self.query_order(order)

    # ---------------------------------------------------------------------------------- positions

    async def query_position(self, *, account_id: str, symbol: str) -> VenuePosition | None:
        """What the wallet holds above what was there before us (wallet.py)."""
        token = self._book.find(symbol)
        if token is None:
            return None
        held = await self._held(account_id, (token,))
        return held[0] if held else None

    async def query_account(self, *, account_id: str) -> VenueAccountState:
        """No order rests at a pool."""
        return VenueAccountState(positions=await self._held(account_id, self._book.tokens))

    async def query_funding(
        self, *, account_id: str, since: datetime
    ) -> tuple[FundingPayment, ...]:
        """None: a token that is held pays nothing."""
        del account_id, since
        return ()

    async def close(self) -> None:
        await self._api.close()
        await self._rpc.close()

    # -- preparing --------------------------------------------------------------------------------

    async def _signer(self, order: Order) -> Signer:
        account = await self._accounts.account(order.account_id, self.venue)
        signer = await self._accounts.signer(order.account_id, self.venue)
        if account.agent_address is None or account.agent_address != signer.address:
            raise RejectedError(
                "SIGNER_DIFFERS", "the key is not of the address that trades on SPOT"
            )
        return signer

    async def _check_holding(self, order: Order, swap: Swap) -> None:
        """A token's opening balance is on record before its first order, and never sold from."""
        base = swap.token_out if swap.buys else swap.token_in
        opening = await self._wallets.opening(order.account_id, swap.wallet, base)
        if order.side is OrderSide.SELL:
            held = await self._wallets.balance(swap.wallet, base) - opening
            if held < swap.amount:
                raise RejectedError(
                    "INSUFFICIENT_BALANCE",
                    f"{held} base units of {base.symbol} were bought here, {swap.amount} are to be"
                    " sold; what the wallet held before is not touched",
                )

    async def _quote(self, swap: Swap) -> Quote:
        """Asked again with less slippage where the usual one would pass the order's price."""
        quote = await self._api.quote(swap, slippage=FIRST_SLIPPAGE, now=self._clock.now())
        slippage = tighter_slippage(quote, swap)
        if slippage is None:
            return quote
        again = await self._api.quote(swap, slippage=slippage, now=self._clock.now())
        if tighter_slippage(again, swap) is not None:
            raise RejectedError("NOT_FILLED_WITHIN_BOUND", "the price moves past the order's bound")
        return again

    async def _permit(
        self, swap: Swap, quote: Quote, signer: Signer
    ) -> tuple[Permit | None, bytes]:
        if quote.permit is None:
            return None, b""
        router = ROUTERS[swap.chain_id][0]
        nonce = await self._wallets.permit_nonce(swap.wallet, swap.token_in, router)
        try:
            permit = check_permit(
                quote.permit, swap, pays=quote.amount_in, nonce=nonce, now=self._clock.now()
            )
        except InvalidInputError as error:
            raise TransientError(f"SPOT permit: {error}") from None
        return permit, _signature(permit.typed_data(swap.chain_id), signer)

    async def _call(
        self, swap: Swap, quote: Quote, permit: Permit | None, signature: bytes
    ) -> RouterCall:
        deadline = min(swap.deadline, int(quote.expires_at.timestamp()))
        now = self._clock.now()
        if now >= quote.expires_at:
            raise TransientError("SPOT: the quote was over before its call was written")
        text = "0x" + signature.hex() if permit else None
        answer = await self._api.swap(quote, text, deadline)
        call = check_transaction(answer, swap)
        check_call(call.data, swap, permit=permit, signature=signature, now_s=int(now.timestamp()))
        return call

    # -- looking ----------------------------------------------------------------------------------

    async def _filled(self, order: Order, receipt: Receipt) -> OrderReport:
        base = self._book.find(order.symbol)
        if base is None:
            raise TransientError(f"SPOT: {order.symbol} is no longer in the token list")
        mined_at = await self._rpc.block_time(receipt.block)
        return report_of_swap(order, receipt, base=base, quote=self._book.quote, mined_at=mined_at)

    async def _held(self, account_id: str, tokens: tuple[Token, ...]) -> tuple[VenuePosition, ...]:
        account = await self._accounts.account(account_id, self.venue)
        if account.agent_address is None:
            return ()
        held = await self._wallets.ours(account_id, account.agent_address, tokens)
        lots = {
            token: whole_lots(from_units(units, token.decimals), lot_of(token))
            for token, units in held.items()
        }
        return tuple(
            VenuePosition(symbol=token.trades_as, signed_qty=plain(quantity))
            for token, quantity in lots.items()
            if quantity > 0
        )


def _report(order: Order, status: OrderStatus, key: str, reason: str) -> OrderReport:
    return OrderReport(
        client_order_id=order.client_order_id,
        venue_order_id=key,
        status=status,
        filled_qty=ZERO,
        fills=(),
        reason=reason,
    )


def _signature(typed_data: dict[str, Any], signer: Signer) -> bytes:
    from eth_account.messages import encode_typed_data

    message = encode_typed_data(full_message=typed_data)
    return bytes(signer.account.sign_message(message).signature)


def _checksummed(address: str) -> str:
    from eth_utils.address import to_checksum_address

    return to_checksum_address(address)
