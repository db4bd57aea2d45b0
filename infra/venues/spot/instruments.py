"""Spot tokens that may be swapped: a curated list, since anyone can name a token anything.

Written by hand. A token is never found by searching its symbol.
"""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from common.domain.instrument import Instrument, InstrumentTable, Venue
from infra.venues.spot.tokens import Token, TokenBook

POOL_FEE = Decimal("0.003")  # Uniswap v2, and the usual tier of v3
QUANTITY_DECIMALS = 8
MIN_NOTIONAL = Decimal(1)  # ours: below it gas is most of the price

_WRAPPED = {"BTC": "WBTC", "ETH": "WETH"}  # what stands for the coin on the chain
_TOKENS = """
BTC ETH SOL LINK UNI AAVE ARB OP LDO MKR CRV COMP SNX GRT ENS PENDLE ENA ONDO APE SHIB PEPE
FLOKI MOG SPX TURBO WLD GMX BONK WIF FET RENDER IMX SAND MANA AXS BLUR
"""


def listed(now: datetime) -> InstrumentTable:
    return InstrumentTable(
        venue=Venue.SPOT,
        instruments=tuple(_token(symbol) for symbol in _TOKENS.split()),
        refreshed_at=now,
        source="paper",
    )


def lot_of(token: Token) -> Decimal:
    """At most 8 decimals, and never more than the token has."""
    return Decimal(1).scaleb(-min(token.decimals, QUANTITY_DECIMALS))


def live_table(book: TokenBook, now: datetime) -> InstrumentTable:
    """The tokens of the list."""
    instruments = []
    for token in book.tokens:
        lot = lot_of(token)
        instruments.append(
            replace(
                _token(token.trades_as),
                venue_symbol=f"{token.symbol}/{book.quote.symbol}",
                size_increment=lot,
                min_quantity=lot,
                venue_id=token.address,
            )
        )
    return InstrumentTable(
        venue=Venue.SPOT, instruments=tuple(instruments), refreshed_at=now, source="live"
    )


def _token(symbol: str) -> Instrument:
    return Instrument(
        instrument_id=f"{symbol}-USDC-SPOT.{Venue.SPOT}",
        venue=Venue.SPOT,
        symbol=symbol,
        venue_symbol=f"{_WRAPPED.get(symbol, symbol)}/USDC",
        quote_currency="USDC",
        price_increment=None,
        price_significant_figures=8,  # a pool's price has no tick; so every product stays exact
        price_decimals_max=12,
        size_increment=Decimal("0.00000001"),
        min_quantity=Decimal("0.00000001"),
        min_notional=MIN_NOTIONAL,
        max_notional=None,
        taker_fee=POOL_FEE,
        maker_fee=POOL_FEE,
        shortable=False,
    )
