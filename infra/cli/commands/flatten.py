"""`sapphire flatten`: close every position, until the venues themselves say that all is flat."""

import argparse

from infra.cli.scope_options import add_person, add_scope, add_server


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_scope(parser)
    add_person(parser, why="flattened by hand")
    add_server(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask before closing anything")
    parser.add_argument(
        "--follow", metavar="FLATTEN_ID", help="begin nothing, but watch one that was begun"
    )


def run(arguments: argparse.Namespace) -> int:
    from infra.cli.flatten_session import run_flatten

    return run_flatten(arguments)
