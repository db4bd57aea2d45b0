"""`sapphire status`: how the running server is."""

import argparse

from infra.cli.options import add_data_dir


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data_dir(parser)
    parser.add_argument("--url", help="address of the server (default: the one running here)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(arguments: argparse.Namespace) -> int:
    from infra.cli.status_session import run_status

    return run_status(arguments)
