"""Relative strength index."""

from dataclasses import dataclass


@dataclass(slots=True)
class Rsi:
    """J. Welles Wilder, New Concepts in Technical Trading Systems (1978), chapter VI. 0..100.

    RSI = 100 * G / (G + L), where G and L are Wilder averages of rises and falls: the mean of the
    first `period` changes, then `(average * (period - 1) + change) / period`. First value after
    `period` + 1 closes. A market that never moved (G + L = 0) reads 50, neither strong nor weak;
    TA-Lib reads 0 there, which would look oversold.
    """

    period: int = 14
    count: int = 0
    previous: float | None = None
    gain: float = 0.0
    loss: float = 0.0

    def update(self, close: float) -> float | None:
        previous, self.previous = self.previous, close
        if previous is None:
            return None
        change = close - previous
        rise = change if change > 0 else 0.0
        fall = -change if change < 0 else 0.0
        if self.count < self.period:
            self.count += 1
            self.gain += rise
            self.loss += fall
            if self.count == self.period:
                self.gain /= self.period
                self.loss /= self.period
        else:
            self.gain = (self.gain * (self.period - 1) + rise) / self.period
            self.loss = (self.loss * (self.period - 1) + fall) / self.period
        return self.value

    @property
    def value(self) -> float | None:
        if self.count < self.period:
            return None
        both = self.gain + self.loss
        return 100.0 * (self.gain / both) if both > 0 else 50.0
