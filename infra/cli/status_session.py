"""One `sapphire status`: what the running server says of itself over HTTP."""

import argparse
import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from common.domain.scope import Scope
from common.errors import InvalidInputError
from common.text import price
from infra.cli.running_server import ServerClient, find_server
from infra.cli.text import quantity

_SIGNALS_SHOWN = 5
_SCOPES_SHOWN = 10
_COUNTS = {
    "open_parent_orders": "parent orders open",
    "protective_orders": "protective orders at the venues",
    "unresolved_orders": "UNRESOLVED",
}


def run_status(arguments: argparse.Namespace) -> int:
    """0 when it is healthy, 1 when it is degraded.

    Raises:
        TransientError: nothing answers there.
        UnauthenticatedError: our token is missing or wrong.
    """
    with ServerClient(find_server(arguments)) as server:
        told = _ask(server)
    if arguments.json:
        print(json.dumps(told))
    else:
        print("\n".join(status_lines(told)))
    return 0 if told["health"]["status"] == "healthy" else 1


def _ask(server: ServerClient) -> dict[str, Any]:
    routes = server.get(f"/api/v3/routing/history?limit={_SIGNALS_SHOWN}")
    return {
        "url": server.url,
        "health": server.get("/health"),
        "state": server.get("/api/ops/state"),
        "breakers": server.get("/api/ops/breakers")["breakers"],
        "portfolio": server.get("/api/portfolio/positions"),
        "signals": [
            server.get(f"/api/v3/signals/{route['signal_id']}")
            | {"symbol": route["symbol"], "created_at": route["created_at"]}
            for route in routes["routing_history"]
        ],
    }


def status_lines(told: Mapping[str, Any]) -> list[str]:
    health, portfolio = told["health"], told["portfolio"]
    config = health["orchestrator"]["config"]
    state = told["state"]
    lines = [
        f"Sapphire {health['version']} at {told['url']}: {health['status']}",
        f"  mode      {config['mode']}, {config['feed']} prices, {config['interval']} candles, "
        f"{', '.join(config['symbols'])}",
        *_trading(state),
        f"  uptime    {timedelta(seconds=int(health['orchestrator']['uptime_seconds']))}",
        "  breakers  "
        + ", ".join(f"{item['venue']} {item['status']}" for item in told["breakers"]),
        f"  value     ${portfolio['total_value']:,.2f} on ${portfolio['capital']:,.2f} "
        f"(realised {portfolio['realized_pnl']:+,.2f}, "
        f"unrealised {portfolio['unrealized_pnl']:+,.2f}, fees {portfolio['commissions']:,.2f})",
    ]
    lines += [_position(item) for item in portfolio["positions"]] or ["  position  none"]
    lines += [_signal(item) for item in told["signals"]] or ["  signal    none yet"]
    return lines


def _trading(state: Mapping[str, Any]) -> list[str]:
    """The platform's state, those of narrower scopes that are not ACTIVE, and what is open."""
    lines = [f"  trading   {_state(state)}"]
    narrower = [item for item in state.get("scopes") or () if item.get("state") != "ACTIVE"]
    lines += [
        f"            {_label(str(item.get('scope')))} {_state(item)}"
        for item in narrower[:_SCOPES_SHOWN]
    ]
    if len(narrower) > _SCOPES_SHOWN:
        lines.append(f"            and {len(narrower) - _SCOPES_SHOWN} more")
    counts = [f"{state[name]} {what}" for name, what in _COUNTS.items() if name in state]
    return [*lines, f"  orders    {', '.join(counts)}"] if counts else lines


def _state(item: Mapping[str, Any]) -> str:
    by = f", by {item['changed_by']}" if item.get("changed_by") else ""
    return f"{item.get('state')} ({item.get('reason', '')}{by})"


def _label(key: str) -> str:
    try:
        return Scope.parse(key).label
    except InvalidInputError:
        return key


def _position(item: dict[str, Any]) -> str:
    size = quantity(abs(Decimal(str(item["size"]))))
    entry = price(Decimal(str(item["entry_price"])))
    return (
        f"  position  {item['symbol']:<6} {item['side']:<5} {size:>12} at {entry:>13} "
        f"on {item['venue']:<11} {item['deployment_id']}"
    )


def _signal(item: dict[str, Any]) -> str:
    denied = item["status"] == "DENIED"
    return (
        f"  signal    {item['created_at'][:19].replace('T', ' ')} {item['symbol']:<6} "
        f"{item['side']:<5} {item['status']:<9} {item['final_venue'] or '-':<11} "
        f"{item['reason_code'] + ': ' if denied else ''}{item['reason']}"
    )
