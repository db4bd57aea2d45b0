"""`sapphire emulators`: the official emulators, with the lines that point programs at them."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # nothing to choose


def run(arguments: argparse.Namespace) -> int:
    del arguments
    from infra.cli.emulator_session import run_emulators

    return run_emulators()
