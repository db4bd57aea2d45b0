"""Each agent's word on a market made for it."""

from dataclasses import replace
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.domain.market import MarketSnapshot, TopOfBook
from common.domain.moment import from_ms
from common.domain.vote import Action, Stance, Vote
from common.what.swarm import degen_hunter, quant_alpha, risk_guardian, sentiment_sage
from common.what.swarm.features import Features, confidence
from tests.unit.what.recorded import (
    STEP,
    features_from,
    readings_with,
    snapshot_of,
    surging_candles,
)

SURGE = surging_candles()
COLD = Features(candles=12, newest_open_time_ms=SURGE[-1].open_time_ms, readings=None)
UP = {
    "rsi": 72.0,
    "trend_fast": 100.0,
    "trend_slow": 98.0,
    "macd_histogram": 0.3,
    "close": 101.0,
    "momentum": 0.02,
    "momentum_ratio": 2.0,
}
DOWN = {
    "rsi": 28.0,
    "trend_fast": 100.0,
    "trend_slow": 102.0,
    "macd_histogram": -0.3,
    "close": 99.0,
    "momentum": -0.02,
    "momentum_ratio": -2.0,
}


def _snapshot(**changes: Any) -> MarketSnapshot:
    """Around 100, where `readings_with` stands, right after its newest candle closed."""
    book = TopOfBook(
        bid=Decimal("99.99"),
        ask=Decimal("100.01"),
        bid_size=Decimal(1),
        ask_size=Decimal(1),
        modelled=True,
    )
    return snapshot_of(SURGE, book=book, mark=Decimal(100), **changes)


def _book(snapshot: MarketSnapshot, **changes: Any) -> MarketSnapshot:
    return replace(snapshot, book=replace(snapshot.book, **changes))


@pytest.mark.parametrize("agent", [quant_alpha, risk_guardian, degen_hunter])
def test_agent_when_indicators_are_cold_abstains_and_says_how_cold(
    agent: ModuleType,
) -> None:
    vote: Vote = agent.vote(COLD, _snapshot())
    assert vote.stance is Stance.ABSTAINED
    assert vote.reasons == ("indicators are warming up: 12 of 50 candles",)


def test_agent_when_prices_were_0_abstains_with_that_reason() -> None:
    vote = quant_alpha.vote(replace(COLD, candles=80), _snapshot())
    assert vote.stance is Stance.ABSTAINED
    assert "not above 0" in vote.reasons[0]


def test_sentiment_sage_when_there_is_no_text_abstains() -> None:
    vote = sentiment_sage.vote(features_from(SURGE), _snapshot())
    assert (vote.stance, vote.reasons) == (Stance.ABSTAINED, ("no text",))


def test_quant_alpha_when_indicators_agree_follows_them_both_ways() -> None:
    up = quant_alpha.vote(readings_with(**UP), _snapshot())
    down = quant_alpha.vote(readings_with(**DOWN), _snapshot())
    assert (up.action, down.action) == (Action.BUY, Action.SELL)
    assert up.confidence == down.confidence > Decimal("0.6")
    assert len(up.reasons) == 5
    assert any("RSI is 72.0" in reason for reason in up.reasons)


def test_quant_alpha_when_nothing_moves_holds() -> None:
    vote = quant_alpha.vote(readings_with(), _snapshot())
    assert (vote.stance, vote.action, vote.confidence) == (Stance.VOTED, Action.HOLD, Decimal(1))


def test_quant_alpha_when_the_range_is_zero_holds_instead_of_dividing_by_it() -> None:
    flat = readings_with(atr=0.0, bollinger_upper=100.0, bollinger_lower=100.0)
    assert quant_alpha.vote(flat, _snapshot()).action is Action.HOLD


def test_quant_alpha_when_rsi_is_exhausted_halves_its_confidence() -> None:
    strong = quant_alpha.vote(readings_with(**{**UP, "rsi": 85.0}), _snapshot())
    spent = quant_alpha.vote(readings_with(**{**UP, "rsi": 85.1}), _snapshot())
    assert abs(spent.confidence - strong.confidence / 2) <= Decimal("0.0001")
    assert "exhausted" in spent.reasons[0]
    assert len(spent.reasons) == 5


def test_risk_guardian_when_momentum_is_strong_for_its_risk_votes_with_it() -> None:
    up = risk_guardian.vote(readings_with(**UP), _snapshot())
    down = risk_guardian.vote(readings_with(**DOWN), _snapshot())
    assert (up.action, up.confidence) == (Action.BUY, Decimal("0.8"))
    assert (down.action, down.confidence) == (Action.SELL, Decimal("0.8"))


