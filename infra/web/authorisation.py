"""What a caller may do: each route needs a role at least; writes are told to the log."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.audit import asked_by
from common.domain.principal import Principal, Role
from infra import bootstrap
from infra.gcp.logging import log_event
from infra.web.guard import ACCESS_KEY, PRINCIPAL_KEY
from infra.web.problems import Problem

CLEARED_KEY = "sapphire.cleared"
"""The route that the caller's role was found to cover; the route itself looks for it again."""

_ROUTE_KEY = "sapphire.route"
_READS = frozenset({"GET", "HEAD"})

RouteName = tuple[str, str]
"""Method and path, as `("POST", "/api/ops/halt")`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """`roles`: the least role of each route; what is not in it needs an admin.

    `urgent`: what only lowers risk, and so is never held up by how often somebody has asked.
    """

    roles: Mapping[RouteName, Role]
    urgent: frozenset[RouteName] = frozenset()

    def least_role(self, method: str, path: str) -> Role:
        return self.roles.get((method, path), Role.ADMIN)


def flat_routes(routers: Iterable[APIRouter]) -> tuple[Route, ...]:
    """Every route of the application's own, in the order in which they are tried."""
    routes: list[BaseRoute] = [route for router in routers for route in router.routes]
    return tuple(route for route in routes if isinstance(route, APIRoute))


class Authorisation:
    """Behind Authentication: the limit of the caller's rate, its role, and the name of its acts."""

    def __init__(self, app: ASGIApp, routes: Sequence[Route], permissions: Permissions) -> None:
        self._app = app
        self._routes = routes
        self._permissions = permissions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal: Principal | None = scope.get(PRINCIPAL_KEY)
        if scope["type"] != "http" or principal is None:
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        if method in _READS:
            self._clear(scope, principal)
            await self._app(scope, receive, send)
            return
        with asked_by(principal.name, principal.principal_id):
            await self._act(scope, receive, send, principal)

    async def _act(self, scope: Scope, receive: Receive, send: Send, principal: Principal) -> None:
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        code = ""
        try:
            self._clear(scope, principal)
            await self._app(scope, receive, noting)
        except Problem as problem:
            status, code = problem.status, problem.code
            raise
        finally:
            _tell(scope, principal, status, code)

    def _clear(self, scope: Scope, principal: Principal) -> None:
        """Raises Problem: 429 for too many requests, 403 for too low a role."""
        method = scope["method"]
        path = next(
            (route.path for route in self._routes if route.matches(scope)[0] is Match.FULL), None
        )
        scope[_ROUTE_KEY] = path
        if (method, path) not in self._permissions.urgent:
            per_minute = bootstrap.current().settings.rate_per_minute
            scope[ACCESS_KEY].count(principal, per_minute)
        if path is None:
            return  # the router says what is wrong with it
        needed = self._permissions.least_role(method, path)
        if not principal.role.covers(needed):
            detail = f"this needs the role {needed.value}; yours is {principal.role.value}"
            raise Problem(403, "ROLE_TOO_LOW", detail)
        scope[CLEARED_KEY] = path


def _tell(scope: Scope, principal: Principal, status: int, code: str) -> None:
    """One line an act, those that were refused among them; what it changed is in the audit."""
    path = scope.get(_ROUTE_KEY) or "a path that is none"  # never the caller's own text
    log_event(
        logging.INFO,
        f"{principal.name} ({principal.kind.value} {principal.principal_id[:12]}):"
        f" {scope['method']} {path}",
        function="api",
        step="operator-act",
        status=status,
        code=code,
    )
