"""Reads Hyperliquid's answers about orders and accounts. Pure, strict; numbers leave per token.

Sources: hyperliquid.gitbook.io, API > Exchange endpoint, Info endpoint; the shapes recorded in
data/hyperliquid/order_response_shapes.json and its cassettes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from common.domain.instrument import Instrument
from common.domain.moment import from_ms
from common.domain.money import ZERO
from common.domain.order import Fill, LiquiditySide, Order, OrderSide, OrderStatus
from common.errors import InvalidInputError
from infra.venues.fields import Answer, as_list, as_object, decimal, positive, text, whole
from infra.venues.hyperliquid.parse import token_unit

FILLS_PAGE = 2000
"""Fills that one answer holds at most; a full one has a next page."""

_ID_MAX = 2**63
_MS_MAX = 10**15
_SIDES = {"B": OrderSide.BUY, "A": OrderSide.SELL}
_LIVE = frozenset({"open", "accepted", "triggered"})


@dataclass(frozen=True, slots=True)
class Taken:
    """The venue holds the order (`filled` is None) or has filled this much of it at once."""

    venue_order_id: int
    filled: Decimal | None


@dataclass(frozen=True, slots=True)
class Refused:
    """An error, of one order or of the whole request."""

    text: str
    whole_request: bool


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """`{"type": "orderStatus"}` of an order that the venue knows."""

    venue_order_id: int
    status: OrderStatus
    word: str  # the venue's own
    filled_qty: Decimal


def parse_placed(payload: object, order: Order, instrument: Instrument) -> Taken | Refused:
    """The answer to an action with one order.

    Raises InvalidInputError: anything that is no evidence about this very order.
    """
    answer = as_object(payload, "exchange")
    if answer.get("status") == "err":
        return Refused(_said(answer.get("response"), "exchange.response"), whole_request=True)
    status = _only_status(answer, "order")
    if isinstance(status, dict) and "error" in status:
        return Refused(_said(status["error"], "statuses[0].error"), whole_request=False)
    entry = as_object(status, "statuses[0]")
    if "resting" in entry:
        held = as_object(entry["resting"], "statuses[0].resting")
        filled = None
    else:
        held = as_object(entry.get("filled"), "statuses[0].filled")
        unit = token_unit(instrument.venue_symbol)[1]
        filled = positive(held, "totalSz", "statuses[0].filled") * unit
    if held.get("cloid") not in {None, order.client_order_id}:
        raise InvalidInputError("is about another order", where="statuses[0].cloid")
    return Taken(whole(held, "oid", "statuses[0]", most=_ID_MAX), filled)


def parse_done(payload: object, kind: str) -> Refused | None:
    """The answer to a cancel (kind "cancel") or an action without data ("default"); None is yes.

    Raises InvalidInputError: no evidence.
    """
    answer = as_object(payload, "exchange")
    if answer.get("status") == "err":
        return Refused(_said(answer.get("response"), "exchange.response"), whole_request=True)
    if kind == "default":
        response = as_object(answer.get("response"), "exchange.response")
        if answer.get("status") != "ok" or response.get("type") != "default":
            raise InvalidInputError("is not an answer to this action", where="exchange.response")
        return None
    status = _only_status(answer, kind)
    if status == "success":
        return None
    error = as_object(status, "statuses[0]").get("error")
    return Refused(_said(error, "statuses[0].error"), whole_request=False)


def _only_status(answer: Answer, kind: str) -> object:
    if answer.get("status") != "ok":
        raise InvalidInputError("neither ok nor err", where="exchange.status")
    response = as_object(answer.get("response"), "exchange.response")
    if response.get("type") != kind:
        raise InvalidInputError("is not an answer to this action", where="exchange.response.type")
    data = as_object(response.get("data"), "exchange.response.data")
    statuses = as_list(data.get("statuses"), "statuses")
    if len(statuses) != 1:
        raise InvalidInputError(f"{len(statuses)} answers to one order", where="statuses")
    status: object = statuses[0]
    return status


def _said(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidInputError("an error without a text", where=where)
    return value[:300]


def parse_order_status(payload: object, order: Order, instrument: Instrument) -> KnownOrder | None:
    """`{"type": "orderStatus"}`; None where the venue says `unknownOid`.

    Raises InvalidInputError: another shape, a status that is not known here, or another order
    (symbol, side or client id) under this id.
    """
    answer = as_object(payload, "orderStatus")
    if answer.get("status") == "unknownOid":
        return None
    if answer.get("status") != "order":
        raise InvalidInputError("neither order nor unknownOid", where="orderStatus.status")
    outer = as_object(answer.get("order"), "orderStatus.order")
    row = as_object(outer.get("order"), "orderStatus.order.order")
    _check_same(row, order, instrument)
    unit = token_unit(instrument.venue_symbol)[1]
    whole_size = positive(row, "origSz", "orderStatus") * unit
    left = decimal(row, "sz", "orderStatus") * unit
    if not 0 <= left <= whole_size:
        raise InvalidInputError("not within 0 and origSz", where="orderStatus.sz")
    filled = whole_size - left
    word = text(outer, "status", "orderStatus.order")
    return KnownOrder(
        venue_order_id=whole(row, "oid", "orderStatus", most=_ID_MAX),
        status=_status(word, filled=filled, left=left),
        word=word,
        filled_qty=filled,
    )


def _check_same(row: Answer, order: Order, instrument: Instrument) -> None:
    coin = text(row, "coin", "orderStatus")
    if coin != instrument.venue_symbol:
        raise InvalidInputError(
            f"is an order in {coin}, not {instrument.venue_symbol}", where="orderStatus"
        )
    if _SIDES.get(text(row, "side", "orderStatus")) is not order.side:
        raise InvalidInputError(f"is not a {order.side}", where="orderStatus.side")
    if row.get("cloid") not in {None, order.client_order_id}:
        raise InvalidInputError("has another client id", where="orderStatus.cloid")


def _status(word: str, *, filled: Decimal, left: Decimal) -> OrderStatus:
    """The venue's word in ours. A refusal that has filled, or a fill that has not, is no word."""
    if word in _LIVE:
        return OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.ACCEPTED
    if word == "filled":
        return OrderStatus.CANCELED if left else OrderStatus.FILLED
    if word in {"canceled", "scheduledCancel"} or word.endswith("Canceled"):
        return OrderStatus.CANCELED
    if word == "rejected" or word.endswith("Rejected"):
        return OrderStatus.CANCELED if filled else OrderStatus.REJECTED
    raise InvalidInputError(f"unknown status {word[:40]!r}", where="orderStatus.order.status")


