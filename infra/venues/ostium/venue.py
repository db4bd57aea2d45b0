"""Ostium: one transaction asks, an oracle answers about a second later, the subgraph tells.

The wallet holds the USDC; the agent's key signs and pays the gas, as the wallet's delegate
(`setDelegate`) where it is not the wallet itself. It can trade and cannot approve or withdraw.
"""

import asyncio
from contextlib import suppress
from datetime import datetime
from decimal import Decimal

from common.domain.instrument import InstrumentTable, Venue
from common.domain.money import plain
from common.domain.order import Order, OrderReport, OrderSide, OrderStatus, SignedRequest
from common.errors import InvalidInputError, OutcomeUnknownError, RejectedError, TransientError
from common.ports import FundingPayment, VenueAccountState, VenueOpenOrder, VenuePosition
from infra.venues.accounts import VenueAccount
from infra.venues.evm.abi import Call, decode, encode_call
from infra.venues.evm.answers import Receipt
from infra.venues.evm.orders import REPLACED_REASON, ChainOrders, Stage, Trace
from infra.venues.evm.refusals import RevertedError
from infra.venues.evm.rpc import PRIVATE_RPC_URL, JsonRpc
from infra.venues.ostium.calls import (
    ALLOWANCE,
    BALANCE_OF,
    DELEGATIONS,
    ERRORS,
    acting_for,
    refusal_of,
    to_collateral,
)
from infra.venues.ostium.capabilities import CAPABILITIES
from infra.venues.ostium.instruments import pair
from infra.venues.ostium.mapping import Action, action_for
from infra.venues.ostium.markets import instrument_table
from infra.venues.ostium.network import PRICES, network_named
from infra.venues.ostium.records import OpenTrade
from infra.venues.ostium.report import order_id_of, plain_report, report_of
from infra.venues.ostium.services import LABEL, OstiumServices
from infra.venues.parts import VenueParts

RPC_URL = "ARBITRUM_RPC_URL"
SUBGRAPH_URL = "OSTIUM_SUBGRAPH_URL"
SUBGRAPH_PATH = "/v1/subgraph/gn"  # where a stand-in serves it
TIMEOUT_S = 5.0


