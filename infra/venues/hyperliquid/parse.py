"""Reads Hyperliquid's `/info` answers into the domain. Pure; refuses what it cannot trust.

Hyperliquid prices some tokens by the thousand and marks them with a `k` (kPEPE). They leave here
under the token's own name: price / 1000, size x 1000, exact in Decimal.
Sources: hyperliquid.gitbook.io, API > Info endpoint, and Tick and lot size.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from common.domain.instrument import Instrument, InstrumentTable, Venue
from common.domain.market import Candle, TopOfBook
from common.domain.moment import to_ms
from common.domain.money import ZERO
from common.errors import InvalidInputError
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

PRICE_DECIMALS = 6  # less szDecimals, for perpetuals
SIGNIFICANT_FIGURES = 5
MIN_NOTIONAL = Decimal(10)
TAKER_FEE = Decimal("0.00045")  # base tier, before volume discounts
MAKER_FEE = Decimal("0.00015")
_THOUSANDS = re.compile(r"k([A-Z0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetContext:
    """Per token. Hyperliquid pays funding hourly: `funding_rate_8h` is 8 times its rate."""

    mark: Decimal
    funding_rate_8h: Decimal
    volume_24h: Decimal  # quote currency
    open_interest: Decimal  # base units


def token_unit(coin: str) -> tuple[str, int]:
    """The token's own name and how many of it one unit of `coin` is: `kPEPE` -> (`PEPE`, 1000)."""
    thousands = _THOUSANDS.fullmatch(coin)
    return (thousands.group(1), 1000) if thousands else (coin, 1)


def perpetual(coin: str, size_decimals: int) -> Instrument:
    """The instrument of a coin with `szDecimals`; price decimals are 6 - szDecimals."""
    symbol, unit = token_unit(coin)
    lot = Decimal(1).scaleb(-size_decimals) * unit
    return Instrument(
        instrument_id=f"{symbol}-USD-PERP.{Venue.HYPERLIQUID}",
        venue=Venue.HYPERLIQUID,
        symbol=symbol,
        venue_symbol=coin,
        quote_currency="USDC",
        price_increment=None,
        price_significant_figures=SIGNIFICANT_FIGURES,
        price_decimals_max=PRICE_DECIMALS - size_decimals + (3 if unit == 1000 else 0),
        size_increment=lot,
        min_quantity=lot,
        min_notional=MIN_NOTIONAL,
        max_notional=None,
        taker_fee=TAKER_FEE,
        maker_fee=MAKER_FEE,
    )


def parse_meta(payload: object, now: datetime, source: str) -> InstrumentTable:
    """`{"type": "meta"}`: every perpetual of the first exchange that is still listed, numbered.

    Raises:
        InvalidInputError: another shape, a bad name or szDecimals, a token twice, or none at all.
    """
    table: dict[str, Instrument] = {}
    for index, coin, asset in _listed(payload):
        where = f"meta.{coin}"
        decimals = whole(asset, "szDecimals", where, most=PRICE_DECIMALS)
        instrument = replace(perpetual(coin, decimals), venue_id=str(index))
        if instrument.symbol in table:
            raise InvalidInputError("listed twice", where=where)
        table[instrument.symbol] = instrument
    if not table:
        raise InvalidInputError("lists nothing", where="meta.universe")
    return InstrumentTable(
        venue=Venue.HYPERLIQUID, instruments=tuple(table.values()), refreshed_at=now, source=source
    )


def _universe(payload: object) -> list[tuple[str, Answer]]:
    universe = as_list(as_object(payload, "meta").get("universe"), "meta.universe")
    rows = [as_object(row, f"meta.universe[{index}]") for index, row in enumerate(universe)]
    return [(text(row, "name", f"meta.universe[{i}]"), row) for i, row in enumerate(rows)]


def _listed(payload: object) -> list[tuple[int, str, Answer]]:
    """Without the delisted, and without builder-deployed markets (`xyz:TSLA`): another exchange.

    The number of a coin is its place in the whole universe, the delisted counted.
    """
    listed = []
    for index, (coin, asset) in enumerate(_universe(payload)):
        if asset.get("isDelisted") is True or ":" in coin:
            continue
        if not (coin.isascii() and coin.isalnum() and len(coin) <= 20):
            raise InvalidInputError("not a coin's name", where="meta.universe.name")
        listed.append((index, coin, asset))
    return listed


def parse_asset_contexts(payload: object) -> tuple[dict[str, AssetContext], dict[str, str]]:
    """`{"type": "metaAndAssetCtxs"}`, by symbol; contexts stand in the order of the universe.

    The second part says why a listed coin's own context is refused: one coin with a mark that is
    not above 0 says nothing of the others.

    Raises:
        InvalidInputError: another shape, or unequal lengths.
    """
    pair = as_list(payload, "metaAndAssetCtxs")
    if len(pair) != 2:
        raise InvalidInputError("not a pair of meta and contexts", where="metaAndAssetCtxs")
    universe = _universe(pair[0])
    contexts = as_list(pair[1], "metaAndAssetCtxs[1]")
    if len(universe) != len(contexts):
        raise InvalidInputError(
            f"{len(contexts)} contexts for {len(universe)} coins", where="metaAndAssetCtxs"
        )
    listed = {coin for _, coin, _ in _listed(pair[0])}
    result: dict[str, AssetContext] = {}
    refused: dict[str, str] = {}
    for (coin, _), context in zip(universe, contexts, strict=True):
        if coin not in listed:
            continue
        symbol, unit = token_unit(coin)
        try:
            result[symbol] = _context(as_object(context, f"context.{coin}"), coin, unit)
        except InvalidInputError as error:
            refused[symbol] = str(error)
    return result, refused


