"""Market data in one shape, whatever the feed: recorded, live or simulated."""

from dataclasses import dataclass
from decimal import Decimal

from common.domain.moment import UtcDatetime
from common.domain.money import Money


@dataclass(frozen=True, slots=True)
class Candle:
    """A closed bar. Prices in quote per base unit; volume in base units."""

    open_time_ms: int
    open: Money
    high: Money
    low: Money
    close: Money
    volume: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class TopOfBook:
    """Best bid and ask with their sizes in base units. `modelled` books come from a bar, not a
    venue.
    """

    bid: Money
    ask: Money
    bid_size: Money
    ask_size: Money
    modelled: bool

    @property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSnapshot:
    """What is known of one symbol at one moment. `candles` are closed, oldest first, gap-free in
    time order.
    """

    symbol: str
    interval: str  # 1m, 5m, 1h
    candles: tuple[Candle, ...]
    book: TopOfBook
    mark: Money
    volume_24h: Money | None  # quote currency; None while the feed cannot say
    funding_rate_8h: Money | None  # fraction per 8 hours; None where there is none
    observed_at: UtcDatetime  # when the feed saw it; age = now - observed_at
    source: str  # replay, live:hyperliquid, simulated
    hourly_volume: Money | None = None  # base units, of the latest candles; in the stored one only


@dataclass(frozen=True, slots=True, kw_only=True)
class CandleHour:
    """The closed candles that opened within one UTC hour; the document under `candle_hours`."""

    symbol: str
    interval: str
    hour_ms: int
    candles: tuple[Candle, ...]  # oldest first


HOUR_MS = 3_600_000


def candle_hour_id(symbol: str, interval: str, open_time_ms: int) -> str:
    """`BTC:5m:490000`: the hours since 1970 at the end, so that ids are in order of time."""
    return f"{symbol}:{interval}:{open_time_ms // HOUR_MS}"


INTERVAL_MS = {
    "1m": 60_000,
    "3m": 180_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "4h": 14_400_000,
    "1d": 86_400_000,
}
