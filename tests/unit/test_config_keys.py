"""Keys and the environment: a raw key is refused, and the sealing key's version is a number."""

import pytest

from common.config import Settings, load_settings
from common.errors import ConfigurationError

KEY = "c0ffee" * 10 + "abcd"


@pytest.mark.parametrize(
    "environ",
    [
        {"HYPERLIQUID_AGENT_KEY": KEY},
        {"PRIVATE_KEY": KEY.upper()},
        {"SAPPHIRE_SIGNING_KEY": f" {KEY}\n"},
        {"OSTIUM_SECRET": "0x" + KEY},
        {"PK": KEY},
        {"DEPLOYER_PK": KEY},
        {"ANYTHING": "0x" + KEY},
        {"ANYTHING": "0X" + KEY},
    ],
)
def test_load_settings_when_a_variable_holds_a_raw_key_then_refused_without_it(
    environ: dict[str, str],
) -> None:
    """Case 110."""
    (name,) = environ
    with pytest.raises(ConfigurationError, match=f"{name} looks like a private key") as caught:
        load_settings(environ)
    assert KEY[:12] not in str(caught.value).lower()


@pytest.mark.parametrize(
    "environ",
    [
        {"SAPPHIRE_API_TOKEN": KEY},  # 32 random bytes make a good token
        {"IMAGE_DIGEST": KEY},
        {"PRIVATE_KEY": KEY + "00"},
        {"PRIVATE_KEY": "a passphrase"},
        {"HYPERLIQUID_AGENT_ADDRESS": "0x" + KEY[:40]},
    ],
)
def test_load_settings_when_it_is_something_else_then_taken(environ: dict[str, str]) -> None:
    assert load_settings(environ).kek_version == "1"


@pytest.mark.parametrize("version", ["latest", "0", "-1", "1.0", "\u0661", "01", " 1", "9" * 10])
def test_load_settings_when_the_kek_version_is_no_number_then_refused(version: str) -> None:
    with pytest.raises(ConfigurationError, match="SAPPHIRE_KEK_VERSION"):
        load_settings({"SAPPHIRE_KEK_VERSION": version})


def test_load_settings_when_the_kek_version_is_given_or_not_then_it_or_the_first() -> None:
    assert load_settings({"SAPPHIRE_KEK_VERSION": "12"}).kek_version == "12"
    assert load_settings({"SAPPHIRE_KEK_VERSION": ""}) == Settings()
