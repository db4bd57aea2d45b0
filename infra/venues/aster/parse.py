"""Reads Aster's answers into the domain. Pure; refuses what it cannot trust.

Sources: asterdex/api-docs, V3 futures. Contracts of 1,000 tokens leave here in tokens: price /
1000, quantity x 1000, exact in Decimal.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from common.domain.instrument import Instrument, InstrumentTable, Venue
from common.domain.money import ZERO, plain
from common.domain.order import OrderSide, OrderStatus
from common.errors import InvalidInputError
from common.ports import VenueOpenOrder, VenuePosition
from infra.venues.aster.instruments import MIN_NOTIONAL, QUOTE, perpetual, token_unit
from infra.venues.aster.orders import unit_of
from infra.venues.fields import (
    Answer,
    as_list,
    as_object,
    decimal,
    not_negative,
    positive,
    text,
    whole,
)

_ID_MOST = 10**18
_TIME_MOST = 10**14
_OURS = re.compile(r"0x[0-9a-f]{32}")
STATUSES: Mapping[str, OrderStatus] = {
    "NEW": OrderStatus.ACCEPTED,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "EXPIRED": OrderStatus.CANCELED,  # what an IOC leaves, and a post-only order that would take
    "REJECTED": OrderStatus.REJECTED,
}


# ------------------------------------------------------------------------------------ instruments
def parse_exchange_info(payload: object, now: datetime, source: str) -> InstrumentTable:
    """`GET /fapi/v3/exchangeInfo`: every USDT perpetual that trades or is about to settle.

    Steps come from the filters, never from pricePrecision (the document forbids it). A market
    whose rules our own cannot express is listed with a refusal. Names beyond A-Z and 0-9, and
    TEST markets, which are Aster's own, are left out.

    Raises:
        InvalidInputError: another shape, a filter missing, a token twice, or nothing at all.
    """
    table: dict[str, Instrument] = {}
    symbols = as_list(as_object(payload, "exchangeInfo").get("symbols"), "exchangeInfo.symbols")
    for index, row in enumerate(symbols):
        market = as_object(row, f"exchangeInfo.symbols[{index}]")
        name = text(market, "symbol", f"exchangeInfo.symbols[{index}]")
        if not _is_ours(market, name):
            continue
        instrument = _instrument(market, name)
        if instrument.symbol in table:
            raise InvalidInputError("listed twice", where=f"exchangeInfo.{name}")
        table[instrument.symbol] = instrument
    if not table:
        raise InvalidInputError("lists nothing", where="exchangeInfo.symbols")
    return InstrumentTable(
        venue=Venue.ASTER, instruments=tuple(table.values()), refreshed_at=now, source=source
    )


def _is_ours(market: Answer, name: str) -> bool:
    return (
        market.get("contractType") == "PERPETUAL"
        and market.get("quoteAsset") == QUOTE
        and market.get("status") in {"TRADING", "PRE_SETTLE"}
        and name.endswith(QUOTE)
        and len(name) <= 24
        and name.isascii()
        and name.isalnum()
        and not name.startswith("TEST")
    )


def _instrument(market: Answer, name: str) -> Instrument:
    where = f"exchangeInfo.{name}"
    filters = {
        text(rule, "filterType", where): rule
        for rule in (as_object(row, where) for row in as_list(market.get("filters"), where))
    }
    missing = {"PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE"} - filters.keys()
    if missing:
        raise InvalidInputError(f"without {', '.join(sorted(missing))}", where=where)
    price, lot, market_lot = (
        filters[kind] for kind in ("PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE")
    )
    tick = positive(price, "tickSize", where)
    steps = [positive(rule, "stepSize", where) for rule in (lot, market_lot)]
    least = [positive(rule, "minQty", where) for rule in (lot, market_lot)]
    minimum = filters.get("MIN_NOTIONAL")
    refusal = None
    if not_negative(price, "minPrice", where) % tick:
        refusal = "its prices do not start at a multiple of its tick"
    elif max(steps) % min(steps) or any(
        quantity % step for quantity, step in zip(least, steps, strict=True)
    ):
        refusal = "its sizes do not start at a multiple of its lot"
    return perpetual(
        name.removesuffix(QUOTE),
        tick=tick,
        lot=max(steps),
        min_quantity=max(*least, *steps),
        min_notional=not_negative(minimum, "notional", where) if minimum else MIN_NOTIONAL,
        is_open=market.get("status") == "TRADING",
        refusal=refusal,
    )


# ----------------------------------------------------------------------------------------- orders
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderState:
    """An order as the venue tells it; quantities in tokens."""

    order_id: int
    client_id: str
    venue_symbol: str
    side: OrderSide
    status: OrderStatus
    word: str  # the venue's own word for the status
    quantity: Decimal
    executed: Decimal

    @property
    def left(self) -> Decimal:
        return max(self.quantity - self.executed, ZERO)


def parse_order(payload: object, where: str = "order") -> OrderState:
    """An order of POST, GET or DELETE order, or one of openOrders.

    Raises:
        InvalidInputError: another shape, or a status that is not in the document.
    """
    answer = as_object(payload, where)
    word = text(answer, "status", where)
    if word not in STATUSES:
        raise InvalidInputError(f"is {word[:30]!r}, which is unknown", where=f"{where}.status")
    name = _name(answer, where)
    unit = unit_of(name)
    return OrderState(
        order_id=_number(answer, "orderId", where),
        client_id=text(answer, "clientOrderId", where),
        venue_symbol=name,
        side=_side(answer, where),
        status=STATUSES[word],
        word=word,
        quantity=not_negative(answer, "origQty", where) * unit,
        executed=not_negative(answer, "executedQty", where) * unit,
    )


def parse_open_orders(payload: object) -> tuple[VenueOpenOrder, ...]:
    orders = (
        parse_order(row, f"openOrders[{index}]")
        for index, row in enumerate(as_list(payload, "openOrders"))
    )
    return tuple(
        VenueOpenOrder(
            venue_order_id=str(order.order_id),
            client_order_id=order.client_id if _OURS.fullmatch(order.client_id) else None,
            symbol=symbol_of(order.venue_symbol),
            side=order.side,
            left_qty=plain(order.left),
        )
        for order in orders
    )


# ----------------------------------------------------------------------------------------- trades
@dataclass(frozen=True, slots=True, kw_only=True)
class TradeState:
    """One of the account's trades, in tokens; `commission` in `commission_asset`, as told.

    A positive commission was paid, as Aster's accounts show it; a negative one is a rebate.
    """

    trade_id: int  # unique within its symbol
    order_id: int
    venue_symbol: str
    side: OrderSide
    quantity: Decimal
    price: Decimal
    contract_price: Decimal
    commission: Decimal
    commission_asset: str
    is_maker: bool
    time_ms: int

    @property
    def quote_commission(self) -> Decimal | None:
        """In the quote currency; None where it was charged in a third asset."""
        if self.commission_asset == QUOTE:
            return self.commission
        if f"{self.commission_asset}{QUOTE}" == self.venue_symbol:
            return self.commission * self.contract_price
        return None


def parse_trades(payload: object) -> list[TradeState]:
    """`GET /fapi/v3/userTrades`, each trade once, in order of their ids."""
    trades = {}
    for index, row in enumerate(as_list(payload, "userTrades")):
        where = f"userTrades[{index}]"
        trade = _trade(as_object(row, where), where)
        trades[trade.trade_id] = trade
    return [trades[number] for number in sorted(trades)]


def _trade(row: Answer, where: str) -> TradeState:
    name = _name(row, where)
    unit = unit_of(name)
    price = positive(row, "price", where)
    maker = row.get("maker")
    if not isinstance(maker, bool):
        raise InvalidInputError("not true or false", where=f"{where}.maker")
    return TradeState(
        trade_id=_number(row, "id", where),
        order_id=_number(row, "orderId", where),
        venue_symbol=name,
        side=_side(row, where),
        quantity=positive(row, "qty", where) * unit,
        price=price / unit,
        contract_price=price,
        commission=decimal(row, "commission", where),
        commission_asset=_capitals(row, "commissionAsset", where),
        is_maker=maker,
        time_ms=whole(row, "time", where, most=_TIME_MOST),
    )


# -------------------------------------------------------------------------------------- positions
def parse_positions(payload: object) -> tuple[VenuePosition, ...]:
    """`GET /fapi/v3/positionRisk`: the net of each symbol that is not flat.

    In hedge mode a symbol has a long and a short side; the net of both counts, without an
    average price.
    """
    sides: dict[str, list[tuple[Decimal, Decimal]]] = {}
    for index, row in enumerate(as_list(payload, "positionRisk")):
        where = f"positionRisk[{index}]"
        position = as_object(row, where)
        name = _name(position, where)
        unit = unit_of(name)
        amount = decimal(position, "positionAmt", where) * unit
        entry = not_negative(position, "entryPrice", where) / unit
        if amount:
            sides.setdefault(symbol_of(name), []).append((amount, entry))
    nets = {symbol: sum((amount for amount, _ in held), ZERO) for symbol, held in sides.items()}
    return tuple(
        VenuePosition(
            symbol=symbol,
            signed_qty=plain(net),
            avg_px=plain(sides[symbol][0][1]) if len(sides[symbol]) == 1 else None,
        )
        for symbol, net in nets.items()
        if net
    )


def symbol_of(venue_symbol: str) -> str:
    """The token's own name: `1000PEPEUSDT` is PEPE."""
    return token_unit(venue_symbol.removesuffix(QUOTE))[0]


def _number(answer: Answer, field: str, where: str) -> int:
    """An id, which recorded answers have as a number and as its text."""
    value = answer.get(field)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    return whole(answer, field, where, most=_ID_MOST)


def _name(answer: Answer, where: str) -> str:
    return _capitals(answer, "symbol", where)


def _capitals(answer: Answer, field: str, where: str) -> str:
    """A symbol or an asset: `NaN` is none, and would hide a position or a fee."""
    name = text(answer, field, where)
    if name != name.upper():
        raise InvalidInputError("not in capitals", where=f"{where}.{field}")
    return name


def _side(answer: Answer, where: str) -> OrderSide:
    side = text(answer, "side", where)
    if side not in {"BUY", "SELL"}:
        raise InvalidInputError("neither BUY nor SELL", where=f"{where}.side")
    return OrderSide(side)
