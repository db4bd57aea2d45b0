"""Reads GMX's `/markets` and `/prices/tickers` (Arbitrum) into the domain. Pure."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from common.domain.instrument import Instrument, InstrumentTable, Venue
from common.domain.market import TopOfBook
from common.errors import InvalidInputError
from infra.venues.fields import as_list, as_object, positive, text
from infra.venues.gmx.instruments import perpetual

_NO_INDEX = "0x0000000000000000000000000000000000000000"  # a pool for swaps alone
_VERSION = ".v2"  # of the token contract (XAUT.v2), not of the market


def parse_markets(payload: object, now: datetime, source: str) -> InstrumentTable:
    """`{"markets": [...]}`: each listed token once, however many pools back it.

    Raises:
        InvalidInputError: another shape, a name not like `TOKEN/USD [LONG-SHORT]`, or none at all.
    """
    table: dict[str, Instrument] = {}
    for index, row in enumerate(as_list(as_object(payload, "markets").get("markets"), "markets")):
        where = f"markets[{index}]"
        market = as_object(row, where)
        if market.get("isListed") is not True or text(market, "indexToken", where) == _NO_INDEX:
            continue
        name, _, _ = text(market, "name", where).partition(" [")
        token, slash, quote = name.partition("/")
        symbol = token.removesuffix(_VERSION)
        if not (slash and quote == "USD" and symbol.isascii() and symbol.isalnum()):
            raise InvalidInputError("not TOKEN/USD [LONG-SHORT]", where=f"{where}.name")
        table.setdefault(symbol, perpetual(symbol, name))
    if not table:
        raise InvalidInputError("lists nothing", where="markets")
    return InstrumentTable(
        venue=Venue.GMX, instruments=tuple(table.values()), refreshed_at=now, source=source
    )


def parse_token_decimals(payload: object) -> dict[str, int]:
    """`{"tokens": [...]}`: decimals by token symbol."""
    decimals = {}
    for index, row in enumerate(as_list(as_object(payload, "tokens").get("tokens"), "tokens")):
        where = f"tokens[{index}]"
        token = as_object(row, where)
        places = token.get("decimals")
        if type(places) is not int or not 0 <= places <= 30:
            raise InvalidInputError("not a whole number in 0..30", where=f"{where}.decimals")
        decimals[text(token, "symbol", where)] = places
    return decimals


def parse_tickers(payload: object, decimals: Mapping[str, int]) -> dict[str, TopOfBook]:
    """The oracle's price band by token: bid is `minPrice`, ask is `maxPrice`; sizes are not known.

    A price is USD x 10^(30 - decimals) for the token's smallest unit. Tokens without known
    decimals are left out.

    Raises:
        InvalidInputError: another shape, a price that is not above 0, or a crossed band.
    """
    books = {}
    for index, row in enumerate(as_list(payload, "tickers")):
        where = f"tickers[{index}]"
        ticker = as_object(row, where)
        symbol = text(ticker, "tokenSymbol", where)
        if symbol not in decimals:
            continue
        places = decimals[symbol] - 30
        low = positive(ticker, "minPrice", where).scaleb(places)
        high = positive(ticker, "maxPrice", where).scaleb(places)
        if low > high:
            raise InvalidInputError(f"crossed: {low} above {high}", where=where)
        books[symbol] = TopOfBook(
            bid=low, ask=high, bid_size=Decimal(0), ask_size=Decimal(0), modelled=True
        )
    return books
