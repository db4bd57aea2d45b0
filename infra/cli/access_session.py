"""One `sapphire access`: asks the running server, and says what holds now."""

import argparse
import json
from typing import Any

from common.domain.moment import from_iso
from common.errors import InvalidInputError, RejectedError
from infra.cli.refusal import tell_refusal
from infra.cli.running_server import ServerClient, the_one_server
from infra.cli.text import full_time

_PATIENCE_S = 30.0
_PREFIX_MIN = 8
_HOME = "/api/access/principals"


def run_access(arguments: argparse.Namespace) -> int:
    """0 when it holds, 1 when the server refuses.

    Raises:
        InvalidInputError: nobody of that name or id, or several; or our role is too low.
        TransientError: nothing answers.
    """
    run = {"add": _add, "list": _list, "role": _change, "revoke": _change}[arguments.verb]
    with ServerClient(the_one_server(arguments), timeout_s=_PATIENCE_S) as server:
        try:
            told, lines = run(arguments, server)
        except RejectedError as error:
            return tell_refusal(error, as_json=arguments.json)
    print(json.dumps(told) if arguments.json else "\n".join(lines))
    return 0


Told = tuple[dict[str, Any], list[str]]
"""What the server says, and what a person reads of it."""


def _add(arguments: argparse.Namespace, server: ServerClient) -> Told:
    wish: dict[str, Any] = {"name": arguments.name, "role": arguments.role}
    if arguments.google:
        wish |= {"kind": "google", "email": arguments.google}
    if arguments.days:
        wish["days"] = arguments.days
    added = server.post(_HOME, wish)
    lines = [f"{_who(added)} has access at {server.url}"]
    if token := added.get("token"):
        lines += ["  the token, which is shown once and kept nowhere:", f"  {token}"]
    return added, lines


def _list(arguments: argparse.Namespace, server: ServerClient) -> Told:
    found = [each for each in _everybody(server) if arguments.all or not each["revoked_at"]]
    lines = [_line(each) for each in found] or ["nobody but who has the built-in token"]
    return {"principals": found}, lines


def _change(arguments: argparse.Namespace, server: ServerClient) -> Told:
    principal = _the_one(arguments.who, _everybody(server))
    wish = {"reason": arguments.reason} if arguments.reason else {}
    if arguments.verb == "role":
        wish["role"] = arguments.role
    after = server.post(f"{_HOME}/{principal['principal_id']}/{arguments.verb}", wish)
    return after, [f"{_who(after)} has {'no ' if after['revoked_at'] else ''}access"]


def _everybody(server: ServerClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = server.get(f"{_HOME}?limit=1000{f'&cursor={cursor}' if cursor else ''}")
        found += page["principals"]
        cursor = page["next_cursor"]
        if not cursor:
            return found


def _the_one(who: str, everybody: list[dict[str, Any]]) -> dict[str, Any]:
    """By the beginning of its id, or by its name among those that have access."""
    by_id = [
        each
        for each in everybody
        if len(who) >= _PREFIX_MIN and str(each["principal_id"]).startswith(who)
    ]
    found = by_id or [each for each in everybody if each["name"] == who and not each["revoked_at"]]
    if not found:
        raise InvalidInputError(f"nobody called {who!r} has access", where="access")
    if len(found) > 1:
        ids = ", ".join(str(each["principal_id"])[:16] for each in found)
        raise InvalidInputError(f"{len(found)} are called {who!r}: name one by id: {ids}")
    return found[0]


def _who(principal: dict[str, Any]) -> str:
    account = f" ({principal['email']})" if principal["email"] else ""
    return f"{principal['name']}{account}, {principal['role']}"


def _line(principal: dict[str, Any]) -> str:
    until, gone = principal["expires_at"], principal["revoked_at"]
    end = f"until {full_time(from_iso(str(until)))}" if until else "without an end"
    if gone:
        end = f"revoked {full_time(from_iso(str(gone)))} by {principal['revoked_by']}"
    return f"{_who(principal)}, {end}  {str(principal['principal_id'])[:16]}"
