"""`sapphire preflight`: everything that must hold before real money moves, line by line."""

import argparse

from infra.cli.scope_options import add_server


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_server(parser)


def run(arguments: argparse.Namespace) -> int:
    from infra.cli.preflight_session import run_preflight_command

    return run_preflight_command(arguments)
