"""`sapphire access add`, `list`, `role` and `revoke`: who may use the API, and as what."""

import argparse

from infra.cli.options import positive_int
from infra.cli.scope_options import add_server

ROLES = ("viewer", "trader", "admin")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    add = verbs.add_parser("add", help="give a person or a program access", description=_ADD)
    add.add_argument("name", metavar="NAME", help="who: it stands beside all that they do")
    add.add_argument("--role", choices=ROLES, required=True, help="what they may do")
    add.add_argument(
        "--google", metavar="EMAIL", help="sign in with this Google account (default: a token)"
    )
    add.add_argument("--days", type=positive_int, metavar="N", help="how long (default: no end)")
    listed = verbs.add_parser("list", help="everybody who has access", description=_LIST)
    listed.add_argument("--all", action="store_true", help="those that had access before, too")
    role = verbs.add_parser("role", help="change what somebody may do", description=_ROLE)
    revoke = verbs.add_parser("revoke", help="take all access away", description=_REVOKE)
    for each in (role, revoke):
        each.add_argument("who", metavar="NAME|ID", help="a name that one alone has, or an id")
    role.add_argument("role", choices=ROLES)
    for each in (role, revoke):
        each.add_argument("--reason", metavar="TEXT", help="why, for the record")
    for each in (add, listed, role, revoke):
        add_server(each)


def run(arguments: argparse.Namespace) -> int:
    from infra.cli.access_session import run_access

    return run_access(arguments)


_ADD = (
    "Gives access: a viewer reads; a trader also deploys, trades and stops trading; an admin also"
    " resumes it, sets limits, and says who has access. A token is shown once, and kept nowhere."
)
_LIST = "Who has access, with role, end and id. The built-in token is in no list."
_ROLE = "Changes a role, at once."
_REVOKE = "Takes all access away, at once."
