"""What one order of ours asks of GMX, in GMX's own numbers: the request, and the measure by which
the typed data that comes back is judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from common.domain.instrument import OrderType, TimeInForce
from common.domain.order import Order, OrderSide
from common.errors import RejectedError
from common.wire import JsonObject
from infra.venues.gmx import contracts
from infra.venues.gmx.answers import HeldPosition
from infra.venues.gmx.catalogue import Catalogue, Market, Token
from infra.venues.gmx.units import (
    contract_price,
    times,
    tokens,
    units_down,
    units_up,
    usd,
    usd_down,
)

LEVERAGE = 1
"""An increase pays its whole size in USDC: the domain has no leverage, so none is taken."""

DRIFT_MAX = Decimal("0.2")
"""A bound further than this from the oracle's price is refused: one of both is in a wrong unit."""

_BPS = 10_000
_KINDS = {
    ("increase", "market"): contracts.MARKET_INCREASE,
    ("increase", "limit"): contracts.LIMIT_INCREASE,
    ("increase", "stop-market"): contracts.STOP_INCREASE,
    ("decrease", "market"): contracts.MARKET_DECREASE,
    ("decrease", "take-profit"): contracts.LIMIT_DECREASE,
    ("decrease", "stop-loss"): contracts.STOP_LOSS_DECREASE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The oracle's prices of a token, USD."""

    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatory:
    """Whose money it is and who signs; `subaccount` is None where the wallet signs for itself."""

    wallet: str
    subaccount: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    market: Market
    increase: bool
    is_long: bool
    order_type: str  # the API's word
    size_usd: int  # USD x 10^30
    collateral: Token
    collateral_amount: int  # paid in by an increase; a decrease takes nothing out by itself
    bound: Decimal  # the worst price to accept
    trigger: Decimal | None
    slippage_bps: int
    fee_token: Token
    signatory: Signatory

    @property
    def kind(self) -> str:
        return "increase" if self.increase else "decrease"

    @property
    def buys(self) -> bool:
        """Does a higher price harm us?"""
        return self.increase == self.is_long

    @property
    def contract_type(self) -> int:
        return _KINDS[self.kind, self.order_type]

    @property
    def contract_trigger(self) -> int:
        decimals = self.market.index.decimals
        return 0 if self.trigger is None else contract_price(self.trigger, decimals, up=False)

    @property
    def contract_bound(self) -> int:
        """The last acceptable price that is still within ours."""
        return contract_price(self.bound, self.market.index.decimals, up=not self.buys)

    def request(self) -> JsonObject:
        """The body of `/v1/orders/txns/prepare`."""
        body: JsonObject = {
            "kind": self.kind,
            "symbol": self.market.name,
            "direction": "long" if self.is_long else "short",
            "orderType": self.order_type,
            "size": str(self.size_usd),
            "collateralToken": self.collateral.symbol,
            "slippage": self.slippage_bps,
            "gasPaymentToken": self.fee_token.address,
            "autoCancel": False,
            "mode": "express",
            "from": self.signatory.wallet,
        }
        if self.increase:
            paid = {"token": self.collateral.symbol, "amount": str(self.collateral_amount)}
            body["collateralToPay"] = paid
        else:
            body |= {"receiveToken": self.collateral.symbol, "keepLeverage": False}
        if self.trigger is not None:
            body["triggerPrice"] = str(usd_down(self.trigger))
        if self.signatory.subaccount is not None:
            body["subaccountAddress"] = self.signatory.subaccount
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What stands at the venue when an order is planned."""

    market: Market
    catalogue: Catalogue
    held: Sequence[HeldPosition]  # of the order's token, in whatever market
    band: Band


def plan(order: Order, ground: Ground, signatory: Signatory) -> Wanted:
    """An order against a position of the other direction takes from it first, and only that.

    Raises RejectedError: it would have to close one position and open another, it may only reduce
    and there is nothing to reduce, its price is out of reach, or its size is too small.
    """
    buys = order.side is OrderSide.BUY
    opposite = [one for one in ground.held if one.is_long is not buys]
    if opposite:
        return _decrease(order, ground, _largest(opposite), signatory)
    if order.reduce_only:
        raise RejectedError("REDUCE_ONLY", f"no {order.symbol} position that it could reduce")
    return _increase(order, ground, signatory)


def _increase(order: Order, ground: Ground, signatory: Signatory) -> Wanted:
    market, catalogue, band = ground.market, ground.catalogue, ground.band
    if not market.is_listed or not catalogue.takes_usdc(market):
        raise RejectedError("MARKET_CLOSED", f"{market.name} takes no new positions in USDC")
    trigger = _trigger(order)
    slippage = _slippage(order, trigger, band)
    size = usd_down(times(order.quantity, _sizing_price(order, trigger, band)))
    paid = units_up(usd(size) / LEVERAGE, catalogue.usdc.decimals)
    if size < market.min_position or usd(market.min_collateral) > tokens(paid, 6):
        raise RejectedError("NOTIONAL_BELOW_MINIMUM", f"below {market.name}'s smallest position")
    return Wanted(
        market=market,
        increase=True,
        is_long=order.side is OrderSide.BUY,
        order_type=_word(order, trigger, increase=True),
        size_usd=size,
        collateral=catalogue.usdc,
        collateral_amount=paid,
        bound=order.price,
        trigger=trigger,
        slippage_bps=slippage,
        fee_token=catalogue.usdc,
        signatory=signatory,
    )


def _decrease(order: Order, ground: Ground, position: HeldPosition, signatory: Signatory) -> Wanted:
    market = position.market
    wanted = units_down(order.quantity, market.index.decimals)
    if wanted > position.size_tokens and not order.reduce_only:
        raise RejectedError(
            "ORDER_CROSSES_POSITION",
            f"{order.symbol}: it closes a position and opens one the other way; GMX takes two "
            "orders for that",
        )
    part = min(wanted, position.size_tokens)
    size = position.size_usd * part // position.size_tokens
    if size <= 0:
        raise RejectedError("QUANTITY_BELOW_MINIMUM", "less than GMX's smallest unit")
    trigger = _trigger(order)
    return Wanted(
        market=market,
        increase=False,
        is_long=position.is_long,
        order_type=_word(order, trigger, increase=False),
        size_usd=size,
        collateral=position.collateral,
        collateral_amount=0,
        bound=order.price,
        trigger=trigger,
        slippage_bps=_slippage(order, trigger, ground.band),
        fee_token=ground.catalogue.usdc,
        signatory=signatory,
    )


def _largest(positions: Sequence[HeldPosition]) -> HeldPosition:
    return max(positions, key=lambda one: (one.size_tokens, one.key))


def _rests(order: Order) -> bool:
    return order.order_type is OrderType.LIMIT and order.time_in_force is TimeInForce.GTC


def _trigger(order: Order) -> Decimal | None:
    if order.order_type in {OrderType.STOP_MARKET, OrderType.MARKET_IF_TOUCHED}:
        if order.trigger_price is None:
            raise RejectedError("TRIGGER_PRICE_MISSING", f"a {order.order_type} order needs one")
        return order.trigger_price
    return order.price if _rests(order) else None


def _word(order: Order, trigger: Decimal | None, *, increase: bool) -> str:
    """A limit that fills at once or not at all is GMX's market order: it has a worst price too."""
    if trigger is None:
        return "market"
    if order.order_type is OrderType.STOP_MARKET:
        return "stop-market" if increase else "stop-loss"
    return "limit" if increase else "take-profit"


def _sizing_price(order: Order, trigger: Decimal | None, band: Band) -> Decimal:
    """The price at which the quantity becomes dollars: the lowest of the order's band, so that
    what is bought is not more than the quantity.

    A buy's band reaches as far below the price as its bound lies above it.
    """
    if order.side is OrderSide.SELL:
        return order.price
    start = trigger or band.low
    return 2 * start - max(order.price, start)


def _slippage(order: Order, trigger: Decimal | None, band: Band) -> int:
    """How far the server may go from its own price, in basis points; a tenth is kept back, since
    its price is a later one.

    Raises RejectedError: the price has left the bound, or is nowhere near it.
    """
    buys = order.side is OrderSide.BUY
    start = trigger or (band.high if buys else band.low)
    distance = (order.price - start) / start * (1 if buys else -1)
    if abs(distance) > DRIFT_MAX:
        raise RejectedError("PRICE_AWAY_FROM_ORACLE", f"{order.symbol}: bound and oracle differ")
    if distance < 0:
        raise RejectedError("NOT_FILLED_WITHIN_BOUND", f"{order.symbol}: the price is beyond it")
    points = int(distance * _BPS)
    return points - points // 10
