"""Our net positions on Ostium's separate trades: which one call an order becomes. Pure.

A BUY or SELL first reduces what is open on the other side, one trade at a time; only where nothing
is, it opens. An order is one transaction, so one that would both close and open is refused.

Ostium sizes a trade by its collateral at the price that the oracle finds later. So that it never
holds more than was ordered, an opening is sized at the price that would fill most, on the far side
of the market, and fills a little less than ordered: by up to twice the slippage, and the fee.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from common.domain.instrument import TimeInForce
from common.domain.money import plain
from common.domain.order import Order, OrderSide
from common.errors import RejectedError
from infra.venues.ostium.calls import ALL, OpenType, close_trade, open_trade
from infra.venues.ostium.markets import Market
from infra.venues.ostium.records import OpenTrade

LEVERAGE = Decimal(2)
"""Where the market allows it: half the notional is put up, and liquidation is 45 % away."""
FIVE_DECIMALS = Decimal("0.00001")


@dataclass(frozen=True, slots=True)
class Action:
    """`data`: the call of the trading contract. `collateral`: USDC that it draws; 0 for a close."""

    data: bytes
    collateral: Decimal


def action_for(
    order: Order, market: Market, trades: list[OpenTrade], *, wallet: str, now: datetime
) -> Action:
    """The order as one call of the trading contract.

    Raises RejectedError: MARKET_CLOSED, NOT_FILLED_WITHIN_BOUND, OPEN_INTEREST_FULL,
    NOTIONAL_BELOW_MINIMUM, QUANTITY_BELOW_MINIMUM, REDUCE_ONLY, POST_ONLY_WOULD_TAKE,
    NEEDS_TWO_TRANSACTIONS.
    """
    _check_form(order)
    _check_hours(market, now)
    buy = order.side is OrderSide.BUY
    opposite = [
        trade
        for trade in trades
        if trade.pair_index == market.pair_index and trade.is_buy is not buy
    ]
    if opposite:
        return _close(order, market, opposite)
    if order.reduce_only:
        raise RejectedError("REDUCE_ONLY", f"there is no {market.base} trade to reduce")
    return _open(order, market, wallet)


def bound(order: Order, market: Market) -> tuple[Decimal, Decimal]:
    """(price, percent): the price that slippage counts from, and how much of it is allowed, cut so
    that no fill can be worse than the order's own price.

    Raises RejectedError: the market is already past that price.
    """
    buy = order.side is OrderSide.BUY
    price = (market.price.ask if buy else market.price.bid).quantize(
        FIVE_DECIMALS, rounding=ROUND_HALF_EVEN
    )
    if price <= 0:
        raise RejectedError("PRICE_NOT_ON_TICK", "the price has no digit within 5 decimals")
    away = (order.price / price - 1) * (1 if buy else -1)
    percent = min((away * 100).quantize(Decimal("0.01"), rounding=ROUND_FLOOR), Decimal(50))
    if percent < Decimal("0.01"):
        raise RejectedError(
            "NOT_FILLED_WITHIN_BOUND", f"the market is at {plain(price)}, past {plain(order.price)}"
        )
    return price, percent


def _check_form(order: Order) -> None:
    if order.post_only:
        raise RejectedError("POST_ONLY_WOULD_TAKE", "Ostium has no book to rest in")
    if order.time_in_force is not TimeInForce.IOC or order.trigger_price is not None:
        raise RejectedError(
            "UNSUPPORTED_ORDER", "at Ostium an order executes now, as far as it can"
        )


def _check_hours(market: Market, now: datetime) -> None:
    if not market.price.is_open:
        raise RejectedError("MARKET_CLOSED", f"{market.base}/{market.quote} is closed now")
    if not market.price.is_fresh(now):
        age = int((now - market.price.at).total_seconds())
        raise RejectedError("MARKET_CLOSED", f"the oracle's price is {age} s old")


def _open(order: Order, market: Market, wallet: str) -> Action:
    price, percent = bound(order, market)
    notional = order.quantity * price * (1 - percent / 100)
    if notional < market.min_notional:
        raise RejectedError(
            "NOTIONAL_BELOW_MINIMUM", f"{plain(notional)} is below {plain(market.min_notional)}"
        )
    if notional > market.room:
        raise RejectedError(
            "OPEN_INTEREST_FULL", f"there is room for {plain(market.room)} USD, not {notional:.2f}"
        )
    leverage = max(min(LEVERAGE, market.leverage_max), market.leverage_min)
    collateral = (notional / leverage).quantize(FIVE_DECIMALS, rounding=ROUND_FLOOR)
    data = open_trade(
        trader=wallet,
        pair_index=market.pair_index,
        buy=order.side is OrderSide.BUY,
        collateral=collateral,
        leverage=leverage,
        price=price,
        open_type=OpenType.MARKET,
        slippage_percent=percent,
    )
    return Action(data, collateral)


def _close(order: Order, market: Market, opposite: list[OpenTrade]) -> Action:
    """One trade: the smallest that has enough, else the largest, and the rest stays unfilled."""
    held = sum((trade.size for trade in opposite), Decimal(0))
    if order.quantity > held and not order.reduce_only:
        raise RejectedError(
            "NEEDS_TWO_TRANSACTIONS",
            f"{plain(held)} would be closed and the rest opened; order them one after the other",
        )
    enough = [trade for trade in opposite if trade.size >= order.quantity]
    trade = (
        min(enough, key=lambda item: (item.size, item.index))
        if enough
        else max(opposite, key=lambda item: (item.size, -item.index))
    )
    share = min(ALL, int((order.quantity * ALL / trade.size).to_integral_value(ROUND_FLOOR)))
    if share == 0:
        raise RejectedError("QUANTITY_BELOW_MINIMUM", "less than 0.01 % of the open trade")
    price, percent = bound(order, market)
    data = close_trade(
        pair_index=market.pair_index,
        index=trade.index,
        share=share,
        price=price,
        slippage_percent=percent,
    )
    return Action(data, Decimal(0))