def test_risk_guardian_when_all_is_calm_holds() -> None:
    vote = risk_guardian.vote(readings_with(), _snapshot())
    assert (vote.stance, vote.action) == (Stance.VOTED, Action.HOLD)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bid": Decimal(0)}, "no usable price"),
        ({"ask": Decimal(0)}, "no usable price"),
        ({"bid": Decimal("100.02")}, "crossed book"),
        ({"bid": Decimal("99.5")}, "spread"),
    ],
)
def test_risk_guardian_when_the_book_is_unusable_vetoes(
    changes: dict[str, Decimal], reason: str
) -> None:
    vote = risk_guardian.vote(readings_with(**UP), _book(_snapshot(), **changes))
    assert (vote.stance, vote.action) == (Stance.VETOED, Action.HOLD)
    assert vote.reasons[0].startswith(reason)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"atr": 3.1}, "ATR 3.10% of the price is extreme"),
        ({"open": 105.1}, "gap: the candle opened 5.1 ATR"),
        ({"open": 94.9}, "gap: the candle opened 5.1 ATR"),
        ({"close": 94.9}, "gap: the mark is 5.1 ATR"),
    ],
)
def test_risk_guardian_when_the_market_is_extreme_vetoes(
    changes: dict[str, float], reason: str
) -> None:
    vote = risk_guardian.vote(readings_with(**changes), _snapshot())
    assert vote.stance is Stance.VETOED
    assert vote.reasons[0].startswith(reason)


def test_risk_guardian_when_candles_are_longer_allows_more_range() -> None:
    wide = readings_with(atr=3.1)
    assert risk_guardian.vote(wide, _snapshot(interval="15m")).stance is Stance.VOTED


def test_risk_guardian_when_the_newest_candles_are_missing_vetoes() -> None:
    on_time = _snapshot(observed_at=from_ms(SURGE[-1].open_time_ms + 3 * STEP))
    too_late = _snapshot(observed_at=from_ms(SURGE[-1].open_time_ms + 3 * STEP + 1))
    assert risk_guardian.vote(readings_with(), on_time).stance is Stance.VOTED
    assert risk_guardian.vote(readings_with(), too_late).stance is Stance.VETOED


def test_risk_guardian_when_there_is_no_candle_vetoes() -> None:
    nothing = Features(candles=0, newest_open_time_ms=None, readings=None)
    assert risk_guardian.vote(nothing, _snapshot()).reasons == ("no closed candle",)


def test_degen_hunter_when_volume_surges_follows_the_candle() -> None:
    buyers = readings_with(close=100.5, high=100.5, low=99.5, relative_volume=3.0, volume_trend=2.0)
    sellers = readings_with(close=99.5, high=100.5, low=99.5, relative_volume=3.0, volume_trend=2.0)
    up, down = (degen_hunter.vote(flow, _snapshot()) for flow in (buyers, sellers))
    assert (up.action, down.action) == (Action.BUY, Action.SELL)
    assert up.confidence == down.confidence == Decimal("0.75")
    assert "volume is 3.00 times the usual" in up.reasons


def test_degen_hunter_when_volume_is_thin_holds() -> None:
    thin = readings_with(close=100.5, high=100.5, low=99.5, relative_volume=0.2, volume_trend=1.0)
    assert degen_hunter.vote(thin, _snapshot()).action is Action.HOLD


def test_degen_hunter_when_the_book_is_modelled_ignores_it() -> None:
    lopsided = _book(_snapshot(), bid_size=Decimal(99))
    modelled = degen_hunter.vote(readings_with(), lopsided)
    real = degen_hunter.vote(readings_with(), _book(lopsided, modelled=False))
    assert modelled.action is Action.HOLD
    assert (real.action, real.confidence) == (Action.BUY, Decimal("0.147"))


def test_degen_hunter_when_the_real_book_is_empty_counts_it_as_even() -> None:
    empty = _book(_snapshot(), bid_size=Decimal(0), ask_size=Decimal(0), modelled=False)
    assert degen_hunter.vote(readings_with(), empty).action is Action.HOLD


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.12345, "0.1234"), (0.12355, "0.1236"), (1.5, "1.0000"), (-0.1, "0.0000"), (1e-7, "0.0000")],
)
def test_confidence_of_a_float_has_4_decimals_ties_to_even(value: float, text: str) -> None:
    assert str(confidence(value)) == text


@settings(deadline=None)  # the machine may be shared
@given(
    st.fixed_dictionaries(
        {
            "rsi": st.floats(0, 100),
            "atr": st.floats(0, 1e9),
            "macd_histogram": st.floats(-1e9, 1e9),
            "close": st.floats(1e-9, 1e9),
            "relative_volume": st.floats(0, 1e9),
            "volume_trend": st.floats(0, 20),
            "momentum_ratio": st.floats(-1e6, 1e6),
            "trend_fast": st.floats(1e-9, 1e9),
        }
    )
)
def test_agents_on_any_readings_stay_in_bounds(changes: dict[str, float]) -> None:
    features = readings_with(**changes)
    for agent in (quant_alpha, risk_guardian, degen_hunter):
        vote = agent.vote(features, _snapshot())
        assert 0 <= vote.confidence <= 1
        assert 1 <= len(vote.reasons) <= 5
        assert vote.confidence.as_tuple().exponent == -4
