"""Symphony's perpetuals as we know them: there is no list to ask for, only the docs' table.

Orders are sized as a percentage of a balance, so ticks and lots are ours: fine enough that what
is traded can be told.
"""

from datetime import datetime
from decimal import Decimal

from common.domain.instrument import Instrument, InstrumentTable, Venue

MIN_NOTIONAL = Decimal("5.5")  # 5 USDC of collateral at the lowest leverage, 1.1
FEE = Decimal("0.0008")  # opening fee of the perpetuals protocol beneath it, in each direction
FIGURES = 8
DECIMALS = 12
LOT = Decimal("0.000001")

_CRYPTO = """
BTC ETH BNB SOL XRP TON DOGE ADA SHIB AVAX TRX DOT LINK BCH NEAR LTC ICP UNI ETC HBAR PEPE APT IMX
ATOM AR MNT FIL XLM GRT STX KAS OP WIF TAO ARB VET INJ AAVE ALGO COMP SNX LDO CAKE DYDX GMX TIA
GALA ORDI BLUR FET SEI WLD ENS MEME JUP BONK PENDLE STRK PYTH JTO BOME ETHFI ONDO ENA ZRO BRETT
POPCAT MEW MOODENG GOAT POL PNUT VIRTUAL PENGU FARTCOIN AIXBT TRUMP MELANIA HYPE S
"""


def perpetual(symbol: str) -> Instrument:
    return Instrument(
        instrument_id=f"{symbol}-USD-PERP.{Venue.SYMPHONY}",
        venue=Venue.SYMPHONY,
        symbol=symbol,
        venue_symbol=symbol,
        quote_currency="USDC",
        price_increment=None,
        price_significant_figures=FIGURES,
        price_decimals_max=DECIMALS,
        size_increment=LOT,
        min_quantity=LOT,
        min_notional=MIN_NOTIONAL,
        max_notional=None,
        taker_fee=FEE,
        maker_fee=FEE,
        venue_id=symbol,
    )


def listed(now: datetime) -> InstrumentTable:
    """Without the docs' stocks: they trade in market hours, which nothing of the API tells."""
    return InstrumentTable(
        venue=Venue.SYMPHONY,
        instruments=tuple(perpetual(symbol) for symbol in _CRYPTO.split()),
        refreshed_at=now,
        source="paper",
    )
