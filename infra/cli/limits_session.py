"""One `sapphire limits show` or `set`: on the running server, or on its store where none runs."""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from common.config import LimitSettings, Settings
from common.domain.risk_limits import RiskLimits
from common.domain.scope import PLATFORM_SCOPE, Scope, ScopeKind, agent_scope
from common.errors import InvalidInputError, RejectedError, SapphireError, TransientError
from common.how.limit_documents import ScopeLimits
from common.wire import JsonObject, from_document, to_document
from infra.cli.limits_fields import all_of, changes_of, merged
from infra.cli.limits_holding import holding
from infra.cli.limits_view import changes, limits_lines
from infra.cli.lines import width_of
from infra.cli.offline_limits import Found, scopes_of, stored_limits, write_limits
from infra.cli.offline_runtime import own_settings, server_for
from infra.cli.refusal import tell_refusal
from infra.cli.running_server import Server, ServerClient
from infra.cli.scope_options import person, scope_of

_PATIENCE_S = 30.0


def run_limits(arguments: argparse.Namespace) -> int:
    """0 when they are shown, or stand; 1 when the server refuses.

    Raises:
        InvalidInputError: no such scope or limit, a value that it cannot have, or nobody's name.
        TransientError: the server or the store does not answer.
    """
    settings = own_settings(arguments)
    scope = scope_of(arguments)
    place = _Place(settings, server_for(arguments, settings))
    found = place.read(scope)
    if arguments.verb == "show":
        _show(scope, found, settings.limits, as_json=arguments.json)
        return 0
    wish = {
        "scope": scope.key,
        **_changes(scope, found, arguments.fields),
        "reason": arguments.reason,
        "by": person(arguments),
    }
    try:
        after = place.write(wish)
    except RejectedError as error:
        return tell_refusal(error, as_json=arguments.json)
    _tell_set(scope, found.limits, after, place, as_json=arguments.json)
    return 0


def _changes(scope: Scope, found: Found, fields: Sequence[str]) -> JsonObject:
    """What is named; all that stands, when nothing is; and the defaults where nothing stands."""
    named = changes_of(fields)
    if found.limits is None and scope == PLATFORM_SCOPE:
        return merged(all_of(found.defaults), named)
    if not named and found.limits is not None:
        return all_of(found.limits)
    return named


class _Place:
    """Where the limits stand: behind the running server, or in the store that it would have."""

    def __init__(self, settings: Settings, server: Server | None) -> None:
        self._settings = settings
        self._server = server

    @property
    def name(self) -> str:
        return self._server.url if self._server else f"{self._settings.data_dir} (no server runs)"

    def read(self, scope: Scope) -> Found:
        if self._server is None:
            return asyncio.run(stored_limits(self._settings, scope))
        with ServerClient(self._server, timeout_s=_PATIENCE_S) as client:
            told = client.get("/api/ops/limits")
            scopes = scopes_of(scope, _agent_of(scope, client))
        said = dict(map(_said, told["limits"]))
        own = said.get(scope.key, ScopeLimits(scope))
        return Found(own.value, _limits(told["defaults"]), own.problem, said, scopes)

    def write(self, wish: JsonObject) -> RiskLimits:
        if self._server is None:
            return asyncio.run(write_limits(self._settings, wish))
        with ServerClient(self._server, timeout_s=_PATIENCE_S) as client:
            return _limits(client.post("/api/ops/limits", wish))


def _said(told: Mapping[str, Any]) -> tuple[str, ScopeLimits]:
    """One scope of the server's list, by its key."""
    entry = dict(told)
    problem = str(entry.pop("problem", "") or "")
    key = str(entry.get("scope"))
    limits = None if problem else _limits(entry)
    return key, ScopeLimits(Scope.parse(key), limits, problem)


def _agent_of(scope: Scope, client: ServerClient) -> Scope | None:
    """A deployment's agent; None where the server knows no such deployment."""
    if scope.kind is not ScopeKind.DEPLOYMENT:
        return None
    for book, path in (("v3", "/api/v3/deployments"), ("v2", "/api/deployments")):
        try:
            found = client.get(f"{path}/{scope.name}")
        except InvalidInputError:
            continue
        return agent_scope(book, str(found["agent_id"]))
    return None


def _limits(told: dict[str, Any]) -> RiskLimits:
    try:
        return from_document(RiskLimits, told)
    except SapphireError:
        raise TransientError(
            "the server is of another version: its limits cannot be read"
        ) from None


def _show(scope: Scope, found: Found, caps: LimitSettings, *, as_json: bool) -> None:
    if as_json:
        limits = to_document(found.limits) if found.limits else None
        print(json.dumps({"scope": scope.key, "limits": limits, "problem": found.problem}))
        return
    is_whole = scope == PLATFORM_SCOPE
    lines = limits_lines(
        scope,
        found.limits,
        found.defaults if is_whole else None,
        holds=None if is_whole else holding(found.said, found.scopes, caps),
        problem=found.problem,
        width=width_of(sys.stdout),
    )
    print("\n".join(lines))


def _tell_set(
    scope: Scope, before: RiskLimits | None, after: RiskLimits, place: _Place, *, as_json: bool
) -> None:
    if as_json:
        print(json.dumps(to_document(after)))
        return
    print(
        f"Limits of {scope.label} at {place.name}: version {after.version}, by {after.changed_by}"
    )
    print("\n".join(changes(before, after) or ["  no figure differs from before"]))
