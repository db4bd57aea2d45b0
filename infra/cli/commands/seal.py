"""`sapphire seal`: a private key, typed unseen or piped in, becomes the fields of a deployment."""

import argparse

from infra.cli.options import add_data_dir, positive_int

VENUES = ("hyperliquid", "ostium", "gmx", "spot", "aster")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--agent", metavar="AGENT_ID", required=True, help="whose deployment it is")
    parser.add_argument(
        "--wallet", metavar="ADDRESS", required=True, help="the user's wallet, as deploy names it"
    )
    parser.add_argument(
        "--venue", type=str.lower, choices=VENUES, required=True, help="where the key signs"
    )
    parser.add_argument(
        "--key-version",
        type=positive_int,
        metavar="N",
        default=1,
        help="1 (the default) to deploy; to rotate, one more than the deployment has now",
    )
    add_data_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    from infra.cli.seal_session import run_seal

    return run_seal(arguments)
