"""The least role of each route. tests/unit/functions/test_permissions.py: none is left out."""

from common.domain.principal import Role
from infra.web.authorisation import Permissions, RouteName

_READS = (
    "/docs",
    "/api/access/me",
    "/api/v3/agents/list",
    "/api/agents",
    "/api/agents/performance",
    "/api/v3/deployments/{id}",
    "/api/deployments/{id}",
    "/api/v3/deployments/{id}/policy",
    "/api/deployments/{id}/policy",
    "/api/v3/signals",
    "/api/signals",
    "/api/v3/signals/{id}",
    "/api/signals/{id}",
    "/api/v3/routing/history",
    "/api/routing/history",
    "/api/v3/routing/config/{id}",
    "/api/orders/parents",
    "/api/orders/parents/{parent_order_id}",
    "/api/portfolio/positions",
    "/api/portfolio/accounts",
    "/api/portfolio/equity",
    "/api/portfolio/exposure",
    "/api/history",
    "/api/decisions",
    "/api/decisions/{id}",
    "/api/analytics/venues",
    "/api/analytics/performance",
    "/api/analytics/statistics",
    "/api/analytics/slippage",
    "/api/analytics/slippage/{id}",
    "/api/venues",
    "/api/venues/{id}",
    "/api/ops/state",
    "/api/ops/flattens",
    "/api/ops/flattens/{flatten_id}",
    "/api/ops/breakers",
    "/api/ops/unresolved",
    "/api/ops/limits",
    "/api/ops/throttles",
    "/api/ops/preflight",
    "/api/notifications",
)
_LOWER_RISK = ("/api/ops/halt", "/api/ops/reduce", "/api/ops/flatten")
_TRADES = (
    *_LOWER_RISK,
    "/api/wallet/nonce",
    "/api/v3/agents/create",
    "/api/agents/create",
    "/api/v3/agents/deploy",
    "/api/agents/deploy",
    "/api/v3/agents/keys/rotate",
    "/api/agents/keys/rotate",
    "/api/v3/agents/keys/revoke",
    "/api/agents/keys/revoke",
    "/api/wallet/nonce",
    "/api/v3/signals/generate",
    "/api/signals/generate",
    "/api/v3/routing/config",
    "/api/trading/execute",
    "/api/orders/parents/{parent_order_id}/{move}",
    "/api/v3/deployments/{id}/policy",
    "/api/deployments/{id}/policy",
)
_RAISES_RISK = (
    "/api/ops/resume",
    "/api/ops/limits",
    "/api/ops/throttles/{id}/enable",
    "/api/ops/orders/{intent_id}/settle",
)
_ACCESS: tuple[RouteName, ...] = (
    ("GET", "/api/access/principals"),
    ("POST", "/api/access/principals"),
    ("POST", "/api/access/principals/{id}/revoke"),
    ("POST", "/api/access/principals/{id}/role"),
)

ROLES: dict[RouteName, Role] = {
    **{("GET", path): Role.VIEWER for path in _READS},
    **{("POST", path): Role.TRADER for path in _TRADES},
    ("PUT", "/api/v3/routing/config"): Role.TRADER,
    **{("POST", path): Role.ADMIN for path in _RAISES_RISK},
    **dict.fromkeys(_ACCESS, Role.ADMIN),
}

PERMISSIONS = Permissions(roles=ROLES, urgent=frozenset(("POST", path) for path in _LOWER_RISK))
