"""Venues, what they can do, and the instruments they list."""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from common.domain.moment import UtcDatetime
from common.domain.money import Money


class Venue(StrEnum):
    """Where orders go. MULTI is no venue: it says that Agent Where chooses."""

    HYPERLIQUID = "HYPERLIQUID"
    OSTIUM = "OSTIUM"
    GMX = "GMX"
    SPOT = "SPOT"
    ASTER = "ASTER"
    SYMPHONY = "SYMPHONY"
    DRIFT = "DRIFT"
    MULTI = "MULTI"

    @property
    def label(self) -> str:
        """The name for people, as the venue writes it."""
        return {"GMX": "GMX", "SPOT": "Spot"}.get(self.value, self.value.title())


DEFAULT_PRIORITY = (Venue.HYPERLIQUID, Venue.OSTIUM, Venue.GMX, Venue.SPOT)
ALL_VENUES = (*DEFAULT_PRIORITY, Venue.ASTER, Venue.SYMPHONY, Venue.DRIFT)


class OrderType(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP_MARKET = "STOP_MARKET"  # market once the price has passed the trigger against us
    MARKET_IF_TOUCHED = "MARKET_IF_TOUCHED"  # market once it has passed in our favour


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One tradable thing at one venue. Prices in quote per base unit, quantities in base units."""

    instrument_id: str  # BTC-USD-PERP.HYPERLIQUID
    venue: Venue
    symbol: str  # the token's own name: BTC, never 1000PEPE for 1,000 PEPE
    venue_symbol: str  # what the venue calls it
    quote_currency: str  # USD, USDC
    price_increment: Money | None  # tick; None where significant figures rule instead
    price_significant_figures: int | None  # Hyperliquid: 5, integers always allowed
    price_decimals_max: int  # decimals a price may have at most
    size_increment: Money  # lot, > 0
    min_quantity: Money
    min_notional: Money  # in quote currency
    max_notional: Money | None
    taker_fee: Money  # fraction of notional, 0.00045 = 4.5 bps
    maker_fee: Money
    shortable: bool = True  # a spot token can only be bought first
    is_open: bool = True  # market hours
    liquidity: Money | None = None  # quote currency that can be traded at once, when the venue says
    venue_id: str = ""  # the venue's own key of it: asset index, pair id, token address
    refusal: str | None = None  # why it is listed and must not be traded


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a venue can do. Venues differ by this data, never by `if venue ==`."""

    venue: Venue
    order_types: frozenset[OrderType]
    time_in_force: frozenset[TimeInForce]
    expires_after: bool  # does the venue refuse an order that arrives after its expiry?
    order_ttl: timedelta  # how long an order may be under way before it must be refused
    read_lag_max: timedelta  # how late an accepted order may show up in queries
    clock_skew_max: timedelta
    request_timeout: timedelta  # our client's patience; < order_ttl
    resends: bool = False  # does the venue take the same signed bytes at most once?
    cancel_is_a_fence: bool = False  # does a cancel make an order that never came impossible?
    live_refusal: str | None = None  # why it cannot be traded live at all

    @property
    def absence_is_final_after(self) -> timedelta:
        """From sending: only then does "not found" prove that the order never will be there."""
        return self.order_ttl + self.clock_skew_max + self.read_lag_max


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentTable:
    """Every instrument of one venue at one moment."""

    venue: Venue
    instruments: tuple[Instrument, ...]
    refreshed_at: UtcDatetime
    source: str  # paper, recorded, live
    _by_symbol: Annotated[dict[str, Instrument], Field(exclude=True)] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _tradable: Annotated[list[int], Field(exclude=True)] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def find(self, symbol: str) -> Instrument | None:
        if not self._by_symbol:
            self._by_symbol.update({item.symbol: item for item in self.instruments})
        return self._by_symbol.get(symbol)

    @property
    def pair_count(self) -> int:
        """How many can be traded: what is listed and refused does not count."""
        if not self._tradable:
            self._tradable.append(sum(item.refusal is None for item in self.instruments))
        return self._tradable[0]


def price_bound(mid: Decimal, *, buy: bool, slippage: Decimal) -> Decimal:
    """The worst price to accept: `mid` moved against us by a fraction (0.005 = 0.5 %)."""
    return mid * (1 + slippage) if buy else mid * (1 - slippage)
