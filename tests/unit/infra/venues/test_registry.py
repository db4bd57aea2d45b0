"""Which venues are built, and where Hyperliquid's live table comes from."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from common.config import Settings
from common.domain.instrument import ALL_VENUES, Venue
from common.errors import (
    ConfigurationError,
    InvalidInputError,
    RateLimitedError,
    SapphireError,
    TransientError,
)
from infra.local.clock import ManualClock
from infra.local.store.memory import MemoryStore
from infra.venues.availability import live_refusal, live_refusals
from infra.venues.hyperliquid.meta import load_meta
from infra.venues.instruments import StoredInstruments
from infra.venues.parts import VenueParts
from infra.venues.registry import make_live_venues, make_venues, paper_profile
from infra.venues.spot.venue import SpotVenue
from tests.builders import NOON
from tests.fakes.accounts import FakeAccounts

META = {"universe": [{"name": "BTC", "szDecimals": 5}]}


def test_make_venues_when_on_paper_then_every_venue_of_the_settings() -> None:
    venues = make_venues(Settings(), MemoryStore(), ManualClock(NOON))
    assert tuple(venues) == ALL_VENUES
    for name, venue in venues.items():
        assert venue.venue is venue.capabilities.venue is name
        assert venue.capabilities.request_timeout < venue.capabilities.order_ttl


def test_make_venues_when_one_is_none_then_refused() -> None:
    settings = Settings(venues=(Venue.MULTI,))
    with pytest.raises(ConfigurationError, match="MULTI"):
        make_venues(settings, MemoryStore(), ManualClock(NOON))


async def test_load_instruments_when_on_paper_then_what_only_ostium_lists() -> None:
    venues = make_venues(Settings(), MemoryStore(), ManualClock(NOON))
    ostium = await venues[Venue.OSTIUM].load_instruments()
    hyperliquid = await venues[Venue.HYPERLIQUID].load_instruments()
    for symbol in ("EUR", "GBP", "USDJPY", "XAU", "XAG", "US500", "NVDA", "CL"):
        assert ostium.find(symbol) is not None
        assert hyperliquid.find(symbol) is None
    for symbol in ("BTC", "ETH", "SOL", "DOGE", "PEPE", "WIF", "XRP"):
        assert hyperliquid.find(symbol) is not None


def test_paper_profile_when_the_feed_is_live_then_hyperliquid_alone_is_asked() -> None:
    live = Settings(feed="live")
    assert [v for v in ALL_VENUES if paper_profile(v, live).load] == [Venue.HYPERLIQUID]
    assert not [v for v in ALL_VENUES if paper_profile(v, Settings()).load]


async def test_load_instruments_when_live_and_nobody_listens_then_transient() -> None:
    settings = Settings(feed="live", venue_urls={Venue.HYPERLIQUID: "http://127.0.0.1:9"})
    venues = make_venues(settings, MemoryStore(), ManualClock(NOON))
    with pytest.raises(TransientError, match="ConnectError"):
        await venues[Venue.HYPERLIQUID].load_instruments()


def stand_in(status: int, body: Any) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        assert (request.method, request.url.path) == ("POST", "/info")
        assert json.loads(request.content) == {"type": "meta"}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.Response(status, content=content)

    return httpx.MockTransport(answer)


async def test_load_meta_when_answered_then_a_live_table() -> None:
    table = await load_meta("http://127.0.0.1/", NOON, transport=stand_in(200, META))
    assert (table.pair_count, table.source, table.refreshed_at) == (1, "live", NOON)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (429, META, RateLimitedError),
        (500, META, TransientError),
        (408, META, TransientError),
        (404, META, InvalidInputError),
        (200, b"<html>", InvalidInputError),
        (200, {"universe": []}, InvalidInputError),
        (200, b" " * 4_000_001, InvalidInputError),
    ],
)
async def test_load_meta_when_unusable_then_says_who_acts(
    status: int, body: Any, error: type[SapphireError]
) -> None:
    with pytest.raises(error):
        await load_meta("http://127.0.0.1", NOON, transport=stand_in(status, body))


async def test_load_meta_when_the_address_is_none_then_a_person_acts() -> None:
    with pytest.raises(ConfigurationError, match="HYPERLIQUID_API_URL"):
        await load_meta("gopher://127.0.0.1", NOON)


def test_live_refusals_when_little_is_set_up_then_each_venue_says_what_is_missing() -> None:
    found = live_refusals(Settings(mode="live", network="testnet"))
    assert set(found) == {Venue.OSTIUM, Venue.SPOT, Venue.SYMPHONY, Venue.DRIFT}
    assert "ARBITRUM_RPC_URL" in found[Venue.OSTIUM]
    assert "paused" in found[Venue.DRIFT]
    assert live_refusals(Settings()) == {}


EVERYTHING = Settings(
    mode="live",
    network="mainnet",
    further_urls={
        "ARBITRUM_RPC_URL": "http://127.0.0.1:9",
        "SYMPHONY_AGENT_ID": "agent-7",
        "SYMPHONY_SMART_ACCOUNT": "0x" + "c1" * 20,
    },
    api_key_secrets={Venue.SPOT: "uniswap:1", Venue.SYMPHONY: "symphony:1"},
)
LDO = {"address": "0x13Ad51ed4F1B7e9Dc168d8a00cB3f4dDD85EfA60", "decimals": 18, "symbol": "LDO"}


def parts(settings: Settings) -> VenueParts:
    clock, store = ManualClock(NOON), MemoryStore()
    return VenueParts(
        accounts=FakeAccounts("0x" + "a1" * 20, "0x" + "5a" * 32),
        store=store,
        clock=clock,
        instruments=StoredInstruments(store, clock),
        network=settings.network,
        urls=settings.further_urls,
    )


def live(settings: Settings) -> set[Venue]:
    return set(make_live_venues(settings, lambda _: parts(settings)))


def with_list(path: Path) -> Settings:
    return replace(
        EVERYTHING, further_urls={**EVERYTHING.further_urls, "SPOT_TOKEN_LIST": str(path)}
    )


def test_make_live_venues_when_all_is_set_up_then_each_but_drift_as_itself() -> None:
    venues = make_live_venues(EVERYTHING, lambda _: parts(EVERYTHING))
    assert set(venues) == set(ALL_VENUES) - {Venue.DRIFT}
    for name, venue in venues.items():
        assert venue.venue is venue.capabilities.venue is name
        assert type(venue).__name__ == f"{name.value.title()}Venue"


def test_make_live_venues_when_on_testnet_then_what_has_none_is_left_out_not_fatal() -> None:
    testnet = replace(EVERYTHING, network="testnet")
    assert live(testnet) == {Venue.HYPERLIQUID, Venue.OSTIUM, Venue.GMX, Venue.ASTER}
    assert live_refusal(Venue.SPOT, testnet) == "Spot has no testnet"
    assert live_refusal(Venue.SYMPHONY, testnet) == "Symphony has no testnet"
    stand_in = replace(testnet, venue_urls={Venue.SYMPHONY: "http://127.0.0.1:9"})
    assert Venue.SYMPHONY in live(stand_in)


def test_make_live_venues_when_there_is_a_token_list_then_its_tokens_trade(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps({"tokens": [{"chainId": 42161, **LDO}]}))
    settings = with_list(path)
    spot = make_live_venues(settings, lambda _: parts(settings))[Venue.SPOT]
    assert isinstance(spot, SpotVenue)
    assert spot._book.find("LDO") is not None
    assert live_refusals(settings).keys() == {Venue.DRIFT}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "FileNotFoundError"),
        ("[]", "not {"),
        (json.dumps({"tokens": [{"chainId": 1, **LDO}]}), "not of chain 42161"),
    ],
)
def test_make_live_venues_when_the_token_list_is_bad_then_spot_alone_is_left_out(
    tmp_path: Path, content: str | None, says: str
) -> None:
    path = tmp_path / "tokens.json"
    if content is not None:
        path.write_text(content)
    settings = with_list(path)
    refusal = live_refusal(Venue.SPOT, settings)
    assert refusal is not None
    assert refusal.startswith("SPOT_TOKEN_LIST is refused: ")
    assert says in refusal
    assert live(settings) == set(ALL_VENUES) - {Venue.DRIFT, Venue.SPOT}
