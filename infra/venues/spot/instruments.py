"""Spot tokens that may be swapped: a curated list, since anyone can name a token anything.

Written by hand. A token is never found by searching its symbol.
"""

from datetime import datetime
from decimal import Decimal

from common.domain.instrument import Instrument, InstrumentTable, Venue

POOL_FEE = Decimal("0.003")  # Uniswap v2, and the usual tier of v3
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
