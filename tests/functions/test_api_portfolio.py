"""What people read of their money: positions, accounts, equity, exposure, fills."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import (
    ACCOUNTS,
    EQUITY_DAYS,
    EXPOSURES,
    FILLS,
    MARKET_SNAPSHOTS,
    V2,
    V3,
    VENUE_MARKETS,
)
from common.domain.account import Account
from common.domain.exposure import Exposure, Reservation
from common.domain.instrument import Venue
from common.domain.order import FillRecord, OrderSide
from common.execution.accounts import after_funding, open_account
from common.ports import Ref
from common.reporting.equity import EquityPoint
from common.reporting.equity_days import PLATFORM, EquityDay, equity_day_id, with_point
from tests.builders import (
    NOON,
    a_deployment,
    a_fill,
    a_fill_record,
    a_position,
    a_snapshot,
    an_instrument_table,
)
from tests.functions.api_client import Api, assert_problem


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


def an_account(deployment_id: str = "dep_1", **changes: Any) -> Account:
    return open_account(a_deployment(deployment_id, **changes), NOON)


async def test_positions_when_funding_was_paid_then_the_total_value_has_it(api: Api) -> None:
    await api.put_records(
        (Ref(V3.deployments, "dep_1"), a_deployment()),
        (Ref(V2.deployments, "dep_2"), a_deployment("dep_2", book="v2")),
        (Ref(ACCOUNTS, "dep_1"), after_funding(an_account(), Decimal("-2.5"), NOON)),
        (Ref(ACCOUNTS, "dep_2"), after_funding(an_account("dep_2"), Decimal("1"), NOON)),
    )
    shown = (await api.get("/api/portfolio/positions")).json()
    assert (shown["funding"], shown["total_value"], shown["complete"]) == (-1.5, 19_998.5, True)
    one = (await api.get("/api/portfolio/positions?deployment_id=dep_1")).json()
    assert (one["funding"], one["total_value"]) == (-2.5, 9997.5)


async def test_positions_when_one_is_too_small_to_sell_then_it_is_dust(api: Api) -> None:
    """Catalogue: a remainder below the lot or the minimum is shown as such, and stays."""
    tiny = a_position(signed_qty=Decimal("0.00001"), open_cost=Decimal("0.03"))
    large = a_position("pos_2", symbol="BTC", signed_qty=Decimal(1), open_cost=Decimal(1))
    unknown = a_position("pos_3", venue=Venue.GMX, signed_qty=Decimal(1), open_cost=Decimal(1))
    table = an_instrument_table()
    await api.put_records(
        (Ref(V3.positions, "pos_1"), tiny),
        (Ref(V3.positions, "pos_2"), large),
        (Ref(V3.positions, "pos_3"), unknown),
        (Ref(VENUE_MARKETS, table.venue.value), table),
    )
    shown = (await api.get("/api/portfolio/positions")).json()
    dust = {each["position_id"]: each["is_dust"] for each in shown["positions"]}
    assert dust == {"pos_1": True, "pos_2": False, "pos_3": None}
    assert [(each["venue"], each["open_positions"]) for each in shown["venues"]] == [
        ("GMX", 1),
        ("HYPERLIQUID", 2),
    ]


async def put_account(api: Api, account: Account, exposure: Exposure) -> None:
    await api.put_records(
        (Ref(ACCOUNTS, account.deployment_id), account),
        (Ref(EXPOSURES, account.deployment_id), exposure),
    )


def holding(deployment_id: str, symbol: str, quantity: str, price: str) -> Exposure:
    return Exposure.empty(deployment_id).hold(
        venue="GMX", symbol=symbol, signed_qty=Decimal(quantity), price=Decimal(price)
    )


async def test_accounts_when_shown_then_they_balance_at_the_marks(api: Api) -> None:
    """Bought 2 ETH at 3000 for 6 in fees, got 1 in funding, and ETH is at 3100."""
    bought = replace(
        after_funding(an_account(), Decimal(1), NOON),
        cash=Decimal("3995"),
        commissions=Decimal(6),
        trips=3,
        trips_won=2,
    )
    await put_account(api, bought, holding("dep_1", "ETH", "2", "3000"))
    await put_account(api, an_account("dep_2"), holding("dep_2", "WIF", "-1", "2"))
    await api.put_records((Ref(MARKET_SNAPSHOTS, "ETH"), a_snapshot(mark=Decimal(3100))))
    api.clock.advance(60)
    one, two = (await api.get("/api/portfolio/accounts")).json()["accounts"]

    assert (one["deployment_id"], one["starting"], one["cash"]) == ("dep_1", "10000", "3995")
    assert (one["equity"], one["unrealized_pnl"]) == ("10195", "200")
    assert (one["commissions"], one["funding"], one["realized_pnl"]) == ("6", "1", "0")
    assert (one["day_pnl"], one["drawdown"], one["peak_equity"]) == ("195", 0, "10195")
    assert (one["trips"], one["trips_won"], one["unmarked"]) == (3, 2, [])
    assert (two["unmarked"], two["last_loss_at"]) == (["WIF"], None)
    assert two["drawdown"] == pytest.approx(0.0002)


async def test_accounts_when_paged_then_each_once(api: Api) -> None:
    for number in range(5):
        await put_account(api, an_account(f"dep_{number}"), Exposure.empty(f"dep_{number}"))
    first = (await api.get("/api/portfolio/accounts?limit=3")).json()
    rest = (await api.get(f"/api/portfolio/accounts?cursor={first['next_cursor']}")).json()
    shown = [each["deployment_id"] for each in (*first["accounts"], *rest["accounts"])]
    assert shown == [f"dep_{number}" for number in range(5)]
    assert rest["next_cursor"] is None


async def test_accounts_when_one_is_asked_for_then_that_one_traded_or_not(api: Api) -> None:
    await put_account(api, an_account("dep_1"), Exposure.empty("dep_1"))
    await api.put_records((Ref(V2.deployments, "dep_2"), a_deployment("dep_2", book="v2")))
    (one,) = (await api.get("/api/portfolio/accounts?deployment_id=dep_1")).json()["accounts"]
    (two,) = (await api.get("/api/portfolio/accounts?deployment_id=dep_2")).json()["accounts"]
    assert (one["deployment_id"], two["deployment_id"]) == ("dep_1", "dep_2")
    assert (two["book"], two["cash"], two["trips"]) == ("v2", "10000", 0)
    missing = await api.get("/api/portfolio/accounts?deployment_id=dep_3")
    assert_problem(missing, 404, "DEPLOYMENT_NOT_FOUND")


async def put_curve(
    api: Api, subject: str, *points: tuple[datetime, str], capital: str = "100"
) -> None:
    days: dict[str, EquityDay] = {}
    for at, equity in points:
        name = equity_day_id(subject, at)
        point = EquityPoint(at=at, equity=Decimal(equity), capital=Decimal(capital))
        days[name] = with_point(days.get(name), subject, point)
    await api.put_records(*((Ref(EQUITY_DAYS, name), day) for name, day in days.items()))


async def test_equity_when_marked_then_the_curve_and_what_is_said_of_it(api: Api) -> None:
    day = timedelta(days=1)
    marks = [(NOON - 3 * day, "100"), (NOON - 2 * day, "120"), (NOON - day, "90"), (NOON, "108")]
    await put_curve(api, "dep_1", *marks)
    await put_curve(api, PLATFORM, (NOON, "7"))
    shown = (await api.get("/api/portfolio/equity?deployment_id=dep_1")).json()

    assert (shown["source"], shown["deployment_id"]) == ("marks", "dep_1")
    assert [point["equity"] for point in shown["points"]] == ["100", "120", "90", "108"]
    assert shown["points"][0] == {
        "ts": "2026-01-12T12:00:00.000000Z",
        "equity": "100",
        "capital": "100",
    }
    assert shown["total_return"] == pytest.approx(0.08)
    assert (shown["max_drawdown"], shown["drawdown"]) == pytest.approx((0.25, 0.1))
    assert shown["drawdown_longest_s"] == 2 * 86_400
    assert shown["calmar"] == pytest.approx((1.08 ** (365 / 3) - 1) / 0.25)
    assert shown["sharpe"] is not None
    platform = (await api.get("/api/portfolio/equity")).json()
    assert [point["equity"] for point in platform["points"]] == ["7"]
    assert (platform["sharpe"], platform["from"]) == (None, "2026-01-08T12:00:00.000000Z")


async def test_equity_when_a_window_is_asked_for_then_only_its_points(api: Api) -> None:
    hours = [(NOON - timedelta(hours=number), str(number)) for number in (30, 20, 10, 0)]
    await put_curve(api, PLATFORM, *hours)
    window = "from=2026-01-14T16:00:00Z&to=2026-01-15T02:00:00Z"
    shown = (await api.get(f"/api/portfolio/equity?{window}")).json()
    assert [point["equity"] for point in shown["points"]] == ["20", "10"]


async def test_equity_when_the_window_is_long_then_the_last_of_each_hour(api: Api) -> None:
    marks = [(NOON - timedelta(minutes=minutes), str(minutes)) for minutes in (70, 65, 50, 5, 0)]
    await put_curve(api, PLATFORM, *marks)
    week = (await api.get("/api/portfolio/equity")).json()
    month = (await api.get("/api/portfolio/equity?from=2025-12-15T00:00:00Z")).json()
    assert [point["equity"] for point in week["points"]] == ["70", "65", "50", "5", "0"]
    assert [point["equity"] for point in month["points"]] == ["65", "5", "0"]


async def test_equity_when_nothing_was_marked_then_from_the_fills_of_the_window(api: Api) -> None:
    await api.put_records((Ref(V3.deployments, "dep_1"), a_deployment()))
    await put_fills(
        api,
        a_trade(-60, OrderSide.SELL, "3000", "10"),
        a_trade(-30, OrderSide.SELL, "3000", "5", deployment_id="dep_9"),
        a_trade(-5, OrderSide.SELL, "3000", "20"),
    )
    every = (await api.get("/api/portfolio/equity?deployment_id=dep_1")).json()
    assert (every["source"], len(every["points"])) == ("fills", 2)
    assert every["points"][-1]["equity"] == "10000"  # nothing is realised in the positions
    late = await api.get("/api/portfolio/equity?deployment_id=dep_1&from=2026-01-15T11:30:00Z")
    assert len(late.json()["points"]) == 1
    empty = (await api.get("/api/portfolio/equity?to=2026-01-01T00:00:00Z")).json()
    assert (empty["points"], empty["max_drawdown"], empty["calmar"]) == ([], 0, None)


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("from=x", "query.from"),
        ("to=2026-01-15", "query.to"),
        ("to=0001-01-01T00:00:00Z", "query.to"),
        ("from=0001-01-01T00:00:00Z", "query.from"),
        ("to=1970-01-02T00:00:00Z", "query.to"),
        ("from=2026-01-15T12:00:00Z", "query.from"),
        ("from=2026-02-15T12:00:00Z", "query.from"),
        ("from=2025-10-01T12:00:00Z", "query.from"),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "query.from"),
        ("from=" + "9" * 50, "query.from"),
    ],
)
async def test_equity_when_the_window_is_none_then_422_with_its_place(
    api: Api, query: str, where: str
) -> None:
    response = await api.get(f"/api/portfolio/equity?{query}")
    assert_problem(response, 422)
    assert response.json()["where"] == where


@pytest.mark.parametrize(
    "path",
    [
        "positions?deployment_id=%2e%2e",
        "accounts?deployment_id=a%20b",
        "accounts?limit=0",
        "accounts?limit=1001",
        "equity?deployment_id=",
        "exposure?deployment_id=__x__",
    ],
)
async def test_portfolio_when_a_query_value_is_wrong_then_422(api: Api, path: str) -> None:
    assert_problem(await api.get(f"/api/portfolio/{path}"), 422)


async def test_accounts_when_the_cursor_is_none_then_400(api: Api) -> None:
    assert_problem(await api.get("/api/portfolio/accounts?cursor=x"), 400, "INVALID_CURSOR")


async def test_exposure_when_orders_are_under_way_then_they_are_beside_it(api: Api) -> None:
    reservation = Reservation(
        venue="GMX", symbol="ETH", side=OrderSide.BUY, quantity=Decimal(2), price=Decimal(3000)
    )
    stop = replace(reservation, side=OrderSide.SELL, protective=True)
    exposure = Exposure.empty("dep_1").reserve("int_1", reservation).reserve("int_2", stop)
    long = a_position(signed_qty=Decimal(2), open_cost=Decimal(6000))
    short = a_position(
        "pos_2", venue=Venue.GMX, symbol="WIF", signed_qty=Decimal(-1), open_cost=Decimal(100)
    )
    elsewhere = a_position(
        "pos_3", deployment_id="dep_2", signed_qty=Decimal(1), open_cost=Decimal(3000)
    )
    await api.put_records(
        (Ref(V3.deployments, "dep_1"), a_deployment()),
        (Ref(V3.positions, "pos_1"), long),
        (Ref(V3.positions, "pos_2"), short),
        (Ref(V3.positions, "pos_3"), elsewhere),
        (Ref(EXPOSURES, "dep_1"), exposure),
        (Ref(MARKET_SNAPSHOTS, "ETH"), a_snapshot(mark=Decimal(3000))),
    )
    one = (await api.get("/api/portfolio/exposure?deployment_id=dep_1")).json()
    assert (one["gross"], one["net"], one["reserved"]) == ("6100", "5900", "6000")
    assert (one["equity"], one["leverage"], one["unmarked"]) == ("10000", 0.61, ["WIF"])
    assert one["by_symbol"] == [
        {"symbol": "ETH", "gross": "6000", "net": "6000"},
        {"symbol": "WIF", "gross": "100", "net": "-100"},
    ]
    assert [each["venue"] for each in one["by_venue"]] == ["HYPERLIQUID", "GMX"]
    total = (await api.get("/api/portfolio/exposure")).json()
    assert (total["gross"], total["reserved"]) == ("9100", "6000")


async def test_exposure_when_there_is_nothing_then_nothing(api: Api) -> None:
    shown = (await api.get("/api/portfolio/exposure?deployment_id=dep_1")).json()
    assert (shown["gross"], shown["reserved"], shown["leverage"]) == ("0", "0", None)
