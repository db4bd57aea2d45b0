"""Candles, books, snapshots and instruments."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from common.domain.instrument import Instrument, InstrumentTable, Venue
from common.domain.market import INTERVAL_MS, Candle, MarketSnapshot, TopOfBook
from common.domain.moment import to_ms
from tests.builders.story import NOON


def some_candles(
    count: int = 3,
    *,
    interval: str = "5m",
    until: datetime = NOON,
    closes: Sequence[str] | None = None,
) -> tuple[Candle, ...]:
    """`count` closed candles, oldest first and gap-free; the last one closes at `until`.

    The price climbs by 1 a candle from 3000 unless `closes` gives the closing prices.
    """
    prices = [Decimal(text) for text in closes or [str(3000 + number) for number in range(count)]]
    step = INTERVAL_MS[interval]
    first = to_ms(until) - step * len(prices)
    return tuple(
        Candle(
            open_time_ms=first + number * step,
            open=prices[number - 1] if number else close,
            high=max(close, prices[number - 1] if number else close) + 1,
            low=min(close, prices[number - 1] if number else close) - 1,
            close=close,
            volume=Decimal(100),
        )
        for number, close in enumerate(prices)
    )


def a_book(mid: str = "3000", **changes: Any) -> TopOfBook:
    """Bid and ask one basis point off `mid`, 50 units deep each."""
    price = Decimal(mid)
    book = TopOfBook(
        bid=price * Decimal("0.9999"),
        ask=price * Decimal("1.0001"),
        bid_size=Decimal(50),
        ask_size=Decimal(50),
        modelled=False,
    )
    return replace(book, **changes)


def a_snapshot(symbol: str = "ETH", **changes: Any) -> MarketSnapshot:
    snapshot = MarketSnapshot(
        symbol=symbol,
        interval="5m",
        candles=some_candles(),
        book=a_book(),
        mark=Decimal(3000),
        volume_24h=Decimal(1_000_000),
        funding_rate_8h=Decimal("0.0001"),
        observed_at=NOON,
        source="test",
        hourly_volume=Decimal(100_000),
    )
    return replace(snapshot, **changes)


def an_instrument(
    symbol: str = "ETH", venue: Venue = Venue.HYPERLIQUID, **changes: Any
) -> Instrument:
    instrument = Instrument(
        instrument_id=f"{symbol}-USD-PERP.{venue}",
        venue=venue,
        symbol=symbol,
        venue_symbol=symbol,
        quote_currency="USD",
        price_increment=None,
        price_significant_figures=5,
        price_decimals_max=6,
        size_increment=Decimal("0.0001"),
        min_quantity=Decimal("0.0001"),
        min_notional=Decimal(10),
        max_notional=None,
        taker_fee=Decimal("0.00045"),
        maker_fee=Decimal("0.00015"),
    )
    return replace(instrument, **changes)


def an_instrument_table(
    venue: Venue = Venue.HYPERLIQUID, symbols: Sequence[str] = ("BTC", "ETH"), **changes: Any
) -> InstrumentTable:
    table = InstrumentTable(
        venue=venue,
        instruments=tuple(an_instrument(symbol, venue) for symbol in symbols),
        refreshed_at=NOON,
        source="paper",
    )
    return replace(table, **changes)
