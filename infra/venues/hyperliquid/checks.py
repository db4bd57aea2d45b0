"""What Hyperliquid would refuse of an order, found before anything is signed. Pure."""

from datetime import datetime

from common.domain.instrument import Capabilities, Instrument
from common.domain.order import Order
from common.domain.rounding import (
    NOTIONAL_BELOW_MINIMUM,
    PRICE_NOT_ON_TICK,
    check_order,
    is_valid_price,
)
from common.errors import RejectedError


def check(order: Order, instrument: Instrument, capabilities: Capabilities, now: datetime) -> None:
    """Raises RejectedError with the first reason why the venue would not take the order.

    A reduce-only order may be below the minimum value: the venue lets a position be closed.
    """
    if instrument.refusal is not None:
        raise RejectedError("INSTRUMENT_REFUSED", instrument.refusal)
    if not instrument.is_open:
        raise RejectedError("MARKET_CLOSED", f"{instrument.instrument_id} is closed")
    if order.order_type not in capabilities.order_types:
        raise RejectedError("ORDER_TYPE_NOT_SUPPORTED", f"no {order.order_type}")
    if order.time_in_force not in capabilities.time_in_force:
        raise RejectedError("TIME_IN_FORCE_NOT_SUPPORTED", f"no {order.time_in_force}")
    if order.expires_at <= now:
        raise RejectedError("ORDER_EXPIRED", "it expired before it was signed")
    code = check_order(instrument, order.quantity, order.price)
    if code is not None and not (code == NOTIONAL_BELOW_MINIMUM and order.reduce_only):
        raise RejectedError(code, f"{order.quantity} at {order.price}: {instrument.instrument_id}")
    trigger = order.trigger_price
    if trigger is not None and not is_valid_price(instrument, trigger):
        raise RejectedError(PRICE_NOT_ON_TICK, f"trigger {trigger}: {instrument.instrument_id}")
