"""From the command line and the environment to a run."""

import argparse
import math
from pathlib import Path

import pytest

from common.errors import ConfigurationError, InvalidInputError
from infra.cli.commands import run as run_command
from infra.cli.session_options import session_options
from infra.local.stack.options import StackOptions


def parsed(*line: str, **environ: str) -> StackOptions:
    parser = argparse.ArgumentParser()
    run_command.add_arguments(parser)
    return session_options(parser.parse_args(line), environ)


@pytest.fixture
def candles(tmp_path: Path) -> Path:
    for name in ("BTC", "1000PEPE"):
        (tmp_path / f"{name}_5m.csv").write_text(
            "open_time_ms,open,high,low,close,volume\n1760874900000,10,11,9,10,5\n"
        )
    return tmp_path


def test_options_when_nothing_is_said_then_the_market_is_simulated() -> None:
    options = parsed()

    assert (options.port, options.speed, options.backend) == (8080, 60.0, "embedded")
    assert options.settings.swarm.interval == "1m"
    assert options.data_dir == Path(".sapphire")
    assert options.origin == {"feed": "simulated", "interval": "1m", "seed": 7}


def test_options_when_the_environment_speaks_then_it_is_obeyed() -> None:
    options = parsed(
        SAPPHIRE_PORT="9000",
        SAPPHIRE_DATA_DIR="elsewhere",
        SAPPHIRE_SYMBOLS="BTC,ETH",
        SAPPHIRE_INTERVAL="5m",
    )

    assert (options.port, options.data_dir) == (9000, Path("elsewhere"))
    assert options.settings.swarm.symbols == ("BTC", "ETH")
    assert options.settings.swarm.interval == "5m"


def test_options_when_both_speak_then_the_command_line_wins() -> None:
    options = parsed(
        *("--port", "9100", "--symbols", "SOL", "--data-dir", "here", "--speed", "10"),
        SAPPHIRE_PORT="9000",
        SAPPHIRE_SYMBOLS="BTC",
    )

    assert (options.port, options.data_dir, options.speed) == (9100, Path("here"), 10.0)
    assert options.settings.swarm.symbols == ("SOL",)


def test_options_when_live_then_runs_at_the_world_s_speed_and_apart() -> None:
    options = parsed("--feed", "live")

    assert (options.speed, options.data_dir) == (1.0, Path(".sapphire/live"))
    assert options.origin == {"feed": "live", "interval": "1m"}
    with pytest.raises(ConfigurationError, match="--speed has no meaning with live prices"):
        parsed("--feed", "live", "--speed", "2")


LIVE = {"SAPPHIRE_MODE": "live", "SAPPHIRE_NETWORK": "testnet", "SAPPHIRE_FEED": "live"}


def test_options_when_orders_are_real_then_their_state_is_kept_apart() -> None:
    options = parsed(**LIVE)

    assert options.data_dir == Path(".sapphire/trading-testnet")
    assert options.origin == {
        "feed": "live",
        "interval": "1m",
        "mode": "live",
        "network": "testnet",
    }
    on_paper = parsed("--feed", "live")
    mainnet = parsed(**{**LIVE, "SAPPHIRE_NETWORK": "mainnet"})
    assert len({str(each.origin) for each in (options, on_paper, mainnet)}) == 3
    assert len({each.data_dir for each in (options, on_paper, mainnet)}) == 3


def test_options_when_orders_are_real_and_prices_are_not_then_refused(candles: Path) -> None:
    for line in (("--feed", "simulated"), ("--replay", str(candles), "--interval", "5m")):
        with pytest.raises(ConfigurationError, match="real orders need real prices"):
            parsed(*line, **LIVE)


def test_options_when_replayed_then_watches_what_the_folder_holds(candles: Path) -> None:
    options = parsed("--replay", str(candles))

    assert options.recording is not None
    assert set(options.settings.swarm.symbols) == {"BTC", "PEPE"}
    assert options.speed == math.inf
    assert options.data_dir == Path(".sapphire") / f"replay-{options.run_key}"
    assert options.settings.feed == "replay"


def test_options_when_the_symbols_differ_then_so_does_the_replay(candles: Path) -> None:
    everything = parsed("--replay", str(candles))
    one = parsed("--replay", str(candles), "--symbols", "BTC")

    assert one.settings.swarm.symbols == ("BTC",)
    assert one.run_key != everything.run_key
    assert parsed("--replay", str(candles)).run_key == everything.run_key


def test_options_when_a_symbol_is_not_recorded_then_says_so(candles: Path) -> None:
    with pytest.raises(InvalidInputError, match="no file for DOGE"):
        parsed("--replay", str(candles), "--symbols", "DOGE")


def test_options_when_replay_and_feed_are_both_given_then_refuses(candles: Path) -> None:
    with pytest.raises(ConfigurationError, match="exclude each other"):
        parsed("--replay", str(candles), "--feed", "live")


def test_options_when_the_port_variable_is_wrong_then_names_it() -> None:
    with pytest.raises(ConfigurationError, match="SAPPHIRE_PORT must be a port"):
        parsed(SAPPHIRE_PORT="eighty")


def test_options_when_the_port_and_others_are_wrong_then_names_them_all() -> None:
    with pytest.raises(ConfigurationError, match=r"SAPPHIRE_CAPITAL.*; SAPPHIRE_PORT"):
        parsed(SAPPHIRE_PORT="abc", SAPPHIRE_CAPITAL="-3")
