"""`sapphire reduce`: from now on only orders that make positions smaller."""

import argparse

from infra.cli.scope_options import add_person, add_scope, add_server


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_scope(parser)
    add_person(parser, why="reduced by hand")
    add_server(parser)


def run(arguments: argparse.Namespace) -> int:
    from infra.cli.state_session import run_change

    return run_change("reduce", arguments)
