"""Settings from the environment: every bad variable named at once."""

import re
from decimal import Decimal

import pytest

from common.config import Settings, load_settings
from common.domain.instrument import Venue
from common.errors import ConfigurationError

BAD = {
    "SAPPHIRE_MODE": "live",
    "SAPPHIRE_STORE": "mysql",
    "SAPPHIRE_BUS": "kafka",
    "SAPPHIRE_FEED": "rumours",
    "SAPPHIRE_INTERVAL": "7m",
    "SAPPHIRE_SYMBOLS": "BTC,E TH,BTC",
    "SAPPHIRE_CAPITAL": "1e9",
}


def test_load_settings_when_nothing_is_set_then_the_defaults() -> None:
    assert load_settings({}) == Settings()


def test_load_settings_when_variables_are_empty_then_the_defaults() -> None:
    names = [
        *BAD,
        "GOOGLE_CLOUD_PROJECT",
        "SAPPHIRE_DATA_DIR",
        "SAPPHIRE_API_TOKEN",
        "SAPPHIRE_PUSH_AUDIENCE",
        "SAPPHIRE_PUSH_SERVICE_ACCOUNT",
        "TELEGRAM_API_URL",
        "TELEGRAM_CHAT_ID",
        "GMX_API_URL",
    ]
    assert load_settings(dict.fromkeys(names, "")) == Settings()


def test_load_settings_when_everything_is_set_then_everything_is_taken() -> None:
    settings = load_settings(
        {
            "SAPPHIRE_MODE": "paper",
            "SAPPHIRE_STORE": "firestore",
            "SAPPHIRE_BUS": "pubsub",
            "SAPPHIRE_FEED": "replay",
            "SAPPHIRE_INTERVAL": "1h",
            "SAPPHIRE_SYMBOLS": " BTC, ETH ,,",
            "SAPPHIRE_CAPITAL": "2500.50",
            "SAPPHIRE_DATA_DIR": "state",
            "SAPPHIRE_API_TOKEN": "s3cret",
            "SAPPHIRE_PUSH_AUDIENCE": "https://f.example",
            "SAPPHIRE_PUSH_SERVICE_ACCOUNT": "push@example",
            "GOOGLE_CLOUD_PROJECT": "mine",
            "TELEGRAM_API_URL": "http://127.0.0.1:9",
            "TELEGRAM_CHAT_ID": "42",
            "OSTIUM_API_URL": "http://127.0.0.1:8",
        }
    )

    assert (settings.store, settings.bus, settings.feed) == ("firestore", "pubsub", "replay")
    assert (settings.swarm.symbols, settings.swarm.interval) == (("BTC", "ETH"), "1h")
    assert settings.default_capital == Decimal("2500.50")
    assert (settings.project, settings.data_dir) == ("mine", "state")
    assert settings.telegram.chat_id == "42"
    assert settings.telegram.api_url == "http://127.0.0.1:9"
    assert settings.venue_urls == {Venue.OSTIUM: "http://127.0.0.1:8"}
    assert settings.push_service_account == "push@example"
    assert settings.push_audience == "https://f.example"
    assert settings.api_token == "s3cret"
    assert "s3cret" not in repr(settings)


def test_load_settings_when_all_are_bad_then_each_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(BAD)

    text = str(caught.value)
    assert set(re.findall(r"SAPPHIRE_[A-Z]+", text)) == {*BAD, "SAPPHIRE_NETWORK"}
    assert "names a symbol twice" in text
    assert "must be letters and digits" in text
    assert "SAPPHIRE_MODE=live needs SAPPHIRE_FEED=live" in text


LIVE = {"SAPPHIRE_MODE": "live", "SAPPHIRE_NETWORK": "testnet", "SAPPHIRE_FEED": "live"}


def test_load_settings_when_live_is_entered_on_purpose_then_taken() -> None:
    settings = load_settings(LIVE)
    assert (settings.mode, settings.network, settings.feed) == ("live", "testnet", "live")


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"SAPPHIRE_NETWORK": ""}, "SAPPHIRE_NETWORK=mainnet or testnet"),
        ({"SAPPHIRE_NETWORK": "main"}, "SAPPHIRE_NETWORK=mainnet or testnet"),
        ({"SAPPHIRE_FEED": "simulated"}, "SAPPHIRE_FEED=live"),
        ({"SAPPHIRE_FEED": "replay"}, "SAPPHIRE_FEED=live: .* not replay ones"),
        ({"SAPPHIRE_FEED": ""}, "SAPPHIRE_FEED=live"),
    ],
)
def test_load_settings_when_live_without_its_network_or_prices_then_refused(
    changed: dict[str, str], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        load_settings({**LIVE, **changed})


def test_load_settings_when_a_network_is_misspelt_on_paper_then_refused_too() -> None:
    with pytest.raises(ConfigurationError, match="SAPPHIRE_NETWORK must be one of"):
        load_settings({"SAPPHIRE_NETWORK": "main"})


def test_load_settings_when_venues_are_set_up_then_their_addresses_and_key_names() -> None:
    settings = load_settings(
        {
            "ARBITRUM_RPC_URL": "http://127.0.0.1:7",
            "SYMPHONY_AGENT_ID": "agent-7",
            "SPOT_TOKEN_LIST": "tokens.json",
            "SPOT_API_KEY_SECRET": "uniswap-key:3",
        }
    )
    assert settings.further_urls == {
        "ARBITRUM_RPC_URL": "http://127.0.0.1:7",
        "SYMPHONY_AGENT_ID": "agent-7",
        "SPOT_TOKEN_LIST": "tokens.json",
    }
    assert settings.api_key_secrets == {Venue.SPOT: "uniswap-key:3"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *BAD.items(),
        ("SAPPHIRE_MODE", "PAPER"),
        ("SAPPHIRE_CAPITAL", "0"),
        ("SAPPHIRE_CAPITAL", "-5"),
        ("SAPPHIRE_CAPITAL", "NaN"),
        ("SAPPHIRE_SYMBOLS", "BTC,BTC"),
        ("SAPPHIRE_SYMBOLS", "A" * 21),
        ("SAPPHIRE_SYMBOLS", "BTC/USD"),
        ("SAPPHIRE_SYMBOLS", "ÄTH"),
    ],
)
def test_load_settings_when_one_is_bad_then_that_one_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        load_settings({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HYPERLIQUID_API_URL", "127.0.0.1:8091"),
        ("ASTER_API_URL", "ftp://secret-host"),
        ("ARBITRUM_RPC_URL", "wss://node/secret-key"),
        ("OSTIUM_SUBGRAPH_URL", "file:///secret"),
        ("SPOT_API_KEY_SECRET", "secret-name"),
        ("SPOT_API_KEY_SECRET", "secret-name:latest"),
        ("SYMPHONY_API_KEY_SECRET", "secret-name:0"),
        ("SYMPHONY_API_KEY_SECRET", "secret name:1"),
    ],
)
def test_load_settings_when_a_venue_s_variable_is_bad_then_named_without_its_value(
    name: str, value: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must") as caught:
        load_settings({name: value})
    assert "secret-" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)
