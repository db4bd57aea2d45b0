"""Every outside address can be pointed elsewhere; unset, each network has its own."""

from collections.abc import Mapping

import httpx
import pytest

from common.errors import TransientError
from infra.local.store.memory import MemoryStore
from infra.venues.ostium.network import network_named
from infra.venues.ostium.venue import OstiumVenue
from infra.venues.parts import VenueParts
from tests.fakes.accounts import FakeAccounts
from tests.fakes.clock import FakeClock
from tests.unit.infra.venues.ostium.desk import AGENT_KEY, WALLET, TableOnce

PRICE = {
    "bid": 1.0,
    "mid": 1.0,
    "ask": 1.0,
    "isMarketOpen": True,
    "isDayTradingClosed": False,
    "from": "EUR",
    "to": "USD",
    "timestampSeconds": 1,
}


async def asked(network: str, api_url: str | None, urls: Mapping[str, str]) -> list[str]:
    """The addresses that prices, subgraph and node are asked at."""
    seen: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200, json=[PRICE] if request.method == "GET" else {})

    venue = OstiumVenue(
        VenueParts(
            accounts=FakeAccounts(WALLET, AGENT_KEY),
            store=MemoryStore(),
            clock=FakeClock(),
            instruments=TableOnce(),
            network=network,
            api_url=api_url,
            urls=urls,
            transport=httpx.MockTransport(respond),
        )
    )
    with pytest.raises(TransientError):
        await venue.load_instruments()
    with pytest.raises(TransientError):
        await venue._rpc.check_chain()
    await venue.close()
    return seen


async def test_addresses_when_nothing_is_set_then_the_networks_own() -> None:
    for network in ("mainnet", "testnet"):
        own = network_named(network)
        assert await asked(network, None, {}) == [
            "https://metadata-backend.ostium.io/PricePublish/latest-prices",
            own.subgraph_url,
            own.rpc_url,
        ]
    assert network_named("mainnet").trading != network_named("testnet").trading


async def test_addresses_when_set_then_those() -> None:
    urls = {"ARBITRUM_RPC_URL": "http://127.0.0.1:8545/v2/secret"}
    assert await asked("mainnet", "http://127.0.0.1:9/ostium/", urls) == [
        "http://127.0.0.1:9/ostium/PricePublish/latest-prices",
        "http://127.0.0.1:9/ostium/v1/subgraph/gn",
        "http://127.0.0.1:8545/v2/secret",
    ]
    urls["OSTIUM_SUBGRAPH_URL"] = "http://127.0.0.1:7/gn"
    assert (await asked("mainnet", None, urls))[1] == "http://127.0.0.1:7/gn"