def _context(context: Answer, coin: str, unit: int) -> AssetContext:
    where = f"context.{coin}"
    return AssetContext(
        mark=positive(context, "markPx", where) / unit,
        funding_rate_8h=decimal(context, "funding", where) * 8,
        volume_24h=not_negative(context, "dayNtlVlm", where),
        open_interest=not_negative(context, "openInterest", where) * unit,
    )


def parse_mids(payload: object) -> dict[str, Decimal]:
    """`{"type": "allMids"}`: mids of the perpetuals by symbol, without spot pairs (`@142`)."""
    mids = {}
    for coin in as_object(payload, "allMids"):
        if coin.isascii() and coin.isalnum():
            symbol, unit = token_unit(coin)
            mids[symbol] = positive(as_object(payload, "allMids"), coin, "allMids") / unit
    return mids


def parse_book(payload: object) -> TopOfBook:
    """`{"type": "l2Book"}`: the best bid and ask.

    Raises:
        InvalidInputError: another shape, an empty side, levels out of order, or a crossed book.
    """
    book = as_object(payload, "l2Book")
    _, unit = token_unit(text(book, "coin", "l2Book"))
    levels = as_list(book.get("levels"), "l2Book.levels")
    if len(levels) != 2:
        raise InvalidInputError("not a pair of bids and asks", where="l2Book.levels")
    bids, asks = _levels(levels[0], "l2Book.bids"), _levels(levels[1], "l2Book.asks")
    if any(better <= worse for (better, _), (worse, _) in pairwise(bids)):
        raise InvalidInputError("not in falling order of price", where="l2Book.bids")
    if any(better >= worse for (better, _), (worse, _) in pairwise(asks)):
        raise InvalidInputError("not in rising order of price", where="l2Book.asks")
    (bid, bid_size), (ask, ask_size) = bids[0], asks[0]
    if bid >= ask:
        raise InvalidInputError(f"crossed: bid {bid}, ask {ask}", where="l2Book")
    return TopOfBook(
        bid=bid / unit,
        ask=ask / unit,
        bid_size=bid_size * unit,
        ask_size=ask_size * unit,
        modelled=False,
    )


def _levels(side: object, where: str) -> list[tuple[Decimal, Decimal]]:
    rows = [as_object(level, where) for level in as_list(side, where)]
    if not rows:
        raise InvalidInputError("empty", where=where)
    return [(positive(row, "px", where), positive(row, "sz", where)) for row in rows]


def parse_candles(payload: object, symbol: str) -> tuple[Candle, ...]:
    """`{"type": "candleSnapshot"}` of `symbol`, oldest first, the one still open included.

    Raises:
        InvalidInputError: another shape or token, out of order, or prices that no bar can have.
    """
    return tuple(candle for candle, _ in _bars(payload, symbol))


def closed_candles(payload: object, symbol: str, now: datetime) -> tuple[Candle, ...]:
    """As `parse_candles`, without those whose last millisecond (`T`) is not past."""
    now_ms = to_ms(now)
    return tuple(candle for candle, close_ms in _bars(payload, symbol) if close_ms < now_ms)


def _bars(payload: object, symbol: str) -> list[tuple[Candle, int]]:
    bars: list[tuple[Candle, int]] = []
    for index, row in enumerate(as_list(payload, "candleSnapshot")):
        where = f"candleSnapshot[{index}]"
        bar = as_object(row, where)
        name, unit = token_unit(text(bar, "s", where))
        if name != symbol:
            raise InvalidInputError(f"is of {name}, not {symbol}", where=f"{where}.s")
        candle, close_ms = _candle(bar, where, unit)
        if bars and candle.open_time_ms <= bars[-1][0].open_time_ms:
            raise InvalidInputError("not in rising order of time", where=f"{where}.t")
        bars.append((candle, close_ms))
    return bars


def _candle(bar: Answer, where: str, unit: int) -> tuple[Candle, int]:
    opened = whole(bar, "t", where, most=10**15)
    closed = whole(bar, "T", where, most=10**15)
    first, high, low, last = (positive(bar, field, where) / unit for field in "ohlc")
    volume = not_negative(bar, "v", where)
    if not low <= min(first, last) <= max(first, last) <= high:
        raise InvalidInputError("open and close are not within low and high", where=where)
    if closed <= opened:
        raise InvalidInputError("closes before it opens", where=f"{where}.T")
    candle = Candle(opened, first, high, low, last, volume * unit if volume else ZERO)
    return candle, closed
