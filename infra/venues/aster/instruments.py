"""Aster's perpetuals as we know them, for paper trading without a connection.

Written by hand: per tick and lot the tokens that share them. The live table (parse.parse_exchange
_info) replaces it. Some contracts are of 1,000 tokens (1000PEPEUSDT); they are listed under the
token's own name.
"""

import re
from datetime import datetime
from decimal import Decimal

from common.domain.instrument import Instrument, InstrumentTable, Venue

QUOTE = "USDT"
MIN_NOTIONAL = Decimal(5)  # the text of error -4164; each market's own stands in exchangeInfo
TAKER_FEE = Decimal("0.0004")  # base tier
MAKER_FEE = Decimal("0.00005")
_THOUSANDS = re.compile(r"(1000000|1000)([A-Z][A-Z0-9]*)")

_BY_TICK_AND_LOT = {
    ("0.1", "0.001"): "BTC",
    ("0.01", "0.001"): "ETH",
    ("0.01", "0.01"): "BNB SOL BCH LTC AAVE TAO ZEC XMR",
    ("0.001", "0.1"): "HYPE AVAX LINK UNI INJ ICP ETC ATOM DOT APT",
    (
        "0.0001",
        "0.1",
    ): "XRP SUI TON NEAR FIL TIA LDO PENDLE WLD CAKE ASTER TRUMP EIGEN OP ARB VIRTUAL",
    (
        "0.00001",
        "1",
    ): "DOGE ADA TRX XLM HBAR SEI JUP ENA ONDO WIF CRV FARTCOIN PENGU PUMP AVNT WLFI",
    ("0.000001", "1"): "1000PEPE 1000BONK 1000SHIB 1000FLOKI",
}


def token_unit(base: str) -> tuple[str, int]:
    """The token's own name and how many of it one contract is: `1000PEPE` -> (`PEPE`, 1000)."""
    thousands = _THOUSANDS.fullmatch(base)
    return (thousands.group(2), int(thousands.group(1))) if thousands else (base, 1)


def perpetual(
    base: str,
    *,
    tick: Decimal,
    lot: Decimal,
    min_quantity: Decimal,
    min_notional: Decimal,
    is_open: bool = True,
    refusal: str | None = None,
) -> Instrument:
    """`tick`, `lot` and `min_quantity` as the contract has them."""
    symbol, unit = token_unit(base)
    price_increment = tick / unit
    exponent = price_increment.normalize().as_tuple().exponent
    return Instrument(
        instrument_id=f"{symbol}-USDT-PERP.{Venue.ASTER}",
        venue=Venue.ASTER,
        symbol=symbol,
        venue_symbol=f"{base}{QUOTE}",
        quote_currency=QUOTE,
        price_increment=price_increment,
        price_significant_figures=None,
        price_decimals_max=max(-int(exponent), 0),
        size_increment=lot * unit,
        min_quantity=min_quantity * unit,
        min_notional=min_notional,
        max_notional=None,
        taker_fee=TAKER_FEE,
        maker_fee=MAKER_FEE,
        is_open=is_open,
        venue_id=f"{base}{QUOTE}",
        refusal=refusal,
    )


def listed(now: datetime) -> InstrumentTable:
    return InstrumentTable(
        venue=Venue.ASTER,
        instruments=tuple(
            perpetual(
                base,
                tick=Decimal(tick),
                lot=Decimal(lot),
                min_quantity=Decimal(lot),
                min_notional=MIN_NOTIONAL,
            )
            for (tick, lot), bases in _BY_TICK_AND_LOT.items()
            for base in bases.split()
        ),
        refreshed_at=now,
        source="paper",
    )
