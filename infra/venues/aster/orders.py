"""Our orders in Aster's parameters. Pure."""

import re
from decimal import Decimal

from common.domain.identifiers import digest
from common.domain.instrument import Instrument, OrderType, TimeInForce
from common.domain.money import plain
from common.domain.order import Order
from common.domain.rounding import NOTIONAL_BELOW_MINIMUM, check_order, is_valid_price
from common.errors import RejectedError
from infra.venues.aster.instruments import QUOTE, token_unit

_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_TRIGGERED = {
    OrderType.STOP_MARKET: "STOP_MARKET",
    OrderType.MARKET_IF_TOUCHED: "TAKE_PROFIT_MARKET",
}


def client_id(client_order_id: str) -> str:
    """Our id as the venue takes it: itself where it fits, else a digest of it."""
    if _CLIENT_ID.fullmatch(client_order_id):
        return client_order_id
    return "0x" + digest("aster-client-id", client_order_id)[:32]


def unit_of(venue_symbol: str) -> int:
    """How many tokens one unit of the contract is."""
    return token_unit(venue_symbol.removesuffix(QUOTE))[1]


def check(instrument: Instrument, order: Order) -> None:
    """Raises RejectedError: the venue would refuse this order, so it is not sent."""
    if instrument.instrument_id != order.instrument_id:
        raise RejectedError("INSTRUMENT_NOT_LISTED", f"Aster does not list {order.instrument_id}")
    if instrument.refusal is not None:
        raise RejectedError("INSTRUMENT_REFUSED", instrument.refusal)
    if not instrument.is_open:
        raise RejectedError("MARKET_CLOSED", f"Aster's market for {order.symbol} is closed")
    code = check_order(instrument, order.quantity, order.price)
    if code is not None and not (order.reduce_only and code == NOTIONAL_BELOW_MINIMUM):
        raise RejectedError(code, f"{plain(order.quantity)} at {plain(order.price)}")
    if order.order_type in _TRIGGERED and not _trigger_fits(instrument, order.trigger_price):
        raise RejectedError("PRICE_NOT_ON_TICK", "the trigger price is missing or not on the tick")


def _trigger_fits(instrument: Instrument, price: Decimal | None) -> bool:
    return price is not None and is_valid_price(instrument, price)


def parameters(instrument: Instrument, order: Order) -> list[tuple[str, str]]:
    """`POST /fapi/v3/order`. A market order is a limit at its worst price that never rests."""
    unit = unit_of(instrument.venue_symbol)
    pairs = [
        ("symbol", instrument.venue_symbol),
        ("side", order.side.value),
        ("type", _TRIGGERED.get(order.order_type, "LIMIT")),
        ("quantity", plain(order.quantity / unit)),
    ]
    if order.order_type in _TRIGGERED:
        pairs += [
            ("stopPrice", plain((order.trigger_price or order.price) * unit)),
            ("workingType", "MARK_PRICE"),
        ]
    else:
        pairs += [
            ("timeInForce", _time_in_force(order)),
            ("price", plain(order.price * unit)),
        ]
    return [
        *pairs,
        ("reduceOnly", "true" if order.reduce_only else "false"),
        ("newClientOrderId", client_id(order.client_order_id)),
        ("newOrderRespType", "RESULT"),
    ]


def _time_in_force(order: Order) -> str:
    if order.order_type is OrderType.MARKET and order.time_in_force is TimeInForce.GTC:
        return TimeInForce.IOC.value
    return "GTX" if order.post_only else order.time_in_force.value
