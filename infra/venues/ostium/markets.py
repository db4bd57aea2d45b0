"""Ostium's markets: pairs from the subgraph, prices and hours from the oracle's feed. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from common.domain.instrument import Instrument, InstrumentTable
from common.domain.money import ZERO, parse_decimal, plain
from common.errors import InvalidInputError
from infra.venues.fields import Answer, as_list, as_object, text, whole
from infra.venues.ostium.parse import parse_pairs, whole_text

PRICE_AGE_MAX = timedelta(seconds=60)
SIZE_INCREMENT = Decimal("1e-18")  # a size is a quotient: collateral x leverage / price
_E2, _E6, _E18 = Decimal(100), Decimal(10**6), Decimal(10**18)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What the oracle says. `day_closed`: leverage above the overnight limit is refused now."""

    bid: Decimal
    mid: Decimal
    ask: Decimal
    is_open: bool
    day_closed: bool
    at: datetime

    def is_fresh(self, now: datetime) -> bool:
        return abs(now - self.at) <= PRICE_AGE_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """One pair now. Open interest counts both sides, in USD at the mid price."""

    pair_index: int
    base: str
    quote: str
    category: str
    open_interest: Decimal
    cap: Decimal
    min_notional: Decimal
    leverage_min: Decimal
    leverage_max: Decimal  # the overnight limit where there is one
    taker_fee: Decimal  # fraction
    price: Price

    @property
    def room(self) -> Decimal:
        return max(self.cap - self.open_interest, ZERO)


def parse_prices(payload: object) -> dict[tuple[str, str], Price]:
    """By (base, quote). Every row must be readable: half a price list is none."""
    prices = {}
    for place, row in enumerate(as_list(payload, "prices")):
        where = f"prices[{place}]"
        item = as_object(row, where)
        at = whole(item, "timestampSeconds", where, most=10**11)
        price = Price(
            bid=_number(item, "bid", where),
            mid=_number(item, "mid", where),
            ask=_number(item, "ask", where),
            is_open=_flag(item, "isMarketOpen", where),
            day_closed=_flag(item, "isDayTradingClosed", where),
            at=datetime.fromtimestamp(at, UTC),
        )
        if not price.bid <= price.mid <= price.ask:
            raise InvalidInputError("crossed", where=where)
        prices[text(item, "from", where), text(item, "to", where)] = price
    return prices


def parse_markets(payload: object, prices: Mapping[tuple[str, str], Price]) -> list[Market]:
    """The subgraph's `pairs`, each with its price. A pair without a price is left out.

    Open interest is kept in base units with 18 decimals, its cap in USDC with 6.

    Raises InvalidInputError: a row cannot be read, or no pair has a price.
    """
    markets = []
    for place, row in enumerate(as_list(payload, "pairs")):
        where = f"pairs[{place}]"
        item = as_object(row, where)
        price = prices.get((text(item, "from", where), text(item, "to", where)))
        if price is not None:
            markets.append(_market(item, price, where))
    if not markets:
        raise InvalidInputError("none of them has a price", where="pairs")
    return markets


def instrument_table(markets: list[Market], now: datetime) -> InstrumentTable:
    """Through the reader of the recorded shape, so that both are refused alike."""
    rows = [_recorded_shape(market, now) for market in markets]
    table = parse_pairs({"pairs": rows}, now, "live")
    fees = {str(market.pair_index): market.taker_fee for market in markets}
    return replace(table, instruments=tuple(_priced(item, fees) for item in table.instruments))


def _priced(instrument: Instrument, fees: Mapping[str, Decimal]) -> Instrument:
    fee = fees[instrument.venue_id]
    return replace(
        instrument,
        taker_fee=fee,
        maker_fee=fee,
        size_increment=SIZE_INCREMENT,
        min_quantity=SIZE_INCREMENT,
    )


def _market(item: Answer, price: Price, where: str) -> Market:
    group, fee = (as_object(item.get(name), f"{where}.{name}") for name in ("group", "fee"))
    base_units = whole_text(item, "longOI", where) + whole_text(item, "shortOI", where)
    most = whole_text(item, "maxLeverage", where) or whole_text(group, "maxLeverage", where)
    overnight = whole_text(item, "overnightMaxLeverage", where)
    return Market(
        pair_index=whole_text(item, "id", where),
        base=text(item, "from", where),
        quote=text(item, "to", where),
        category=text(group, "name", where).lower(),
        open_interest=base_units / _E18 * price.mid,
        cap=whole_text(item, "maxOI", where) / _E6,
        min_notional=whole_text(fee, "minLevPos", where) / _E6,
        leverage_min=whole_text(group, "minLeverage", where) / _E2,
        leverage_max=(min(most, overnight) if overnight else most) / _E2,
        taker_fee=whole_text(item, "takerFeeP", where) / _E6 / 100,
        price=price,
    )


def _recorded_shape(market: Market, now: datetime) -> Answer:
    return {
        "pairId": str(market.pair_index),
        "pairFrom": market.base,
        "pairTo": market.quote,
        "minNtl": plain(market.min_notional),
        "openInterest": plain(market.open_interest),
        "maxOpenInterest": plain(market.cap),
        "category": market.category,
        "midPx": plain(market.price.mid),
        "isMarketOpen": market.price.is_open and market.price.is_fresh(now),
    }


def _number(item: Answer, field: str, where: str) -> Decimal:
    """The feed writes prices as JSON numbers; a float's shortest text is the one it came as."""
    value = item.get(field)
    if isinstance(value, float):
        value = format(Decimal(repr(value)), "f")
    try:
        number = parse_decimal(value)
    except ValueError as error:
        raise InvalidInputError(str(error), where=f"{where}.{field}") from None
    if number <= 0:
        raise InvalidInputError("must be above 0", where=f"{where}.{field}")
    return number


def _flag(item: Answer, field: str, where: str) -> bool:
    value = item.get(field)
    if not isinstance(value, bool):
        raise InvalidInputError("not true or false", where=f"{where}.{field}")
    return value
