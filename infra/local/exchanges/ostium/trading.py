"""The trading contract: opens, closes, delegation, and the keeper's answer to each order."""

from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import cast

from infra.local.exchanges.chain.erc20 import Erc20
from infra.local.exchanges.chain.world import (
    Context,
    Effects,
    EventLog,
    Later,
    custom_error,
)
from infra.local.exchanges.ostium.books import Limit, OracleOrder, Trade
from infra.local.exchanges.ostium.oracle import Oracle
from infra.venues.evm.abi import Call, decode_call, encode_call, selector, topic
from infra.venues.ostium.calls import (
    ALL,
    CLOSE_TRADE,
    DELEGATED_ACTION,
    DELEGATIONS,
    OPEN_TRADE,
    UPDATE_SL,
    UPDATE_TP,
    OpenType,
)

KEEPER = "0x" + "4e" * 20
FULFILL = "fulfill(uint256)"
SET_DELEGATE = "setDelegate(address)"
ORACLE_FEE = 100_000  # 0.10 USDC
MAX_TRADES = 3
MARKET_CLOSED, SLIPPAGE, EXPOSURE, NO_TRADE = 2, 3, 6, 9  # of the contracts' enum
_OPENED = "MarketOpenOrderInitiated(uint256,address,uint16)"
_CLOSING = "MarketCloseOrderInitiatedV2(uint256,uint256,address,uint16,uint16)"


