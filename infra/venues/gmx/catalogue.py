"""GMX's markets and tokens as its API lists them (`/v1/markets`, `/v1/tokens`), and the table of
instruments that follows. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from common.domain.instrument import Instrument, InstrumentTable, Venue
from common.errors import InvalidInputError
from infra.venues.evm.hexadecimal import to_address
from infra.venues.fields import Answer, as_list, as_object, text, whole
from infra.venues.gmx.contracts import ZERO_ADDRESS, Network
from infra.venues.gmx.instruments import perpetual
from infra.venues.gmx.units import tokens, usd

_VERSION = ".v2"  # of the token contract (XAUT.v2), not of the market
_TEST_DOLLARS = ("USDC", "USDC.SG")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    address: str  # lower case
    symbol: str
    decimals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """One pool. Several may trade the same token."""

    address: str  # the market token's, lower case
    name: str  # ETH/USD [WETH-USDC]; what a prepared order calls it
    symbol: str  # the token's own: ETH
    index: Token
    long_token: str
    short_token: str
    is_listed: bool
    min_position: int  # USD x 10^30
    min_collateral: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """`markets` and `tokens` by address in lower case; `usdc` is what positions are paid in."""

    markets: Mapping[str, Market]
    tokens: Mapping[str, Token]
    usdc: Token

    def market(self, address: str, where: str) -> Market:
        found = self.markets.get(address)
        if found is None:
            raise InvalidInputError("not a market of GMX's list", where=where)
        return found

    def token(self, address: str, where: str) -> Token:
        found = self.tokens.get(address)
        if found is None:
            raise InvalidInputError("not a token of GMX's list", where=where)
        return found

    def takes_usdc(self, market: Market) -> bool:
        return self.usdc.address in {market.long_token, market.short_token}


def parse_catalogue(markets: object, tokens_listed: object, network: Network) -> Catalogue:
    """Raises InvalidInputError: another shape, or USDC is not in the list as it should be."""
    known = {token.address: token for token in _tokens(tokens_listed)}
    found = {}
    for index, row in enumerate(as_list(markets, "markets")):
        market = _market(as_object(row, f"markets[{index}]"), known, f"markets[{index}]")
        if market is not None:
            found[market.address] = market
    if not found:
        raise InvalidInputError("lists nothing", where="markets")
    return Catalogue(markets=found, tokens=known, usdc=_usdc(known, network))


def parse_table(
    catalogue: Catalogue, tickers: object, facts: object, now: datetime
) -> InstrumentTable:
    """Of each token the market that can take most, among those with USDC as a side.

    What a market can take is the least of its free liquidity and of the room under its maximum open
    interest, on the tighter of both sides. The lot is the token's own smallest unit, so that what
    a position holds can be closed to the end.

    Raises InvalidInputError: another shape, or not one market to trade.
    """
    free = _by_market(tickers, "tickers")
    limits = _by_market(facts, "markets/info")
    best: dict[str, Instrument] = {}
    for market in sorted(catalogue.markets.values(), key=lambda one: one.address):
        ticker, fact = free.get(market.address), limits.get(market.address)
        if not market.is_listed or not catalogue.takes_usdc(market):
            continue
        if ticker is None or fact is None or fact.get("isDisabled") is True:
            continue
        instrument = _instrument(market, ticker, fact)
        known = best.get(market.symbol)
        if known is None or (instrument.liquidity or 0) > (known.liquidity or 0):
            best[market.symbol] = instrument
    if not best:
        raise InvalidInputError("nothing that can be traded", where="markets")
    return InstrumentTable(
        venue=Venue.GMX,
        instruments=tuple(best[symbol] for symbol in sorted(best)),
        refreshed_at=now,
        source="live",
    )


def number(answer: Mapping[str, Any], field: str, where: str) -> int:
    """A whole number below 2^256 in decimal text, as the API writes them; an int is taken too."""
    value = answer.get(field)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 78:
        value = int(value)
    if type(value) is not int or not 0 <= value < 2**256:
        raise InvalidInputError("not a whole number", where=f"{where}.{field}")
    return value


def _tokens(listed: object) -> list[Token]:
    found = []
    for index, row in enumerate(as_list(listed, "tokens")):
        where = f"tokens[{index}]"
        token = as_object(row, where)
        if token.get("isNative") is True:
            continue  # shares the zero address; nothing is traded in it here
        found.append(
            Token(
                address=to_address(token.get("address"), f"{where}.address"),
                symbol=text(token, "symbol", where),
                decimals=whole(token, "decimals", where, most=30),
            )
        )
    return found


def _market(row: Answer, known: Mapping[str, Token], where: str) -> Market | None:
    """None for what is no perpetual: a pool for swaps alone, or one without a token we can name."""
    index_address = to_address(row.get("indexTokenAddress"), f"{where}.indexTokenAddress")
    if row.get("isSpotOnly") is True or index_address == ZERO_ADDRESS:
        return None
    name = text(row, "symbol", where)
    base, slash, quote = name.partition(" [")[0].partition("/")
    symbol = base.removesuffix(_VERSION)
    index = known.get(index_address)
    if not (slash and quote == "USD" and symbol.isascii() and symbol.isalnum()) or index is None:
        return None
    if type(row.get("isListed")) is not bool:
        raise InvalidInputError("not true or false", where=f"{where}.isListed")
    return Market(
        address=to_address(row.get("marketTokenAddress"), f"{where}.marketTokenAddress"),
        name=name,
        symbol=symbol,
        index=index,
        long_token=to_address(row.get("longTokenAddress"), f"{where}.longTokenAddress"),
        short_token=to_address(row.get("shortTokenAddress"), f"{where}.shortTokenAddress"),
        is_listed=row["isListed"],
        min_position=number(row, "minPositionSizeUsd", where),
        min_collateral=number(row, "minCollateralUsd", where),
    )


def _usdc(known: Mapping[str, Token], network: Network) -> Token:
    if network.usdc is not None:
        found = known.get(network.usdc)
    else:
        named = (token for token in known.values() if token.symbol in _TEST_DOLLARS)
        found = next(named, None)
    if found is None or found.decimals != 6:
        raise InvalidInputError("USDC is not there with 6 decimals", where="tokens")
    return found


def _by_market(rows: object, where: str) -> dict[str, Answer]:
    found = {}
    for index, row in enumerate(as_list(rows, where)):
        place = f"{where}[{index}]"
        answer = as_object(row, place)
        address = to_address(answer.get("marketTokenAddress"), f"{place}.marketTokenAddress")
        found[address] = answer
    return found


def _instrument(market: Market, ticker: Answer, fact: Answer) -> Instrument:
    room = min(
        _room(ticker, fact, "Long", f"{market.name} long"),
        _room(ticker, fact, "Short", f"{market.name} short"),
    )
    lot = tokens(1, market.index.decimals)
    return replace(
        perpetual(market.symbol, market.name),
        size_increment=lot,
        min_quantity=lot,
        min_notional=usd(market.min_position),
        taker_fee=_fraction(fact, "positionFeeFactorForBalanceWasNotImproved", market.name),
        maker_fee=_fraction(fact, "positionFeeFactorForBalanceWasImproved", market.name),
        liquidity=usd(room),
        venue_id=market.address,
    )


def _room(ticker: Answer, fact: Answer, side: str, where: str) -> int:
    free = number(ticker, f"availableLiquidity{side}", where)
    most = number(fact, f"maxOpenInterest{side}", where)
    used = number(fact, f"{side.lower()}InterestUsd", where)
    return min(free, max(most - used, 0))


def _fraction(fact: Answer, field: str, where: str) -> Decimal:
    fraction = usd(number(fact, field, where))  # a factor has the same 30 decimals
    if fraction >= 1:
        raise InvalidInputError("a fee of the whole position", where=f"{where}.{field}")
    return fraction
