"""Settings from the environment: every bad variable named at once."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from common.config import KNOWN, Settings, load_settings
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
            "SAPPHIRE_KELLY_STARTER": "0.02",
            "SAPPHIRE_DATA_DIR": "state",
            "SAPPHIRE_API_TOKEN": "s3cret",
            "SAPPHIRE_PUSH_AUDIENCE": "https://f.example",
            "SAPPHIRE_PUSH_SERVICE_ACCOUNT": "push@example",
            "GOOGLE_CLOUD_PROJECT": "mine",
            "TELEGRAM_API_URL": "http://127.0.0.1:9",
            "TELEGRAM_CHAT_ID": "42",
            "TELEGRAM_BOT_TOKEN": "1:a",
            "OSTIUM_API_URL": "http://127.0.0.1:8",
        }
    )

    assert (settings.store, settings.bus, settings.feed) == ("firestore", "pubsub", "replay")
    assert (settings.swarm.symbols, settings.swarm.interval) == (("BTC", "ETH"), "1h")
    assert settings.default_capital == Decimal("2500.50")
    assert settings.execution.kelly_starter == Decimal("0.02")
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
        ("SAPPHIRE_KELLY_STARTER", "0"),
        ("SAPPHIRE_KELLY_STARTER", "1.01"),
        ("SAPPHIRE_KELLY_STARTER", "a lot"),
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


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("SAPPHIRE_CAPITOL", "SAPPHIRE_CAPITOL is no setting: do you mean SAPPHIRE_CAPITAL?"),
        ("SAPPHIRE_SYMBOL", "SAPPHIRE_SYMBOL is no setting: do you mean SAPPHIRE_SYMBOLS?"),
        ("SAPPHIRE_FOUREYES", "SAPPHIRE_FOUREYES is no setting: do you mean SAPPHIRE_FOUR_EYES?"),
        ("SAPPHIRE_SLICE", "SAPPHIRE_SLICE is no setting: do you mean SAPPHIRE_SLICES?"),
    ],
)
def test_load_settings_when_a_variable_is_misspelt_then_refused_with_the_nearest_name(
    name: str, says: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(says)) as caught:
        load_settings({name: "secret-value"})
    assert "secret-value" not in str(caught.value)


@pytest.mark.parametrize(
    "environ",
    [
        {"SAPPHIRE_CAPITOL": "", "CAPITAL": "5"},
        {"SAPPHIRE_SERVICE_HOST": "10.0.0.1", "SAPPHIRE_PORT_8080_TCP": "tcp://10.0.0.1:8080"},
    ],
)
def test_load_settings_when_an_unknown_variable_is_empty_or_somebody_else_s_then_taken(
    environ: dict[str, str],
) -> None:
    assert load_settings(environ) == Settings()


def test_known_when_the_tree_is_searched_then_every_variable_that_it_reads_is_known() -> None:
    root = Path(__file__).parents[2]
    named = {
        name
        for folder in ("common", "infra", "functions")
        for path in (root / folder).rglob("*.py")
        for name in re.findall(r"\"(SAPPHIRE_[A-Z_]+)\"", path.read_text())
    }
    assert named <= set(KNOWN)


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"TELEGRAM_BOT_TOKEN": "1:secret"}, "TELEGRAM_BOT_TOKEN needs TELEGRAM_CHAT_ID"),
        ({"TELEGRAM_CHAT_ID": "42"}, "TELEGRAM_CHAT_ID needs TELEGRAM_BOT_TOKEN"),
        (
            {"TELEGRAM_BOT_TOKEN": "1:secret", "SAPPHIRE_STORE": "firestore"},
            "TELEGRAM_BOT_TOKEN needs TELEGRAM_CHAT_ID",
        ),
    ],
)
def test_load_settings_when_half_of_telegram_is_set_then_the_other_half_is_named(
    environ: dict[str, str], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        load_settings(environ)
    assert "secret" not in str(caught.value)


def test_load_settings_when_in_the_cloud_then_the_token_is_a_secret_of_one_function_alone() -> None:
    settings = load_settings({"TELEGRAM_CHAT_ID": "42", "SAPPHIRE_STORE": "firestore"})
    assert settings.telegram.chat_id == "42"


@pytest.mark.parametrize(
    ("name", "most", "beyond"),
    [
        ("SAPPHIRE_LARGE_ORDER", "1", "1.01"),
        ("SAPPHIRE_HIGH_VOLATILITY", "10", "10.1"),
    ],
)
def test_load_settings_when_a_fraction_was_meant_in_percent_then_refused(
    name: str, most: str, beyond: str
) -> None:
    load_settings({name: most})
    with pytest.raises(ConfigurationError, match=f"{name} must be at most {most}: a fraction"):
        load_settings({name: beyond})


def test_load_settings_when_small_and_large_are_in_percent_then_both_are_named() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"SAPPHIRE_SMALL_ORDER": "5", "SAPPHIRE_LARGE_ORDER": "10"})
    assert "SAPPHIRE_SMALL_ORDER must be at most 1" in str(caught.value)
    assert "SAPPHIRE_LARGE_ORDER must be at most 1" in str(caught.value)


def test_load_settings_when_a_slice_would_have_less_than_a_second_then_refused() -> None:
    load_settings({"SAPPHIRE_SLICES": "20", "SAPPHIRE_DURATION_S": "20"})
    with pytest.raises(ConfigurationError, match="SAPPHIRE_SLICES must not be above"):
        load_settings({"SAPPHIRE_SLICES": "21", "SAPPHIRE_DURATION_S": "20"})
