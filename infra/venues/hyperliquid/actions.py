"""Hyperliquid's actions, built field by field. Pure.

The venue hashes an action as msgpack in the order of its keys, so the order here is part of the
protocol (hyperliquid.gitbook.io, API > Exchange endpoint; the official SDK's signing module).
Numbers are text without trailing zeros, at most 8 decimals, never a float on the way.
"""

import re
from decimal import Decimal

from common.domain.instrument import Instrument, OrderType, TimeInForce
from common.domain.money import plain
from common.domain.order import Order, OrderSide
from common.errors import InvalidInputError, RejectedError, TransientError
from common.wire import JsonObject
from infra.venues.hyperliquid.parse import token_unit

WIRE_DECIMALS = 8
ASSETS_END = 1_000_000
_CLOID = re.compile(r"0x[0-9a-f]{32}", re.ASCII)
_TRIGGERS = {OrderType.STOP_MARKET: "sl", OrderType.MARKET_IF_TOUCHED: "tp"}


def asset_of(instrument: Instrument) -> int:
    """The venue's number of the instrument.

    Raises TransientError: the table in the store is not the venue's own yet (a paper table has no
    numbers).
    """
    number = instrument.venue_id
    if not (number.isascii() and number.isdigit() and int(number) < ASSETS_END):
        raise TransientError(f"{instrument.instrument_id} has no asset number: not loaded live yet")
    return int(number)


def wire_number(value: Decimal, where: str) -> str:
    """`1.500` is `1.5`, `1E+3` is `1000`; never `-0`.

    Raises InvalidInputError: negative, not finite, or more than 8 decimals.
    """
    if not value.is_finite() or value < 0:
        raise InvalidInputError("must be finite and not negative", where=where)
    text = plain(value)
    if len(text.partition(".")[2]) > WIRE_DECIMALS:
        raise InvalidInputError(f"over {WIRE_DECIMALS} decimals", where=where)
    return text


def wire_price(instrument: Instrument, price: Decimal) -> str:
    """A price per token as the venue writes it: per thousand of them for kPEPE."""
    return wire_number(price * token_unit(instrument.venue_symbol)[1], "price")


def wire_size(instrument: Instrument, quantity: Decimal) -> str:
    return wire_number(quantity / token_unit(instrument.venue_symbol)[1], "size")


def cloid_of(order: Order) -> str:
    """Raises InvalidInputError: the client order id is not 16 bytes in lower-case hexadecimal."""
    if not _CLOID.fullmatch(order.client_order_id):
        raise InvalidInputError("not 0x and 32 hexadecimal digits", where="client_order_id")
    return order.client_order_id


def order_wire(order: Order, instrument: Instrument) -> JsonObject:
    """One order of an order action.

    Raises:
        RejectedError: an order type or a time in force that the venue does not have.
        InvalidInputError: a number or a client order id that cannot be written.
    """
    return {
        "a": asset_of(instrument),
        "b": order.side is OrderSide.BUY,
        "p": wire_price(instrument, order.price),
        "s": wire_size(instrument, order.quantity),
        "r": order.reduce_only,
        "t": _order_type(order, instrument),
        "c": cloid_of(order),
    }


def _order_type(order: Order, instrument: Instrument) -> JsonObject:
    kind = _TRIGGERS.get(order.order_type)
    if kind is not None:
        if order.trigger_price is None:
            raise RejectedError("TRIGGER_PRICE_MISSING", f"a {order.order_type} needs one")
        trigger = wire_price(instrument, order.trigger_price)
        return {"trigger": {"isMarket": True, "triggerPx": trigger, "tpsl": kind}}
    return {"limit": {"tif": _tif(order)}}


def _tif(order: Order) -> str:
    if order.order_type is OrderType.MARKET:
        if order.post_only:
            raise RejectedError("ORDER_TYPE_NOT_SUPPORTED", "a market order cannot be post-only")
        return "Ioc"
    if order.post_only:
        if order.time_in_force is not TimeInForce.GTC:
            raise RejectedError("TIME_IN_FORCE_NOT_SUPPORTED", "a post-only order rests: GTC")
        return "Alo"
    tif = {TimeInForce.GTC: "Gtc", TimeInForce.IOC: "Ioc"}.get(order.time_in_force)
    if tif is None:
        raise RejectedError(
            "TIME_IN_FORCE_NOT_SUPPORTED", f"Hyperliquid has no {order.time_in_force}"
        )
    return tif


def order_action(order: Order, instrument: Instrument) -> JsonObject:
    return {"type": "order", "orders": [order_wire(order, instrument)], "grouping": "na"}


def modify_action(order: Order, instrument: Instrument) -> JsonObject:
    """Replace the resting order of the same cloid by `order`; it gets a new order id."""
    modified = {"oid": cloid_of(order), "order": order_wire(order, instrument)}
    return {"type": "batchModify", "modifies": [modified]}


def cancel_by_cloid_action(order: Order, instrument: Instrument) -> JsonObject:
    return {
        "type": "cancelByCloid",
        "cancels": [{"asset": asset_of(instrument), "cloid": cloid_of(order)}],
    }


def cancel_action(asset: int, venue_order_id: int) -> JsonObject:
    """By the venue's own id: for orders that are not ours."""
    return {"type": "cancel", "cancels": [{"a": asset, "o": venue_order_id}]}


def noop_action() -> JsonObject:
    """Does nothing but use up its nonce: what is under way with the same one cannot execute."""
    return {"type": "noop"}


def schedule_cancel_action(at_ms: int | None) -> JsonObject:
    """The dead-man switch: cancels every open order at `at_ms`, 5 s ahead or more; None ends it."""
    action: JsonObject = {"type": "scheduleCancel"}
    return action if at_ms is None else {**action, "time": at_ms}
