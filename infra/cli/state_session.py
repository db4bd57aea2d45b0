"""One `sapphire halt`, `reduce` or `resume`: asks the running server, and says what holds now."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.domain.moment import from_iso
from common.domain.scope import PLATFORM_SCOPE, Scope
from common.errors import InvalidInputError, RejectedError, SapphireError, TransientError
from infra.cli.known_symbols import warning_of_server
from infra.cli.lines import block, hanging, width_of
from infra.cli.narrower_states import stopped_parts
from infra.cli.refusal import tell_refusal
from infra.cli.running_server import ServerClient, running_servers, the_one_server
from infra.cli.scope_options import person, scope_of
from infra.cli.text import full_time

PATIENCE_S = 60.0  # a resume runs the preflight first
_WHAT_NOW = {
    "HALTED": "no order is sent, and resting entries are being canceled; stops stay at the venues",
    "REDUCING": "only orders that make positions smaller are sent; resting entries are being"
    " canceled",
    "ACTIVE": "orders are sent again",
}


def run_change(verb: str, arguments: argparse.Namespace) -> int:
    """0 when it holds, 1 when the server refuses.

    Raises:
        InvalidInputError: no such scope, or it is not clear who asks, or which server is meant.
        TransientError: nothing answers.
    """
    scope = scope_of(arguments)
    wish = {"scope": scope.key, "reason": arguments.reason, "by": person(arguments)}
    if getattr(arguments, "offline", False):
        return _halt_offline(arguments, scope, wish)
    with ServerClient(the_one_server(arguments), timeout_s=PATIENCE_S) as server:
        try:
            record = server.post(f"/api/ops/{verb}", wish)
        except RejectedError as error:
            return tell_refusal(error, as_json=arguments.json)
        except TransientError as error:
            hint = "; --offline has the next start halted" if verb == "halt" else ""
            raise TransientError(f"{error}{hint}") from None
        wish |= {"by": _own_name(server, record, wish)}
        warning = warning_of_server(server, scope)
        stopped = _still_stopped(server) if verb == "resume" and scope == PLATFORM_SCOPE else []
    what = _WHAT_NOW.get(str(record["state"]), "")
    _tell(
        record,
        state_sentence(record, scope, wish),
        what,
        still=stopped,
        warning=warning,
        as_json=arguments.json,
    )
    return 0


def _halt_offline(arguments: argparse.Namespace, scope: Scope, wish: dict[str, str]) -> int:
    from infra.cli.offline_halt import stored_halt
    from infra.cli.offline_runtime import own_settings

    if arguments.url is not None:
        raise InvalidInputError("--offline is for a store that no server runs on", where="--url")
    settings = own_settings(arguments)
    data_dir = Path(settings.data_dir)
    running = [server.url for server in running_servers(arguments) if server.data_dir == data_dir]
    if running:
        detail = f"a Sapphire runs on {data_dir}, at {running[0]}: leave --offline out"
        raise InvalidInputError(detail)
    record, warning = asyncio.run(
        stored_halt(settings, scope, reason=wish["reason"], by=wish["by"])
    )
    what = (
        f"no server runs: it stands in {data_dir}; the next start obeys it, and cancels what rests"
    )
    sentence = state_sentence(record, scope, wish)
    _tell(record, sentence, what, warning=warning, as_json=arguments.json)
    return 0


def _own_name(server: ServerClient, record: dict[str, Any], wish: dict[str, str]) -> str:
    """What the server keeps for ours: whoever has a token of its own acts in its own name alone."""
    told = wish["by"]
    if record.get("changed_by") == told or record.get("reason") != wish["reason"]:
        return told
    try:
        me = server.get("/api/access/me")
    except SapphireError:
        return told
    return told if me.get("kind") == "built-in" else str(me.get("name"))


def _still_stopped(server: ServerClient) -> list[str]:
    """What the platform's resume leaves stopped. It stands by now: nothing here may fail it."""
    try:
        return stopped_parts(server.get("/api/ops/state"))
    except SapphireError:
        return []


def _tell(
    record: dict[str, Any],
    sentence: str,
    what: str,
    *,
    still: Sequence[str] = (),
    warning: str = "",
    as_json: bool,
) -> None:
    """The warning goes to stderr, in whatever form the rest is wanted."""
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
    if as_json:
        print(json.dumps(record))
        return
    width = width_of(sys.stdout)
    lines = [*hanging(sentence, indent=2, width=width), *block(what, indent=2, width=width)]
    if still:
        lines += ["  still stopped, each until it is resumed by itself:"]
        lines += [line for each in still for line in block(each, indent=4, width=width)]
    print("\n".join(lines))


def state_sentence(record: dict[str, Any], scope: Scope, wish: dict[str, str]) -> str:
    """`Trading is HALTED for venue GMX, by Ada at 2026-11-27 12:00:00 UTC: news`."""
    asked = (record.get("reason"), record.get("changed_by")) == (wish["reason"], wish["by"])
    held = "" if asked else "already "
    where = "" if scope == PLATFORM_SCOPE else f" for {scope.label}"
    at = full_time(from_iso(str(record["changed_at"])))
    return (
        f"Trading is {held}{record['state']}{where}, by {record['changed_by']} at {at}:"
        f" {record['reason']}"
    )