@dataclass(frozen=True, slots=True)
class FillsPage:
    """`next_from_ms` is where the next page begins, None after the last."""

    fills: tuple[Fill, ...]
    count: int  # fills of the whole account that the venue sent
    next_from_ms: int | None


def parse_fills(
    payload: object, order: Order, instrument: Instrument, *, venue_order_id: int | None
) -> FillsPage:
    """`{"type": "userFillsByTime"}`: those of `order`, by its cloid or the venue's own order id.

    Raises InvalidInputError: another shape, or a fill of this order in another symbol or side.
    """
    rows = as_list(payload, "userFillsByTime")
    fills: dict[str, Fill] = {}
    latest = 0
    for number, item in enumerate(rows):
        where = f"userFillsByTime[{number}]"
        row = as_object(item, where)
        latest = max(latest, whole(row, "time", where, most=_MS_MAX))
        mine = row.get("cloid") == order.client_order_id
        if whole(row, "oid", where, most=_ID_MAX) == venue_order_id or mine:
            fill = _fill(row, order, instrument, where)
            fills[fill.trade_id] = fill
    in_order = sorted(fills.values(), key=lambda fill: (fill.ts_event, fill.trade_id))
    return FillsPage(tuple(in_order), len(rows), latest if len(rows) >= FILLS_PAGE else None)


def _fill(row: Answer, order: Order, instrument: Instrument, where: str) -> Fill:
    coin = text(row, "coin", where)
    if coin != instrument.venue_symbol:
        raise InvalidInputError(f"is of {coin}, not {instrument.venue_symbol}", where=where)
    if _SIDES.get(text(row, "side", where)) is not order.side:
        raise InvalidInputError(f"is not a {order.side}", where=f"{where}.side")
    crossed = row.get("crossed")
    if not isinstance(crossed, bool):
        raise InvalidInputError("not true or false", where=f"{where}.crossed")
    unit = token_unit(coin)[1]
    price = positive(row, "px", where)
    fee, withheld = _commission(row, instrument, where)
    return Fill(
        trade_id=str(whole(row, "tid", where, most=_ID_MAX)),
        client_order_id=order.client_order_id,
        venue_order_id=str(whole(row, "oid", where, most=_ID_MAX)),
        account_id=order.account_id,
        venue=order.venue,
        instrument_id=order.instrument_id,
        symbol=order.symbol,
        side=order.side,
        last_qty=positive(row, "sz", where) * unit,
        last_px=price / unit,
        commission=fee + withheld * price,
        base_withheld=withheld * unit,
        liquidity_side=LiquiditySide.TAKER if crossed else LiquiditySide.MAKER,
        ts_event=from_ms(whole(row, "time", where, most=_MS_MAX)),
    )


