"""The live feed against a stand-in of Hyperliquid's `/info`."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest

from common.errors import (
    ConfigurationError,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    SapphireError,
    TransientError,
)
from infra.feeds.hyperliquid import ANSWER_BYTES_MAX, HyperliquidFeed
from tests.builders import NOON
from tests.fakes.clock import FakeClock
from tests.standins.hyperliquid_info import HyperliquidInfo
from tests.standins.serving import Fault, serving


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON + timedelta(minutes=2))


@pytest.fixture
def server(clock: FakeClock) -> HyperliquidInfo:
    return HyperliquidInfo(clock.now())


@pytest.fixture
async def feed(server: HyperliquidInfo, clock: FakeClock) -> AsyncIterator[HyperliquidFeed]:
    async with serving(server) as url:
        feed = HyperliquidFeed(f"{url}/", clock, "5m")
        yield feed
        await feed.aclose()


async def test_snapshot_when_priced_per_thousand_then_becomes_the_token(
    feed: HyperliquidFeed, server: HyperliquidInfo
) -> None:
    snapshot = await feed.snapshot("PEPE", candles=5)

    assert snapshot.mark == Decimal("0.0000068")
    assert snapshot.book.bid_size == Decimal("4118.82")
    assert snapshot.candles[-1].volume == 1_234_500
    assert snapshot.volume_24h == Decimal("1516669192.1953897476")
    assert snapshot.funding_rate_8h == Decimal("0.0001")
    assert snapshot.source == "live:hyperliquid"
    assert server.asked("l2Book") == [{"type": "l2Book", "coin": "kPEPE"}]


async def test_snapshot_when_venue_clock_runs_ahead_then_observed_is_never_in_the_future(
    feed: HyperliquidFeed, server: HyperliquidInfo, clock: FakeClock
) -> None:
    assert (await feed.snapshot("WIF", candles=2)).observed_at == clock.now() - timedelta(
        milliseconds=250
    )
    server.now += timedelta(minutes=1)
    assert (await feed.snapshot("WIF", candles=2)).observed_at == clock.now()


async def test_snapshot_when_nothing_was_traded_in_a_bar_then_it_is_flat(
    feed: HyperliquidFeed, server: HyperliquidInfo
) -> None:
    server.untraded = {3, 4}

    candles = (await feed.snapshot("ETH", candles=8)).candles

    assert len(candles) == 8
    before, flat, flat_too, after = candles[3:7]
    for candle in (flat, flat_too):
        assert candle.open == candle.high == candle.low == candle.close == before.close
        assert candle.volume == 0
    assert after.volume > 0


async def test_snapshot_when_symbols_share_a_tick_then_contexts_are_asked_once(
    feed: HyperliquidFeed, server: HyperliquidInfo, clock: FakeClock
) -> None:
    await asyncio.gather(*(feed.snapshot(s, candles=3) for s in ("BTC", "ETH", "SOL", "WIF")))
    assert len(server.asked("metaAndAssetCtxs")) == 1

    clock.advance(60)
    await feed.snapshot("BTC", candles=3)
    assert len(server.asked("metaAndAssetCtxs")) == 2


@pytest.mark.parametrize("symbol", ["NOPE", "MATIC", "kPEPE"])
async def test_snapshot_when_coin_is_not_listed_then_not_found_without_asking_more(
    feed: HyperliquidFeed, server: HyperliquidInfo, symbol: str
) -> None:
    with pytest.raises(NotFoundError, match=symbol):
        await feed.snapshot(symbol, candles=3)
    assert len(server.requests) == 1


async def test_snapshot_when_answers_are_null_then_not_found(
    feed: HyperliquidFeed, server: HyperliquidInfo
) -> None:
    await feed.snapshot("BTC", candles=3)
    server.faults.extend([Fault(body=b"null"), Fault(body=b"null")])

    with pytest.raises(NotFoundError, match="nothing of BTC"):
        await feed.snapshot("BTC", candles=3)


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (Fault(429, headers={"retry-after": "7"}), RateLimitedError, "too many requests"),
        (Fault(500, b"null"), TransientError, "HTTP 500"),
        (Fault(502, b"<html>"), TransientError, "HTTP 502"),
        (Fault(302, headers={"location": "http://127.0.0.1:1/"}), TransientError, "HTTP 302"),
        (Fault(200, b"<html>busy</html>"), TransientError, "not JSON"),
        (Fault(200, b"["), TransientError, "not JSON"),
        (Fault(200, b"[" * 100_000), TransientError, "not JSON"),
        (Fault(200, b" " * (ANSWER_BYTES_MAX + 1)), TransientError, "over"),
        (Fault(422, b"Failed to deserialize"), InvalidInputError, "HTTP 422"),
        (Fault(200, b"{}"), InvalidInputError, "metaAndAssetCtxs"),
        (Fault(200, b"[]"), InvalidInputError, "meta"),
        (Fault(200, b'[{"universe": []}, []]'), InvalidInputError, "lists nothing"),
    ],
)
async def test_snapshot_when_server_misbehaves_then_error_says_who_acts(
    feed: HyperliquidFeed,
    server: HyperliquidInfo,
    fault: Fault,
    error: type[SapphireError],
    words: str,
) -> None:
    server.faults.append(fault)

    with pytest.raises(error, match=words) as caught:
        await feed.snapshot("BTC", candles=3)

    assert type(caught.value) is error
    if isinstance(caught.value, RateLimitedError):
        assert caught.value.retry_after_s == 7


@pytest.mark.parametrize(
    "body",
    [
        b'{"coin":"BTC","time":1,"levels":[[{"px":"2","sz":"1"}],[{"px":"1","sz":"1"}]]}',
        b'{"coin":"BTC","time":1,"levels":[[{"px":"NaN","sz":"1"}],[{"px":"1","sz":"1"}]]}',
        b'{"coin":"BTC","time":1,"levels":[[],[{"px":"1","sz":"1"}]]}',
        b'{"coin":"BTC","time":"x","levels":[[{"px":"1","sz":"1"}],[{"px":"2","sz":"1"}]]}',
        b"[]",
    ],
)
async def test_snapshot_when_an_answer_is_unusable_then_invalid(
    feed: HyperliquidFeed, server: HyperliquidInfo, body: bytes
) -> None:
    server.faults.extend([None, Fault(body=body), Fault(body=body)])

    with pytest.raises(InvalidInputError):
        await feed.snapshot("BTC", candles=3)


async def test_snapshot_when_no_candle_has_closed_then_invalid(
    feed: HyperliquidFeed, server: HyperliquidInfo
) -> None:
    server.untraded = set(range(1, 100))

    with pytest.raises(InvalidInputError, match="no closed candle"):
        await feed.snapshot("BTC", candles=3)


async def test_snapshot_when_server_hangs_then_transient(
    server: HyperliquidInfo, clock: FakeClock
) -> None:
    server.faults.append(Fault(hang=True))
    async with serving(server) as url, httpx.AsyncClient(timeout=0.1) as client:
        with pytest.raises(TransientError, match="ReadTimeout"):
            await HyperliquidFeed(url, clock, "5m", client).snapshot("BTC", candles=3)


async def test_snapshot_when_nothing_listens_then_transient(clock: FakeClock) -> None:
    async with serving(HyperliquidInfo(clock.now())) as url:
        pass
    feed = HyperliquidFeed(url, clock, "5m")

    with pytest.raises(TransientError, match="ConnectError"):
        await feed.snapshot("BTC", candles=3)
    await feed.aclose()


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "nonsense", "http://[::1"])
async def test_snapshot_when_url_is_no_url_then_a_person_must_act(
    clock: FakeClock, url: str
) -> None:
    feed = HyperliquidFeed(url, clock, "5m")

    with pytest.raises(ConfigurationError, match="HYPERLIQUID_API_URL"):
        await feed.snapshot("BTC", candles=3)
    await feed.aclose()


def test_feed_when_interval_is_unknown_then_invalid(clock: FakeClock) -> None:
    with pytest.raises(InvalidInputError, match="unknown interval"):
        HyperliquidFeed("http://127.0.0.1:1", clock, "7m")
