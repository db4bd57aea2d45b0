"""What the market's moves do to an order that rests. Pure, same in same out.

A snapshot is read as moments in order of time: each closed candle, then the book and mark that it
was observed with. An order hears the candles that opened after it was accepted, and the snapshots
that were observed after that; what it has filled from it hears no more.

- A limit order fills at its own price, as a maker, when a candle has traded through it (strictly:
  at its price it may stand behind others) or the book has come to it. Never more than the candle's
  volume or the best level's size; each order by itself.
- A stop or a touched order triggers when a candle or the mark has reached its trigger price, and is
  a market order then, bounded by its price: within the candle (fills.triggered), or on the book
  that the mark was observed with. What does not fill at once is canceled.
- Of one candle's orders the stops go first, so that a stop and a take profit of one position that
  are reached together cost what the stop costs. That is the pessimist's guess.
- A reduce-only order is cut to what is held when it executes, and ends when nothing is.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from common.domain.instrument import Instrument
from common.domain.market import INTERVAL_MS, Candle, MarketSnapshot
from common.domain.moment import from_ms
from common.domain.money import ZERO, plain
from common.domain.order import LiquiditySide, OrderSide, OrderStatus
from infra.venues.paper.fills import Execution, executions, rested, triggered
from infra.venues.paper.ledger import PaperOrder, fills_of
from infra.venues.paper.resting import (
    TRIGGERED_TYPES,
    PaperResting,
    room_to_reduce,
    trigger_is_reached,
)

NOT_FILLED = "triggered and not filled"
NOTHING_TO_REDUCE = "nothing is held that it could reduce"


@dataclass(frozen=True, slots=True)
class Moment:
    """A closed candle, or (None) the book and mark of the snapshot itself."""

    at: datetime  # when it was known: the candle's close
    market: MarketSnapshot
    candle: Candle | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """An order after a moment. Without `resting` it has ended."""

    record: PaperOrder
    resting: PaperResting | None


def moments(market: MarketSnapshot) -> list[Moment]:
    """Oldest first."""
    step = INTERVAL_MS.get(market.interval, 0)
    bars = [Moment(from_ms(bar.open_time_ms + step), market, bar) for bar in market.candles]
    return [*bars, Moment(market.observed_at, market)]


def is_reached(resting: PaperResting, moment: Moment) -> bool:
    """Does the order hear of this moment, and has the price come to it?"""
    candle, market = moment.candle, moment.market
    heard = (
        moment.at > resting.seen_at
        if candle is None
        else from_ms(candle.open_time_ms) >= resting.bars_from
    )
    if not heard or resting.fillable <= 0:
        return False
    low, high = (market.mark, market.mark) if candle is None else (candle.low, candle.high)
    if resting.trigger_price is not None and resting.order_type in TRIGGERED_TYPES:
        return trigger_is_reached(
            resting.order_type, resting.side, resting.trigger_price, low, high
        )
    buys = resting.side is OrderSide.BUY
    if candle is None:
        best = market.book.ask if buys else market.book.bid
        return best <= resting.price if buys else best >= resting.price
    return low < resting.price if buys else high > resting.price


def stepped(
    resting: PaperResting,
    record: PaperOrder,
    moment: Moment,
    *,
    instrument: Instrument,
    signed: Decimal,
) -> Step | None:
    """The order after a moment that has reached it; None where nothing of it could fill.

    `signed` is the position that it finds.
    """
    order = record.order
    only_reduces = order.reduce_only or not (instrument.shortable or order.side is OrderSide.BUY)
    room = room_to_reduce(order, signed) if only_reduces else resting.left
    if room == 0:
        return ended(record, NOTHING_TO_REDUCE)
    wanted = min(resting.left, room)
    parts, side = _parts(resting, record, moment, instrument, min(wanted, resting.fillable))
    fills = fills_of(order, instrument, parts, at=moment.at, first=len(record.fills) + 1, side=side)
    filled = sum((fill.last_qty for fill in fills), ZERO)
    after = replace(record, fills=(*record.fills, *fills))
    if filled == resting.left:
        return Step(replace(after, status=OrderStatus.FILLED, reason=""), None)
    if filled == room:
        return ended(after, f"{_part(after)}, which is all that was held")
    if order.order_type in TRIGGERED_TYPES:
        return ended(after, f"{NOT_FILLED}: {_part(after)} within {plain(order.price)}")
    if not fills:
        return None
    after = replace(after, status=OrderStatus.PARTIALLY_FILLED)
    return Step(after, _deafened(resting, moment, filled))


def ended(record: PaperOrder, reason: str) -> Step:
    return Step(replace(record, status=OrderStatus.CANCELED, reason=reason), None)


def _parts(
    resting: PaperResting,
    record: PaperOrder,
    moment: Moment,
    instrument: Instrument,
    wanted: Decimal,
) -> tuple[tuple[Execution, ...], LiquiditySide]:
    order, candle, market = record.order, moment.candle, moment.market
    if order.order_type in TRIGGERED_TYPES:
        if candle is None:
            return executions(order, instrument, market, wanted), LiquiditySide.TAKER
        return triggered(order, instrument, candle, wanted), LiquiditySide.TAKER
    if candle is None:
        buys, book = resting.side is OrderSide.BUY, market.book
        depth = book.ask_size if buys else book.bid_size
    else:
        depth = candle.volume
    return rested(order, instrument, depth, wanted), LiquiditySide.MAKER


def _deafened(resting: PaperResting, moment: Moment, filled: Decimal) -> PaperResting:
    """What is left of it, which hears neither this moment again nor a candle that holds it."""
    return replace(
        resting,
        left=resting.left - filled,
        fillable=resting.fillable - filled,
        bars_from=max(resting.bars_from, moment.at),
        seen_at=max(resting.seen_at, moment.at),
    )


def _part(record: PaperOrder) -> str:
    return f"filled {plain(record.filled_qty)} of {plain(record.order.quantity)}"
