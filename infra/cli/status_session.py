"""One `sapphire status`: what the running server says of itself over HTTP."""

import argparse
import json
import os
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from common.errors import ConfigurationError, TransientError, UnauthenticatedError
from common.text import price
from infra.cli.data_dirs import candidate_dirs
from infra.cli.text import quantity
from infra.local.stack.server_files import kept_token, read_server_note

_DEFAULT_URL = "http://127.0.0.1:8080"
_SIGNALS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class _Server:
    url: str
    token: str | None


def run_status(arguments: argparse.Namespace) -> int:
    """0 when it is healthy, 1 when it is degraded.

    Raises:
        TransientError: nothing answers there.
        UnauthenticatedError: our token is missing or wrong.
    """
    told = _ask(_find_server(arguments))
    if arguments.json:
        print(json.dumps(told))
    else:
        print("\n".join(_lines(told)))
    return 0 if told["health"]["status"] == "healthy" else 1


def _find_server(arguments: argparse.Namespace) -> _Server:
    given = os.environ.get("SAPPHIRE_API_TOKEN") or None
    dirs = candidate_dirs(arguments)
    for data_dir in dirs:
        url = read_server_note(data_dir)
        if url is not None and arguments.url in {None, url}:
            return _Server(url, given or kept_token(data_dir))
    port = os.environ.get("SAPPHIRE_PORT")
    url = arguments.url or (f"http://127.0.0.1:{port}" if port else _DEFAULT_URL)
    return _Server(url.rstrip("/"), given or _first_token(dirs))


def _first_token(dirs: list[Path]) -> str | None:
    return next((token for each in dirs if (token := kept_token(each))), None)


def _ask(server: _Server) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {server.token}"} if server.token else {}
    try:
        with httpx.Client(
            base_url=server.url, headers=headers, timeout=5, trust_env=False
        ) as client:
            routes = _get(client, f"/api/v3/routing/history?limit={_SIGNALS_SHOWN}")
            return {
                "url": server.url,
                "health": _get(client, "/health"),
                "state": _get(client, "/api/ops/state"),
                "breakers": _get(client, "/api/ops/breakers")["breakers"],
                "portfolio": _get(client, "/api/portfolio/positions"),
                "signals": [
                    _get(client, f"/api/v3/signals/{route['signal_id']}")
                    | {"symbol": route["symbol"], "created_at": route["created_at"]}
                    for route in routes["routing_history"]
                ],
            }
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"--url {server.url}: {error}") from None
    except httpx.TransportError:
        raise TransientError(
            f"no Sapphire answers at {server.url}: start it with `make run` or `sapphire run`"
        ) from None


def _get(client: httpx.Client, path: str) -> dict[str, Any]:
    answer = client.get(path)
    if answer.status_code == 401:
        raise UnauthenticatedError(
            f"{client.base_url} refuses our token: set SAPPHIRE_API_TOKEN, or name its --data-dir"
        )
    if not answer.is_success:
        raise TransientError(f"{client.base_url}{path} answered {answer.status_code}")
    try:
        found: dict[str, Any] = answer.json()
    except ValueError:
        raise TransientError(f"{client.base_url} is not a Sapphire server") from None
    return found


def _lines(told: dict[str, Any]) -> list[str]:
    health, portfolio = told["health"], told["portfolio"]
    config = health["orchestrator"]["config"]
    state = told["state"]
    lines = [
        f"Sapphire {health['version']} at {told['url']}: {health['status']}",
        f"  mode      {config['mode']}, {config['feed']} prices, {config['interval']} candles, "
        f"{', '.join(config['symbols'])}",
        f"  trading   {state['state']} ({state['reason']})",
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
