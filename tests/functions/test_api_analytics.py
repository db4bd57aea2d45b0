"""Figures over trades, as people read them."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import (
    ACCOUNTS,
    CANDLE_HOURS,
    EQUITY_DAYS,
    FILLS,
    ORDER_INTENTS,
    PARENT_ORDERS,
    V2,
    V3,
)
from common.domain.instrument import Venue
from common.domain.market import HOUR_MS, CandleHour, candle_hour_id
from common.domain.order import IntentStatus, OrderIntent, OrderPurpose, OrderSide
from common.execution.accounts import after_funding, open_account
from common.ports import Ref
from common.reporting.equity import EquityPoint
from common.reporting.equity_days import PLATFORM, equity_day_id, with_point
from functions.api import analytics
from tests.builders import (
    NOON,
    a_deployment,
    a_fill,
    a_fill_record,
    a_plan,
    a_position,
    an_intent,
    some_candles,
)
from tests.functions.api_client import Api, assert_problem
from tests.functions.test_api_portfolio import a_trade, put_fills
from tests.functions.test_api_signals import a_check, a_route
from tests.unit.reporting.test_slippage import a_parent


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


async def test_performance_when_marked_then_the_curve_at_the_marks_and_funding(api: Api) -> None:
    account = open_account(a_deployment(), NOON)
    await api.put_records(
        (Ref(V3.deployments, "dep_1"), a_deployment()),
        (Ref(ACCOUNTS, "dep_1"), after_funding(account, Decimal(-3), NOON)),
        *(
            (Ref(EQUITY_DAYS, equity_day_id(PLATFORM, at)), with_point(None, PLATFORM, point))
            for at, equity in ((NOON - timedelta(days=91), "100"), (NOON, "150"))
            for point in [EquityPoint(at=at, equity=Decimal(equity), capital=Decimal(100))]
        ),
    )
    await put_fills(api, a_trade(0, OrderSide.BUY, "3000"))
    shown = (await api.get("/api/analytics/performance")).json()
    assert [point["equity"] for point in shown["equity_curve"]] == ["100", "150"]
    assert (shown["source"], shown["total_return"]) == ("marks", 0.5)
    assert (shown["equity"], shown["funding"]) == ("9997", "-3")


async def test_statistics_when_trades_closed_then_by_what_is_asked(api: Api) -> None:
    stop = OrderPurpose.STOP_LOSS
    await put_fills(
        api,
        a_trade(0, OrderSide.BUY, "3000"),
        a_trade(1, OrderSide.SELL, "3012", "12"),
        a_trade(2, OrderSide.SELL, "3000"),
        a_trade(3, OrderSide.BUY, "3005", "-5", purpose=stop),
        a_trade(4, OrderSide.BUY, "3000", deployment_id="dep_2", position_id="pos_2"),
        a_trade(
            5, OrderSide.SELL, "3007", "7", deployment_id="dep_2", position_id="pos_2", book="v2"
        ),
    )
    shown = (await api.get("/api/analytics/statistics?by=exit_reason")).json()
    signal, stopped = shown["groups"]
    assert (signal["key"], signal["count"], signal["pnl"], signal["fees"]) == (
        "SIGNAL",
        2,
        "15",
        "4",
    )
    assert (stopped["key"], stopped["pnl"], stopped["win_rate"]) == ("STOP_LOSS", "-7", 0)
    total = shown["total"]
    assert (total["count"], total["wins"], total["pnl"], total["average_held_s"]) == (3, 2, "8", 60)
    assert (total["profit_factor"], total["payoff_ratio"]) == pytest.approx((15 / 7, 7.5 / 7))
    assert total["expectancy"] == total["average_pnl"] == "2.666666666667"
    assert total["expectancy_ratio"] == pytest.approx(8 / 3 / 7)
    assert (shown["fills"], shown["complete"]) == (6, True)
    assert shown["since"] == "2026-01-15T12:00:00.000000Z"
    mine = (await api.get("/api/analytics/statistics?deployment_id=dep_2")).json()
    assert [(each["key"], each["count"]) for each in mine["groups"]] == [("v2:swarm", 1)]


async def test_statistics_when_older_fills_are_left_out_then_what_they_opened_is_too(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the last three are read: the first of them closes what nobody saw opened."""
    monkeypatch.setattr(analytics, "SCAN_MAX", 3)
    monkeypatch.setattr(analytics, "PAGE", 1)
    fills = (
        a_trade(0, OrderSide.BUY, "3000"),
        a_trade(1, OrderSide.SELL, "3000"),
        a_trade(2, OrderSide.BUY, "3000"),
        a_trade(3, OrderSide.SELL, "3010", "10"),
    )
    position = a_position(updated_at=fills[-1].recorded_at)
    await put_fills(api, *fills[:1])
    whole = (await api.get("/api/analytics/statistics")).json()
    assert (whole["complete"], whole["total"]["count"]) == (True, 0)

    await put_fills(api, *fills[1:])
    await api.put_records((Ref(V3.positions, "pos_1"), position))
    shown = (await api.get("/api/analytics/statistics")).json()
    assert (shown["complete"], shown["fills"], shown["total"]["count"]) == (False, 3, 1)
    assert shown["total"]["pnl"] == "8"


async def test_statistics_when_nothing_closed_then_zeros(api: Api) -> None:
    shown = (await api.get("/api/analytics/statistics?by=symbol")).json()
    assert (shown["groups"], shown["since"]) == ([], None)
    assert (shown["total"]["count"], shown["total"]["win_rate"]) == (0, None)


