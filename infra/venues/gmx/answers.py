"""Reads GMX's answers about orders, positions and trades. Pure; every refusal names the field."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from common.domain.order import Fill, LiquiditySide, Order
from common.errors import InvalidInputError
from infra.venues.evm.hexadecimal import to_address, to_hash
from infra.venues.fields import Answer, as_list, as_object, text
from infra.venues.gmx.catalogue import Catalogue, Market, Token, number
from infra.venues.gmx.units import from_contract_price, times, tokens, told_price

SENT = frozenset({"relay_accepted", "relay_pending", "relay_submitted", "created"})
REFUSED = frozenset({"relay_failed", "relay_reverted"})
STATUSES = SENT | REFUSED | {"prepared", "executed", "cancelled"}

_EXECUTED = "OrderExecuted"
_COSTS = (
    "positionFeeAmount",
    "borrowingFeeAmount",
    "fundingFeeAmount",
    "liquidationFeeAmount",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestState:
    """What `/v1/orders/txns/status` and `/submit` say of one request."""

    request_id: str
    status: str  # one of STATUSES
    order_keys: tuple[str, ...]
    reason: str  # why it was cancelled or refused, "" where nothing is said


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPosition:
    key: str
    market: Market
    collateral: Token
    is_long: bool
    size_usd: int  # USD x 10^30, at the price it was entered for
    size_tokens: int  # > 0, smallest units of the market's token

    @property
    def signed_qty(self) -> Decimal:
        size = tokens(self.size_tokens, self.market.index.decimals)
        return size if self.is_long else -size


@dataclass(frozen=True, slots=True, kw_only=True)
class RestingOrder:
    key: str
    request_id: str | None
    market: Market
    buys: bool
    left_qty: Decimal


def parse_state(payload: object, *, request_id: str) -> RequestState:
    """Raises InvalidInputError: another shape, an unknown status, or another request's answer."""
    answer = as_object(payload, "status")
    if answer.get("requestId") != request_id:
        raise InvalidInputError("the answer is about another request", where="status.requestId")
    status = text(answer, "status", "status")
    if status not in STATUSES:
        raise InvalidInputError(f"{status[:40]!r} is no status that we know", where="status.status")
    keys = answer.get("orderKeys")
    return RequestState(
        request_id=request_id,
        status=status,
        order_keys=tuple(
            to_hash(key, "status.orderKeys")
            for key in as_list([] if keys is None else keys, "status.orderKeys")
        ),
        reason=_reason(answer),
    )


def parse_positions(payload: object, catalogue: Catalogue, wallet: str) -> list[HeldPosition]:
    """Each position once; those that are only being opened hold nothing yet."""
    found: dict[str, HeldPosition] = {}
    for index, row in enumerate(as_list(payload, "positions")):
        where = f"positions[{index}]"
        answer = as_object(row, where)
        _same_account(answer, wallet, where)
        size = number(answer, "sizeInTokens", where)
        if size == 0 or answer.get("isOpening") is True:
            continue
        market = to_address(answer.get("marketAddress"), f"{where}.marketAddress")
        collateral = f"{where}.collateralTokenAddress"
        position = HeldPosition(
            key=_key(answer, "key", where),
            market=catalogue.market(market, f"{where}.marketAddress"),
            collateral=catalogue.token(
                to_address(answer.get("collateralTokenAddress"), collateral), collateral
            ),
            is_long=flag(answer, "isLong", where),
            size_usd=number(answer, "sizeInUsd", where),
            size_tokens=size,
        )
        if found.setdefault(position.key, position) != position:
            raise InvalidInputError("two positions under one key", where=f"{where}.key")
    return list(found.values())


def parse_orders(payload: object, catalogue: Catalogue, wallet: str) -> list[RestingOrder]:
    """What rests, or waits for a keeper. The quantity is the size at the order's own price."""
    found: dict[str, RestingOrder] = {}
    for index, row in enumerate(as_list(payload, "orders")):
        where = f"orders[{index}]"
        answer = as_object(row, where)
        _same_account(answer, wallet, where)
        address = to_address(answer.get("marketAddress"), f"{where}.marketAddress")
        market = catalogue.markets.get(address)
        if market is None:
            continue  # a swap, or a market that we do not trade
        key = to_hash(answer.get("key"), f"{where}.key")
        increases = number(answer, "orderType", where) in {2, 3, 8}
        request_id = answer.get("requestId")
        found[key] = RestingOrder(
            key=key,
            request_id=request_id if isinstance(request_id, str) and request_id else None,
            market=market,
            buys=flag(answer, "isLong", where) == increases,
            left_qty=_left(answer, market, where),
        )
    return list(found.values())


