"""What a mined swap did: read from the token transfers in its receipt, in exact base units. Pure.

One transaction is one fill, and its hash is the trade id. The pool's fee is inside the price. Gas
is paid in ETH by the wallet: it is no commission in the quote currency, so the report's reason
tells it. `commission` holds only what the price's 12 figures leave of the cash (units.py).
"""

from datetime import datetime
from decimal import Decimal

from common.domain.money import plain
from common.domain.order import Fill, LiquiditySide, Order, OrderReport, OrderSide, OrderStatus
from common.errors import TransientError
from infra.venues.evm.abi import topic
from infra.venues.evm.answers import Log, Receipt
from infra.venues.spot.quote import same_address
from infra.venues.spot.tokens import Token
from infra.venues.spot.units import from_units, price_and_rest

_TRANSFER = "Transfer(address,address,uint256)"


def net_transfers(logs: tuple[Log, ...], token: Token, wallet: str) -> int:
    """Base units of the token that came to the wallet, less those that left it."""
    net = 0
    for log in logs:
        if not same_address(log.address, token.address) or log.topics[:1] != (topic(_TRANSFER),):
            continue
        if len(log.topics) != 3 or len(log.data) != 32:
            continue
        amount = int.from_bytes(log.data)
        net += amount if _is(log.topics[2], wallet) else 0
        net -= amount if _is(log.topics[1], wallet) else 0
    return net


def report_of_swap(
    order: Order, receipt: Receipt, *, base: Token, quote: Token, mined_at: datetime
) -> OrderReport:
    """The order as filled, whatever the amounts are: more than was asked is told as it is.

    Raises TransientError: the receipt's transfers are not those of this swap.
    """
    buy = order.side is OrderSide.BUY
    got = net_transfers(receipt.logs, base, order.signer)
    paid = net_transfers(receipt.logs, quote, order.signer)
    if buy:
        paid = -paid
    else:
        got = -got
    if got <= 0 or paid <= 0:
        raise TransientError(
            f"SPOT: {receipt.hash} is mined, and its transfers are not those of a swap"
        )
    quantity = from_units(got, base.decimals)
    price, rest = price_and_rest(quantity, from_units(paid, quote.decimals), buy=buy)
    fill = Fill(
        trade_id=receipt.hash,
        client_order_id=order.client_order_id,
        venue_order_id=receipt.hash,
        account_id=order.account_id,
        venue=order.venue,
        instrument_id=order.instrument_id,
        symbol=order.symbol,
        side=order.side,
        last_qty=quantity,
        last_px=price,
        commission=rest,
        liquidity_side=LiquiditySide.TAKER,
        ts_event=mined_at,
    )
    filled = quantity >= order.quantity
    return OrderReport(
        client_order_id=order.client_order_id,
        venue_order_id=receipt.hash,
        status=OrderStatus.FILLED if filled else OrderStatus.CANCELED,
        filled_qty=quantity,
        fills=(fill,),
        reason=f"gas {plain(gas_paid(receipt))} ETH",
    )


def gas_paid(receipt: Receipt) -> Decimal:
    """In ETH, out of the wallet."""
    return from_units(receipt.gas_used * receipt.gas_price, 18)


def _is(word: bytes, wallet: str) -> bool:
    return word == bytes.fromhex(wallet[2:]).rjust(32, b"\0")
