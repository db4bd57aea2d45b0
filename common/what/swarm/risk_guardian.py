"""Risk Guardian: a deterministic veto where it is not safe to open; else risk-adjusted momentum."""

from math import sqrt

from common.domain.market import INTERVAL_MS, MarketSnapshot
from common.domain.moment import to_ms
from common.domain.vote import Action, Stance, Vote
from common.what.swarm.features import (
    Features,
    Readings,
    clip,
    confidence,
    directed_vote,
    warming_up,
)

AGENT = "risk_guardian"
FLOOR = 0.10
SPREAD_MAX = 0.005
"""Of the mid: the default slippage bound (SW-09) would be gone before the order moves."""
ATR_FRACTION_MAX = 0.03
"""Of the close, for 5-minute candles; grows with the square root of the interval."""
GAP_ATR_MAX = 5.0
"""Between one candle's close and the next one's open, or the newest close and the mark."""
MISSING_CANDLES_MAX = 2
RATIO_FULL = 2.5
"""Move in standard deviations of a random walk at which confidence is full."""


def vote(features: Features, snapshot: MarketSnapshot) -> Vote:
    danger = _data_danger(features, snapshot)
    readings = features.readings
    if danger is None and readings is not None:
        danger = _market_danger(readings, snapshot)
    if danger is not None:
        return Vote(
            agent=AGENT,
            stance=Stance.VETOED,
            action=Action.HOLD,
            confidence=confidence(1.0),
            reasons=(danger,),
        )
    if readings is None:
        return warming_up(AGENT, features)
    return directed_vote(
        AGENT,
        clip(readings.momentum_ratio / RATIO_FULL),
        FLOOR,
        (
            f"20-bar change {readings.momentum:+.2%} is {readings.momentum_ratio:+.2f} deviations",
            f"one-bar volatility is {readings.volatility:.3%}",
            f"ATR is {readings.atr / readings.close:.3%} of the price",
        ),
    )


def _data_danger(features: Features, snapshot: MarketSnapshot) -> str | None:
    book = snapshot.book
    if book.bid <= 0 or book.ask <= 0 or snapshot.mark <= 0:
        return f"no usable price: bid {book.bid}, ask {book.ask}, mark {snapshot.mark}"
    if book.bid > book.ask:
        return f"crossed book: bid {book.bid} is above ask {book.ask}"
    spread = float((book.ask - book.bid) / book.mid)
    if spread > SPREAD_MAX:
        return f"spread {spread:.2%} is wider than {SPREAD_MAX:.2%}"
    if features.newest_open_time_ms is None:
        return "no closed candle"
    step = INTERVAL_MS[snapshot.interval]
    late = to_ms(snapshot.observed_at) - (features.newest_open_time_ms + step)
    if late > MISSING_CANDLES_MAX * step:
        return f"gap: the newest candle closed {late / 60_000:.1f} min before the snapshot"
    return None


def _market_danger(readings: Readings, snapshot: MarketSnapshot) -> str | None:
    limit = ATR_FRACTION_MAX * sqrt(INTERVAL_MS[snapshot.interval] / INTERVAL_MS["5m"])
    fraction = readings.atr / readings.close
    if fraction > limit:
        return f"ATR {fraction:.2%} of the price is extreme (limit {limit:.2%})"
    opening = readings.in_atr(abs(readings.open - readings.previous_close))
    if opening > GAP_ATR_MAX:
        return f"gap: the candle opened {opening:.1f} ATR from the close before it"
    away = readings.in_atr(abs(float(snapshot.mark) - readings.close))
    if away > GAP_ATR_MAX:
        return f"gap: the mark is {away:.1f} ATR from the newest close"
    return None
