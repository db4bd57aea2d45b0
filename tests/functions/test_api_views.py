"""What people read: positions, fills, decisions, performance, analytics, venues, messages."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import (
    DECISIONS,
    FILLS,
    MARKET_SNAPSHOTS,
    NOTIFICATIONS,
    V2,
    V3,
    VENUE_MARKETS,
)
from common.domain.instrument import ALL_VENUES, Venue
from common.domain.order import FillRecord, OrderSide
from common.domain.vote import Action, Stance
from common.notifications import notification_writes
from common.ports import Create, Ref
from common.wire import to_document
from tests.builders import (
    NOON,
    a_deployment,
    a_fill,
    a_fill_record,
    a_notification,
    a_position,
    a_signal,
    a_signal_record,
    a_snapshot,
    a_vote,
    an_instrument_table,
)
from tests.functions.api_client import Api, assert_problem
from tests.functions.test_api_signals import a_check, a_route


def a_trade(
    number: int, side: OrderSide, price: str, realized: str = "0", **changes: Any
) -> FillRecord:
    """One ETH, a minute after the one before, for 1 in commission."""
    at = NOON + timedelta(minutes=number)
    fill = a_fill(
        f"trade-{number}",
        client_order_id=f"0x{number:032x}",
        side=side,
        last_qty=Decimal(1),
        last_px=Decimal(price),
        commission=Decimal(1),
        ts_event=at,
        venue=changes.pop("venue", Venue.HYPERLIQUID),
    )
    fields = {"signal_id": f"sig_{number}", "recorded_at": at, **changes}
    return a_fill_record(fill, realized_pnl=Decimal(realized), **fields)


async def put_fills(api: Api, *records: FillRecord) -> None:
    await api.put_records(*((Ref(FILLS, record.fill.trade_id), record) for record in records))


async def test_positions_when_open_in_both_books_then_valued_at_the_mark(api: Api) -> None:
    """SW-12, SW-14."""
    long = a_position(
        signed_qty=Decimal("0.1"),
        open_cost=Decimal("300.3"),
        realized_pnl=Decimal(5),
        commissions=Decimal("0.5"),
    )
    short = a_position(
        "pos_2",
        book="v2",
        symbol="DOGE",
        venue=Venue.GMX,
        signed_qty=Decimal(-1000),
        open_cost=Decimal(100),
    )
    flat = a_position("pos_3", symbol="SOL", realized_pnl=Decimal(-2))
    await api.put_records(
        (Ref(V3.positions, "pos_1"), long),
        (Ref(V2.positions, "pos_2"), short),
        (Ref(V3.positions, "pos_3"), flat),
        (Ref(V3.deployments, "dep_1"), a_deployment()),
        (Ref(V2.deployments, "dep_2"), a_deployment("dep_2", book="v2")),
        (Ref(MARKET_SNAPSHOTS, "ETH"), a_snapshot("ETH", mark=Decimal("3100.1"))),
    )
    shown = (await api.get("/api/portfolio/positions")).json()
    by_symbol = {position["symbol"]: position for position in shown["positions"]}
    assert set(by_symbol) == {"ETH", "DOGE"}
    eth = by_symbol["ETH"]
    assert (eth["size"], eth["entry_price"], eth["current_price"]) == (0.1, 3003, 3100.1)
    assert eth["pnl"] == 9.71
    assert eth["pnl_percent"] == pytest.approx(3.23343323, abs=1e-8)
    doge = by_symbol["DOGE"]
    assert (doge["side"], doge["current_price"], doge["pnl"]) == ("SHORT", None, None)
    assert shown["total_value"] == 20_012.21  # 20,000 + 5 - 2 + 9.71 - 0.5
    one = (await api.get("/api/portfolio/positions?deployment_id=dep_2")).json()
    assert one["total_value"] == 10_000
    assert one["positions"] == []


async def test_numbers_when_shown_then_without_float_artefacts(api: Api) -> None:
    position = a_position(signed_qty=Decimal("0.3"), open_cost=Decimal("0.00000369"))
    await api.put_records((Ref(V3.positions, "pos_1"), position))
    text = (await api.get("/api/portfolio/positions")).text
    assert '"size":0.3,' in text
    shown = json.loads(text, parse_float=Decimal)["positions"][0]
    assert shown["entry_price"] == Decimal("0.0000123")


async def test_history_when_paged_then_newest_first_and_none_twice(api: Api) -> None:
    await put_fills(api, *(a_trade(number, OrderSide.BUY, "3000") for number in range(5)))
    first = (await api.get("/api/history?limit=2")).json()
    assert [fill["trade_id"] for fill in first["fills"]] == ["trade-4", "trade-3"]
    assert first["fills"][0] | {"signal_id": "", "deployment_id": ""} == {
        "trade_id": "trade-4",
        "client_order_id": f"0x{4:032x}",
        "venue": "HYPERLIQUID",
        "symbol": "ETH",
        "side": "BUY",
        "quantity": "1",
        "price": "3000",
        "fee": "1",
        "ts": "2026-01-15T12:04:00.000000Z",
        "signal_id": "",
        "deployment_id": "",
        "realized_pnl": "0",
    }
    by_cursor = (await api.get(f"/api/history?limit=9&cursor={first['next_cursor']}")).json()
    by_moment = (await api.get(f"/api/history?before={first['fills'][-1]['ts']}")).json()
    expected = ["trade-2", "trade-1", "trade-0"]
    assert [fill["trade_id"] for fill in by_cursor["fills"]] == expected
    assert [fill["trade_id"] for fill in by_moment["fills"]] == expected


@pytest.mark.parametrize(
    "before",
    ["x", "2026-01-15", "2026-01-15T12:00:00", "1e9", "9999-12-31T23:59:59-14:00"],
)
async def test_history_when_before_is_no_moment_then_422(api: Api, before: str) -> None:
    assert_problem(await api.get(f"/api/history?before={before}"), 422, "INVALID_FIELD")


def a_decision(number: int, votes: tuple[Any, ...], signal_id: str | None = None) -> dict[str, Any]:
    return {
        "decision_id": f"dcn_{number}",
        "agent_id": "swarm",
        "tick_id": f"tick-{number}",
        "symbol": "ETH" if number % 2 else "BTC",
        "inputs": {"weights": {"quant_alpha": "0.35"}},
        "features": {},
        "votes": [to_document(vote) for vote in votes],
        "consensus": {
            "action": "BUY",
            "score": "0.7",
            "verdict": "ACT",
            "voters": [],
            "reason": "",
        },
        "signal_id": signal_id,
        "decided_at": f"2026-01-15T12:0{number}:00.000000Z",
    }


async def put_decisions(api: Api, *decisions: dict[str, Any]) -> None:
    await api.store.commit(
        [Create(Ref(DECISIONS, decision["decision_id"]), decision) for decision in decisions]
    )


async def test_decisions_when_listed_then_newest_first_without_inputs(api: Api) -> None:
    await put_decisions(api, *(a_decision(number, (a_vote(),)) for number in range(4)))
    shown = (await api.get("/api/decisions?limit=3")).json()
    assert [each["decision_id"] for each in shown["decisions"]] == ["dcn_3", "dcn_2", "dcn_1"]
    assert "inputs" not in shown["decisions"][0]
    eth = (await api.get("/api/decisions?symbol=eth")).json()["decisions"]
    assert [each["decision_id"] for each in eth] == ["dcn_3", "dcn_1"]


async def test_decision_when_asked_for_then_votes_weights_inputs_and_reasons(api: Api) -> None:
    await put_decisions(api, a_decision(1, (a_vote(),)))
    shown = (await api.get("/api/decisions/dcn_1")).json()
    assert shown["weights"] == {"quant_alpha": "0.35"}
    assert shown["reasons"] == {"quant_alpha": ["RSI 28 is oversold"]}
    assert shown["inputs"]["weights"] == shown["weights"]


async def test_performance_when_a_trade_closed_then_its_backers_are_credited(api: Api) -> None:
    """SW-02, SW-14."""
    votes = (
        a_vote("quant_alpha"),
        a_vote("degen_hunter", action=Action.SELL),
        a_vote("sentiment_sage", stance=Stance.ABSTAINED, action=Action.HOLD),
        a_vote("risk_guardian"),
    )
    decision = a_decision(0, votes, "sig_0")
    await put_decisions(api, decision)
    signal = a_signal("sig_0", decision_id="dcn_0")
    await api.put_records((Ref(V3.signals, "sig_0"), a_signal_record(signal)))
    await put_fills(
        api, a_trade(0, OrderSide.BUY, "3000"), a_trade(1, OrderSide.SELL, "3010", "10")
    )
    shown = (await api.get("/api/agents/performance")).json()["agents"]
    agents = {agent["agent_id"]: agent for agent in shown}
    assert set(agents) == {"quant_alpha", "risk_guardian", "sentiment_sage", "degen_hunter"}
    quant = agents["quant_alpha"]
    assert (quant["name"], quant["trades"], quant["win_rate"], quant["pnl"]) == (
        "Quant Alpha",
        1,
        1,
        10,
    )
    assert quant["health"] == "HEALTHY"
    assert (agents["degen_hunter"]["trades"], agents["degen_hunter"]["pnl"]) == (0, 0)
    assert agents["sentiment_sage"]["health"] == "ABSTAINING"


async def test_performance_when_nothing_happened_then_idle(api: Api) -> None:
    shown = (await api.get("/api/agents/performance")).json()["agents"]
    assert {agent["health"] for agent in shown} == {"IDLE"}
    assert {agent["win_rate"] for agent in shown} == {0}


async def test_venue_breakdown_when_orders_went_to_two_then_their_shares(api: Api) -> None:
    """VP-06."""
    await put_fills(
        api,
        *(a_trade(number, OrderSide.BUY, "3000") for number in range(3)),
        a_trade(3, OrderSide.BUY, "3000", venue=Venue.OSTIUM),
    )
    await api.put_records(
        (Ref(V3.routing_history, "rte_1"), a_route()),
        (
            Ref(V3.routing_history, "rte_2"),
            a_route("rte_2", selected_venue="OSTIUM", checked_venues=(a_check(ok=False),)),
        ),
        (Ref(V2.routing_history, "rte_3"), a_route("rte_3", book="v2")),
        (Ref(V3.routing_history, "rte_4"), a_route("rte_4", selected_venue=None)),
    )
    shown = (await api.get("/api/analytics/venues")).json()
    assert [(each["venue"], each["trades"], each["share"]) for each in shown["venues"]] == [
        ("HYPERLIQUID", 3, 0.75),
        ("OSTIUM", 1, 0.25),
    ]
    assert shown["venues"][0]["volume"] == "9000"
    (eth,) = shown["tokens"]
    assert (eth["symbol"], eth["most_common_venue"], eth["routed"]) == ("ETH", "HYPERLIQUID", 3)
    assert eth["fallback_share"] == pytest.approx(1 / 3)


async def test_performance_curve_when_trades_closed_then_it_ends_at_the_realised_equity(
    api: Api,
) -> None:
    position = a_position(realized_pnl=Decimal(-90), commissions=Decimal(4))
    await api.put_records(
        (Ref(V3.positions, "pos_1"), position), (Ref(V3.deployments, "dep_1"), a_deployment())
    )
    await put_fills(
        api,
        a_trade(0, OrderSide.BUY, "3000"),
        a_trade(1, OrderSide.SELL, "3010", "10"),
        a_trade(2, OrderSide.BUY, "3000"),
        a_trade(3, OrderSide.SELL, "2900", "-100"),
    )
    shown = (await api.get("/api/analytics/performance")).json()
    assert [point["equity"] for point in shown["equity_curve"]] == [
        "9999",
        "10008",
        "10007",
        "9906",
    ]
    assert shown["equity"] == "9906"
    assert shown["max_drawdown"] == pytest.approx(102 / 10_008)
    assert (shown["closed_trades"], shown["win_rate"], shown["profit_factor"]) == (2, 0.5, 0.1)
    assert shown["sharpe"] is None


async def test_venues_when_tables_are_loaded_then_their_pair_counts(api: Api) -> None:
    """VP-05."""
    table = an_instrument_table()
    await api.put_records((Ref(VENUE_MARKETS, table.venue.value), table))
    shown = (await api.get("/api/venues")).json()["venues"]
    counts = {venue["venue"]: venue["pair_count"] for venue in shown}
    assert counts[table.venue.value] == table.pair_count
    assert counts["GMX"] is None
    assert [venue["venue"] for venue in shown] == list(ALL_VENUES)
    refusals = {venue["venue"]: venue["live_refusal"] for venue in shown}
    assert refusals["HYPERLIQUID"] is None
    assert "paused" in refusals["DRIFT"]
    assert "ARBITRUM_RPC_URL" in refusals["OSTIUM"]
    one = (await api.get(f"/api/venues/{table.venue.value}")).json()
    assert len(one["instruments"]) == table.pair_count
    assert_problem(await api.get("/api/venues/MULTI"), 404, "VENUE_NOT_FOUND")


async def test_notifications_when_raised_then_newest_first_with_their_delivery(api: Api) -> None:
    for number in range(3):
        notification = a_notification(f"not_{number}", created_at=NOON + timedelta(seconds=number))
        await api.store.commit(notification_writes(notification)[0])
    shown = (await api.get("/api/notifications?limit=2")).json()
    assert [each["notification_id"] for each in shown["notifications"]] == ["not_2", "not_1"]
    assert shown["notifications"][0]["delivery"] == "PENDING"
    assert NOTIFICATIONS in api.store.contents()


async def test_performance_when_fills_span_days_then_the_ratios_are_there(api: Api) -> None:
    await api.put_records((Ref(V3.deployments, "dep_1"), a_deployment()))
    days = (
        a_trade(1440 * day, OrderSide.SELL, "3000", result)
        for day, result in enumerate(("10", "-5", "20"))
    )
    await put_fills(api, *days)
    shown = (await api.get("/api/analytics/performance")).json()
    assert shown["sharpe"] is not None
    assert shown["sortino"] is not None


async def test_signal_when_it_is_still_open_then_its_routes_so_far_are_shown(api: Api) -> None:
    await api.put_records(
        (Ref(V3.signals, "sig_1"), a_signal_record()), (Ref(V3.routing_history, "rte_1"), a_route())
    )
    shown = (await api.get("/api/v3/signals/sig_1")).json()
    assert shown["status"] == "PENDING"
    assert [route["selected_venue"] for route in shown["routing_history"]] == ["HYPERLIQUID"]
    kept = a_signal_record(a_signal("sig_2"), routing_history=({"selected_venue": "GMX"},))
    await api.put_records((Ref(V3.signals, "sig_2"), kept))
    ended = (await api.get("/api/v3/signals/sig_2")).json()
    assert ended["routing_history"] == [{"selected_venue": "GMX"}]
