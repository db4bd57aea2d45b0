"""What the oracle made of an order, as a report. Pure."""

from decimal import Decimal

from common.domain.instrument import Venue
from common.domain.money import ZERO, plain
from common.domain.order import Fill, LiquiditySide, Order, OrderReport, OrderSide, OrderStatus
from common.errors import TransientError
from infra.venues.evm.answers import Receipt
from infra.venues.ostium.calls import names_an_order
from infra.venues.ostium.records import OracleOrder

_CANCEL_REASONS = (  # the callbacks contract's enum, in its order
    "without a reason",
    "trading is paused",
    "the market is closed",
    "the price moved past the bound",
    "the price is already past the take profit",
    "the price is already past the stop loss",
    "the open interest has no room",
    "the price impact is too high",
    "the leverage is too high",
    "the trade is gone",
    "the trade is being liquidated",
    "the price was not reached",
    "its gain or loss is past the limit",
    "day trading is closed",
    "day trading is closed",
)


def plain_report(
    order: Order, status: OrderStatus, reason: str, *, venue_order_id: str | None = None
) -> OrderReport:
    """A report without fills. Until Ostium has numbered the order, its transaction names it."""
    return OrderReport(
        client_order_id=order.client_order_id,
        venue_order_id=venue_order_id or order.request_key,
        status=status,
        filled_qty=ZERO,
        fills=(),
        reason=reason,
    )


def order_id_of(receipt: Receipt, trading: str) -> str:
    """The number that Ostium gave the order, from the trading contract's own event.

    Raises TransientError: there is none, or more than one. That proves nothing of the order.
    """
    numbers = {
        int.from_bytes(log.topics[1], "big")
        for log in receipt.logs
        if log.address == trading and len(log.topics) > 1 and names_an_order(log.topics[0])
    }
    if len(numbers) != 1:
        raise TransientError(f"OSTIUM: the receipt names {len(numbers)} orders, not one")
    return str(numbers.pop())


def report_of(order: Order, told: OracleOrder, *, wallet: str, pair_index: int) -> OrderReport:
    """Raises TransientError: what is told under the order's number is another order."""
    opens_as = order.side is OrderSide.BUY
    if (
        told.trader != wallet
        or told.pair_index != pair_index
        or told.is_buy is not (opens_as if told.is_open else not opens_as)
    ):
        raise TransientError(f"OSTIUM: its order {told.order_id} is not {order.symbol} as sent")
    if told.is_pending:
        return plain_report(
            order,
            OrderStatus.ACCEPTED,
            "it waits for the oracle's price",
            venue_order_id=told.order_id,
        )
    if told.is_cancelled or told.size is None or told.price is None or told.executed_at is None:
        number = told.cancel_reason or 0
        known = number < len(_CANCEL_REASONS)
        reason = _CANCEL_REASONS[number] if known else f"reason {number}"
        return plain_report(
            order, OrderStatus.CANCELED, f"Ostium: {reason}", venue_order_id=told.order_id
        )
    fill = Fill(
        trade_id=told.order_id,
        client_order_id=order.client_order_id,
        venue_order_id=told.order_id,
        account_id=order.account_id,
        venue=Venue.OSTIUM,
        instrument_id=order.instrument_id,
        symbol=order.symbol,
        side=order.side,
        last_qty=told.size,
        last_px=told.price,
        commission=told.fees or ZERO,
        liquidity_side=LiquiditySide.TAKER,
        ts_event=told.executed_at,
    )
    return _filled(order, fill, told.size)


def _filled(order: Order, fill: Fill, size: Decimal) -> OrderReport:
    """Executed whole, at what its collateral was worth: mostly a little less than ordered."""
    whole = size >= order.quantity
    reason = "" if whole else f"its collateral bought {plain(size)} of {plain(order.quantity)}"
    return OrderReport(
        client_order_id=order.client_order_id,
        venue_order_id=fill.venue_order_id,
        status=OrderStatus.FILLED if whole else OrderStatus.CANCELED,
        filled_qty=size,
        fills=(fill,),
        reason=reason,
    )
