"""The guard is on in the cloud, in every client that asks the outside, and off elsewhere."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from common.config import Settings, TelegramSettings, load_settings
from common.domain.instrument import Venue
from common.errors import ConfigurationError, OutcomeUnknownError, TransientError
from infra import bootstrap
from infra.feeds.hyperliquid import HyperliquidFeed
from infra.outside.cloud import check_outside, guarding_transport
from infra.outside.transport import OutsideTransport
from infra.telegram.messenger import TelegramMessenger
from infra.venues.http import VenueHttp
from tests.fakes.clock import FakeClock

INSIDE = "https://169.254.169.254"
METADATA = "https://metadata.google.internal/computeMetadata/v1/"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K_SERVICE", "execute")


def test_transport_when_on_this_machine_then_httpx_has_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("K_SERVICE", raising=False)
    assert guarding_transport(httpx.Limits()) is None


@pytest.mark.usefixtures("cloud")
def test_transport_when_in_the_cloud_then_the_guard() -> None:
    assert isinstance(guarding_transport(httpx.Limits()), OutsideTransport)


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("url", [INSIDE, METADATA, "http://127.0.0.1:1"])
async def test_venue_when_its_address_is_inside_then_never_sent_and_so_not_unknown(
    url: str,
) -> None:
    http = VenueHttp(url, label="Aster", timeout_s=1)
    with pytest.raises(TransientError, match="ConnectError"):
        await http.read("GET", "/x")
    with pytest.raises(TransientError) as caught:
        await http.order("POST", "/x")
    assert not isinstance(caught.value, OutcomeUnknownError)
    await http.close()


@pytest.mark.usefixtures("cloud")
async def test_feed_when_its_address_is_inside_then_not_asked() -> None:
    feed = HyperliquidFeed(METADATA, FakeClock(), "5m")
    with pytest.raises(TransientError, match="ConnectError"):
        await feed.snapshot("BTC", candles=10)


@pytest.mark.usefixtures("cloud")
async def test_telegram_when_its_address_is_inside_then_not_asked() -> None:
    messenger = TelegramMessenger(api_url=INSIDE, chat_id="1", token="1:a", clock=FakeClock())
    with pytest.raises(TransientError, match="ConnectError"):
        await messenger.check()
    await messenger.aclose()


def settings(**changes: Any) -> Settings:
    fields: dict[str, Any] = {
        "venue_urls": {Venue.HYPERLIQUID: "https://api.hyperliquid-testnet.xyz"},
        "further_urls": {
            "ARBITRUM_RPC_URL": "https://arb-mainnet.g.alchemy.com/v2/key",
            "SPOT_TOKEN_LIST": "tokens.json",
            "SYMPHONY_AGENT_ID": "agent",
        },
        **changes,
    }
    return Settings(**fields)


def test_check_when_every_address_is_of_the_outside_then_nothing_is_said() -> None:
    check_outside(settings(), {})
    check_outside(load_settings({}), {})


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"venue_urls": {Venue.GMX: "http://gmx.example.com"}}, "GMX_API_URL must begin"),
        ({"venue_urls": {Venue.ASTER: "https://127.0.0.1:1"}}, "ASTER_API_URL must name its host"),
        ({"further_urls": {"ARBITRUM_RPC_URL": METADATA}}, "ARBITRUM_RPC_URL names a host inside"),
        ({"further_urls": {"ARBITRUM_PRIVATE_RPC_URL": INSIDE}}, "ARBITRUM_PRIVATE_RPC_URL must"),
        ({"further_urls": {"OSTIUM_SUBGRAPH_URL": INSIDE}}, "OSTIUM_SUBGRAPH_URL must"),
        ({"telegram": TelegramSettings(api_url=INSIDE)}, "TELEGRAM_API_URL must"),
        ({"push_certs_url": "http://127.0.0.1:1/certs"}, "SAPPHIRE_PUSH_CERTS_URL must"),
    ],
)
def test_check_when_one_is_inside_then_its_variable_is_named_and_not_its_value(
    changes: dict[str, Any], name: str
) -> None:
    with pytest.raises(ConfigurationError, match=name) as caught:
        check_outside(settings(**changes), {})
    assert "169" not in str(caught.value)
    assert "127" not in str(caught.value)


def test_check_when_several_are_wrong_then_all_are_named() -> None:
    bad = settings(
        venue_urls={Venue.GMX: "http://x"}, telegram=TelegramSettings(api_url="http://y")
    )
    environ = {"FIRESTORE_EMULATOR_HOST": "h:1", "PUBSUB_EMULATOR_HOST": "h:2"}
    with pytest.raises(ConfigurationError) as caught:
        check_outside(bad, environ)
    names = ("GMX_API_URL", "TELEGRAM_API_URL", "FIRESTORE_EMULATOR", "PUBSUB_EMULATOR")
    assert all(name in str(caught.value) for name in names)


def test_runtime_when_an_address_leads_inside_then_not_built_in_the_cloud_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SAPPHIRE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("GMX_API_URL", "http://169.254.169.254/latest")
    from_environment = bootstrap._from_environment.__wrapped__

    assert from_environment().settings.venue_urls
    monkeypatch.setenv("K_SERVICE", "route")
    with pytest.raises(ConfigurationError, match="GMX_API_URL"):
        from_environment()
