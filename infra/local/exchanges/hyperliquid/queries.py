"""Answers of /info about an account."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from infra.local.exchanges.hyperliquid.accounts import Account
from infra.local.exchanges.hyperliquid.engine import Engine
from infra.local.exchanges.hyperliquid.numbers import MalformedError, wire
from infra.local.exchanges.hyperliquid.orders import Order, cloid_of
from infra.local.exchanges.hyperliquid.positions import ZERO, Position

FILLS_PER_PAGE = 2000
ORDERS_PER_PAGE = 2000
FUNDING_PER_PAGE = 500
INITIAL_REQUESTS = 10_000
_UNIT = Decimal("0.000001")


def clearinghouse_state(
    engine: Engine, account: Account, body: Mapping[str, Any], now_ms: int
) -> dict[str, object]:
    """Other perp dexes hold nothing."""
    if body.get("dex"):
        account = Account(account.address)
    margin = engine.margin(account)
    summary = {
        "accountValue": _usd(margin.value),
        "totalNtlPos": _usd(margin.notional),
        "totalRawUsd": _usd(margin.raw_usd),
        "totalMarginUsed": _usd(margin.used),
    }
    return {
        "marginSummary": summary,
        "crossMarginSummary": summary,
        "crossMaintenanceMarginUsed": _usd(margin.used / 2),
        "withdrawable": _usd(max(ZERO, margin.value - margin.used)),
        "assetPositions": [
            {"type": "oneWay", "position": _position(engine, account, coin, position)}
            for coin, position in account.positions.items()
            if position.size
        ],
        "time": now_ms,
    }


def _position(engine: Engine, account: Account, coin: str, position: Position) -> object:
    book = engine.books[coin]
    mark = book.mark or position.entry
    leverage = account.leverage(book.asset)
    value = abs(position.size) * mark
    used = value / leverage.value
    gain = position.unrealized(mark)
    return {
        "coin": coin,
        "szi": wire(position.size),
        "leverage": {"type": "cross" if leverage.is_cross else "isolated", "value": leverage.value},
        "entryPx": wire(position.entry.quantize(_UNIT)),
        "positionValue": _usd(value),
        "unrealizedPnl": _usd(gain),
        "returnOnEquity": _usd(gain / used if used else ZERO),
        "liquidationPx": None,
        "marginUsed": _usd(used),
        "maxLeverage": book.asset.max_leverage,
        "cumFunding": {"allTime": "0.0", "sinceOpen": "0.0", "sinceChange": "0.0"},
    }


def _usd(amount: Decimal) -> str:
    return wire(amount.quantize(_UNIT))


def spot_clearinghouse_state(
    engine: Engine, account: Account, body: Mapping[str, Any], now_ms: int
) -> dict[str, object]:
    del body, now_ms
    numbers = {token["name"]: token["index"] for token in engine.listing.spot_meta["tokens"]}
    return {
        "balances": [
            {
                "coin": token,
                "token": numbers.get(token, 0),
                "total": wire(total),
                "hold": wire(account.holds_token(token)),
                "entryNtl": "0.0",
            }
            for token, total in account.tokens.items()
        ]
    }


def open_orders(
    engine: Engine, account: Account, body: Mapping[str, Any], now_ms: int
) -> list[object]:
    del engine, now_ms
    return [] if body.get("dex") else [order.brief() for order in _newest_live(account)]


def frontend_open_orders(
    engine: Engine, account: Account, body: Mapping[str, Any], now_ms: int
) -> list[object]:
    del engine, now_ms
    if body.get("dex"):
        return []
    live = _newest_live(account)
    rows: list[object] = []
    for order in live:
        children = [child.full() for child in live if child.parent == order.oid]
        rows.append({**order.full(), "children": children})
    return rows


def _newest_live(account: Account) -> list[Order]:
    return account.live_orders[::-1]


def order_status(
    engine: Engine, account: Account, body: Mapping[str, Any], now_ms: int
) -> dict[str, object]:
    del now_ms
    oid = body.get("oid")
    if isinstance(oid, str):
        key: int | str = cloid_of(oid) or ""
    elif type(oid) is int:
        key = oid
    else:
        raise MalformedError("orderStatus needs an oid or a cloid")
    order = engine.find(account, key)
    return {"status": "unknownOid"} if order is None else {"status": "order", "order": _told(order)}


def historical_orders(
    engine: Engine, account: Account, body: Mapping[str, Any], now_ms: int
) -> list[object]:
    del engine, body, now_ms
    return [_told(order) for order in account.orders[::-1][:ORDERS_PER_PAGE]]


def _told(order: Order) -> dict[str, object]:
    return {"order": order.full(), "status": order.status, "statusTimestamp": order.status_ms}


def user_fills(
    engine: Engine, account: Account, body: Mapping[str, Any], now_ms: int
) -> list[object]:
    """The newest, newest first."""
    del engine, body, now_ms
    return [fill.row() for fill in account.fills[::-1][:FILLS_PER_PAGE]]


def user_fills_by_time(
    engine: Engine, account: Account, body: Mapping[str, Any], now_ms: int
) -> list[object]:
    """The oldest of the span, oldest first; the next page starts at the last one's time."""
    del engine
    start, end = body.get("startTime"), body.get("endTime")
    if type(start) is not int:
        raise MalformedError("userFillsByTime needs a startTime")
    until = end if type(end) is int else now_ms
    rows = [fill.row() for fill in account.fills if start <= fill.time_ms <= until]
    return list(rows[:FILLS_PER_PAGE])


def user_funding(
    engine: Engine, account: Account, body: Mapping[str, Any], now_ms: int
) -> list[object]:
    """The oldest of the span, oldest first."""
    del engine
    start, end = body.get("startTime"), body.get("endTime")
    if type(start) is not int:
        raise MalformedError("userFunding needs a startTime")
    until = end if type(end) is int else now_ms
    rows = [paid.row() for paid in account.funding if start <= paid.time_ms <= until]
    return list(rows[:FUNDING_PER_PAGE])


def user_rate_limit(
    engine: Engine, account: Account, body: Mapping[str, Any], now_ms: int
) -> dict[str, object]:
    del engine, body, now_ms
    return {
        "cumVlm": wire(account.traded.quantize(Decimal("0.01"))),
        "nRequestsUsed": account.requests,
        "nRequestsCap": INITIAL_REQUESTS + int(account.traded),
    }


ACCOUNT_QUERIES: Mapping[
    str, Callable[[Engine, Account, Mapping[str, Any], int], dict[str, object] | list[object]]
] = {
    "clearinghouseState": clearinghouse_state,
    "spotClearinghouseState": spot_clearinghouse_state,
    "openOrders": open_orders,
    "frontendOpenOrders": frontend_open_orders,
    "orderStatus": order_status,
    "historicalOrders": historical_orders,
    "userFills": user_fills,
    "userFillsByTime": user_fills_by_time,
    "userFunding": user_funding,
    "userRateLimit": user_rate_limit,
}
