"""Cases 110 and 112: an environment that must not start, in a process as an operator starts it."""

from pathlib import Path

import pytest

from tests.integration.command import environment, sapphire

KEY = "c0ffee" * 10 + "abcd"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HYPERLIQUID_AGENT_KEY", KEY),
        ("PRIVATE_KEY", "0x" + KEY),
        ("DEPLOYER_PK", KEY.upper()),
        ("ANYTHING", "0x" + KEY),
    ],
)
def test_case_110_when_the_environment_holds_a_raw_key_then_no_start_and_it_is_not_repeated(
    tmp_path: Path, name: str, value: str
) -> None:
    done = sapphire("run", "--ticks", "1", cwd=tmp_path, env=environment(**{name: value}))

    assert done.returncode == 2
    assert f"{name} looks like a private key" in done.stderr
    assert "c0ffee" not in (done.stdout + done.stderr).lower()
    assert not (tmp_path / ".sapphire").exists()


@pytest.mark.parametrize(
    ("name", "meant"),
    [("SAPPHIRE_MODEE", "SAPPHIRE_MODE"), ("SAPPHIRE_FOUR_EYE", "SAPPHIRE_FOUR_EYES")],
)
def test_case_112_when_a_setting_is_unknown_then_no_start_and_the_nearest_is_named(
    tmp_path: Path, name: str, meant: str
) -> None:
    done = sapphire("run", "--ticks", "1", cwd=tmp_path, env=environment(**{name: "on"}))

    assert done.returncode == 2
    assert f"{name} is no setting: do you mean {meant}?" in done.stderr
    assert not (tmp_path / ".sapphire").exists()