# ------------------------------------------------------------------------------------ slippage
def a_whole(number: int, **changes: Any) -> OrderIntent:
    """Made `number` minutes after noon, filled within the minute."""
    at = NOON + timedelta(minutes=number)
    intent_id = f"int_{number}"
    plan = a_plan(intent_id=intent_id, reference_price=Decimal(3000))
    fields = {
        "status": IntentStatus.FILLED,
        "created_at": at,
        "updated_at": at + timedelta(seconds=30),
        **changes,
    }
    return an_intent(plan, **fields)


async def put_wholes(api: Api, *intents: OrderIntent) -> None:
    await api.put_records(
        *((Ref(ORDER_INTENTS, each.plan.intent_id), each) for each in intents),
        *(
            (
                Ref(FILLS, f"fil_{each.plan.intent_id}"),
                a_fill_record(a_fill(), intent_id=each.plan.intent_id),
            )
            for each in intents
        ),
    )


async def put_parents(api: Api, *numbers: int) -> None:
    await api.put_records(
        *(
            (
                Ref(PARENT_ORDERS, f"par_{number}"),
                a_parent(
                    parent_order_id=f"par_{number}", created_at=NOON + timedelta(minutes=number)
                ),
            )
            for number in numbers
        )
    )


async def put_candles(api: Api) -> None:
    """From an hour before noon to an hour after it."""
    stored: dict[int, list[Any]] = {}
    for candle in some_candles(24, until=NOON + timedelta(hours=1)):
        stored.setdefault(candle.open_time_ms // HOUR_MS * HOUR_MS, []).append(candle)
    await api.put_records(
        *(
            (
                Ref(CANDLE_HOURS, candle_hour_id("ETH", "5m", hour)),
                CandleHour(symbol="ETH", interval="5m", hour_ms=hour, candles=tuple(candles)),
            )
            for hour, candles in stored.items()
        )
    )


async def test_slippage_when_an_order_went_whole_then_beside_the_candles_of_its_time(
    api: Api,
) -> None:
    await put_candles(api)
    await put_wholes(api, a_whole(7))
    shown = (await api.get("/api/analytics/slippage/int_7")).json()

    assert (shown["id"], shown["worked_as"], shown["exec_algorithm_id"]) == (
        "int_7",
        "WHOLE",
        "MARKET",
    )
    assert (shown["arrival_price"], shown["avg_px"], shown["fees"]) == ("3000", "3001", "0.45")
    # The 14th candle closes at 3013 after a high of 3014 and a low of 3011.
    assert shown["vwap"] == "3012.666666666667"
    assert shown["slippage_bps"] == 3.3333
    assert shown["slippage"] == "0.3333"
    assert (shown["unfilled"], shown["vwap_reason"], shown["purpose"]) == ("0", "", "ENTRY")


async def test_slippage_when_a_parent_was_worked_then_its_own_record(api: Api) -> None:
    await put_parents(api, 1)
    shown = (await api.get("/api/analytics/slippage/par_1")).json()
    assert (shown["worked_as"], shown["slippage_bps"], shown["fee_bps"]) == ("PARENT", 100, 25)
    assert (shown["vwap"], shown["shortfall"]) == (None, None)
    assert "No closed candle" in shown["vwap_reason"]


async def test_slippage_when_it_worked_for_days_then_no_benchmark_is_read(api: Api) -> None:
    await put_candles(api)
    await put_wholes(api, a_whole(0, updated_at=NOON + timedelta(days=3)))
    shown = (await api.get("/api/analytics/slippage/int_0")).json()
    assert (shown["vwap"], shown["vwap_reason"]) == (None, "It worked for more than 2 days")


async def test_slippage_when_listed_then_parents_and_wholes_together_newest_first(
    api: Api,
) -> None:
    child = a_plan(intent_id="int_child", parent_order_id="par_2")
    await put_parents(api, 2, 4, 5, 9)
    await put_wholes(api, a_whole(1), a_whole(3), a_whole(6), a_whole(7), a_whole(8))
    await api.put_records((Ref(ORDER_INTENTS, "int_child"), an_intent(child)))
    expected = ["par_9", "int_8", "int_7", "int_6", "par_5", "par_4", "int_3", "par_2", "int_1"]
    for limit in (1, 2, 3, 4, 9, 50):
        shown: list[str] = []
        path = f"/api/analytics/slippage?limit={limit}"
        answer = (await api.get(path)).json()
        shown += [each["id"] for each in answer["orders"]]
        while answer["next_cursor"] is not None:
            answer = (await api.get(f"{path}&cursor={answer['next_cursor']}")).json()
            shown += [each["id"] for each in answer["orders"]]
        assert shown == expected, limit


async def test_slippage_when_there_is_none_then_an_end(api: Api) -> None:
    shown = (await api.get("/api/analytics/slippage")).json()
    assert shown == {"orders": [], "next_cursor": None}
    assert_problem(await api.get("/api/analytics/slippage/par_1"), 404, "ORDER_NOT_FOUND")


async def test_slippage_when_there_are_many_then_every_order_has_its_fills(api: Api) -> None:
    """More than one filter can name."""
    await put_wholes(api, *(a_whole(number) for number in range(65)))
    shown = (await api.get("/api/analytics/slippage?limit=100")).json()
    assert len(shown["orders"]) == 65
    assert {each["avg_px"] for each in shown["orders"]} == {"3001"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("statistics?by=wallet", 422),
        ("statistics?by=", 422),
        ("statistics?deployment_id=a%20b", 422),
        ("slippage?limit=0", 422),
        ("slippage?limit=x", 422),
        ("slippage?cursor=x", 400),
        ("slippage?cursor=-~-", 400),
        ("slippage?cursor=x~y", 400),
        ("slippage/..%20", 400),
    ],
)
async def test_analytics_when_a_query_value_is_wrong_then_a_problem(
    api: Api, path: str, status: int
) -> None:
    assert_problem(await api.get(f"/api/analytics/{path}"), status)
