"""`sapphire run`: the local stack, with a live view."""

import argparse
import math
from pathlib import Path

from infra.cli.options import INTERVALS, add_data_dir, add_symbols, port, positive_int, speed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=port, help="HTTP port (default: SAPPHIRE_PORT, or 8080)")
    add_data_dir(parser)
    parser.add_argument(
        "--backend",
        choices=("embedded", "emulator"),
        default="embedded",
        help="embedded needs nothing installed; emulator runs on Google's own emulators",
    )
    parser.add_argument(
        "--feed",
        choices=("simulated", "live"),
        help="simulated prices, or live public Hyperliquid prices with paper fills "
        "(default: SAPPHIRE_FEED, or simulated)",
    )
    parser.add_argument(
        "--replay", type=Path, metavar="DIR", help="recorded candles SYMBOL_INTERVAL.csv as feed"
    )
    parser.add_argument("--interval", choices=INTERVALS, help="candle length")
    parser.add_argument(
        "--speed",
        type=speed,
        metavar="X|max",
        help="times real time (default: max for a replay, 60 for the simulated market)",
    )
    add_symbols(parser)
    parser.add_argument(
        "--ticks",
        type=positive_int,
        metavar="N",
        help="stop after N cycles with a summary; "
        "a replay warms up on up to 200 candles before them, where the recording has them",
    )
    parser.add_argument("--seed", type=int, default=7, help="seed of the simulated market")
    parser.add_argument(
        "--chaos",
        type=int,
        metavar="SEED",
        help="make the embedded bus duplicate, delay and reorder messages and lose answers",
    )


def run(arguments: argparse.Namespace) -> int:
    from infra.cli.session import run_session
    from infra.cli.session_options import session_options

    if arguments.speed == math.inf and arguments.replay is None:
        from common.errors import ConfigurationError

        raise ConfigurationError("--speed max needs --replay: only recorded time can be skipped")
    return run_session(session_options(arguments))
