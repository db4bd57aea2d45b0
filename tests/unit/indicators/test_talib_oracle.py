"""Every indicator equals TA-Lib on recorded candles, to 1e-9 relative."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import talib

from common.indicators.atr import Atr
from common.indicators.bollinger import Bollinger
from common.indicators.ema import Ema
from common.indicators.macd import Macd
from common.indicators.momentum import Momentum
from common.indicators.rsi import Rsi
from common.indicators.volume import Volume
from tests.unit.what.recorded import SYMBOLS, as_floats, recorded_candles

Columns = dict[str, Any]


@pytest.fixture(params=[(symbol, interval) for symbol in SYMBOLS for interval in ("5m", "1h")])
def columns(request: pytest.FixtureRequest) -> Columns:
    symbol, interval = request.param
    table = np.array([as_floats(candle) for candle in recorded_candles(symbol, interval)])
    assert len(table) == 1000
    return dict(zip(("open", "high", "low", "close", "volume"), table.T.copy(), strict=True))


def _assert_equal(ours: list[float | None], oracle: Any, scale: Any = None) -> None:
    """Same bars without a value, and the same values; `scale` where values pass through 0."""
    mine = np.array([np.nan if value is None else value for value in ours])
    assert np.array_equal(np.isnan(mine), np.isnan(oracle))
    both = ~np.isnan(oracle)
    assert both.sum() > 900
    size = np.abs(oracle if scale is None else scale)[both]
    assert np.max(np.abs(mine - oracle)[both] / size) < 1e-9


def test_rsi_on_recorded_candles_equals_talib(columns: Columns) -> None:
    rsi = Rsi(14)
    ours = [rsi.update(close) for close in columns["close"].tolist()]
    _assert_equal(ours, talib.RSI(columns["close"], 14))


def test_macd_on_recorded_candles_equals_talib(columns: Columns) -> None:
    """All three lines pass through 0, so the error is held against the size of the averages."""
    macd = Macd()
    ours = [macd.update(close) for close in columns["close"].tolist()]
    oracle = talib.MACD(columns["close"], 12, 26, 9)
    reads: tuple[Callable[[Any], float], ...] = (
        lambda value: value.macd,
        lambda value: value.signal,
        lambda value: value.histogram,
    )
    for read, line in zip(reads, oracle, strict=True):
        values = [None if value is None else read(value) for value in ours]
        _assert_equal(values, line, scale=np.full(len(line), np.nanmedian(np.abs(line))))


def test_bollinger_on_recorded_candles_equals_talib(columns: Columns) -> None:
    bollinger = Bollinger(20, 2.0)
    ours = [bollinger.update(close) for close in columns["close"].tolist()]
    upper, middle, lower = talib.BBANDS(columns["close"], 20, 2.0, 2.0)
    _assert_equal([bands and bands.upper for bands in ours], upper)
    _assert_equal([bands and bands.middle for bands in ours], middle)
    _assert_equal([bands and bands.lower for bands in ours], lower)


def test_atr_on_recorded_candles_equals_talib(columns: Columns) -> None:
    atr = Atr(14)
    rows = zip(*(columns[name].tolist() for name in ("high", "low", "close")), strict=True)
    ours = [atr.update(high, low, close) for high, low, close in rows]
    _assert_equal(ours, talib.ATR(columns["high"], columns["low"], columns["close"], 14))


@pytest.mark.parametrize("period", [20, 50])
def test_ema_on_recorded_candles_equals_talib(columns: Columns, period: int) -> None:
    ema = Ema(period)
    ours = [ema.update(close) for close in columns["close"].tolist()]
    _assert_equal(ours, talib.EMA(columns["close"], period))


def test_volume_mean_on_recorded_candles_equals_talib(columns: Columns) -> None:
    volumes = Volume(20)
    ours = [volumes.update(volume) for volume in columns["volume"].tolist()]
    mean = talib.SMA(columns["volume"], 20)
    relative = columns["volume"][1:] / mean[:-1]
    assert ours[19] is None  # one bar more than the mean: it is compared with the bars before it
    _assert_equal([value and value.mean for value in ours[20:]], mean[20:])
    _assert_equal([value and value.relative for value in ours[20:]], relative[19:])


def test_momentum_on_recorded_candles_equals_talib(columns: Columns) -> None:
    momentum = Momentum(20)
    ours = [momentum.update(close) for close in columns["close"].tolist()]
    oracle = talib.ROCP(columns["close"], 20)
    _assert_equal([value and value.change for value in ours], oracle, scale=np.ones(len(oracle)))