def _commission(row: Answer, instrument: Instrument, where: str) -> tuple[Decimal, Decimal]:
    """`fee` in quote currency, or in the token that a spot purchase bought; a rebate is negative.

    Raises InvalidInputError: a token whose price the fill does not tell.
    """
    fee = decimal(row, "fee", where)
    token = row.get("feeToken", instrument.quote_currency)
    if not fee or token == instrument.quote_currency:
        return fee, ZERO
    base = instrument.instrument_id.partition("-")[0]
    if not instrument.shortable and token == base:
        return ZERO, fee
    raise InvalidInputError(f"a fee in {str(token)[:20]!r}", where=f"{where}.feeToken")


@dataclass(frozen=True, slots=True)
class HeldPosition:
    coin: str
    signed_qty: Decimal  # per token
    avg_px: Decimal | None


def parse_positions(payload: object) -> tuple[HeldPosition, ...]:
    """`{"type": "clearinghouseState"}`: what is held, short is negative; the flat are left out.

    Raises InvalidInputError: another shape, or a coin twice.
    """
    state = as_object(payload, "clearinghouseState")
    held: dict[str, HeldPosition] = {}
    rows = as_list(state.get("assetPositions"), "clearinghouseState.assetPositions")
    for number, item in enumerate(rows):
        where = f"assetPositions[{number}]"
        row = as_object(as_object(item, where).get("position"), f"{where}.position")
        coin = text(row, "coin", where)
        unit = token_unit(coin)[1]
        size = decimal(row, "szi", where) * unit
        if coin in held:
            raise InvalidInputError("a position twice", where=where)
        entry = row.get("entryPx")
        average = None if entry is None else positive(row, "entryPx", where) / unit
        held[coin] = HeldPosition(coin, size, average)
    return tuple(position for position in held.values() if position.signed_qty)


def parse_balances(payload: object) -> dict[str, Decimal]:
    """`{"type": "spotClearinghouseState"}`: whole holdings by token, what orders hold included.

    Raises InvalidInputError: another shape, or a negative balance.
    """
    state = as_object(payload, "spotClearinghouseState")
    balances: dict[str, Decimal] = {}
    for number, item in enumerate(as_list(state.get("balances"), "balances")):
        where = f"balances[{number}]"
        row = as_object(item, where)
        total = decimal(row, "total", where)
        if total < 0:
            raise InvalidInputError("must not be negative", where=f"{where}.total")
        coin = text(row, "coin", where)
        balances[coin] = balances.get(coin, ZERO) + total
    return balances


@dataclass(frozen=True, slots=True)
class RestingOrder:
    venue_order_id: int
    coin: str
    side: OrderSide
    left_qty: Decimal  # per token
    cloid: str | None


def parse_open_orders(payload: object) -> tuple[RestingOrder, ...]:
    """`{"type": "frontendOpenOrders"}`, one for each order id; a parent's children stand by
    themselves in the list.

    Raises InvalidInputError: another shape.
    """
    rows: dict[int, RestingOrder] = {}
    for number, item in enumerate(as_list(payload, "frontendOpenOrders")):
        resting = _resting(as_object(item, f"frontendOpenOrders[{number}]"), number)
        rows.setdefault(resting.venue_order_id, resting)
    return tuple(rows.values())


def _resting(row: Answer, number: int) -> RestingOrder:
    where = f"frontendOpenOrders[{number}]"
    coin = text(row, "coin", where)
    side = _SIDES.get(text(row, "side", where))
    if side is None:
        raise InvalidInputError("neither B nor A", where=f"{where}.side")
    cloid: Any = row.get("cloid")
    return RestingOrder(
        venue_order_id=whole(row, "oid", where, most=_ID_MAX),
        coin=coin,
        side=side,
        left_qty=decimal(row, "sz", where) * token_unit(coin)[1],
        cloid=None if cloid is None else text(row, "cloid", where),
    )


def sum_of(fills: Iterable[Fill]) -> Decimal:
    return sum((fill.last_qty for fill in fills), ZERO)
