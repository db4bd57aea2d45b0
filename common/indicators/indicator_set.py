"""All indicators of one symbol, advanced together candle by candle."""

import json
from dataclasses import dataclass, field
from typing import Any

from common.errors import InvalidInputError
from common.indicators.atr import Atr
from common.indicators.bollinger import Bollinger
from common.indicators.ema import Ema
from common.indicators.macd import Macd
from common.indicators.momentum import Momentum
from common.indicators.rsi import Rsi
from common.indicators.state import dump, restore
from common.indicators.volume import Volume

WARM_AFTER = 50
"""Candles until every indicator has a value: the slow trend average is the last."""


@dataclass(slots=True)
class IndicatorSet:
    """The newest candle and every indicator up to it. Prices in quote, volume in base units."""

    count: int = 0
    last_open_time_ms: int | None = None
    open: float = 0.0
    high: float = 0.0
    low: float = 0.0
    close: float = 0.0
    volume: float = 0.0
    previous_close: float = 0.0
    rsi: Rsi = field(default_factory=Rsi)
    macd: Macd = field(default_factory=Macd)
    bollinger: Bollinger = field(default_factory=Bollinger)
    atr: Atr = field(default_factory=Atr)
    volumes: Volume = field(default_factory=Volume)
    momentum: Momentum = field(default_factory=Momentum)
    trend_fast: Ema = field(default_factory=lambda: Ema(20))
    trend_slow: Ema = field(default_factory=lambda: Ema(WARM_AFTER))

    @property
    def is_warm(self) -> bool:
        return self.count >= WARM_AFTER

    def update(self, open_time_ms: int, candle: tuple[float, float, float, float, float]) -> None:
        """Take the next closed candle: open, high, low, close and volume.

        Raises:
            InvalidInputError: the candle is not newer than the last one.
        """
        if self.last_open_time_ms is not None and open_time_ms <= self.last_open_time_ms:
            raise InvalidInputError(
                f"candle {open_time_ms} is not newer than {self.last_open_time_ms}",
                code="CANDLE_NOT_NEWER",
                where="candles",
            )
        open_, high, low, close, volume = candle
        self.count += 1
        self.last_open_time_ms = open_time_ms
        self.previous_close = self.close if self.count > 1 else open_
        self.open, self.high, self.low = open_, high, low
        self.close, self.volume = close, volume
        self.rsi.update(close)
        self.macd.update(close)
        self.bollinger.push(close)
        self.atr.update(high, low, close)
        self.volumes.push(volume)
        self.momentum.push(close)
        self.trend_fast.update(close)
        self.trend_slow.update(close)

    def dump(self) -> list[Any]:
        return dump(self)

    @classmethod
    def restore(cls, values: object) -> "IndicatorSet":
        """Raises InvalidInputError when `values` is not what `dump` of this version wrote."""
        fresh = cls()
        restore(fresh, values)
        return fresh

    def to_json(self) -> str:
        """Canonical: no spaces, floats by their shortest text."""
        return json.dumps(self.dump(), separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "IndicatorSet":
        """Raises InvalidInputError when `text` is not what `to_json` of this version wrote."""
        try:
            values = json.loads(text)
        except ValueError as error:
            raise InvalidInputError(
                str(error), code="INVALID_STATE", where="IndicatorSet"
            ) from None
        return cls.restore(values)
