"""A market made from a seed, the offline default: each candle is a function of seed and time."""

import math
from collections import OrderedDict
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from random import Random

from common.domain.identifiers import digest
from common.domain.market import INTERVAL_MS, Candle, MarketSnapshot, TopOfBook
from common.domain.moment import to_ms
from common.errors import InvalidInputError, NotFoundError
from common.ports import Clock

BLOCK_BARS = 240
STEPS_PER_BAR = 6
DAY_MS = 86_400_000
MINUTE_MS = 60_000
BLOCKS_KEPT = 24  # per symbol: covers a day of 1m bars, the history and some room

_LEVELS = {"BTC": 105_000, "ETH": 3_600, "SOL": 165, "DOGE": 0.18, "PEPE": 6.5e-6, "WIF": 0.55}
_LEVELS |= {"XRP": 2.4, "BNB": 950, "AVAX": 18, "LINK": 16, "ARB": 0.28, "SUI": 2.1, "HYPE": 38}
_LEVELS |= {"EUR": 1.16, "GBP": 1.32, "USDJPY": 155, "XAU": 4_100, "XAG": 50, "CL": 60}
_LEVELS |= {"US500": 6_700, "NVDA": 190, "AAPL": 270, "TSLA": 410}
_MINUTE_SIGMA = 0.0009  # one minute's standard deviation at volatility 1, about 65 % a year
_VOLATILITY = {"BTC": 0.7, "ETH": 0.9, "SOL": 1.2, "DOGE": 1.4, "PEPE": 1.8, "WIF": 1.9}
_VOLATILITY |= {"EUR": 0.1, "GBP": 0.1, "USDJPY": 0.12, "XAU": 0.25, "XAG": 0.4, "CL": 0.5}
_VOLATILITY |= {"US500": 0.25, "NVDA": 0.6, "AAPL": 0.4, "TSLA": 0.8}
_DRIFTS = (0.0, 0.25, -0.25, 0.45, -0.45)  # of a regime, in standard deviations a bar
_DRIFT_WEIGHTS = (10, 2, 2, 1, 1)
_REGIME_BARS = (10, 36)
_ANCHOR_SWING = 0.06  # how far, in logarithm, a block's ends stray from the level
_DAILY_TURNOVER = 4e8  # quote currency, at volatility 1


@dataclass(frozen=True, slots=True)
class _Block:
    """240 bars, the mid at every step of them, and the running turnover."""

    candles: tuple[Candle, ...]
    mids: tuple[float, ...]  # STEPS_PER_BAR a bar, after the block's first price
    turnover: tuple[Decimal, ...]


