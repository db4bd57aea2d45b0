"""Drift v2's perpetuals, for paper trading: each market's index and token, as it was.

Written by hand from the program's market list at its last release before the pause, without the
betting markets (`-BET`). Some markets are of 1,000 or 1,000,000 tokens (1MPEPE-PERP); they are
listed under the token's own name. Each market's own step sizes are not known to us: ticks and lots
are the program's precisions, 6 decimals of price and 9 of base, and the minimum is ours.
"""

import re
from datetime import datetime
from decimal import Decimal

from common.domain.instrument import Instrument, InstrumentTable, Venue

PRICE_PRECISION = Decimal(10) ** -6
BASE_PRECISION = Decimal(10) ** -9
MIN_NOTIONAL = Decimal(5)
TAKER_FEE = Decimal("0.001")  # first tier
MAKER_FEE = Decimal(0)  # the venue paid a rebate of 0.25 basis points, which paper does not
_UNITS = {"1M": 1_000_000, "1K": 1_000}
_BUNDLE = re.compile(r"(1M|1K)([A-Z][A-Z0-9]*)")

_BY_INDEX = """
0:SOL 1:BTC 2:ETH 3:APT 4:1MBONK 5:POL 6:ARB 7:DOGE 8:BNB 9:SUI 10:1MPEPE 11:OP 12:RENDER 13:XRP
14:HNT 15:INJ 16:LINK 17:RLB 18:PYTH 19:TIA 20:JTO 21:SEI 22:AVAX 23:WIF 24:JUP 25:DYM 26:TAO 27:W
28:KMNO 29:TNSR 30:DRIFT 31:CLOUD 32:IO 33:ZEX 34:POPCAT 35:1KWEN 42:TON 44:MOTHER 45:MOODENG
47:DBR 51:1KMEW 52:MICHI 53:GOAT 54:FWOG 55:PNUT 56:RAY 59:HYPE 60:LTC 61:ME 62:PENGU 63:AI16Z
64:TRUMP 65:MELANIA 66:BERA 69:KAITO 70:IP 71:FARTCOIN 72:ADA 73:PAXG 74:LAUNCHCOIN 75:PUMP
76:ASTER 77:XPL 78:2Z 79:ZEC 80:MNT 82:MET 83:1KMON 84:LIT
"""
"""Index 81, 1KPUMP, is left out: PUMP has a market of its own, 75."""


def token_unit(base: str) -> tuple[str, int]:
    """The token's own name and how many of it one unit of the market is."""
    bundle = _BUNDLE.fullmatch(base)
    return (bundle.group(2), _UNITS[bundle.group(1)]) if bundle else (base, 1)


def perpetual(index: int, base: str) -> Instrument:
    symbol, unit = token_unit(base)
    tick = PRICE_PRECISION / unit
    return Instrument(
        instrument_id=f"{symbol}-USD-PERP.{Venue.DRIFT}",
        venue=Venue.DRIFT,
        symbol=symbol,
        venue_symbol=f"{base}-PERP",
        quote_currency="USDC",
        price_increment=tick,
        price_significant_figures=None,
        price_decimals_max=5 + len(str(unit)),
        size_increment=BASE_PRECISION * unit,
        min_quantity=BASE_PRECISION * unit,
        min_notional=MIN_NOTIONAL,
        max_notional=None,
        taker_fee=TAKER_FEE,
        maker_fee=MAKER_FEE,
        venue_id=str(index),
    )


def listed(now: datetime) -> InstrumentTable:
    markets = (entry.split(":") for entry in _BY_INDEX.split())
    return InstrumentTable(
        venue=Venue.DRIFT,
        instruments=tuple(perpetual(int(index), base) for index, base in markets),
        refreshed_at=now,
        source="paper",
    )
