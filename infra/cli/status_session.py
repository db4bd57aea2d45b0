"""One `sapphire status`: what the running server says of itself over HTTP."""

import argparse
import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from common.text import price, quantity
from infra.cli.narrower_states import label_of, state_text, stopped_parts
from infra.cli.running_server import ServerClient, find_server

_SIGNALS_SHOWN = 5
_THROTTLES_SHOWN = 10
_REFUSED = frozenset({"DENIED", "SKIPPED", "FAILED", "EXPIRED"})
_COUNTS = {
    "open_parent_orders": ("parent order open", "parent orders open"),
    "protective_orders": ("protective order at the venues", "protective orders at the venues"),
    "unresolved_orders": ("UNRESOLVED", "UNRESOLVED"),
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
    signals = [
        signal
        for path in ("/api/v3/signals", "/api/signals")
        for signal in server.get(f"{path}?limit={_SIGNALS_SHOWN}")["signals"]
    ]
    newest = sorted(signals, key=lambda signal: str(signal["created_at"]), reverse=True)
    return {
        "url": server.url,
        "health": server.get("/health"),
        "state": server.get("/api/ops/state"),
        "breakers": server.get("/api/ops/breakers")["breakers"],
        "portfolio": server.get("/api/portfolio/positions"),
        "throttles": server.get(f"/api/ops/throttles?limit={_THROTTLES_SHOWN}")["throttles"],
        "signals": newest[:_SIGNALS_SHOWN],
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
        f"unrealised {portfolio['unrealized_pnl']:+,.2f}, fees {portfolio['commissions']:,.2f}, "
        f"funding {portfolio.get('funding', 0):+,.2f})",
        *(_throttle(item) for item in told.get("throttles") or ()),
    ]
    lines += [_position(item) for item in portfolio["positions"]] or ["  position  none"]
    lines += [_signal(item) for item in told["signals"]] or ["  signal    none yet"]
    return lines


def _trading(state: Mapping[str, Any]) -> list[str]:
    """The platform's state, those of narrower scopes that are not ACTIVE, and what is open."""
    lines = [f"  trading   {state_text(state)}"]
    lines += [f"            {line}" for line in stopped_parts(state)]
    counts = [
        f"{state[name]} {one if state[name] == 1 else many}"
        for name, (one, many) in _COUNTS.items()
        if name in state
    ]
    return [*lines, f"  orders    {', '.join(counts)}"] if counts else lines


def _throttle(item: Mapping[str, Any]) -> str:
    """One that a person must enable: until then no new order of it goes."""
    return (
        f"  throttle  {item['symbol']} of {label_of(str(item['scope']))} stopped:"
        f" {item.get('reason', '')}; POST /api/ops/throttles/{item['throttle_id']}/enable"
    )


def _position(item: dict[str, Any]) -> str:
    size = quantity(abs(Decimal(str(item["size"]))))
    entry = price(Decimal(str(item["entry_price"])))
    return (
        f"  position  {item['symbol']:<6} {item['side']:<5} {size:>12} at {entry:>13} "
        f"on {item['venue']:<11} {item['deployment_id']}"
    )


def _signal(item: dict[str, Any]) -> str:
    return (
        f"  signal    {item['created_at'][:19].replace('T', ' ')} {item['symbol']:<6} "
        f"{item['side']:<5} {item['status']:<9} {item['final_venue'] or '-':<11} "
        f"{item['reason_code'] + ': ' if item['status'] in _REFUSED else ''}{item['reason']}"
    )
