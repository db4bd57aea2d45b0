"""A valid body of every write that the API has, and the records that it speaks of."""

from typing import Any

from common.books import PARENT_ORDERS, PRINCIPALS
from common.domain.principal import Principal, PrincipalKind, Role
from common.domain.scope import deployment_scope
from common.how.throttles import OrderThrottle, throttle_ref
from common.how.trading_state import TradingState
from common.ports import Ref
from functions.api.application import application
from tests.builders import INTENT_ID, NOON, PARENT_ID, a_parent
from tests.functions.api_client import (
    KEYED_V2,
    KEYED_V3,
    V2_AGENT,
    V3_AGENT,
    WALLET,
    Api,
    agent_body,
    key_of,
    rotation_body,
    seed_keyed_deployments,
    seed_unresolved_order,
    signal_body,
)

THROTTLE = OrderThrottle(
    scope=deployment_scope(KEYED_V3).key,
    symbol="ETH",
    disabled=True,
    reason="21 orders within 600 s; the limit is 20",
    changed_at=NOON,
)
PRINCIPAL = Principal(
    principal_id="tok_" + "a" * 64,
    kind=PrincipalKind.TOKEN,
    name="Grace",
    role=Role.TRADER,
    email=None,
    created_by="Ada",
    created_at=NOON,
    expires_at=None,
)
POLICY: dict[str, Any] = {
    "rules": {
        "denied_symbols": ["PEPE"],
        "allowed_venues": ["HYPERLIQUID"],
        "direction": "LONG_ONLY",
        "min_confidence": "0.6",
        "max_order_notional": "1000",
        "max_exposure": "20000",
        "size_model": {"type": "kelly", "value": "50"},
        "risk_modifier": "0.5",
        "stop_loss": "2.5",
        "time_limit_s": 3600,
    },
    "by": "Ada",
}
STATE: dict[str, Any] = {"reason": "a test", "scope": "symbol:BTC", "by": "Ada"}
VALID: dict[str, dict[str, Any]] = {
    "/api/v3/agents/create": agent_body(),
    "/api/agents/create": agent_body(venue="GMX"),
    "/api/v3/agents/deploy": {
        "agent_id": V3_AGENT,
        "user_wallet": WALLET,
        "capital": "2500.50",
        **key_of("hyperliquid"),
        **key_of("ostium"),
    },
    "/api/agents/deploy": {
        "agent_id": V2_AGENT,
        "user_wallet": WALLET,
        "enabled_venues": ["GMX", "SPOT"],
        **key_of("gmx"),
        **key_of("spot"),
    },
    "/api/v3/agents/keys/rotate": rotation_body(KEYED_V3),
    "/api/agents/keys/rotate": rotation_body(KEYED_V2),
    "/api/v3/agents/keys/revoke": {"deployment_id": KEYED_V3, "venue": "HYPERLIQUID"},
    "/api/agents/keys/revoke": {"deployment_id": KEYED_V2, "venue": "HYPERLIQUID"},
    "/api/wallet/nonce": {"wallet": WALLET},
    "/api/v3/signals/generate": signal_body(
        risk_model={
            "type": "stop-loss",
            "stop": 2.5,
            "take_profit": "5",
            "time_limit_s": 3600,
        },
        execution={
            "algorithm": "TWAP",
            "limit_price": "3100",
            "duration_s": 600,
            "slices": 10,
        },
    ),
    "/api/signals/generate": signal_body(V2_AGENT),
    "/api/v3/routing/config": {"agent_id": V3_AGENT, "venues": ["OSTIUM", "HYPERLIQUID"]},
    "/api/trading/execute": {
        "symbol": "ETH",
        "side": "BUY",
        "quantity": "0.5",
        "order_type": "VWAP",
        "price": "3100",
        "duration_s": 600,
        "slices": 10,
    },
    "/api/orders/parents/{parent_order_id}/{move}": {"reason": "a test", "by": "Ada"},
    "/api/v3/deployments/{id}/policy": POLICY,
    "/api/deployments/{id}/policy": POLICY,
    "/api/ops/halt": STATE,
    "/api/ops/reduce": STATE,
    "/api/ops/resume": STATE,
    "/api/ops/flatten": STATE,
    "/api/ops/limits": {
        "scope": "venue:GMX",
        "order": {"max_notional": "5000", "price_collar": "0.02"},
        "deployment": {"max_leverage": "2", "repeats_max": 5, "repeats_window_s": 60},
        "total": {"max_exposure": "100000", "max_open_orders": 200},
        "reason": "a test",
        "by": "Ada",
    },
    "/api/access/principals": {
        "name": "Ada",
        "role": "trader",
        "kind": "google",  # a token is shown once: test_api_access.py
        "email": "ada@example.com",
        "days": 90,
    },
    "/api/access/principals/{id}/revoke": {"reason": "a test"},
    "/api/access/principals/{id}/role": {"role": "admin", "reason": "a test"},
    "/api/ops/throttles/{id}/enable": {"by": "Ada", "reason": "a test"},
    "/api/ops/orders/{intent_id}/settle": {
        "filled_qty": "0.5",
        "avg_px": "3000",
        "commission": "0.9",
        "reason": "a test",
    },
}


def path_of(path: str) -> str:
    """The path of the example: its placeholders are what `seed_examples` has put there."""
    deployment_id = KEYED_V3 if "/v3/" in path else KEYED_V2
    names = {
        "{intent_id}": INTENT_ID,
        "{parent_order_id}": PARENT_ID,
        "{move}": "pause",
        "{id}": deployment_id,
    }
    if "throttles" in path:
        names["{id}"] = THROTTLE.throttle_id
    if "principals" in path:
        names["{id}"] = PRINCIPAL.principal_id
    for name, value in names.items():
        path = path.replace(name, value)
    return path


async def seed_examples(api: Api, path: str) -> None:
    """Trading ACTIVE, the deployments whose keys are rotated and revoked, a parent order and a
    throttle; for the path that settles one also an order that nothing proves, as it keeps trading
    from being resumed.
    """
    await api.set_state(TradingState.ACTIVE)
    await seed_keyed_deployments(api.store)
    scope = deployment_scope(KEYED_V3)
    await api.put_records(
        (Ref(PARENT_ORDERS, PARENT_ID), a_parent()),
        (throttle_ref(scope, THROTTLE.symbol), THROTTLE),
        (Ref(PRINCIPALS, PRINCIPAL.principal_id), PRINCIPAL),
    )
    if "{intent_id}" in path:
        await seed_unresolved_order(api)


def operations(*methods: str) -> list[tuple[str, str]]:
    """Every method and path of the API that has one of `methods`, in its order."""
    return [
        (method.upper(), path)
        for path, described in application().openapi()["paths"].items()
        for method in described
        if method in methods
    ]


WRITES = operations("post", "put", "patch", "delete")
READS = [path for _, path in operations("get") if path != "/health"]