class OstiumVenue:
    """Fits `ExecutionVenue`."""

    venue = Venue.OSTIUM
    capabilities = CAPABILITIES

    def __init__(self, parts: VenueParts) -> None:
        """Raises ConfigurationError: no such network."""
        self._network = network_named(parts.network)
        self._accounts = parts.accounts
        self._instruments = parts.instruments
        self._clock = parts.clock
        own_subgraph = (
            parts.api_url.rstrip("/") + SUBGRAPH_PATH
            if parts.api_url
            else self._network.subgraph_url
        )
        self._services = OstiumServices(
            prices_url=parts.api_url or PRICES,
            subgraph_url=parts.urls.get(SUBGRAPH_URL) or own_subgraph,
            timeout_s=TIMEOUT_S,
            transport=parts.transport,
        )
        self._rpc = JsonRpc(
            parts.urls.get(RPC_URL) or self._network.rpc_url,
            chain_id=self._network.chain.chain_id,
            label=f"{LABEL} chain",
            private_url=parts.urls.get(PRIVATE_RPC_URL),
            errors=ERRORS,
            timeout_s=TIMEOUT_S,
            transport=parts.transport,
        )
        self._chain = ChainOrders(self._rpc, parts.store, parts.clock, self._network.chain)

    async def load_instruments(self) -> InstrumentTable:
        return instrument_table(await self._services.markets(), self._clock.now())

    async def prepare(self, order: Order) -> SignedRequest:
        account = await self._account(order)
        signer = await self._accounts.signer(order.account_id, self.venue)
        action = await self._action(order, account)
        await self._check_rights(account, signer.address, action)
        call = acting_for(account.wallet, signer.address, self._network.trading, action.data)
        try:
            return await self._chain.prepare(order, signer, call)
        except RevertedError as error:
            raise refusal_of(error) from None

    async def submit(self, order: Order, request: SignedRequest) -> OrderReport:
        """Broadcast. That a node took it is no fill: the oracle's answer comes in a later block."""
        await self._chain.broadcast(request)
        return plain_report(order, OrderStatus.ACCEPTED, "it waits for its block")

    async def query_order(self, order: Order) -> OrderReport | None:
        """None while nobody has the transaction and another may not yet have taken its place."""
        trace = await self._chain.trace(order)
        if trace.stage is Stage.UNSEEN:
            return None
        if trace.stage is Stage.REPLACED:
            return plain_report(order, OrderStatus.REJECTED, REPLACED_REASON)
        if trace.stage is Stage.REVERTED:
            return await self._reverted(order, trace)
        if trace.stage is Stage.MINED and trace.receipt is not None:
            return await self._told(order, trace.receipt)
        return plain_report(order, OrderStatus.ACCEPTED, "it waits for a final block")

    async def cancel(self, order: Order) -> OrderReport | None:
        """While it is not in a block: the fence. Once it is, the oracle decides, and nobody else.

        The proof is in a later `query_order`.
        """
        trace = await self._chain.trace(order)
        if trace.stage in {Stage.UNSEEN, Stage.PENDING} and order.request_key:
            signer = await self._accounts.signer(order.account_id, self.venue)
            with suppress(OutcomeUnknownError):  # it stands already, or the order was mined
                await self._chain.fence(order, signer)
        return await self.query_order(order)

    async def query_position(self, *, account_id: str, symbol: str) -> VenuePosition | None:
        positions = (await self._positions(account_id)).positions
        return next((item for item in positions if item.symbol == symbol), None)

    async def query_account(self, *, account_id: str) -> VenueAccountState:
        return await self._positions(account_id, limits=True)

    async def query_funding(
        self, *, account_id: str, since: datetime
    ) -> tuple[FundingPayment, ...]:
        """None: Ostium charges funding and rollover with the close, in its commission."""
        del account_id, since
        return ()

    async def close(self) -> None:
        await self._services.close()
        await self._rpc.close()

    # -- preparing --------------------------------------------------------------------------------

    async def _account(self, order: Order) -> VenueAccount:
        return await self._accounts.account(order.account_id, self.venue)

    async def _pair_index(self, order: Order) -> int:
        """Ostium's own number of the pair, as the table names it."""
        table = await self._instruments.table(self.venue)
        instrument = table.find(order.symbol) if table else None
        if instrument is None or not instrument.venue_id.isdigit():
            raise TransientError(f"{LABEL}: {order.symbol} is not in the table as last loaded")
        return int(instrument.venue_id)

    async def _action(self, order: Order, account: VenueAccount) -> Action:
        pair_index = await self._pair_index(order)
        markets, trades = await asyncio.gather(
            self._services.markets(), self._services.trades(account.wallet)
        )
        market = next((item for item in markets if item.pair_index == pair_index), None)
        if market is None or _symbol(market.base, market.quote) != order.symbol:
            raise RejectedError("MARKET_CLOSED", f"Ostium has no {order.symbol} with a price now")
        return action_for(order, market, trades, wallet=account.wallet, now=self._clock.now())

    async def _check_rights(self, account: VenueAccount, signer: str, action: Action) -> None:
        """What only the wallet's owner can mend is said before anything is signed."""
        trader, storage = account.wallet, self._network.storage
        if signer != trader:
            delegate = await self._read(
                self._network.trading, encode_call(DELEGATIONS, trader), "address"
            )
            if str(delegate).lower() != signer:
                raise RejectedError(
                    "NOT_A_DELEGATE",
                    f"the wallet {trader} must make {signer} its delegate: call"
                    f" setDelegate({signer}) on {self._network.trading} from it once",
                )
        needed = to_collateral(action.collateral)
        usdc = self._network.usdc
        allowed, held = await asyncio.gather(
            self._read(usdc, encode_call(ALLOWANCE, trader, storage), "uint256"),
            self._read(usdc, encode_call(BALANCE_OF, trader), "uint256"),
        )
        if int(allowed) < needed:
            raise RejectedError(
                "ALLOWANCE_INSUFFICIENT",
                f"the wallet {trader} must approve {storage} for at least"
                f" {plain(action.collateral)} USDC; the agent's key cannot",
            )
        if int(held) < needed:
            raise RejectedError(
                "INSUFFICIENT_MARGIN", f"the wallet holds less than {plain(action.collateral)} USDC"
            )

    async def _read(self, contract: str, data: bytes, kind: str) -> str | int:
        returned = await self._rpc.call(Call(contract, data))
        try:
            value: str | int = decode((kind,), returned, "its answer")[0]
        except InvalidInputError as error:
            raise TransientError(f"{LABEL}: {contract} is not the contract ({error})") from None
        return value

    # -- looking ----------------------------------------------------------------------------------

    async def _told(self, order: Order, receipt: Receipt) -> OrderReport:
        """The oracle's answer, once its own block is final: it is another than the order's."""
        order_id = order_id_of(receipt, self._network.trading)
        told = await self._services.order(order_id)
        if told is None:
            return plain_report(
                order,
                OrderStatus.ACCEPTED,
                "the subgraph does not tell of it yet",
                venue_order_id=order_id,
            )
        account = await self._account(order)
        pair_index = await self._pair_index(order)
        report = report_of(order, told, wallet=account.wallet, pair_index=pair_index)
        answered = told.executed_block or receipt.block + self._network.chain.finality_blocks
        if report.status.is_terminal and not await self._chain.is_final(answered):
            return plain_report(
                order,
                OrderStatus.ACCEPTED,
                "the oracle's answer is not final yet",
                venue_order_id=order_id,
            )
        return report

    async def _reverted(self, order: Order, trace: Trace) -> OrderReport:
        receipt = trace.receipt
        reason = await self._chain.revert_reason(order, receipt) if receipt else ""
        return plain_report(order, OrderStatus.REJECTED, f"reverted: {reason or 'unknown'}")

    async def _positions(self, account_id: str, *, limits: bool = False) -> VenueAccountState:
        account = await self._accounts.account(account_id, self.venue)
        trades = await self._services.trades(account.wallet)
        by_symbol: dict[str, list[OpenTrade]] = {}
        for trade in trades:
            by_symbol.setdefault(_symbol(trade.base, trade.quote), []).append(trade)
        resting = await self._services.limits(account.wallet) if limits else []
        return VenueAccountState(
            positions=tuple(
                _position(symbol, held)
                for symbol, held in by_symbol.items()
                if sum(trade.signed_size for trade in held)
            ),
            open_orders=tuple(
                VenueOpenOrder(
                    venue_order_id=item.limit_id,
                    client_order_id=None,
                    symbol=_symbol(item.base, item.quote),
                    side=OrderSide.BUY if item.is_buy else OrderSide.SELL,
                    left_qty=plain(item.size),
                )
                for item in resting
            ),
        )


def _symbol(base: str, quote: str) -> str:
    return pair(base, quote, "").symbol


def _position(symbol: str, trades: list[OpenTrade]) -> VenuePosition:
    """The net of all trades; its price where they are all on one side."""
    net = sum((trade.signed_size for trade in trades), Decimal(0))
    spent = sum((trade.signed_size * trade.open_price for trade in trades), Decimal(0))
    one_sided = len({trade.is_buy for trade in trades}) == 1
    return VenuePosition(
        symbol=symbol, signed_qty=plain(net), avg_px=plain(spent / net) if one_sided else None
    )
