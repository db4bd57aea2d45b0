"""Live public prices of Hyperliquid's `/info`: read-only, no key, weight-aware."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from common.domain.market import INTERVAL_MS, Candle, MarketSnapshot
from common.domain.moment import from_ms, to_ms
from common.domain.money import ZERO
from common.errors import (
    ConfigurationError,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    TransientError,
)
from common.ports import Clock
from infra.outside.cloud import guarding_transport
from infra.venues.fields import as_list, as_object, whole
from infra.venues.hyperliquid.parse import (
    AssetContext,
    closed_candles,
    parse_asset_contexts,
    parse_book,
    parse_meta,
)
from infra.whole_body import ACCEPT, BodyRefusedError, whole_body

if TYPE_CHECKING:
    import httpx

API_URL = "https://api.hyperliquid.xyz"
TESTNET_URL = "https://api.hyperliquid-testnet.xyz"
ANSWER_BYTES_MAX = 5 * 1024 * 1024
CONTEXTS_KEPT = timedelta(seconds=20)  # one tick's symbols share one answer
AHEAD_MAX = timedelta(minutes=5)  # of the venue's clock; a book from later is none
_LATEST_MS = 253_402_300_799_999


@dataclass(frozen=True, slots=True)
class _Contexts:
    fetched_at: datetime
    coins: dict[str, str]  # symbol -> Hyperliquid's name: PEPE -> kPEPE
    by_symbol: dict[str, AssetContext]
    refused: dict[str, str]  # symbol -> what is wrong with its context


class HyperliquidFeed:
    """Hyperliquid behind the `MarketFeed` port.

    A tick of n symbols costs an IP weight of about 20 + 26 n of the 1,200 a minute: one
    metaAndAssetCtxs (20), and for each symbol l2Book (2) and candleSnapshot (20, and 1 more for
    each 60 candles). A bar inside the history in which nothing was traded is not served; it is
    filled in flat, with volume 0. `observed_at` is the book's own time, never later than now.
    Source: hyperliquid.gitbook.io, API > Rate limits and user limits; Info endpoint.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        interval: str,
        client: "httpx.AsyncClient | None" = None,
    ) -> None:
        if interval not in INTERVAL_MS:
            raise InvalidInputError(f"unknown interval {interval!r}", where="interval")
        self.label = f"live prices of Hyperliquid ({url})"
        self._url = f"{url.rstrip('/')}/info"
        self._clock = clock
        self._interval = interval
        self._step = INTERVAL_MS[interval]
        self._client = client
        self._contexts: _Contexts | None = None
        self._asking = asyncio.Lock()

    async def snapshot(self, symbol: str, *, candles: int) -> MarketSnapshot:
        contexts = await self._current_contexts()
        coin = contexts.coins.get(symbol)
        if coin is None:
            raise NotFoundError(f"Hyperliquid lists no {symbol[:20]!r}")
        if symbol in contexts.refused:
            raise InvalidInputError(contexts.refused[symbol], where="metaAndAssetCtxs")
        bars, book = await asyncio.gather(self._candles(coin, candles), self._book(coin))
        now = self._clock.now()
        closed = tuple(_without_gaps(closed_candles(bars, symbol, now), self._step)[-candles:])
        if not closed:
            raise InvalidInputError("has no closed candle", where=f"candleSnapshot.{coin}")
        seen_at = from_ms(whole(as_object(book, "l2Book"), "time", "l2Book", most=_LATEST_MS))
        if seen_at > now + AHEAD_MAX:
            raise InvalidInputError("is in the future", where="l2Book.time")
        context = contexts.by_symbol[symbol]
        return MarketSnapshot(
            symbol=symbol,
            interval=self._interval,
            candles=closed,
            book=parse_book(book),
            mark=context.mark,
            volume_24h=context.volume_24h,
            funding_rate_8h=context.funding_rate_8h,
            observed_at=min(seen_at, now),
            source="live:hyperliquid",
        )

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _current_contexts(self) -> _Contexts:
        async with self._asking:
            now = self._clock.now()
            kept = self._contexts
            if kept is not None and now - kept.fetched_at < CONTEXTS_KEPT:
                return kept
            answer = await self._ask({"type": "metaAndAssetCtxs"})
            meta = as_list(answer, "metaAndAssetCtxs")[:1]
            table = parse_meta(meta[0] if meta else None, now, "live")
            coins = {item.symbol: item.venue_symbol for item in table.instruments}
            self._contexts = _Contexts(now, coins, *parse_asset_contexts(answer))
            return self._contexts

    async def _candles(self, coin: str, count: int) -> object:
        now_ms = to_ms(self._clock.now())
        first_ms = (now_ms // self._step - count) * self._step
        request = {"coin": coin, "interval": self._interval}
        times = {"startTime": first_ms, "endTime": now_ms}
        answer = await self._ask({"type": "candleSnapshot", "req": {**request, **times}})
        return _present(answer, coin)

    async def _book(self, coin: str) -> object:
        return _present(await self._ask({"type": "l2Book", "coin": coin}), coin)

    async def _ask(self, request: dict[str, object]) -> object:
        import httpx

        what = str(request["type"])
        try:
            async with self._http().stream("POST", self._url, json=request) as response:
                _check_status(response, what)
                body = await whole_body(response, most=ANSWER_BYTES_MAX)
        except BodyRefusedError as error:
            raise TransientError(f"Hyperliquid {what}: the answer is {error}") from None
        except httpx.InvalidURL as error:
            raise ConfigurationError(f"HYPERLIQUID_API_URL is not a URL: {error}") from None
        except httpx.UnsupportedProtocol:
            raise ConfigurationError("HYPERLIQUID_API_URL must begin with https://") from None
        except httpx.RequestError as error:
            raise TransientError(
                f"Hyperliquid cannot be reached ({what}: {type(error).__name__}); it is asked again"
            ) from error
        try:
            answer: object = json.loads(body)
        except (ValueError, RecursionError):
            raise TransientError(f"Hyperliquid {what}: the answer is not JSON") from None
        return answer

    def _http(self) -> "httpx.AsyncClient":
        if self._client is None:
            import httpx

            limits = httpx.Limits(max_connections=8, max_keepalive_connections=4)
            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(8.0, connect=3.0),
                limits=limits,
                follow_redirects=False,
                headers=ACCEPT,
                transport=guarding_transport(limits),
            )
        return self._client


def _present(answer: object, coin: str) -> object:
    if answer is None:
        raise NotFoundError(f"Hyperliquid has nothing of {coin}")
    return answer


def _check_status(response: "httpx.Response", what: str) -> None:
    status = response.status_code
    if status == 200:
        return
    if status == 429:
        raise RateLimitedError(
            f"Hyperliquid {what}: too many requests",
            retry_after_s=_seconds(response.headers.get("retry-after", "")),
        )
    if 400 <= status < 500 and status != 408:
        raise InvalidInputError(f"HTTP {status}", where=f"Hyperliquid {what}")
    raise TransientError(f"Hyperliquid {what}: HTTP {status}")


def _seconds(header: str) -> float | None:
    return float(header) if header.isascii() and header.isdigit() and len(header) < 6 else None


def _without_gaps(candles: Sequence[Candle], step: int) -> list[Candle]:
    filled: list[Candle] = []
    for candle in candles:
        if candle.open_time_ms % step:
            raise InvalidInputError("does not begin a bar", where="candleSnapshot.t")
        while filled and filled[-1].open_time_ms + step < candle.open_time_ms:
            last = filled[-1].close
            filled.append(Candle(filled[-1].open_time_ms + step, last, last, last, last, ZERO))
        filled.append(candle)
    return filled
