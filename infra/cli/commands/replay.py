"""`sapphire replay`: make a stored decision again from its stored inputs."""

import argparse

from infra.cli.options import add_data_dir


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("decision_id", metavar="DECISION_ID", help="as GET /api/decisions shows it")
    add_data_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    from infra.cli.decision_session import run_decision_replay

    return run_decision_replay(arguments)
