"""Which part of the platform a verb is for. Imports nothing heavy: every --help pays."""

import argparse
from typing import TYPE_CHECKING

from infra.cli.options import add_data_dir

if TYPE_CHECKING:
    from common.domain.scope import Scope

BOOKS = ("v2", "v3")


def add_scope(parser: argparse.ArgumentParser, *, by_symbol: bool = True) -> None:
    """One of four, or of three; without any it is the whole platform."""
    which = parser.add_argument_group("which part (default: the whole platform)")
    one = which.add_mutually_exclusive_group()
    one.add_argument("--venue", metavar="VENUE", help="such as hyperliquid")
    one.add_argument("--agent", metavar="AGENT_ID", help="every deployment of an agent")
    one.add_argument("--deployment", metavar="DEPLOYMENT_ID", help="one deployment")
    if by_symbol:
        one.add_argument("--symbol", metavar="SYMBOL", help="such as BTC, at every venue")
    else:
        parser.set_defaults(symbol=None)
    which.add_argument("--book", choices=BOOKS, help="the agent's (default: v3)")


def add_server(parser: argparse.ArgumentParser) -> None:
    add_data_dir(parser)
    parser.add_argument("--url", help="address of the server (default: the one running here)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def add_person(parser: argparse.ArgumentParser, *, why: str) -> None:
    """`why` is the reason that stands when none is given."""
    parser.add_argument(
        "--reason", metavar="TEXT", default=why, help=f"why, for the record ({why})"
    )
    parser.add_argument(
        "--by", metavar="NAME", help="who, for the record (default: your name on this machine)"
    )


def scope_of(arguments: argparse.Namespace) -> "Scope":
    """Raises InvalidInputError: no such venue, or what is named is no id."""
    from common.domain.instrument import ALL_VENUES
    from common.domain.scope import (
        PLATFORM_SCOPE,
        agent_scope,
        deployment_scope,
        symbol_scope,
        venue_scope,
    )
    from common.errors import InvalidInputError

    if arguments.book is not None and arguments.agent is None:
        raise InvalidInputError("it is an agent's: name the --agent too", where="--book")
    if arguments.venue is not None:
        name = arguments.venue.upper()
        if name not in ALL_VENUES:
            known = ", ".join(venue.lower() for venue in ALL_VENUES)
            raise InvalidInputError(f"there are {known}", where="--venue")
        return venue_scope(name)
    if arguments.agent is not None:
        return agent_scope(arguments.book or "v3", _name(arguments.agent, "--agent"))
    if arguments.deployment is not None:
        return deployment_scope(_name(arguments.deployment, "--deployment"))
    if arguments.symbol is not None:
        return symbol_scope(_name(arguments.symbol.upper(), "--symbol"))
    return PLATFORM_SCOPE


def _name(text: str, where: str) -> str:
    from common.domain.identifiers import ID_PATTERN
    from common.errors import InvalidInputError

    if not ID_PATTERN.fullmatch(text):
        raise InvalidInputError("not a name that anything can have", where=where)
    return text


def person(arguments: argparse.Namespace) -> str:
    """--by, or the name of whoever runs this. Raises InvalidInputError: neither is known."""
    if arguments.by is not None and arguments.by.strip():
        return str(arguments.by.strip())
    import getpass

    from common.errors import InvalidInputError

    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = ""
    if arguments.by is not None or not name:
        raise InvalidInputError("say who you are", where="--by")
    return name
