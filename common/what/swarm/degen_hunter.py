"""Degen Hunter, the order-flow hunter: unusual volume and who won the candle it came with."""

from common.domain.market import MarketSnapshot
from common.domain.vote import Vote
from common.what.swarm.features import Features, clip, directed_vote, warming_up

AGENT = "degen_hunter"
FLOOR = 0.10
SURGE_FULL = 2.5
"""Times the usual volume at which the candle's direction counts in full."""


def vote(features: Features, snapshot: MarketSnapshot) -> Vote:
    readings = features.readings
    if readings is None:
        return warming_up(AGENT, features)
    location = readings.close_location
    body = clip(readings.in_atr(readings.close - readings.previous_close))
    direction = 0.5 * location + 0.5 * body
    surge = clip(readings.relative_volume / SURGE_FULL)
    building = clip(readings.volume_trend - 1.0)
    parts = [
        (0.85 * direction * surge, f"volume is {readings.relative_volume:.2f} times the usual"),
        (0.15 * direction * building, f"5-bar volume is {readings.volume_trend:.2f} of the mean"),
    ]
    reasons = [f"close location {location:+.2f}, candle body {body:+.2f} ATR"]
    if not snapshot.book.modelled:
        imbalance = _imbalance(snapshot)
        parts = [(0.85 * part, reason) for part, reason in parts]
        parts.append((0.15 * imbalance, f"book imbalance is {imbalance:+.2f}"))
    score = 0.0
    for part, _ in parts:
        score += part
    strongest = sorted(parts, key=lambda part: -abs(part[0]))
    reasons = [strongest[0][1], *reasons, *(reason for _, reason in strongest[1:])]
    return directed_vote(AGENT, clip(score), FLOOR, reasons)


def _imbalance(snapshot: MarketSnapshot) -> float:
    """(bid size - ask size) / both at the top of the book: -1 all sellers, 1 all buyers."""
    book = snapshot.book
    both = book.bid_size + book.ask_size
    return float((book.bid_size - book.ask_size) / both) if both > 0 else 0.0