def parse_fills(
    payload: object, order: Order, catalogue: Catalogue, *, wallet: str, order_keys: Iterable[str]
) -> tuple[dict[str, Fill], str | None]:
    """The execution of each of these order keys that has one, and where the next page begins.

    What a fill costs is every fee that was taken with it, at the price of the collateral.

    Raises InvalidInputError: another shape, or an execution in another market than the order's.
    """
    answer = as_object(payload, "trades")
    wanted = {key.lower() for key in order_keys}
    found: dict[str, Fill] = {}
    for index, row in enumerate(as_list(answer.get("trades"), "trades.trades")):
        where = f"trades[{index}]"
        trade = as_object(row, where)
        if trade.get("eventName") != _EXECUTED or str(trade.get("orderKey")).lower() not in wanted:
            continue
        fill = _fill(trade, order, catalogue, wallet, where)
        if found.setdefault(str(trade["orderKey"]).lower(), fill) != fill:
            raise InvalidInputError("two executions of one order", where=f"{where}.orderKey")
    cursor = answer.get("nextCursor") if answer.get("hasMore") is True else None
    return found, text(answer, "nextCursor", "trades") if cursor else None


def parse_band(payload: object, token: Token) -> tuple[Decimal, Decimal]:
    """The lowest and the highest price of one token, USD, from the oracle's `/prices/tickers`."""
    for index, row in enumerate(as_list(payload, "tickers")):
        where = f"tickers[{index}]"
        ticker = as_object(row, where)
        if str(ticker.get("tokenAddress")).lower() != token.address:
            continue
        low = number(ticker, "minPrice", where)
        high = number(ticker, "maxPrice", where)
        if not 0 < low <= high:
            raise InvalidInputError("not a price band above 0", where=where)
        return from_contract_price(low, token.decimals), from_contract_price(high, token.decimals)
    raise InvalidInputError(f"no price of {token.symbol}", where="tickers")


def flag(answer: Answer, field: str, where: str) -> bool:
    value = answer.get(field)
    if not isinstance(value, bool):
        raise InvalidInputError("not true or false", where=f"{where}.{field}")
    return value


def _fill(trade: Answer, order: Order, catalogue: Catalogue, wallet: str, where: str) -> Fill:
    _same_account(trade, wallet, where)
    address = to_address(trade.get("marketAddress"), f"{where}.marketAddress")
    market = catalogue.market(address, f"{where}.marketAddress")
    if market.symbol != order.symbol:
        raise InvalidInputError(
            f"the order's key names a trade of {market.symbol}", where=f"{where}.marketAddress"
        )
    decimals = market.index.decimals
    raw_price = number(trade, "executionPrice", where)
    price = told_price(raw_price, decimals, near=order.price, where=f"{where}.executionPrice")
    return Fill(
        trade_id=_key(trade, "id", where),
        client_order_id=order.client_order_id,
        venue_order_id=order.request_key,
        account_id=order.account_id,
        venue=order.venue,
        instrument_id=order.instrument_id,
        symbol=order.symbol,
        side=order.side,
        last_qty=tokens(number(trade, "sizeDeltaInTokens", where), decimals),
        last_px=price,
        commission=_cost(trade, catalogue, where),
        liquidity_side=LiquiditySide.TAKER,  # the pool is always the other side
        ts_event=_moment(trade, where),
    )


def _cost(trade: Answer, catalogue: Catalogue, where: str) -> Decimal:
    address = f"{where}.initialCollateralTokenAddress"
    collateral = catalogue.token(
        to_address(trade.get("initialCollateralTokenAddress"), address), address
    )
    amount = sum(_optional(trade, field, where) for field in _COSTS)
    if amount == 0:
        return Decimal(0)
    if collateral == catalogue.usdc:
        return tokens(amount, collateral.decimals)
    price = from_contract_price(
        number(trade, "collateralTokenPriceMin", where), collateral.decimals
    )
    return times(tokens(amount, collateral.decimals), price)


def _key(answer: Answer, field: str, where: str) -> str:
    """An id; a position's own names three addresses."""
    value = answer.get(field)
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise InvalidInputError("missing or no id", where=f"{where}.{field}")
    return value


def _optional(trade: Answer, field: str, where: str) -> int:
    """Fees that do not apply are left out; a negative one is a payment to us."""
    value = trade.get(field)
    if value is None:
        return 0
    if isinstance(value, str) and value.startswith("-"):
        return -number({field: value[1:]}, field, where)
    return number(trade, field, where)


def _left(answer: Answer, market: Market, where: str) -> Decimal:
    decimals = market.index.decimals
    raw = number(answer, "triggerPrice", where) or number(answer, "acceptablePrice", where)
    size = number(answer, "sizeDeltaUsd", where)
    return tokens(size // raw, decimals) if raw else Decimal(0)


def _moment(trade: Answer, where: str) -> datetime:
    seconds = number(trade, "timestamp", where)
    if seconds > 100_000_000_000:
        seconds //= 1000
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        raise InvalidInputError("not a moment", where=f"{where}.timestamp") from None


def _same_account(answer: Answer, wallet: str, where: str) -> None:
    if to_address(answer.get("account"), f"{where}.account") != wallet:
        raise InvalidInputError("of another account", where=f"{where}.account")


def _reason(answer: Answer) -> str:
    parts: list[Any] = [answer.get("cancellationReason")]
    error = answer.get("error")
    if isinstance(error, dict):
        parts += [error.get("code"), error.get("message")]
    return ": ".join(str(part)[:200] for part in parts if isinstance(part, str) and part)
