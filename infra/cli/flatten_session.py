"""One `sapphire flatten`: asks first, begins it on the server, and follows it to its end."""

import argparse
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from common.domain.identifiers import ID_PATTERN
from common.domain.scope import Scope, ScopeKind
from common.errors import InvalidInputError, RejectedError, TransientError
from infra.cli.lines import block, hanging, width_of
from infra.cli.refusal import tell_refusal
from infra.cli.running_server import ServerClient, the_one_server
from infra.cli.scope_options import person, scope_of

EVERY_S = 1.0
PATIENCE_S = 300.0
_BEGIN_S = 60.0  # until the server has taken it up
_ENDED = frozenset({"FLAT", "STUCK", "ABANDONED"})
_REMAINING_SHOWN = 20
_now, _wait = time.monotonic, time.sleep


def run_flatten(arguments: argparse.Namespace) -> int:
    """0 flat, 1 refused, stuck or still closing after 5 minutes, 130 left by Ctrl-C.

    Raises:
        InvalidInputError: no such scope, nobody said yes, or it is not clear who asks.
        TransientError: nothing answers.
    """
    scope = scope_of(arguments)
    with ServerClient(the_one_server(arguments), timeout_s=_BEGIN_S) as server:
        try:
            begun = _begin(server, scope, arguments)
        except RejectedError as error:
            return tell_refusal(error, as_json=arguments.json)
        _warn(begun)
        following = _Following(server, str(begun["flatten_id"]), _Progress(quiet=arguments.json))
        try:
            told = following.to_the_end(begun)
        except KeyboardInterrupt:
            following.progress.end()
            print(_left(following.flatten_id), file=sys.stderr)
            return 130
    following.progress.end()
    return _end(told, as_json=arguments.json)


def _begin(server: ServerClient, scope: Scope, arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.follow is not None:
        if not ID_PATTERN.fullmatch(arguments.follow):
            raise InvalidInputError("not an id", where="--follow")
        return server.get(f"/api/ops/flattens/{arguments.follow}")
    by = person(arguments)
    if not (arguments.yes or _said_yes(server, scope)):
        raise InvalidInputError("nothing was closed: nobody said yes")
    wish = {"scope": scope.key, "reason": arguments.reason, "by": by}
    return server.post("/api/ops/flatten", wish)


def _warn(begun: dict[str, Any]) -> None:
    """Of what will stay open whatever is done here."""
    halted = [str(key) for key in begun.get("halted") or ()]
    if halted:
        text = f"halted, so what is there stays open: {', '.join(halted)}"
        print("\n".join(hanging(text, indent=2, width=width_of(sys.stderr))), file=sys.stderr)


def _said_yes(server: ServerClient, scope: Scope) -> bool:
    if not sys.stdin.isatty():
        raise InvalidInputError("it closes positions at the market: say so with --yes")
    mode = server.get("/health").get("orchestrator", {}).get("config", {}).get("mode", "")
    money = "LIVE, with real money" if mode == "live" else str(mode)
    question = f"Close every position of {scope.label} at {server.url} ({money})? Type yes: "
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() == "yes"


@dataclass(slots=True)
class _Following:
    """Asks once a second. A server that does not answer for a moment is asked again."""

    server: ServerClient
    flatten_id: str
    progress: "_Progress"

    def to_the_end(self, begun: dict[str, Any]) -> dict[str, Any]:
        told, give_up = begun, _now() + PATIENCE_S
        self.progress.show(told)
        while told["status"] not in _ENDED and _now() < give_up:
            _wait(EVERY_S)
            try:
                told = self.server.get(f"/api/ops/flattens/{self.flatten_id}")
            except TransientError as error:
                self.progress.trouble(str(error))
            else:
                self.progress.show(told)
        return told


@dataclass(slots=True)
class _Progress:
    """On a terminal one line that changes in place; elsewhere a line whenever something changed."""

    quiet: bool
    width: int | None = field(default_factory=lambda: width_of(sys.stderr))
    last: str = ""

    def show(self, told: dict[str, Any]) -> None:
        left = len(told.get("remaining") or ())
        rounds = int(told.get("rounds") or 0)
        asked = "not asked yet" if not rounds else f"asked {rounds} time{'s'[: rounds != 1]}"
        what = f"{left} thing{'s'[: left != 1]} left" if rounds else "cancels and closes"
        self._line(f"{told['status']:<8} {what}; venues {asked}")

    def trouble(self, text: str) -> None:
        self._line(f"asking again: {text}")

    def end(self) -> None:
        if self.width is not None and self.last and not self.quiet:
            print(file=sys.stderr)

    def _line(self, text: str) -> None:
        if self.quiet or text == self.last:
            return
        self.last = text
        if self.width is None:
            print(text, file=sys.stderr, flush=True)
        else:
            print(f"\r\x1b[K{text[: self.width - 1]}", end="", file=sys.stderr, flush=True)


def _left(flatten_id: str) -> str:
    return (
        f"left it: the server goes on until all is flat. Watch it again with\n"
        f"  sapphire flatten --follow {flatten_id}"
    )


def _end(told: dict[str, Any], *, as_json: bool) -> int:
    status = str(told["status"])
    if as_json:
        print(json.dumps(told))
        return 0 if status == "FLAT" else 1
    width = width_of(sys.stdout)
    if status == "FLAT":
        lines = hanging("FLAT: every venue says that nothing is left.", indent=2, width=width)
        scope = Scope.parse(str(told["scope"]))
        lines += block(_AFTER_FLAT.format(options=_options(scope)), indent=2, width=width)
    else:
        lines = hanging(_NOT_FLAT.get(status, _NOT_FLAT["CLOSING"]), indent=2, width=width)
        lines += _remaining(told, width)
        follow = f"-> sapphire flatten --follow {told['flatten_id']}"
        lines += block(follow, indent=2, width=width)
    print("\n".join(lines))
    return 0 if status == "FLAT" else 1


_AFTER_FLAT = "Trading there stays halted; `sapphire resume{options}` trades again."
_NOT_FLAT = {
    "ABANDONED": "Given up: trading there was resumed before all was flat. What remained then:",
    "STUCK": "STUCK: a person must look at the venue. The server goes on asking. What remains:",
    "CLOSING": "Still closing after 5 minutes. The server goes on. What remains:",
}


def _remaining(told: dict[str, Any], width: int | None) -> list[str]:
    found = [str(each) for each in told.get("remaining") or ()]
    lines = [
        line for each in found[:_REMAINING_SHOWN] for line in block(each, indent=2, width=width)
    ]
    more = len(found) - _REMAINING_SHOWN
    return lines + ([f"  and {more} more"] if more > 0 else [])


def _options(scope: Scope) -> str:
    """As a person names `scope` on the command line, with a space before it."""
    if scope.kind is ScopeKind.PLATFORM:
        return ""
    if scope.kind is not ScopeKind.AGENT:
        return f" --{scope.kind} {scope.name}"
    book, _, agent = scope.name.partition(":")
    return f" --agent {agent}" + ("" if book == "v3" else f" --book {book}")
