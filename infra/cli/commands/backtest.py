"""`sapphire backtest`: the same pipeline in memory, without a server, at full speed."""

import argparse
from pathlib import Path

from infra.cli.options import INTERVALS, add_symbols, positive_int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--replay",
        type=Path,
        metavar="DIR",
        required=True,
        help="folder of recorded candles SYMBOL_INTERVAL.csv",
    )
    parser.add_argument("--interval", choices=INTERVALS, default="5m", help="candle length")
    add_symbols(parser)
    parser.add_argument("--ticks", type=positive_int, metavar="N", help="only the first N candles")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(arguments: argparse.Namespace) -> int:
    from infra.cli.backtest_session import run_backtest

    return run_backtest(arguments)
