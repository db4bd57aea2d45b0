"""Hyperliquid's perpetuals as we know them, for paper trading without a connection.

Written by hand: each coin with its `szDecimals`. The live table (parse.parse_meta) replaces it.
"""

from datetime import datetime

from common.domain.instrument import InstrumentTable, Venue
from infra.venues.hyperliquid.parse import perpetual

_COINS_BY_SIZE_DECIMALS = {
    5: "BTC",
    4: "ETH",
    3: "BNB BCH TAO",
    2: "SOL AVAX LTC ATOM AAVE COMP ORDI HYPE ZEC GMX AR EIGEN XMR",
    1: "LINK OP ARB INJ SUI CRV LDO STX UNI NEAR TIA WLD RENDER FIL DOT FARTCOIN TRUMP VIRTUAL "
    "PNUT ETHFI STRK ZRO BERA IP SNX APE DYDX TON",
    0: "XRP DOGE ADA TRX XLM HBAR ALGO SEI JUP PYTH PENDLE ENA ONDO JTO WIF POPCAT BRETT "
    "MOODENG GOAT AIXBT PENGU S KAITO PUMP GALA BLUR kPEPE kBONK kSHIB kFLOKI",
}


def listed(now: datetime) -> InstrumentTable:
    return InstrumentTable(
        venue=Venue.HYPERLIQUID,
        instruments=tuple(
            perpetual(coin, decimals)
            for decimals, coins in _COINS_BY_SIZE_DECIMALS.items()
            for coin in coins.split()
        ),
        refreshed_at=now,
        source="paper",
    )
