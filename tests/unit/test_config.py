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
    assert set(re.findall(r"SAPPHIRE_[A-Z]+", text)) == set(BAD)
    assert "names a symbol twice" in text
    assert "must be letters and digits" in text
    assert "live is refused" in text


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
