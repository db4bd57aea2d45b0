"""Quant Alpha, the technical analyst: trend, MACD, RSI and Bollinger in one signed score.

Every part is a distance in average true ranges or in the indicator's own scale, clipped to -1..1,
so one formula serves every symbol and interval. It follows moves that several indicators confirm
and gives way where they are exhausted.
"""

from common.domain.market import MarketSnapshot
from common.domain.vote import Vote
from common.what.swarm.features import Features, Readings, clip, directed_vote, warming_up

AGENT = "quant_alpha"
FLOOR = 0.10
EXHAUSTED_RSI = 85.0


def vote(features: Features, _snapshot: MarketSnapshot) -> Vote:
    readings = features.readings
    if readings is None:
        return warming_up(AGENT, features)
    parts = _parts(readings)
    score = 0.0
    for part, _ in parts:
        score += part
    strongest = sorted(parts, key=lambda part: -abs(part[0]))
    reasons = [reason for _, reason in strongest]
    if _is_exhausted(readings):
        score *= 0.5
        reasons.insert(0, f"RSI {readings.rsi:.1f} is exhausted: confidence halved")
    return directed_vote(AGENT, score, FLOOR, reasons)


def _parts(readings: Readings) -> list[tuple[float, str]]:
    """Shares of the score, together at most 1 in size, each with its reason."""
    trend = readings.in_atr(readings.trend_fast - readings.trend_slow)
    histogram = readings.in_atr(readings.macd_histogram)
    reach = readings.bollinger_upper - readings.bollinger_middle
    band = (readings.close - readings.bollinger_middle) / reach if reach > 0 else 0.0
    stretch = readings.in_atr(readings.close - readings.trend_fast)
    return [
        (0.25 * clip(trend / 3.0), f"trend: EMA 20 is {trend:+.2f} ATR from EMA 50"),
        (0.20 * clip(histogram * 3.0), f"MACD histogram is {histogram:+.3f} ATR"),
        (0.25 * clip((readings.rsi - 50.0) / 25.0), f"RSI is {readings.rsi:.1f}"),
        (0.15 * clip(band), f"Bollinger: close is {band:+.2f} of the way to the band"),
        (0.15 * clip(stretch / 3.0), f"close is {stretch:+.2f} ATR from EMA 20"),
    ]


def _is_exhausted(readings: Readings) -> bool:
    return not 100.0 - EXHAUSTED_RSI <= readings.rsi <= EXHAUSTED_RSI
