"""Command line values that several commands share. Imports nothing heavy: every --help pays."""

import argparse
import math
from pathlib import Path

INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "4h", "1d")


def positive_int(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, not {text!r}")
    return value


def port(text: str) -> int:
    """0 takes any free port."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be a port from 0 to 65535, not {text!r}")
    return int(text)


def speed(text: str) -> float:
    """`max` is as fast as it goes; 1 is real time."""
    if text == "max":
        return math.inf
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"must be max or a number above 0, not {text!r}")
    return value


def add_symbols(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--symbols",
        nargs="+",
        metavar="SYMBOL",
        help="which symbols, such as BTC ETH or BTC,ETH (default: SAPPHIRE_SYMBOLS, or all there)",
    )


def symbols(values: list[str] | None) -> tuple[str, ...] | None:
    """`["BTC,ETH", "SOL"]` and `["BTC", "ETH", "SOL"]` are the same three."""
    if values is None:
        return None
    return tuple(name for value in values for name in value.split(",") if name)


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="where state is kept (default: SAPPHIRE_DATA_DIR, or .sapphire)",
    )
