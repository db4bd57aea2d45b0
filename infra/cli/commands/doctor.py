"""`sapphire doctor`: what a Google Cloud project, or this machine, lacks for a deployment."""

import argparse

CHECKS = (
    "project, billing, services, state, accounts, secrets, database, indexes, functions, "
    "schedules, dead-letters"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--project", metavar="P", help="the project's id (default: GOOGLE_CLOUD_PROJECT)"
    )
    parser.add_argument(
        "--region", metavar="R", default="europe-west1", help="of the functions (europe-west1)"
    )
    parser.add_argument("--only", metavar="NAMES", help=f"with commas, of: {CHECKS}")
    parser.add_argument(
        "--local", action="store_true", help="this machine: Python, Terraform, gcloud, lock files"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(arguments: argparse.Namespace) -> int:
    from infra.cli.doctor_session import run_doctor

    return run_doctor(arguments)
