"""Hyperliquid's spot pairs and builder-deployed (HIP-3) markets, beside the perpetuals. Pure.

Asset numbers (hyperliquid.gitbook.io, API > Asset IDs): a perpetual is its place in `meta`, a spot
pair 10000 + its index, a market of the i-th builder exchange 100000 + 10000 * i + its place.

A signal's symbol is a token (ADR 0006), and here that is the perpetual. So that a spot pair never
stands in its place, a pair has the symbol of both its tokens: HYPEUSDC beside HYPE. A builder's
market has its exchange's name before its own: xyzTSLA.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from common.domain.instrument import Instrument, InstrumentTable, Venue
from common.errors import InvalidInputError
from infra.venues.fields import Answer, as_list, as_object, text, whole
from infra.venues.hyperliquid.parse import (
    MIN_NOTIONAL,
    PRICE_DECIMALS,
    SIGNIFICANT_FIGURES,
    parse_meta,
    perpetual,
)

SPOT_PRICE_DECIMALS = 8  # less szDecimals
SPOT_ASSETS_FROM = 10_000
BUILDER_ASSETS_FROM = 100_000
BUILDER_ASSETS_EACH = 10_000
SPOT_TAKER_FEE = Decimal("0.0007")  # base tier
SPOT_MAKER_FEE = Decimal("0.0004")
QUOTE = "USDC"  # pairs in other tokens are not listed here: our limits and prices are in dollars
BUILDER_REFUSAL = (
    "Builder-deployed (HIP-3) market: orders with a client id are reported to vanish there without"
    " an answer (hyperliquid-python-sdk issue 251)"
)
_SYMBOL_LENGTH_MAX = 20


@dataclass(frozen=True, slots=True)
class _Token:
    name: str
    size_decimals: int


def parse_spot_meta(payload: object) -> tuple[Instrument, ...]:
    """`{"type": "spotMeta"}`: every pair in USDC whose tokens have a usable name.

    Names are not unique at the venue. Of two pairs with the same tokens' names the first is the
    one that has the name; any further one is left out, so no symbol can mean two things.

    Raises InvalidInputError: another shape, an unknown token, or an index twice.
    """
    meta = as_object(payload, "spotMeta")
    tokens = _tokens(meta)
    pairs: dict[str, Instrument] = {}
    indices: set[int] = set()
    for number, row in enumerate(as_list(meta.get("universe"), "spotMeta.universe")):
        where = f"spotMeta.universe[{number}]"
        pair = as_object(row, where)
        index = whole(pair, "index", where, most=BUILDER_ASSETS_FROM - SPOT_ASSETS_FROM - 1)
        if index in indices:
            raise InvalidInputError("an index twice", where=f"{where}.index")
        indices.add(index)
        base, quote = _sides(pair, tokens, where)
        if quote.name == QUOTE and _is_symbol(base.name + QUOTE):
            instrument = spot_pair(base.name, base.size_decimals, index, text(pair, "name", where))
            pairs.setdefault(instrument.symbol, instrument)
    return tuple(pairs.values())


def spot_pair(base: str, size_decimals: int, index: int, coin: str) -> Instrument:
    """The pair of `base` in USDC, which the venue calls `coin`: PURR/USDC, or `@` and its index."""
    lot = Decimal(1).scaleb(-size_decimals)
    return Instrument(
        instrument_id=f"{base}-{QUOTE}-SPOT.{Venue.HYPERLIQUID}",
        venue=Venue.HYPERLIQUID,
        symbol=f"{base}{QUOTE}",
        venue_symbol=coin,
        quote_currency=QUOTE,
        price_increment=None,
        price_significant_figures=SIGNIFICANT_FIGURES,
        price_decimals_max=max(SPOT_PRICE_DECIMALS - size_decimals, 0),
        size_increment=lot,
        min_quantity=lot,
        min_notional=MIN_NOTIONAL,
        max_notional=None,
        taker_fee=SPOT_TAKER_FEE,
        maker_fee=SPOT_MAKER_FEE,
        shortable=False,
        venue_id=str(SPOT_ASSETS_FROM + index),
    )


def spot_base(instrument: Instrument) -> str | None:
    """The token that a spot pair buys, as balances name it; None for a perpetual."""
    base, _, kind = instrument.instrument_id.partition(f"-{QUOTE}-SPOT.")
    return base if kind else None


def _tokens(meta: Answer) -> dict[int, _Token]:
    tokens: dict[int, _Token] = {}
    for number, row in enumerate(as_list(meta.get("tokens"), "spotMeta.tokens")):
        where = f"spotMeta.tokens[{number}]"
        token = as_object(row, where)
        index = whole(token, "index", where, most=10**9)
        if index in tokens:
            raise InvalidInputError("an index twice", where=f"{where}.index")
        tokens[index] = _Token(
            name=text(token, "name", where),
            size_decimals=whole(token, "szDecimals", where, most=SPOT_PRICE_DECIMALS),
        )
    return tokens


def _sides(pair: Answer, tokens: dict[int, _Token], where: str) -> tuple[_Token, _Token]:
    sides = as_list(pair.get("tokens"), f"{where}.tokens")
    if len(sides) != 2 or any(type(side) is not int or side not in tokens for side in sides):
        raise InvalidInputError("not a pair of known tokens", where=f"{where}.tokens")
    return tokens[sides[0]], tokens[sides[1]]


def _is_symbol(name: str) -> bool:
    return name.isascii() and name.isalnum() and len(name) <= _SYMBOL_LENGTH_MAX


def parse_builder_names(payload: object) -> tuple[str, ...]:
    """`{"type": "perpDexs"}`: builders' exchanges in order; row 0, null, is the venue's own.

    Raises InvalidInputError: another shape, or a name that is none.
    """
    rows = as_list(payload, "perpDexs")
    if not rows or rows[0] is not None:
        raise InvalidInputError("does not begin with the venue's own exchange", where="perpDexs[0]")
    names = []
    for number, row in enumerate(rows[1:], start=1):
        name = text(as_object(row, f"perpDexs[{number}]"), "name", f"perpDexs[{number}]")
        if not (_is_symbol(name) and name.islower()) or name in names:
            raise InvalidInputError("not a name, or twice", where=f"perpDexs[{number}].name")
        names.append(name)
    return tuple(names)


def parse_builder_meta(payload: object, name: str, number: int) -> tuple[Instrument, ...]:
    """`{"type": "meta", "dex": name}` of builder exchange `number` (1, 2, ...): all refused.

    Raises InvalidInputError: another shape, or a market of another exchange.
    """
    universe = as_list(as_object(payload, "meta").get("universe"), f"meta.{name}.universe")
    markets: list[Instrument] = []
    for place, row in enumerate(universe):
        where = f"meta.{name}.universe[{place}]"
        asset = as_object(row, where)
        coin = text(asset, "name", where)
        exchange, _, token = coin.partition(":")
        if exchange != name:
            raise InvalidInputError(f"is not a market of {name}", where=f"{where}.name")
        if asset.get("isDelisted") is True or not _is_symbol(name + token):
            continue
        decimals = whole(asset, "szDecimals", where, most=PRICE_DECIMALS)
        market = replace(
            perpetual(coin, decimals),
            instrument_id=f"{coin}-USD-PERP.{Venue.HYPERLIQUID}",
            symbol=name + token,
            refusal=BUILDER_REFUSAL,
            venue_id=str(BUILDER_ASSETS_FROM + BUILDER_ASSETS_EACH * number + place),
        )
        markets.append(market)
    return tuple(markets)


def whole_table(
    meta: object, spot_meta: object, builders: tuple[Instrument, ...], now: datetime
) -> InstrumentTable:
    """Perpetuals, then spot pairs, then builders' markets; a symbol belongs to the first of them.

    Raises InvalidInputError: see `parse_meta` and `parse_spot_meta`.
    """
    perpetuals = parse_meta(meta, now, "live")
    table = {item.symbol: item for item in perpetuals.instruments}
    for item in (*parse_spot_meta(spot_meta), *builders):
        table.setdefault(item.symbol, item)
    return replace(perpetuals, instruments=tuple(table.values()))
