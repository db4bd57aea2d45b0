"""Candles of a market that stays around its mark, for whoever runs a stand-in on this machine."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from common.domain.identifiers import digest
from common.domain.market import INTERVAL_MS
from common.domain.moment import to_ms
from common.domain.money import plain
from common.ports import Clock

ROWS = 500
_SWING = Decimal("0.001")  # how far a bar's ends stray from the mark
_DIGITS = 6


class QuietCandles(Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]):
    """Rows as candleSnapshot gives them, up to the bar that is still open.

    The same coin, interval and moment give the same bar, however often they are asked for.
    """

    def __init__(self, marks: Mapping[str, Decimal], clock: Clock) -> None:
        self._marks = marks
        self._clock = clock

    def __getitem__(self, key: tuple[str, str]) -> Sequence[Mapping[str, Any]]:
        coin, interval = key
        mark, step = self._marks[coin], INTERVAL_MS[interval]
        newest = to_ms(self._clock.now()) // step
        starts = range((newest - ROWS + 1) * step, (newest + 1) * step, step)
        return [self._row(coin, interval, mark, start) for start in starts]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((coin, interval) for coin in self._marks for interval in INTERVAL_MS)

    def __len__(self) -> int:
        return len(self._marks) * len(INTERVAL_MS)

    @staticmethod
    def _row(coin: str, interval: str, mark: Decimal, start: int) -> Mapping[str, Any]:
        end = start + INTERVAL_MS[interval]
        first, last = _price(coin, mark, start), _price(coin, mark, end)
        return {
            "t": start,
            "T": end - 1,
            "s": coin,
            "i": interval,
            "o": plain(first),
            "c": plain(last),
            "h": plain(max(first, last)),
            "l": plain(min(first, last)),
            "v": plain(Decimal(100_000) // mark + 1),
            "n": 10,
        }


def _price(coin: str, mark: Decimal, moment: int) -> Decimal:
    share = Decimal(int(digest("quiet-candle", coin, moment)[:8], 16)) / 2**31 - 1
    price = mark * (1 + share * _SWING)
    return price.quantize(Decimal(1).scaleb(price.adjusted() - _DIGITS))
