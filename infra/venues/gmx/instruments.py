"""GMX's perpetuals on Arbitrum as we know them, for paper trading without a connection.

Written by hand; the live table (parse.parse_markets) replaces it.
"""

from datetime import datetime
from decimal import Decimal

from common.domain.instrument import Instrument, InstrumentTable, Venue

TAKER_FEE = Decimal("0.0006")  # positions that unbalance the pool
MAKER_FEE = Decimal("0.0004")  # positions that balance it
MIN_NOTIONAL = Decimal(2)
FIGURES = 8  # the chain keeps 30 decimals; with 8 figures every product of ours stays exact
DECIMALS = 12

_TOKENS = """
BTC ETH SOL XRP BNB DOGE AVAX LINK LTC ADA DOT ATOM NEAR UNI AAVE ARB OP SUI APT SEI TIA INJ
STX ORDI PEPE WIF BONK SHIB FLOKI BOME MEW MEME TRX TON XLM HBAR ICP FIL BCH ALGO CRV CRO LDO
PENDLE ENA EIGEN ONDO JUP JTO RENDER FET TAO WLD AR KAS GMX HYPE TRUMP MELANIA FARTCOIN PENGU
VIRTUAL AIXBT PUMP MOODENG BRETT BERA IP S ZRO POL DYDX XMR ZEC APE CAKE ASTER MNT OKB
"""


def perpetual(symbol: str, venue_symbol: str) -> Instrument:
    return Instrument(
        instrument_id=f"{symbol}-USD-PERP.{Venue.GMX}",
        venue=Venue.GMX,
        symbol=symbol,
        venue_symbol=venue_symbol,
        quote_currency="USD",
        price_increment=None,
        price_significant_figures=FIGURES,
        price_decimals_max=DECIMALS,
        size_increment=Decimal("0.000001"),
        min_quantity=Decimal("0.000001"),
        min_notional=MIN_NOTIONAL,
        max_notional=None,
        taker_fee=TAKER_FEE,
        maker_fee=MAKER_FEE,
    )


def listed(now: datetime) -> InstrumentTable:
    return InstrumentTable(
        venue=Venue.GMX,
        instruments=tuple(perpetual(token, f"{token}/USD") for token in _TOKENS.split()),
        refreshed_at=now,
        source="paper",
    )
