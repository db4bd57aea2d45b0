"""status: what a person reads, whatever the server's version has of it."""

import json
from typing import Any

import pytest

from infra.cli.main import main
from infra.cli.status_session import status_lines
from tests.unit.infra.cli.stub_server import StubServer

HEALTH = {
    "status": "healthy",
    "version": "0.1.0",
    "orchestrator": {
        "uptime_seconds": 61.5,
        "config": {"mode": "paper", "feed": "simulated", "interval": "1m", "symbols": ["ETH"]},
    },
}
PORTFOLIO = {
    "positions": [
        {
            "symbol": "ETH",
            "side": "LONG",
            "size": 1250.5,
            "entry_price": 3000.5,
            "venue": "GMX",
            "deployment_id": "dep_1",
        }
    ],
    "total_value": 9990.5,
    "capital": 10000,
    "realized_pnl": -1,
    "unrealized_pnl": 2.5,
    "commissions": 3,
}
SIGNAL = {
    "side": "LONG",
    "status": "DENIED",
    "final_venue": None,
    "reason_code": "TRADING_HALTED",
    "reason": "news",
    "symbol": "ETH",
    "created_at": "2026-01-15T12:00:00.000000Z",
}


THROTTLE = {
    "throttle_id": "agent:v3:agt_1:ETH",
    "scope": "agent:v3:agt_1",
    "symbol": "ETH",
    "reason": "21 orders within 600 s",
}


def told(**changes: Any) -> dict[str, Any]:
    usual = {
        "url": "http://here",
        "health": HEALTH,
        "state": {"state": "ACTIVE", "epoch": 1, "reason": "a start"},
        "breakers": [{"venue": "GMX", "status": "CLOSED"}],
        "portfolio": PORTFOLIO,
        "signals": [SIGNAL],
    }
    return {**usual, **changes}


def test_status_when_shown_then_each_part_on_its_line() -> None:
    lines = status_lines(told())
    assert lines[0] == "Sapphire 0.1.0 at http://here: healthy"
    assert "  trading   ACTIVE (a start)" in lines
    assert "  breakers  GMX CLOSED" in lines
    assert any("ETH    LONG       1,250.5 at      3,000.50 on GMX" in line for line in lines)
    assert lines[-1].endswith("TRADING_HALTED: news")
    assert not any(line.startswith("  orders") for line in lines)


def test_status_when_parts_are_not_active_then_they_stand_below_the_platform() -> None:
    halted = {"state": "HALTED", "reason": "thin", "changed_by": "Ada"}
    scopes = [
        {"scope": "venue:GMX", **halted},
        {"scope": "symbol:BTC", **halted, "state": "ACTIVE"},
        {"scope": "odd", **halted, "changed_by": None},
    ]
    state = {"state": "ACTIVE", "reason": "a start", "changed_by": "Bob", "scopes": scopes}
    lines = status_lines(told(state=state))
    place = lines.index("  trading   ACTIVE (a start, by Bob)")
    assert lines[place + 1 : place + 3] == [
        "            venue GMX HALTED (thin, by Ada)",
        "            odd HALTED (thin)",
    ]
    assert not any("BTC" in line for line in lines)


def test_status_when_many_parts_are_halted_then_the_first_and_how_many_more() -> None:
    scopes = [{"scope": f"symbol:S{n}", "state": "HALTED", "reason": "x"} for n in range(13)]
    state = {"state": "ACTIVE", "reason": "a start", "scopes": scopes}
    lines = status_lines(told(state=state))
    assert "            and 3 more" in lines
    assert sum("symbol S" in line for line in lines) == 10


def test_status_when_the_server_counts_orders_then_they_are_shown() -> None:
    state = {"state": "ACTIVE", "reason": "x", "open_parent_orders": 2, "protective_orders": 0}
    lines = status_lines(told(state=state))
    assert "  orders    2 parent orders open, 0 protective orders at the venues" in lines


def test_status_when_one_order_is_open_then_in_the_singular() -> None:
    state = {"state": "ACTIVE", "reason": "x", "open_parent_orders": 1, "protective_orders": 1}
    lines = status_lines(told(state=state))
    assert "  orders    1 parent order open, 1 protective order at the venues" in lines


def test_status_when_funding_was_paid_then_the_parts_add_up_to_the_value() -> None:
    portfolio = {**PORTFOLIO, "total_value": 9990, "funding": -8.5}
    [line] = [each for each in status_lines(told(portfolio=portfolio)) if "value" in each]
    assert line == (
        "  value     $9,990.00 on $10,000.00 (realised -1.00, unrealised +2.50, fees 3.00,"
        " funding -8.50)"
    )


def test_status_when_orders_were_stopped_then_what_enables_them() -> None:
    assert (
        "  throttle  ETH of agent v3:agt_1 stopped: 21 orders within 600 s;"
        " POST /api/ops/throttles/agent:v3:agt_1:ETH/enable"
    ) in status_lines(told(throttles=[THROTTLE]))


@pytest.mark.parametrize(("status", "code"), [("healthy", 0), ("degraded", 1)])
def test_status_when_asked_then_one_object_and_the_exit_code_says_how_it_is(
    server: StubServer, capsys: pytest.CaptureFixture[str], status: str, code: int
) -> None:
    later = {**SIGNAL, "symbol": "SOL", "created_at": "2026-01-15T12:01:00.000000Z"}
    server.on("GET", "/api/v3/signals?limit=5", (200, {"signals": [SIGNAL] * 5}))
    server.on("GET", "/api/signals?limit=5", (200, {"signals": [later]}))
    server.on("GET", "/api/ops/throttles?limit=10", (200, {"throttles": [THROTTLE]}))
    server.on("GET", "/health", (200, {**HEALTH, "status": status}))
    server.on("GET", "/api/ops/state", (200, told()["state"]))
    server.on("GET", "/api/ops/breakers", (200, {"breakers": []}))
    server.on("GET", "/api/portfolio/positions", (200, PORTFOLIO))
    assert main(["status", "--json", "--url", server.url]) == code
    shown = json.loads(capsys.readouterr().out)
    assert shown["url"] == server.url
    assert [signal["symbol"] for signal in shown["signals"]] == ["SOL", *["ETH"] * 4]
    assert shown["throttles"] == [THROTTLE]
