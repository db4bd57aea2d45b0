"""What the agents look at: the newest indicator values of a symbol, and small measures of them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from decimal import ROUND_HALF_EVEN, Decimal

from common.domain.vote import Action, Stance, Vote
from common.indicators.indicator_set import WARM_AFTER, IndicatorSet

CONFIDENCE_STEP = Decimal("0.0001")
REASONS_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Every indicator at the newest closed candle. Prices in quote, volume in base units."""

    open: float
    high: float
    low: float
    close: float
    previous_close: float
    rsi: float
    macd: float
    macd_signal: float
    macd_histogram: float
    bollinger_lower: float
    bollinger_middle: float
    bollinger_upper: float
    atr: float
    volume: float
    volume_mean: float
    relative_volume: float
    volume_trend: float
    momentum: float
    momentum_ratio: float
    volatility: float
    trend_fast: float
    trend_slow: float

    @property
    def close_location(self) -> float:
        """Chaikin's close location value: -1 at the low, 1 at the high, 0 without a range."""
        span = self.high - self.low
        return ((self.close - self.low) - (self.high - self.close)) / span if span > 0 else 0.0

    def in_atr(self, distance: float) -> float:
        """A price distance in average true ranges; 0 where the market does not move."""
        return distance / self.atr if self.atr > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """`readings` is None until the indicators have seen enough candles."""

    candles: int
    newest_open_time_ms: int | None
    readings: Readings | None

    def as_text(self) -> dict[str, str]:
        """For the record: each value as the shortest text that reads back to the same float."""
        text = {"candles": str(self.candles)}
        if self.readings is not None:
            for field in fields(self.readings):
                text[field.name] = repr(getattr(self.readings, field.name))
        return text


def features_of(indicators: IndicatorSet) -> Features:
    return Features(
        candles=indicators.count,
        newest_open_time_ms=indicators.last_open_time_ms,
        readings=_readings(indicators) if indicators.is_warm else None,
    )


def _readings(indicators: IndicatorSet) -> Readings | None:
    rsi, atr, macd = indicators.rsi.value, indicators.atr.value, indicators.macd.value
    bands, volume, momentum = (
        indicators.bollinger.value,
        indicators.volumes.value,
        indicators.momentum.value,
    )
    fast, slow = indicators.trend_fast.value, indicators.trend_slow.value
    if rsi is None or atr is None or fast is None or slow is None:
        return None
    if macd is None or bands is None or volume is None or momentum is None:
        return None
    return Readings(
        open=indicators.open,
        high=indicators.high,
        low=indicators.low,
        close=indicators.close,
        previous_close=indicators.previous_close,
        rsi=rsi,
        macd=macd.macd,
        macd_signal=macd.signal,
        macd_histogram=macd.histogram,
        bollinger_lower=bands.lower,
        bollinger_middle=bands.middle,
        bollinger_upper=bands.upper,
        atr=atr,
        volume=indicators.volume,
        volume_mean=volume.mean,
        relative_volume=volume.relative,
        volume_trend=volume.trend,
        momentum=momentum.change,
        momentum_ratio=momentum.ratio,
        volatility=momentum.volatility,
        trend_fast=fast,
        trend_slow=slow,
    )


def clip(value: float) -> float:
    """Into -1..1. Linear between: no libm, so every machine gives the same bits."""
    return max(-1.0, min(1.0, value))


def confidence(value: float) -> Decimal:
    """A float into 0..1 with 4 decimals, ties to even on its shortest text."""
    text = repr(max(0.0, min(1.0, value)))
    return Decimal(text).quantize(CONFIDENCE_STEP, rounding=ROUND_HALF_EVEN)


def directed_vote(agent: str, score: float, floor: float, reasons: Sequence[str]) -> Vote:
    """BUY or SELL with |score| as confidence; below `floor` HOLD, as sure as the score is small."""
    action = Action.HOLD
    sure = 1.0 - abs(score)
    if abs(score) >= floor:
        action = Action.BUY if score > 0 else Action.SELL
        sure = abs(score)
    return Vote(
        agent=agent,
        stance=Stance.VOTED,
        action=action,
        confidence=confidence(sure),
        reasons=tuple(reasons[:REASONS_MAX]),
    )


def abstention(agent: str, reason: str) -> Vote:
    return Vote(
        agent=agent,
        stance=Stance.ABSTAINED,
        action=Action.HOLD,
        confidence=Decimal(0),
        reasons=(reason,),
    )


def warming_up(agent: str, features: Features) -> Vote:
    if features.candles < WARM_AFTER:
        return abstention(
            agent, f"indicators are warming up: {features.candles} of {WARM_AFTER} candles"
        )
    return abstention(agent, "the recorded prices are not above 0")
