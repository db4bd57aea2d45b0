"""Settings of the cloud: every bad variable named, never its value where it tells of a secret."""

import pytest

from common.config import load_settings
from common.errors import ConfigurationError

GOOD = {
    "SAPPHIRE_STORE": "firestore",
    "SAPPHIRE_PUSH_AUDIENCE": "https://api-1.europe-west1.run.app",
    "SAPPHIRE_PUSH_SERVICE_ACCOUNT": "push@mine.iam.gserviceaccount.com",
    "SAPPHIRE_PUSH_ISSUER": "https://issuer.example",
    "SAPPHIRE_PUSH_CERTS_URL": "http://127.0.0.1:9/certs",
    "SAPPHIRE_API_TOKEN_SECRET": "sapphire-api-token:3",
    "SAPPHIRE_API_AUDIENCE": "https://api.example",
    "SAPPHIRE_CORS_ORIGINS": "https://a.example, http://localhost:5173,",
    "SAPPHIRE_WALLET_DOMAIN": "api.example",
    "SAPPHIRE_RATE_PER_MINUTE": "90",
    "TELEGRAM_BOT_TOKEN_SECRET": "telegram-bot-token:1",
}


def test_cloud_settings_when_all_are_set_then_all_are_taken() -> None:
    settings = load_settings(GOOD)

    assert settings.push_audience == "https://api-1.europe-west1.run.app"
    assert settings.push_service_account == "push@mine.iam.gserviceaccount.com"
    assert settings.push_issuer == "https://issuer.example"
    assert settings.push_certs_url == "http://127.0.0.1:9/certs"
    assert settings.api_token_secret == "sapphire-api-token:3"
    assert settings.api_audience == "https://api.example"
    assert settings.cors_origins == ("https://a.example", "http://localhost:5173")
    assert settings.wallet_domain == "api.example"
    assert settings.rate_per_minute == 90
    assert settings.telegram.bot_token_secret == "telegram-bot-token:1"


@pytest.mark.parametrize(
    ("changes", "proof"),
    [
        ({}, True),
        ({"SAPPHIRE_WALLET_PROOF": "off"}, False),
        ({"SAPPHIRE_STORE": "sqlite"}, False),
        ({"SAPPHIRE_STORE": "sqlite", "SAPPHIRE_WALLET_PROOF": "on"}, True),
        ({"SAPPHIRE_PUSH_AUDIENCE": ""}, False),
    ],
)
def test_wallet_proof_when_not_said_then_on_in_the_cloud_alone(
    changes: dict[str, str], proof: bool
) -> None:
    assert load_settings(GOOD | changes).wallet_proof is proof


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"SAPPHIRE_API_TOKEN_SECRET": "sapphire-api-token:latest"}, "SAPPHIRE_API_TOKEN_SECRET"),
        ({"TELEGRAM_BOT_TOKEN_SECRET": "hush"}, "TELEGRAM_BOT_TOKEN_SECRET must be NAME:VERSION"),
        ({"SAPPHIRE_PUSH_ISSUER": ""}, "go together"),
        ({"SAPPHIRE_PUSH_CERTS_URL": "http://certs.example/keys"}, "must be https"),
        ({"SAPPHIRE_WALLET_PROOF": "perhaps"}, "SAPPHIRE_WALLET_PROOF must be one of"),
        ({"SAPPHIRE_WALLET_DOMAIN": "https://api.example"}, "SAPPHIRE_WALLET_DOMAIN"),
        ({"SAPPHIRE_CORS_ORIGINS": "https://a.example/path"}, "SAPPHIRE_CORS_ORIGINS"),
        ({"SAPPHIRE_CORS_ORIGINS": "*"}, "SAPPHIRE_CORS_ORIGINS"),
        ({"SAPPHIRE_RATE_PER_MINUTE": "0"}, "SAPPHIRE_RATE_PER_MINUTE"),
        ({"SAPPHIRE_RATE_PER_MINUTE": "many"}, "SAPPHIRE_RATE_PER_MINUTE"),
        (
            {"SAPPHIRE_MODE": "live", "SAPPHIRE_NETWORK": "mainnet", "SAPPHIRE_FEED": "live"},
            "Google's push tokens alone",
        ),
    ],
)
def test_cloud_settings_when_one_is_bad_then_named(changes: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        load_settings(GOOD | changes)
    assert "hush" not in str(caught.value)
