"""`sapphire halt`: no order at all from now on; resting entries are canceled."""

import argparse

from infra.cli.scope_options import add_person, add_scope, add_server


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_scope(parser)
    add_person(parser, why="halted by hand")
    add_server(parser)
    parser.add_argument(
        "--offline",
        action="store_true",
        help="no server runs: write it into the store, so that the next start is halted",
    )


def run(arguments: argparse.Namespace) -> int:
    from infra.cli.state_session import run_change

    return run_change("halt", arguments)
