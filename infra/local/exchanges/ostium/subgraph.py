"""The subgraph: the contracts' books as GraphQL answers, in the contracts' units, as text."""

from infra.local.exchanges.ostium.books import OracleOrder, Trade
from infra.local.exchanges.ostium.oracle import Pair
from infra.local.exchanges.ostium.trading import OstiumTrading

Row = dict[str, object]


def pairs(trading: OstiumTrading) -> list[Row]:
    return [
        {
            **_pair(item),
            "longOI": str(trading.open_interest(item.index, buy=True)),
            "shortOI": str(trading.open_interest(item.index, buy=False)),
            "maxOI": str(int(item.cap * 10**6)),
            "takerFeeP": str(item.taker_fee),
            "maxLeverage": str(item.leverage_max),
            "overnightMaxLeverage": str(item.overnight_max),
            "group": {
                "name": item.category,
                "minLeverage": "100",
                "maxLeverage": str(item.leverage_max),
            },
            "fee": {"minLevPos": str(item.min_notional * 10**6)},
        }
        for item in trading.oracle.pairs.values()
    ]


def trades(trading: OstiumTrading, trader: str) -> list[Row]:
    return [_trade(trading, item) for item in trading.of(trader.lower())]


def limits(trading: OstiumTrading, trader: str) -> list[Row]:
    return [
        {
            "id": f"{item.trader}_{item.pair}_{item.index}",
            "isBuy": item.buy,
            "collateral": str(item.collateral),
            "leverage": str(item.leverage),
            "openPrice": str(item.price),
            "pair": _pair(trading.oracle.pairs[item.pair]),
        }
        for item in trading.limits
        if item.trader == trader.lower()
    ]


def orders(trading: OstiumTrading, order_id: str) -> list[Row]:
    order = trading.orders.get(int(order_id))
    return [] if order is None else [_order(trading, order)]


def _trade(trading: OstiumTrading, trade: Trade) -> Row:
    return {
        "tradeID": str(trade.trade_id),
        "index": str(trade.index),
        "isBuy": trade.buy,
        "tradeNotional": str(trade.size),
        "openPrice": str(trade.price),
        "pair": _pair(trading.oracle.pairs[trade.pair]),
    }


def _order(trading: OstiumTrading, order: OracleOrder) -> Row:
    done = order.is_executed
    return {
        "id": str(order.order_id),
        "trader": order.trader,
        "orderAction": "Open" if order.is_open else "Close",
        "isBuy": order.buy,
        "isPending": order.pending,
        "isCancelled": bool(order.cancel_reason),
        "cancelReason": str(order.cancel_reason) if order.cancel_reason else None,
        "tradeNotional": str(order.size),
        "priceAfterImpact": str(order.price) if done else None,
        "devFee": str(order.fees[0] * 3 // 10) if done else None,
        "vaultFee": str(order.fees[0] - order.fees[0] * 3 // 10) if done else None,
        "oracleFee": str(order.fees[1]) if done else None,
        "liquidationFee": "0" if done and not order.is_open else None,
        "fundingFee": "0" if done and not order.is_open else None,
        "rolloverFee": "0" if done and not order.is_open else None,
        "executedAt": str(order.executed_at) if done else None,
        "executedBlock": str(order.executed_block) if not order.pending else None,
        "pair": _pair(trading.oracle.pairs[order.pair]),
    }


def _pair(item: Pair) -> Row:
    return {"id": str(item.index), "from": item.base, "to": item.quote}