@dataclass(slots=True)
class OstiumTrading:
    """Trading, storage and callbacks in one. USDC is drawn by `storage`, as allowed to it."""

    address: str
    storage: str
    usdc: str
    oracle: Oracle
    delays: Random
    gas: int = 900_000
    paused: bool = False
    keeper_asleep: bool = False
    trades: dict[tuple[str, int, int], Trade] = field(default_factory=dict)
    orders: dict[int, OracleOrder] = field(default_factory=dict)
    delegates: dict[str, str] = field(default_factory=dict)
    limits: list[Limit] = field(default_factory=list)

    def run(self, call: Call, context: Context) -> Effects:
        if call.data[:4] == selector(DELEGATIONS):
            (trader,) = decode_call(DELEGATIONS, call.data)
            delegate = self.delegates.get(trader.lower(), "0x" + "0" * 40)
            return Effects(returned=bytes(12) + bytes.fromhex(delegate[2:]))
        if call.data[:4] == selector(FULFILL):
            return self._fulfill(call, context)
        if call.data[:4] == selector(SET_DELEGATE):
            self.delegates[context.sender] = decode_call(SET_DELEGATE, call.data)[0].lower()
            return Effects()
        if call.data[:4] == selector(DELEGATED_ACTION):
            trader, inner = decode_call(DELEGATED_ACTION, call.data)
            trader = trader.lower()
            if self.delegates.get(trader) != context.sender:
                raise custom_error("NotDelegate(address,address)", trader, context.sender)
            return self._act(inner, trader, context)
        return self._act(call.data, context.sender, context)

    def of(self, trader: str, pair: int | None = None) -> list[Trade]:
        return [
            item
            for (owner, number, _), item in self.trades.items()
            if owner == trader and pair in {None, number}
        ]

    def open_interest(self, pair: int, *, buy: bool) -> int:
        return sum(
            item.size for item in self.trades.values() if item.pair == pair and item.buy is buy
        )

    # Requests

    def _act(self, data: bytes, trader: str, context: Context) -> Effects:
        if data[:4] == selector(OPEN_TRADE):
            return self._open(data, trader, context)
        if data[:4] == selector(CLOSE_TRADE):
            return self._close(data, trader, context)
        for signature in (UPDATE_TP, UPDATE_SL):
            if data[:4] == selector(signature):
                pair, index, _ = decode_call(signature, data)
                self._trade(trader, pair, index)
                return Effects()
        raise custom_error("InvalidCallData()")

    def _open(self, data: bytes, trader: str, context: Context) -> Effects:
        trade, _, kind, slippage = decode_call(OPEN_TRADE, data)
        collateral, price, _, _, _, leverage, pair, _, buy, _ = trade
        if self.paused:
            raise custom_error("IsPaused()")
        listed = self.oracle.pairs.get(pair)
        if listed is None:
            raise custom_error("PairNotListed(uint16)", pair)
        wrong = not 0 < slippage < ALL if kind == OpenType.MARKET else slippage != 0
        if wrong or price == 0:
            raise custom_error("WrongParams()")
        most = listed.overnight_max or listed.leverage_max
        if not 100 <= leverage <= most:
            raise custom_error("WrongLeverage(uint32)", leverage)
        if collateral * leverage < listed.min_notional * 10**8:
            raise custom_error("BelowMinLevPos()")
        if len(self.of(trader, pair)) >= MAX_TRADES:
            raise custom_error("MaxTradesPerPairReached(address,uint16)", trader, pair)
        self._draw(context, trader, collateral)
        if kind != OpenType.MARKET:
            self.limits.append(
                Limit(
                    trader=trader,
                    pair=pair,
                    index=len(self.limits),
                    buy=buy,
                    collateral=collateral,
                    leverage=leverage,
                    price=price,
                )
            )
            return Effects()
        order = self._ordered(
            OracleOrder(
                order_id=0,
                trader=trader,
                pair=pair,
                buy=buy,
                wanted=price,
                slippage=slippage,
                collateral=collateral,
                leverage=leverage,
            )
        )
        topics = (topic(_OPENED), _word(order.order_id), _address(trader), _word(pair))
        return self._asking(order, EventLog(self.address, topics))

    def _close(self, data: bytes, trader: str, context: Context) -> Effects:
        pair, index, share, price, slippage = decode_call(CLOSE_TRADE, data)
        if share > ALL or price == 0 or not 0 < slippage <= ALL:
            raise custom_error("WrongParams()")
        trade = self._trade(trader, pair, index)
        self._draw(context, trader, ORACLE_FEE)
        order = self._ordered(
            OracleOrder(
                order_id=0,
                trader=trader,
                pair=pair,
                buy=trade.buy,
                wanted=price,
                slippage=slippage,
                index=index,
                trade_id=trade.trade_id,
                share=share or ALL,
            )
        )
        topics = (
            topic(_CLOSING),
            _word(order.order_id),
            _word(trade.trade_id),
            _address(trader),
        )
        return self._asking(order, EventLog(self.address, topics, _word(pair) + _word(share)))

    def _trade(self, trader: str, pair: int, index: int) -> Trade:
        trade = self.trades.get((trader, pair, index))
        if trade is None:
            raise custom_error("NoTradeFound(address,uint16,uint8)", trader, pair, index)
        return trade

    def _ordered(self, order: OracleOrder) -> OracleOrder:
        order.order_id = len(self.orders) + 1
        self.orders[order.order_id] = order
        return order

    def _asking(self, order: OracleOrder, log: EventLog) -> Effects:
        answer = Call(self.address, encode_call(FULFILL, order.order_id))
        return Effects(logs=[log], later=[Later(self.delays.uniform(0.5, 2), KEEPER, answer)])

    # The oracle's answer

    def _fulfill(self, call: Call, context: Context) -> Effects:
        (order_id,) = decode_call(FULFILL, call.data)
        order = self.orders.get(order_id)
        if order is None or not order.pending or self.keeper_asleep:
            return Effects()
        listed = self.oracle.pairs[order.pair]
        buying = order.buy if order.is_open else not order.buy
        order.price = _e18((listed.ask if buying else listed.bid)(context.now))
        order.executed_at = int(context.now.timestamp())
        order.executed_block = context.block
        order.pending = False
        slack = order.wanted * order.slippage // ALL
        past = order.price > order.wanted + slack if buying else order.price < order.wanted - slack
        if not listed.is_open:
            order.cancel_reason = MARKET_CLOSED
        elif past:
            order.cancel_reason = SLIPPAGE
        elif order.is_open:
            self._opened(order)
        else:
            self._closed(order, context)
        if order.cancel_reason and order.is_open:
            self._pay(context, order.trader, order.collateral - ORACLE_FEE)
        return Effects()

    def _opened(self, order: OracleOrder) -> None:
        listed = self.oracle.pairs[order.pair]
        notional = order.collateral * order.leverage // 100
        fee = notional * listed.taker_fee // 10**8
        collateral = order.collateral - fee - ORACLE_FEE
        size = collateral * order.leverage * 10**28 // order.price
        held = self.open_interest(order.pair, buy=order.buy)
        if Decimal(held + size) * order.price / Decimal(10**36) > listed.cap:
            order.cancel_reason = EXPOSURE
            return
        free = (n for n in range(100) if (order.trader, order.pair, n) not in self.trades)
        order.index, order.trade_id = next(free), order.order_id
        order.size, order.fees = size, (fee, ORACLE_FEE)
        self.trades[order.trader, order.pair, order.index] = Trade(
            trade_id=order.order_id,
            trader=order.trader,
            pair=order.pair,
            index=order.index,
            buy=order.buy,
            collateral=collateral,
            leverage=order.leverage,
            price=order.price,
            size=size,
        )

    def _closed(self, order: OracleOrder, context: Context) -> None:
        key = (order.trader, order.pair, order.index)
        trade = self.trades.get(key)
        if trade is None or trade.trade_id != order.trade_id:
            order.cancel_reason = NO_TRADE
            return
        whole = order.share == ALL
        order.size = trade.size if whole else trade.size * order.share // ALL
        part = trade.collateral if whole else trade.collateral * order.share // ALL
        order.fees = (0, 0 if whole else ORACLE_FEE)
        moved = (order.price - trade.price) * (1 if trade.buy else -1)
        profit = order.size * moved // 10**30
        self._pay(context, order.trader, max(0, part + profit) + (ORACLE_FEE if whole else 0))
        if whole:
            del self.trades[key]
        else:
            trade.size -= order.size
            trade.collateral -= part

    def _draw(self, context: Context, trader: str, amount: int) -> None:
        self._token(context).spend(self.storage, trader, self.storage, amount)

    def _pay(self, context: Context, trader: str, amount: int) -> None:
        token = self._token(context)
        token.mint(self.storage, amount)  # the vault stands in for what traders lose and win
        token.move(self.storage, trader, amount)

    def _token(self, context: Context) -> Erc20:
        return cast(Erc20, context.world.contracts[self.usdc])


def _e18(price: Decimal) -> int:
    return int(price * 10**18)


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _address(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address[2:])
