"""Ostium's pairs as we know them, for paper trading without a connection.

Written by hand. Hours are not in it: here every market is always open; the live table
(parse.parse_pairs) knows better.
"""

from datetime import datetime
from decimal import Decimal

from common.domain.instrument import Instrument, InstrumentTable, Venue

MIN_NOTIONAL = Decimal(5)
TICK = Decimal("0.00001")  # the contracts take 5 decimals
LOT = Decimal("0.000001")
FEES = {  # opening fee by class, charged on the notional: the docs' table, early 2026
    "crypto": Decimal("0.001"),
    "forex": Decimal("0.0003"),
    "commodities": Decimal("0.001"),
    "indices": Decimal("0.0005"),
    "stocks": Decimal("0.0005"),
    "etf": Decimal("0.0005"),
}
TICKERS = {"WTI": "CL"}  # crude oil goes by its future's ticker, as it did at Ostium before

_PAIRS = {
    "crypto": "BTC/USD ETH/USD SOL/USD BNB/USD XRP/USD ADA/USD LINK/USD TRX/USD HYPE/USD",
    "forex": "EUR/USD GBP/USD AUD/USD NZD/USD USD/JPY USD/CAD USD/CHF USD/MXN USD/KRW",
    "commodities": "XAU/USD XAG/USD XPT/USD XPD/USD XCU/USD WTI/USD BRENT/USD",
    "indices": "US500/USD US100/USD US30/USD GER40/EUR UK100/GBP JP225/JPY HK50/HKD",
    "stocks": "NVDA/USD AAPL/USD MSFT/USD GOOG/USD AMZN/USD META/USD TSLA/USD NFLX/USD AMD/USD "
    "INTC/USD AVGO/USD TSM/USD ASML/USD ORCL/USD PLTR/USD COIN/USD HOOD/USD MSTR/USD CRCL/USD "
    "COST/USD XOM/USD CVX/USD",
    "etf": "TLT/USD HYG/USD XLE/USD URA/USD",
}


def pair(base: str, quote: str, category: str, *, is_open: bool = True) -> Instrument:
    """A synthetic pair.

    Ostium settles `notional x price change in percent` in USDC whatever the pair is quoted in, so
    one unit is worth one dollar a point and every pair counts in USD. Where the dollar comes
    first the symbol names both (USDJPY): to buy it is to sell the yen.
    """
    symbol = f"{base}{quote}" if base == "USD" else TICKERS.get(base, base)
    return Instrument(
        instrument_id=f"{symbol}-USD-PERP.{Venue.OSTIUM}",
        venue=Venue.OSTIUM,
        symbol=symbol,
        venue_symbol=f"{base}/{quote}",
        quote_currency="USD",
        price_increment=TICK,
        price_significant_figures=None,
        price_decimals_max=5,
        size_increment=LOT,
        min_quantity=LOT,
        min_notional=MIN_NOTIONAL,
        max_notional=None,
        taker_fee=FEES.get(category, FEES["crypto"]),
        maker_fee=FEES.get(category, FEES["crypto"]),
        is_open=is_open,
    )


def listed(now: datetime) -> InstrumentTable:
    return InstrumentTable(
        venue=Venue.OSTIUM,
        instruments=tuple(
            pair(base, quote, category)
            for category, names in _PAIRS.items()
            for base, quote in (name.split("/") for name in names.split())
        ),
        refreshed_at=now,
        source="paper",
    )
