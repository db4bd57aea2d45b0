"""What holds of every indicator on any prices at all."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import InvalidInputError
from common.indicators.atr import Atr
from common.indicators.bollinger import Bollinger
from common.indicators.indicator_set import WARM_AFTER, IndicatorSet
from common.indicators.momentum import Momentum
from common.indicators.rsi import Rsi
from common.indicators.volume import Volume

PRICES = st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=120)
CANDLES = st.lists(
    st.tuples(*[st.floats(1e-9, 1e9)] * 4, st.floats(0, 1e12)), min_size=1, max_size=90
)


@settings(deadline=None)  # the machine may be shared
@given(PRICES)
def test_rsi_on_any_prices_stays_within_0_and_100(prices: list[float]) -> None:
    rsi = Rsi()
    for price in prices:
        value = rsi.update(price)
        assert value is None or 0.0 <= value <= 100.0
    assert (rsi.value is not None) == (len(prices) > 14)


@settings(deadline=None)  # the machine may be shared
@given(PRICES)
def test_bollinger_on_any_prices_keeps_its_bands_in_order(prices: list[float]) -> None:
    bollinger = Bollinger()
    for price in prices:
        bands = bollinger.update(price)
        assert bands is None or bands.lower <= bands.middle <= bands.upper


@settings(deadline=None)  # the machine may be shared
@given(CANDLES)
def test_atr_on_any_candles_is_never_negative(
    candles: list[tuple[float, float, float, float, float]],
) -> None:
    atr = Atr()
    for _, one, other, close, _ in candles:
        value = atr.update(max(one, other), min(one, other), close)
        assert value is None or value >= 0.0


@settings(deadline=None)  # the machine may be shared
@given(CANDLES, st.data())
def test_indicator_set_stored_midway_goes_on_as_if_it_had_not_been(
    candles: list[tuple[float, float, float, float, float]], data: st.DataObject
) -> None:
    stop = data.draw(st.integers(0, len(candles)))
    kept, stored = IndicatorSet(), IndicatorSet()
    for number, candle in enumerate(candles):
        if number == stop:
            stored = IndicatorSet.from_json(stored.to_json())
        kept.update(number, candle)
        stored.update(number, candle)
    assert stored == kept
    assert stored.to_json() == kept.to_json()


def _filled(count: int) -> IndicatorSet:
    indicators = IndicatorSet()
    for number in range(count):
        price = 100.0 + number % 7
        indicators.update(number * 300_000, (price, price + 1, price - 1, price + 0.5, 10.0))
    return indicators


def test_rsi_when_nothing_moves_reads_neutral() -> None:
    rsi = Rsi()
    assert [rsi.update(5.0) for _ in range(15)][-1] == 50.0


def test_rsi_when_it_only_rises_reads_100() -> None:
    rsi = Rsi()
    assert [rsi.update(float(price)) for price in range(1, 16)][-1] == 100.0


def test_volume_when_none_traded_before_reads_0() -> None:
    volumes = Volume()
    assert [volumes.update(0.0) for _ in range(21)][-1] == (0.0, 0.0, 0.0)


def test_momentum_when_a_close_is_0_has_no_value() -> None:
    momentum = Momentum()
    assert [momentum.update(float(price)) for price in range(21)][-1] is None


def test_momentum_when_nothing_moves_is_0() -> None:
    momentum = Momentum()
    assert [momentum.update(7.0) for _ in range(21)][-1] == (0.0, 0.0, 0.0)


def test_indicator_set_when_its_slowest_indicator_has_a_value_is_warm() -> None:
    cold, warm = _filled(WARM_AFTER - 1), _filled(WARM_AFTER)
    assert not cold.is_warm
    assert cold.trend_slow.value is None
    assert warm.is_warm
    values = (
        warm.rsi.value,
        warm.macd.value,
        warm.bollinger.value,
        warm.atr.value,
        warm.volumes.value,
        warm.momentum.value,
        warm.trend_fast.value,
        warm.trend_slow.value,
    )
    assert None not in values
    assert warm.last_open_time_ms == (WARM_AFTER - 1) * 300_000


@pytest.mark.parametrize("open_time_ms", [0, 300_000])
def test_indicator_set_when_a_candle_is_not_newer_refuses_it_unchanged(open_time_ms: int) -> None:
    indicators = _filled(2)
    before = indicators.to_json()
    with pytest.raises(InvalidInputError, match="not newer"):
        indicators.update(open_time_ms, (1.0, 1.0, 1.0, 1.0, 1.0))
    assert indicators.to_json() == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1,2]",
        "null",
        json.dumps([*_filled(3).dump()[:-1], None]),
        json.dumps([*_filled(3).dump()[:-1], [50, 3, 1.0, "1"]]),
        json.dumps([[3], *_filled(3).dump()[1:]]),
    ],
)
def test_indicator_set_from_damaged_text_says_what_is_wrong(text: str) -> None:
    with pytest.raises(InvalidInputError):
        IndicatorSet.from_json(text)
