"""What people read: decisions, the agents' performance, venues, messages."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest

from common.books import (
    DECISIONS,
    NOTIFICATIONS,
    ORDER_INTENTS,
    PARENT_ORDERS,
    V2,
    V3,
    VENUE_MARKETS,
    Book,
)
from common.domain.instrument import ALL_VENUES
from common.domain.order import OrderSide
from common.domain.signal import DeliveryLeg, SignalStatus
from common.domain.vote import Action, Stance
from common.notifications import notification_writes
from common.ports import Create, Ref
from common.wire import to_document
from tests.builders import (
    INTENT_ID,
    NOON,
    PARENT_ID,
    a_delivery,
    a_notification,
    a_parent,
    a_signal,
    a_signal_record,
    a_vote,
    an_instrument_table,
    an_intent,
)
from tests.functions.api_client import Api, assert_problem
from tests.functions.test_api_portfolio import a_trade, put_fills
from tests.functions.test_api_signals import a_route


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


def a_leg(intent_id: str) -> DeliveryLeg:
    return DeliveryLeg(
        intent_id=intent_id,
        plan_hash="hash",
        status=SignalStatus.EXECUTING,
        reason_code="WORKING",
        reason="",
        venue=None,
    )


async def test_signal_when_its_orders_are_worked_then_how_much_of_them_is_filled(api: Api) -> None:
    """A LIMIT that rests, and a TWAP over two legs."""
    legs = (a_leg(INTENT_ID), a_leg(PARENT_ID))
    await api.put_records(
        (Ref(V3.signals, "sig_1"), a_signal_record()),
        (
            Ref(V3.deliveries, "dlv_1"),
            a_delivery("dlv_1", status=SignalStatus.EXECUTING, legs=legs),
        ),
        (Ref(ORDER_INTENTS, INTENT_ID), an_intent(filled_qty=Decimal("0.0033"))),
        (Ref(PARENT_ORDERS, PARENT_ID), a_parent(filled_qty=Decimal(4))),
    )
    shown = (await api.get("/api/v3/signals/sig_1")).json()
    assert shown["status"] == "EXECUTING"
    assert shown["reason"] == "being worked: 4.0033 of 10.3333 filled"
    [listed] = (await api.get("/api/v3/signals")).json()["signals"]
    assert (listed["status"], listed["reason"]) == (shown["status"], shown["reason"])


async def test_signal_when_nothing_is_ordered_yet_then_it_waits(api: Api) -> None:
    await api.put_records(
        (Ref(V3.signals, "sig_1"), a_signal_record(reason="Waiting to be handed on")),
        (Ref(V3.deliveries, "dlv_1"), a_delivery("dlv_1", intent_id=None)),
    )
    shown = (await api.get("/api/v3/signals/sig_1")).json()
    assert shown["reason"] == "Waiting to be handed on"


@pytest.mark.parametrize(("path", "book"), [("/api/v3/signals", V3), ("/api/signals", V2)])
async def test_signals_when_listed_then_the_newest_first_with_their_ends(
    api: Api, path: str, book: Book
) -> None:
    refused = {"status": SignalStatus.DENIED, "reason_code": "TRADING_HALTED", "reason": "news"}
    for number in range(3):
        signal = a_signal(f"sig_{number}", created_at=NOON + timedelta(seconds=number))
        await api.put_records(
            (Ref(book.signals, f"sig_{number}"), a_signal_record(signal, **refused))
        )
    shown = (await api.get(f"{path}?limit=2")).json()
    assert [each["id"] for each in shown["signals"]] == ["sig_2", "sig_1"]
    first = shown["signals"][0]
    assert (first["status"], first["reason_code"], first["reason"]) == tuple(refused.values())
    assert (first["symbol"], first["side"], first["final_venue"]) == ("ETH", "LONG", None)
    rest = (await api.get(f"{path}?limit=2&cursor={quote(shown['next_cursor'])}")).json()
    assert [each["id"] for each in rest["signals"]] == ["sig_0"]
    assert rest["next_cursor"] is None


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
