"""From the command line and the environment to what the local stack needs."""

import argparse
import math
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from common.config import Settings, load_settings
from common.errors import ConfigurationError
from infra.cli.options import port as parse_port
from infra.cli.options import symbols as parse_symbols
from infra.local.stack.options import Recording, StackOptions, open_recording

SIMULATED_SPEED = 60.0
_DEFAULT_PORT = "8080"


def session_options(
    arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ
) -> StackOptions:
    """Raises ConfigurationError, naming every bad variable at once."""
    if arguments.replay is not None and arguments.feed is not None:
        raise ConfigurationError("--feed and --replay exclude each other: a replay is the feed")
    settings, port = _settings_and_port(arguments, environ)
    recording = None
    if arguments.replay is not None:
        recording, settings = recorded(arguments, settings, environ)
    options = StackOptions(
        settings=settings,
        data_dir=Path(settings.data_dir),
        data_dir_given=arguments.data_dir is not None,
        port=port,
        backend=arguments.backend,
        recording=recording,
        speed=_speed(arguments, settings),
        ticks=arguments.ticks,
        seed=arguments.seed,
        chaos=_chaos(arguments),
    )
    if options.data_dir_given:
        return options
    return replace(options, data_dir=_default_data_dir(options))


def _chaos(arguments: argparse.Namespace) -> int | None:
    if arguments.chaos is not None and arguments.backend != "embedded":
        raise ConfigurationError("--chaos is a knob of the embedded bus, not of the emulator's")
    return cast("int | None", arguments.chaos)


def run_settings(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """The environment's settings with the command line's choices over them."""
    given = {
        "SAPPHIRE_FEED": "replay" if arguments.replay else getattr(arguments, "feed", None),
        "SAPPHIRE_INTERVAL": arguments.interval,
        "SAPPHIRE_SYMBOLS": ",".join(parse_symbols(arguments.symbols) or ()),
        "SAPPHIRE_DATA_DIR": str(getattr(arguments, "data_dir", None) or ""),
    }
    merged = {**environ, **{name: value for name, value in given.items() if value}}
    if not merged.get("SAPPHIRE_INTERVAL") and not arguments.replay:
        merged["SAPPHIRE_INTERVAL"] = "1m"  # a cycle a minute sees a new candle each time
    return load_settings(merged)


def recorded(
    arguments: argparse.Namespace, settings: Settings, environ: Mapping[str, str]
) -> tuple[Recording, Settings]:
    """The recording, and settings that watch what it holds; without named symbols, all of it."""
    named = bool(arguments.symbols or environ.get("SAPPHIRE_SYMBOLS"))
    swarm = settings.swarm
    recording = open_recording(arguments.replay, swarm.interval, swarm.symbols if named else None)
    watched = replace(swarm, symbols=recording.feed.symbols)
    return recording, replace(settings, swarm=watched)


def _settings_and_port(
    arguments: argparse.Namespace, environ: Mapping[str, str]
) -> tuple[Settings, int]:
    try:
        port = arguments.port if arguments.port is not None else _port(environ)
    except ConfigurationError as wrong_port:
        try:
            run_settings(arguments, environ)
        except ConfigurationError as others:
            raise ConfigurationError(f"{others}; {wrong_port}") from None
        raise
    return run_settings(arguments, environ), port


def _port(environ: Mapping[str, str]) -> int:
    try:
        return parse_port(environ.get("SAPPHIRE_PORT") or _DEFAULT_PORT)
    except argparse.ArgumentTypeError as error:
        raise ConfigurationError(f"SAPPHIRE_PORT {error}") from None


def _speed(arguments: argparse.Namespace, settings: Settings) -> float:
    if arguments.replay is not None:
        return float(arguments.speed or math.inf)
    if settings.feed == "live":
        if arguments.speed not in {None, 1.0}:
            raise ConfigurationError(
                "--speed has no meaning with live prices: they come as they do"
            )
        return 1.0
    return float(arguments.speed or SIMULATED_SPEED)


def live_data_dir(settings: Settings) -> Path:
    """Where live trading keeps its state and secrets unless it is told otherwise."""
    return Path(settings.data_dir) / f"trading-{settings.network}"


def _default_data_dir(options: StackOptions) -> Path:
    """Simulated, live and replayed state never share a directory, nor do paper and real orders."""
    if options.recording is not None:
        return options.data_dir / f"replay-{options.run_key}"
    if options.settings.mode == "live":
        return live_data_dir(options.settings)
    if options.settings.feed == "live":
        return options.data_dir / "live"
    return options.data_dir
