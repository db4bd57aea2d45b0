"""At what price a paper order fills, and how much of it. Pure, exact in Decimal, same in same out.

A venue's book: the best level's size at its price. What is left meets a book taken to be as deep
at every further spread (at least one basis point) as it is at the best level, so the price moves
on linearly and the rest pays the average of what it walks.

A modelled book (made from a bar): the best price, half a spread off the middle, moved on by the
square-root law `impact = sigma x sqrt(quantity / bar volume)`, with sigma the volatility of a bar
by Parkinson's estimator, `(high - low) / close / sqrt(4 ln 2)`, both averaged over the last bars.
Never more than one bar's volume.

An order that a bar has triggered starts at its trigger, a stop after a gap at the bar's open beyond
it, and moves on by the same law with that bar's own volume and volatility. An order that rests
fills at its own price, with no more than what the bar traded or the best level offers.
Sources: Torre, BARRA Market Impact Model Handbook (1997); Almgren, Thum, Hauptmann, Li, Direct
Estimation of Equity Market Impact (2005); Parkinson, The Extreme Value Method (1980).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from common.domain.instrument import Instrument, OrderType, TimeInForce
from common.domain.market import Candle, MarketSnapshot
from common.domain.money import ONE, ZERO
from common.domain.order import Order, OrderSide
from common.domain.rounding import price_step, round_price, round_quantity

SPREAD_MIN = Decimal("0.0001")
BARS = 3
_PARKINSON = Decimal("1.6651092223153954")  # sqrt(4 ln 2)


@dataclass(frozen=True, slots=True)
class Execution:
    quantity: Decimal
    price: Decimal


def executions(
    order: Order, instrument: Instrument, snapshot: MarketSnapshot, wanted: Decimal
) -> tuple[Execution, ...]:
    """How `wanted` of the order fills now, each part on lot and tick and within `order.price`.

    A FOK order fills whole or not at all.
    """
    book = snapshot.book
    top, size = (book.ask, book.ask_size) if _buys(order) else (book.bid, book.bid_size)
    spread = max(book.ask - book.bid, top * SPREAD_MIN)
    side = _Side(order, instrument, top=top, size=size, spread=spread)
    volume, sigma = _bar_figures(snapshot.candles[-BARS:])
    if snapshot.book.modelled and volume > 0:
        parts = side.through_bar(wanted, volume, sigma)
    else:
        parts = side.through_book(wanted)
    filled = sum((part.quantity for part in parts), ZERO)
    if order.time_in_force is TimeInForce.FOK and filled < order.quantity:
        return ()
    return tuple(parts)


def triggered(
    order: Order, instrument: Instrument, candle: Candle, wanted: Decimal
) -> tuple[Execution, ...]:
    """How `wanted` of an order fills whose trigger the candle has reached, within `order.price`.

    A bar without volume fills nothing.
    """
    trigger = order.trigger_price
    volume, sigma = _bar_figures((candle,))
    if trigger is None or volume <= 0:
        return ()
    start = trigger
    if order.order_type is OrderType.STOP_MARKET:  # a gap beyond the trigger; never in our favour
        start = max(trigger, candle.open) if _buys(order) else min(trigger, candle.open)
    side = _Side(order, instrument, top=start, size=volume, spread=start * SPREAD_MIN)
    return tuple(side.through_bar(wanted, volume, sigma))


def rested(
    order: Order, instrument: Instrument, depth: Decimal, wanted: Decimal
) -> tuple[Execution, ...]:
    """How `wanted` of an order that rests fills: at its own price, as far as `depth` goes."""
    quantity = round_quantity(instrument, min(wanted, depth))
    return (Execution(quantity, order.price),) if quantity else ()


def _buys(order: Order) -> bool:
    return order.side is OrderSide.BUY


def _bar_figures(candles: Sequence[Candle]) -> tuple[Decimal, Decimal]:
    """Mean volume in base units, and the mean volatility of a bar as a fraction."""
    if not candles:
        return ZERO, ZERO
    count = len(candles)
    volume = sum((bar.volume for bar in candles), ZERO) / count
    spread = sum(((bar.high - bar.low) / bar.close for bar in candles), ZERO) / count
    return volume, spread / _PARKINSON


class _Side:
    """The side of the book that the order takes from."""

    def __init__(
        self,
        order: Order,
        instrument: Instrument,
        *,
        top: Decimal,
        size: Decimal,
        spread: Decimal,
    ) -> None:
        self._buy = _buys(order)
        self._instrument = instrument
        self._bound = order.price
        self._top = top
        self._size = size
        self._spread = spread

    def through_book(self, wanted: Decimal) -> list[Execution]:
        first = self._execution(min(wanted, self._size), self._top)
        if first is None:
            return []
        slope = self._spread / self._size  # of price, for each unit beyond the best level
        rest = min(wanted - first.quantity, abs(self._bound - self._top) / slope)
        second = self._execution(rest, self._moved(slope * rest / 2))
        return [first] if second is None else [first, second]

    def through_bar(self, wanted: Decimal, volume: Decimal, sigma: Decimal) -> list[Execution]:
        most = min(wanted, volume)
        if sigma > 0:
            room = abs(self._bound - self._top) / self._top
            most = min(most, volume * (room / sigma) ** 2)
        quantity = round_quantity(self._instrument, most)
        impact = sigma * min(quantity / volume, ONE).sqrt()
        execution = self._execution(quantity, self._moved(self._top * impact))
        return [] if execution is None else [execution]

    def _moved(self, distance: Decimal) -> Decimal:
        return self._top + distance if self._buy else self._top - distance

    def _execution(self, quantity: Decimal, price: Decimal) -> Execution | None:
        """Rounded against us; None when no lot is left, or the best price is beyond the bound."""
        quantity = round_quantity(self._instrument, quantity)
        if quantity == 0 or price < price_step(self._instrument, price):
            return None
        on_tick = round_price(self._instrument, price, buy=not self._buy)
        beyond = self._top > self._bound if self._buy else self._top < self._bound
        if beyond:
            return None
        # Rounding may step over a bound that the exact price keeps.
        bounded = min(on_tick, self._bound) if self._buy else max(on_tick, self._bound)
        return Execution(quantity, bounded)
