"""Candles for the swarm's tests: recorded ones, and a made surge that the swarm buys."""

import csv
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from common.domain.decision import Decision, DecisionInputs
from common.domain.market import INTERVAL_MS, Candle, MarketSnapshot, TopOfBook
from common.domain.moment import from_ms, to_ms
from common.domain.vote import Vote
from common.what.swarm.cycle import SwarmState, conclude, look
from common.what.swarm.features import Features, Readings, features_of
from common.what.swarm.roster import ROSTER, votes_now
from tests.builders import NOON
from tests.shared_data import shared_path

SYMBOLS = ("BTC", "ETH", "SOL", "DOGE", "XRP", "1000PEPE")
STEP = INTERVAL_MS["5m"]
WEIGHTS = {
    "quant_alpha": Decimal("0.35"),
    "risk_guardian": Decimal("0.20"),
    "sentiment_sage": Decimal("0.20"),
    "degen_hunter": Decimal("0.25"),
}


def recorded_candles(symbol: str, interval: str = "5m") -> tuple[Candle, ...]:
    path = Path(shared_path("data/replay")) / f"{symbol}_{interval}.csv"
    with path.open() as file:
        rows = csv.reader(file)
        next(rows)
        return tuple(Candle(int(row[0]), *map(Decimal, row[1:])) for row in rows)


def as_floats(candle: Candle) -> tuple[float, float, float, float, float]:
    return (
        float(candle.open),
        float(candle.high),
        float(candle.low),
        float(candle.close),
        float(candle.volume),
    )


def surging_candles(quiet: int = 60, rising: int = 6) -> tuple[Candle, ...]:
    """A quiet market around 100, then a rise of 0.3 a candle at four times the volume."""
    closes = [Decimal(100) + Decimal("0.1") * (number % 3) for number in range(quiet)]
    closes += [closes[-1] + Decimal("0.3") * (number + 1) for number in range(rising)]
    first = to_ms(NOON) - STEP * len(closes)
    candles = []
    for number, close in enumerate(closes):
        opened = closes[number - 1] if number else close
        candles.append(
            Candle(
                open_time_ms=first + number * STEP,
                open=opened,
                high=max(opened, close) + Decimal("0.02"),
                low=min(opened, close) - Decimal("0.02"),
                close=close,
                volume=Decimal(400 if number >= quiet else 100),
            )
        )
    return tuple(candles)


def snapshot_of(candles: tuple[Candle, ...], symbol: str = "ETH", **changes: Any) -> MarketSnapshot:
    """The market right after the newest of `candles` closed, with a modelled book around it."""
    newest = candles[-1]
    half = newest.close * Decimal("0.0001")
    snapshot = MarketSnapshot(
        symbol=symbol,
        interval="5m",
        candles=candles,
        book=TopOfBook(
            bid=newest.close - half,
            ask=newest.close + half,
            bid_size=Decimal(1),
            ask_size=Decimal(1),
            modelled=True,
        ),
        mark=newest.close,
        volume_24h=None,
        funding_rate_8h=None,
        observed_at=from_ms(newest.open_time_ms + STEP),
        source="test",
    )
    return replace(snapshot, **changes)


def features_from(candles: tuple[Candle, ...]) -> Features:
    state = SwarmState()
    for candle in candles:
        state.indicators.update(candle.open_time_ms, as_floats(candle))
    return features_of(state.indicators)


def readings_with(**changes: float) -> Features:
    """The features of a market that does nothing at all at 100, but for `changes`."""
    still = Readings(
        open=100.0,
        high=100.5,
        low=99.5,
        close=100.0,
        previous_close=100.0,
        rsi=50.0,
        macd=0.0,
        macd_signal=0.0,
        macd_histogram=0.0,
        bollinger_lower=99.0,
        bollinger_middle=100.0,
        bollinger_upper=101.0,
        atr=1.0,
        volume=100.0,
        volume_mean=100.0,
        relative_volume=1.0,
        volume_trend=1.0,
        momentum=0.0,
        momentum_ratio=0.0,
        volatility=0.001,
        trend_fast=100.0,
        trend_slow=100.0,
    )
    return Features(
        candles=200,
        newest_open_time_ms=to_ms(NOON) - STEP,
        readings=replace(still, **changes),
    )


def decided(
    snapshot: MarketSnapshot,
    state: str | None = None,
    *,
    tick_id: str = "fetch_market:20260115T120000",
    stale: str | None = None,
    votes: tuple[Vote, ...] | None = None,
) -> tuple[Decision, str]:
    """One decision of the whole swarm, and the state after it."""
    outlook = look(state, snapshot)
    inputs = DecisionInputs(
        snapshot=snapshot,
        indicator_state=state,
        weights=WEIGHTS,
        threshold_act=Decimal("0.60"),
        threshold_hold=Decimal("0.40"),
        code_version="0.1.0",
    )
    decision = conclude(
        outlook,
        votes or votes_now(ROSTER, outlook.features, snapshot),
        agent_id="swarm",
        tick_id=tick_id,
        inputs=inputs,
        stale=stale,
    )
    return decision, outlook.state.to_json()


def recorded_decisions(symbol: str, *, history: int = 200, tail: int = 32) -> Iterator[Decision]:
    """Candle by candle over a recorded symbol, as a replay does it; nothing later is visible."""
    candles = recorded_candles(symbol)
    state = None
    for closed in range(history, len(candles) + 1):
        visible = candles[closed - (tail if state else history) : closed]
        decision, state = decided(snapshot_of(visible, symbol), state, tick_id=f"tick:{closed}")
        yield decision