class SimulatedFeed:
    """A seeded market behind the `MarketFeed` port; nothing of it is a real price.

    Time is cut into blocks of 240 bars from 1970 on. A block begins and ends on prices that only
    seed, symbol and its number decide, and between them runs a Brownian bridge whose drift and
    volatility switch every 10 to 36 bars. So any moment can be asked for at once, in any order,
    with the same answer. The book stands around the mid of the moment, one basis point wide at
    volatility 1.
    """

    def __init__(self, seed: int, clock: Clock, interval: str) -> None:
        if interval not in INTERVAL_MS:
            raise InvalidInputError(f"unknown interval {interval!r}", where="interval")
        self.label = f"SIMULATED market, seed {seed}: not real prices"
        self._seed = seed
        self._clock = clock
        self._interval = interval
        self._step = INTERVAL_MS[interval]
        self._blocks: dict[str, OrderedDict[int, _Block]] = {}

    async def snapshot(self, symbol: str, *, candles: int) -> MarketSnapshot:
        if not (symbol.isascii() and symbol.isalnum() and symbol.isupper() and len(symbol) <= 20):
            raise NotFoundError(f"the simulated market has no {symbol[:20]!r}")
        now = self._clock.now()
        bar, since = divmod(to_ms(now), self._step)
        mid = self._mid(symbol, bar, since * STEPS_PER_BAR // self._step)
        tick = _tick(_level(symbol))
        return MarketSnapshot(
            symbol=symbol,
            interval=self._interval,
            candles=self._closed(symbol, bar, candles),
            book=self._book(symbol, bar, since, mid, tick),
            mark=_money(mid, tick),
            volume_24h=self._volume_24h(symbol, bar),
            funding_rate_8h=self._funding(symbol, bar),
            observed_at=now,
            source="simulated",
        )

    def _closed(self, symbol: str, bar: int, count: int) -> tuple[Candle, ...]:
        found: list[Candle] = []
        at = bar - count
        while at < bar:
            number, offset = divmod(at, BLOCK_BARS)
            found.extend(self._block(symbol, number).candles[offset : offset + bar - at])
            at = (number + 1) * BLOCK_BARS
        return tuple(found)

    def _mid(self, symbol: str, bar: int, step: int) -> float:
        number, offset = divmod(bar, BLOCK_BARS)
        return self._block(symbol, number).mids[offset * STEPS_PER_BAR + step]

    def _volume_24h(self, symbol: str, bar: int) -> Decimal:
        """Of the whole bars inside 24 h; a longer bar counts as one."""
        return self._turnover(symbol, bar) - self._turnover_between(
            symbol, bar, max(1, DAY_MS // self._step)
        )

    def _turnover(self, symbol: str, bar: int) -> Decimal:
        number, offset = divmod(bar, BLOCK_BARS)
        return self._block(symbol, number).turnover[offset]

    def _turnover_between(self, symbol: str, bar: int, bars: int) -> Decimal:
        """What to take from `_turnover(bar)` so that the rest is the turnover of `bars` bars."""
        first, offset = divmod(bar - bars, BLOCK_BARS)
        between = range(first, bar // BLOCK_BARS)
        whole = sum((self._block(symbol, number).turnover[-1] for number in between), Decimal(0))
        return self._block(symbol, first).turnover[offset] - whole

    def _funding(self, symbol: str, bar: int) -> Decimal:
        period = bar * self._step // (DAY_MS // 3)
        spread = _unit(self._seed, symbol, "funding", period) * 4 - 1.5
        return Decimal(round(spread * 1e4)) * Decimal("1e-8")

    def _book(self, symbol: str, bar: int, since: int, mid: float, tick: Decimal) -> TopOfBook:
        volatility = _volatility(symbol)
        half = mid * 0.5e-4 * volatility
        bid = _money(mid - half, tick)
        ask = max(_money(mid + half, tick), bid + tick)
        depth = _DAILY_TURNOVER * volatility / 2000 / mid
        lean = _unit(self._seed, symbol, "book", bar, since) * 0.6 + 0.7
        size = _tick(depth)
        return TopOfBook(
            bid=bid,
            ask=ask,
            bid_size=_money(depth * lean, size),
            ask_size=_money(depth * (2 - lean), size),
            modelled=False,
        )

    def _block(self, symbol: str, number: int) -> _Block:
        kept = self._blocks.setdefault(symbol, OrderedDict())
        if number not in kept:
            kept[number] = _generate(self._seed, symbol, number, self._step)
            if len(kept) > BLOCKS_KEPT:
                kept.popitem(last=False)
        kept.move_to_end(number)
        return kept[number]


def _generate(seed: int, symbol: str, number: int, step_ms: int) -> _Block:
    random = Random(int(digest(seed, symbol, number, step_ms)[:16], 16))
    sigma = _MINUTE_SIGMA * _volatility(symbol) * math.sqrt(step_ms / MINUTE_MS)
    walk, factors = _walk(random, sigma)
    start, end = (_anchor(seed, symbol, n, step_ms) for n in (number, number + 1))
    pull = (end - start - walk[-1]) / (len(walk) - 1)
    mids = tuple(math.exp(start + at + pull * i) for i, at in enumerate(walk))
    opened_ms = range(number * BLOCK_BARS * step_ms, (number + 1) * BLOCK_BARS * step_ms, step_ms)
    candles = _candles(random, mids, factors, symbol, opened_ms)
    turnover = accumulate((c.close * c.volume for c in candles), initial=Decimal(0))
    return _Block(candles, mids, tuple(turnover))


def _walk(random: Random, sigma: float) -> tuple[list[float], list[float]]:
    """The logarithm's path over a block's steps from 0, and each bar's volatility factor."""
    at, path, factors = 0.0, [0.0], list[float]()
    while len(factors) < BLOCK_BARS:
        drift = random.choices(_DRIFTS, _DRIFT_WEIGHTS)[0]
        factor = random.uniform(0.6, 1.5)
        for _ in range(min(random.randint(*_REGIME_BARS), BLOCK_BARS - len(factors))):
            factors.append(factor)
            for _ in range(STEPS_PER_BAR):
                shock = random.gauss(0.0, 1.0) / math.sqrt(STEPS_PER_BAR)
                at += sigma * (drift / STEPS_PER_BAR + factor * shock)
                path.append(at)
    return path, factors


def _candles(
    random: Random,
    mids: tuple[float, ...],
    factors: list[float],
    symbol: str,
    opened_ms: range,
) -> tuple[Candle, ...]:
    tick = _tick(_level(symbol))
    usual = _DAILY_TURNOVER * _volatility(symbol) * opened_ms.step / DAY_MS / _level(symbol)
    sigma = _MINUTE_SIGMA * math.sqrt(opened_ms.step / MINUTE_MS)
    lot = _tick(usual)
    candles = []
    for bar, (opened, factor) in enumerate(zip(opened_ms, factors, strict=True)):
        path = mids[bar * STEPS_PER_BAR : (bar + 1) * STEPS_PER_BAR + 1]
        moved = abs(math.log(path[-1] / path[0])) / sigma
        volume = usual * factor * random.lognormvariate(-0.1, 0.45) * (0.7 + 0.4 * moved)
        candles.append(
            Candle(
                open_time_ms=opened,
                open=_money(path[0], tick),
                high=_money(max(path), tick),
                low=_money(min(path), tick),
                close=_money(path[-1], tick),
                volume=_money(volume, lot),
            )
        )
    return tuple(candles)


def _anchor(seed: int, symbol: str, number: int, step_ms: int) -> float:
    """The logarithm of the price at which a block begins."""
    swing = _ANCHOR_SWING * min(3.0, math.sqrt(step_ms / (5 * MINUTE_MS)))
    return math.log(_level(symbol)) + swing * (2 * _unit(seed, symbol, "anchor", number) - 1)


def _level(symbol: str) -> float:
    """Near the real one for well-known tokens; between 0.01 and 100 from the name for others."""
    return _LEVELS.get(symbol) or 10 ** (4 * _unit("level", symbol) - 2)


def _volatility(symbol: str) -> float:
    return _VOLATILITY.get(symbol, 1.3)


def _unit(*parts: str | int) -> float:
    """A number in [0, 1) from the parts."""
    return int(digest(*parts)[:13], 16) / 16**13


def _tick(level: float) -> Decimal:
    """The decimal step, at most 1, that gives this level at least six significant figures."""
    return Decimal(1).scaleb(min(0, math.floor(math.log10(level)) - 5))


def _money(value: float, tick: Decimal) -> Decimal:
    return round(value / float(tick)) * tick
