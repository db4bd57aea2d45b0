"""Orders, fills and positions of the simulated Hyperliquid."""

from decimal import Decimal
from typing import Any

import pytest

from infra.local.exchanges.hyperliquid.assets import Asset
from infra.local.exchanges.hyperliquid.book import House
from tests.unit.infra.local.exchanges.hyperliquid_desk import (
    ALICE,
    BOB,
    BTC,
    ETH,
    OLD,
    PURR,
    Desk,
    cloid,
    order,
    sl,
    statuses,
    tp,
)

MISSING = {"error": "Order was never placed, already canceled, or filled."}


# ------------------------------------------------------------------------------- price and size
@pytest.mark.parametrize(
    ("asset", "price", "fits"),
    [
        (Asset(id=0, coin="X", sz_decimals=0), "1234.5", True),
        (Asset(id=0, coin="X", sz_decimals=0), "1234.56", False),
        (Asset(id=0, coin="X", sz_decimals=0), "0.001234", True),
        (Asset(id=0, coin="X", sz_decimals=0), "0.0012345", False),
        (Asset(id=0, coin="X", sz_decimals=1), "0.01234", True),
        (Asset(id=0, coin="X", sz_decimals=1), "0.012345", False),
        (Asset(id=0, coin="X", sz_decimals=5), "123456", True),
        (Asset(id=0, coin="X", sz_decimals=5), "12345.6", False),
        (Asset(id=10_000, coin="X", sz_decimals=0), "0.00012345", True),
        (Asset(id=10_000, coin="X", sz_decimals=1), "0.00012345", False),
    ],
)
def test_price_when_the_documentation_rules_on_it_then_so_do_we(
    asset: Asset, price: str, fits: bool
) -> None:
    assert asset.price_fits(Decimal(price)) is fits
    near = asset.price_near(Decimal(price), up=True)
    assert asset.price_fits(near)
    assert (near == Decimal(price)) is fits


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (order(px="95000.5"), "Price must be divisible by tick size."),
        (order(sz="0.0000001"), "Order has invalid size."),
        (order(sz="0"), "Order has zero size."),
        (order(px="0"), "Order has invalid price."),
        (order(sz="0.0001", px="99999"), "Order must have minimum value of $10."),
        (order(px="4000"), "Order price too far from oracle"),
        (order(OLD, px="1", sz="100"), "OLD is delisted."),
        (order(99), "Order has invalid asset."),
        (order(sz="5", px="99000"), "Insufficient margin to place order."),
        (order(reduce_only=True), "Reduce only order would increase position."),
        (order(buy=False, trigger=sl("100001")), "Invalid TP/SL price."),
        (order(PURR, px="0.19", sz="10"), "Order must have minimum value of 10 USDC."),
        (
            order(PURR, px="0.19", sz="100"),
            "(Spot-only) Order has insufficient spot balance to trade",
        ),
        (
            order(tif="Alo", px="100100"),
            "Post only order would have immediately matched, bbo was 99990.0@100010.0.",
        ),
        (
            order(tif="Ioc"),
            "Order could not immediately match against any resting orders.",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_order_when_it_breaks_a_rule_then_refused_in_the_venues_words(
    wire: dict[str, Any], text: str
) -> None:
    desk = Desk()

    assert desk.place(wire, order())[0] == {"error": text}
    assert len(desk.ask("openOrders")) == 1


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (order(sz="5", px="99000"), "perpMarginRejected"),
        (order(tif="Ioc"), "iocCancelRejected"),
        (order(reduce_only=True), "reduceOnlyRejected"),
        (order(px="95000.5"), "unknownOid"),
    ],
)
def test_refused_order_when_asked_for_then_the_venue_knows_it_unless_it_was_wrong_in_itself(
    wire: dict[str, Any], status: str
) -> None:
    desk = Desk()
    desk.place({**wire, "c": cloid(7)})

    assert desk.status(cloid(7)) == status


# ---------------------------------------------------------------------------------------- the book
def test_taker_when_prices_and_times_differ_then_best_price_first_then_oldest() -> None:
    desk = Desk()
    rest = [
        desk.place(order(buy=False, px=px, sz="0.001"), key=BOB)[0]["resting"]["oid"]
        for px in ("100003", "100002", "100002")
    ]

    [filled] = desk.place(order(px="100005", sz="0.0025", tif="Ioc"))

    assert filled["filled"]["totalSz"] == "0.0025"
    makers = [fill.oid for fill in desk.exchange.fills(BOB.address)]
    assert makers == [rest[1], rest[2], rest[0]]
    assert [desk.status(oid, BOB) for oid in rest] == ["open", "filled", "filled"]
    assert desk.position("BTC") == Decimal("0.0025")
    assert desk.position("BTC", BOB) == Decimal("-0.0025")


def test_buyers_when_their_prices_and_times_differ_then_best_price_first_then_oldest() -> None:
    desk = Desk()
    rest = [
        desk.place(order(px=px, sz="0.001"), key=BOB)[0]["resting"]["oid"]
        for px in ("99995", "99996", "99996")
    ]

    desk.place(order(buy=False, px="99994", sz="0.0025", tif="Ioc"))

    makers = [fill.oid for fill in desk.exchange.fills(BOB.address)]
    assert makers == [rest[1], rest[2], rest[0]]


def test_taker_when_the_house_is_better_than_an_account_then_the_house_comes_first() -> None:
    desk = Desk()
    desk.place(order(buy=False, px="100011", sz="0.01"), key=BOB)

    [filled] = desk.place(order(px="100100", sz="0.01", tif="Ioc"))

    assert filled["filled"]["avgPx"] == "100010.0"
    assert desk.exchange.fills(BOB.address) == ()


def test_trade_when_between_accounts_then_both_sides_share_its_tid() -> None:
    desk = Desk()
    desk.place(order(buy=False, px="100001"), key=BOB)
    desk.place(order(px="100001", tif="Ioc", c=cloid(1)))

    [taken], [made] = desk.exchange.fills(ALICE.address), desk.exchange.fills(BOB.address)

    assert taken.tid == made.tid
    assert (taken.crossed, made.crossed) == (True, False)
    assert taken.fee == Decimal("0.450005")  # 1000.01 USDC at 4.5 basis points
    assert made.fee == Decimal("0.150002")
    assert (taken.cloid, made.cloid) == (cloid(1), None)


def test_own_orders_when_they_would_meet_then_the_resting_one_is_canceled() -> None:
    desk = Desk()
    [rest] = desk.place(order(buy=False, px="100001"))

    desk.place(order(px="100001"))

    assert desk.status(rest["resting"]["oid"]) == "selfTradeCanceled"
    assert desk.position("BTC") == 0


def test_ioc_when_the_house_is_thin_then_the_rest_is_canceled() -> None:
    desk = Desk(house=House(levels=1, notional=Decimal(1000), replenish=False))

    [filled] = desk.place(order(px="101000", sz="0.05", tif="Ioc"))

    assert filled["filled"]["totalSz"] == "0.00999"
    assert desk.status(filled["filled"]["oid"]) == "canceled"
    assert desk.ask("l2Book", None, coin="BTC")["levels"][1] == []


def test_limit_when_part_of_it_fills_then_the_rest_rests() -> None:
    desk = Desk(house=House(levels=1, notional=Decimal(1000), replenish=False))

    [resting] = desk.place(order(px="100010", sz="0.05"))

    [row] = desk.ask("openOrders")
    assert row["oid"] == resting["resting"]["oid"]
    assert (row["sz"], row["origSz"]) == ("0.04001", "0.05")
    assert desk.ask("l2Book", None, coin="BTC")["levels"][0][0]["px"] == "100010.0"


def test_resting_order_when_the_mark_moves_through_it_then_filled_as_maker_at_its_price() -> None:
    desk = Desk()
    desk.place(order(px="99000", c=cloid(1)))

    desk.mark("BTC", "98000")

    [fill] = desk.exchange.fills(ALICE.address)
    assert (fill.price, fill.crossed) == (Decimal(99000), False)
    assert desk.status(cloid(1)) == "filled"


# --------------------------------------------------------------------------------------- positions
def test_position_when_opened_added_to_reduced_and_flipped_then_each_fill_says_so() -> None:
    desk = Desk()
    for buy, sz in ((True, "0.01"), (True, "0.01"), (False, "0.005"), (False, "0.03")):
        desk.place(order(buy=buy, px="101000" if buy else "99000", sz=sz, tif="Ioc"))
    desk.mark("BTC", "99000")
    desk.place(order(px="100000", sz="0.015", tif="Ioc", reduce_only=True))

    rows = desk.ask("userFills")[::-1]

    assert [row["dir"] for row in rows] == [
        "Open Long",
        "Open Long",
        "Close Long",
        "Long > Short",
        "Close Short",
    ]
    assert [row["startPosition"] for row in rows] == ["0.0", "0.01", "0.02", "0.015", "-0.015"]
    assert [row["closedPnl"] for row in rows][:3] == ["0.0", "0.0", "-0.1"]
    assert desk.position("BTC") == 0


def test_account_when_everything_is_closed_then_cash_is_deposit_plus_pnl_minus_fees() -> None:
    desk = Desk()
    for step, mark in enumerate(("100000", "101000", "99500", "97000", "103000")):
        desk.mark("BTC", mark)
        buy = step % 2 == 0
        px = "105000" if buy else "95000"
        desk.place(order(buy=buy, px=px, sz=f"0.0{step + 1}", tif="Ioc"))
    held = desk.position("BTC")
    desk.place(order(buy=held < 0, px="98000", sz=str(abs(held)), tif="Ioc", reduce_only=True))

    fills = desk.exchange.fills(ALICE.address)
    state = desk.ask("clearinghouseState")

    assert desk.position("BTC") == 0
    expected = 10_000 + sum(fill.closed_pnl - fill.fee for fill in fills)
    cash = -sum(fill.price * fill.size * (1 if fill.is_buy else -1) for fill in fills)
    assert expected == 10_000 + cash - sum(fill.fee for fill in fills)
    assert Decimal(state["marginSummary"]["accountValue"]) == expected
    assert state["assetPositions"] == []


def test_state_when_a_position_is_open_then_its_sums_follow_the_mark() -> None:
    desk = Desk()
    desk.place(order(buy=False, px="99000", sz="0.01", tif="Ioc"))
    desk.mark("BTC", "98000")

    state = desk.ask("clearinghouseState")
    [row] = state["assetPositions"]
    position = row["position"]

    assert (position["szi"], position["entryPx"]) == ("-0.01", "99990.0")
    assert (position["positionValue"], position["unrealizedPnl"]) == ("980.0", "19.9")
    assert position["leverage"] == {"type": "cross", "value": 20}
    assert position["marginUsed"] == "49.0"
    value = Decimal(state["marginSummary"]["accountValue"])
    assert value == 10_000 + Decimal("19.9") - Decimal("0.449955")
    assert Decimal(state["marginSummary"]["totalRawUsd"]) == value + 980


def test_reduce_only_when_larger_than_the_position_then_it_only_closes() -> None:
    desk = Desk()
    desk.place(order(px="101000", sz="0.01", tif="Ioc"))

    [filled] = desk.place(order(buy=False, px="99000", sz="0.03", tif="Ioc", reduce_only=True))

    assert filled["filled"]["totalSz"] == "0.01"
    assert desk.position("BTC") == 0


def test_reduce_only_when_small_or_on_the_same_side_then_taken_or_refused() -> None:
    desk = Desk()
    desk.place(order(px="101000", sz="0.01", tif="Ioc"))
    small = order(buy=False, px="99000", sz="0.00005", tif="Ioc", reduce_only=True)

    [taken], [refused] = desk.place(small), desk.place(order(reduce_only=True))

    assert taken["filled"]["totalSz"] == "0.00005"
    assert refused == {"error": "Reduce only order would increase position."}


def test_resting_reduce_only_when_nothing_is_left_to_reduce_then_canceled() -> None:
    desk = Desk()
    desk.place(order(px="101000", sz="0.01", tif="Ioc"))
    [rest] = desk.place(order(buy=False, px="105000", sz="0.01", reduce_only=True))
    desk.place(order(buy=False, px="99000", sz="0.01", tif="Ioc"))

    desk.mark("BTC", "106000")

    assert desk.status(rest["resting"]["oid"]) == "reduceOnlyCanceled"
    assert desk.position("BTC") == 0


def test_resting_reduce_only_when_it_has_closed_everything_then_its_rest_does_not_stay() -> None:
    desk = Desk()
    desk.place(order(px="101000", sz="0.01", tif="Ioc"))
    [rest] = desk.place(order(buy=False, px="100001", sz="0.03", reduce_only=True))

    [taken] = desk.place(order(px="100001", sz="0.02"), key=BOB)

    assert desk.status(rest["resting"]["oid"]) == "reduceOnlyCanceled"
    assert (desk.position("BTC"), desk.position("BTC", BOB)) == (Decimal(0), Decimal("0.01"))
    assert "resting" in taken


def test_leverage_when_lowered_then_less_can_be_opened() -> None:
    desk = Desk()
    action = {"type": "updateLeverage", "asset": BTC, "isCross": False, "leverage": 1}
    assert desk.send(action) == {"status": "ok", "response": {"type": "default"}}

    refused, taken = desk.place(order(sz="0.2"), order(sz="0.05"))

    assert refused == {"error": "Insufficient margin to place order."}
    assert "resting" in taken
    assert desk.send({**action, "leverage": 41})["status"] == "err"
    assert desk.send({**action, "asset": PURR})["status"] == "err"


def test_margin_when_resting_orders_claimed_it_then_another_is_refused() -> None:
    desk = Desk()

    first, second = desk.place(order(sz="1.5"), order(sz="1"))

    assert "resting" in first
    assert second == {"error": "Insufficient margin to place order."}


# -------------------------------------------------------------------------------------------- spot
def test_spot_when_bought_and_sold_then_tokens_change_hands_and_fees_come_off_what_came_in() -> (
    None
):
    desk = Desk()
    desk.exchange.deposit(ALICE.address, "100", token="USDC")
    desk.place(order(PURR, px="0.3", sz="100", tif="Ioc"))
    desk.place(order(PURR, buy=False, px="0.15", sz="90", tif="Ioc"))

    bought, sold = desk.exchange.fills(ALICE.address)
    balances = {row["coin"]: row["total"] for row in balances_of(desk)}

    assert (bought.direction, bought.fee_token) == ("Buy", "PURR")
    assert (sold.direction, sold.fee_token) == ("Sell", "USDC")
    assert Decimal(balances["PURR"]) == 10 - bought.fee
    assert Decimal(balances["USDC"]) == 100 - bought.price * 100 + sold.price * 90 - sold.fee


def test_spot_when_an_order_rests_then_its_balance_is_on_hold() -> None:
    desk = Desk()
    desk.exchange.deposit(ALICE.address, "20", token="USDC")

    first, second = desk.place(order(PURR, px="0.15", sz="100"), order(PURR, px="0.15", sz="100"))

    assert "resting" in first
    assert "insufficient spot balance" in second["error"]
    assert [row["hold"] for row in balances_of(desk)] == ["15.0"]


def balances_of(desk: Desk) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = desk.ask("spotClearinghouseState")["balances"]
    return rows


# ---------------------------------------------------------------------------------------- triggers
def test_stop_when_the_mark_crosses_it_then_it_closes_the_position() -> None:
    desk = Desk()
    desk.place(order(px="101000", sz="0.01", tif="Ioc"))
    stop = order(buy=False, px="90000", sz="0.01", reduce_only=True, trigger=sl("99000"))
    [rest] = desk.place(stop)
    [row] = desk.ask("frontendOpenOrders")
    assert (row["orderType"], row["triggerCondition"]) == ("Stop Market", "Price below 99000")

    desk.mark("BTC", "99500")
    assert desk.position("BTC") == Decimal("0.01")
    desk.mark("BTC", "98900")

    assert desk.position("BTC") == 0
    assert desk.status(rest["resting"]["oid"]) == "filled"


def test_bracket_when_the_parent_fills_and_one_side_fires_then_the_other_goes() -> None:
    desk = Desk()
    exits = [
        order(buy=False, px=px, sz="0.01", reduce_only=True, trigger=trigger)
        for px, trigger in (("90000", sl("98000")), ("103000", tp("104000")))
    ]

    parent, *children = desk.place(order(px="99000"), *exits, grouping="normalTpsl")
    assert children == ["waitingForFill", "waitingForFill"]
    assert "resting" in parent
    [row] = [row for row in desk.ask("frontendOpenOrders") if row["children"]]
    assert len(row["children"]) == 2

    desk.mark("BTC", "98900")
    assert desk.position("BTC") == Decimal("0.01")
    desk.mark("BTC", "104100")

    assert desk.position("BTC") == 0
    stop, take = (entry["status"] for entry in desk.ask("historicalOrders")[-2::-1])
    assert (stop, take) == ("siblingFilledCanceled", "filled")


def test_bracket_when_the_parent_is_canceled_or_refused_then_no_child_stays() -> None:
    desk = Desk()
    stop = order(buy=False, px="90000", sz="0.01", reduce_only=True, trigger=sl("94000"))
    parent, _ = desk.place(order(), stop, grouping="normalTpsl")

    assert desk.cancel(parent["resting"]["oid"]) == "success"
    refused = desk.place(order(px="1"), stop, grouping="normalTpsl")

    assert [entry["error"] for entry in refused][1] == "Parent order was rejected."
    assert desk.ask("openOrders") == []


def test_position_stop_when_it_fires_then_it_closes_all_that_is_held() -> None:
    desk = Desk()
    stop = order(buy=False, px="90000", sz="0.01", reduce_only=True, trigger=sl("99000"))
    desk.place(stop, grouping="positionTpsl")
    desk.place(order(px="101000", sz="0.04", tif="Ioc"))

    desk.mark("BTC", "98000")

    assert desk.position("BTC") == 0


# -------------------------------------------------------------------------- cancel, modify, cloids
def test_cancel_when_the_order_is_gone_or_of_another_coin_then_it_is_missing() -> None:
    desk = Desk()
    [rest] = desk.place(order(c=cloid(1)))
    oid = rest["resting"]["oid"]

    assert desk.cancel(oid, ETH) == MISSING
    assert desk.cancel(oid, key=BOB) == MISSING
    by_cloid = {"type": "cancelByCloid", "cancels": [{"asset": BTC, "cloid": cloid(1)}]}
    assert statuses(desk.send(by_cloid)) == ["success"]
    assert statuses(desk.send(by_cloid)) == [MISSING]
    assert desk.cancel(oid) == MISSING
    assert desk.status(oid) == "canceled"


def test_modify_when_allowed_then_a_new_order_takes_its_place_and_its_cloid() -> None:
    desk = Desk()
    desk.place(order(c=cloid(1)))
    changed = [
        statuses(desk.send({"type": "batchModify", "modifies": [{"oid": cloid(1), "order": new}]}))
        for new in (order(px="94000", c=cloid(1)), order(px="93000", c=cloid(1)))
    ]

    [row] = desk.ask("openOrders")
    assert (row["oid"], row["limitPx"]) == (changed[1][0]["resting"]["oid"], "93000.0")
    assert desk.status(cloid(1)) == "open"


def test_modify_when_refused_or_too_late_then_nothing_changes() -> None:
    desk = Desk()
    [rest] = desk.place(order(c=cloid(1)))
    oid = rest["resting"]["oid"]
    change = {"type": "modify", "oid": oid, "order": order(px="100100", tif="Alo", c=cloid(1))}

    answer = desk.send(change)

    assert answer["status"] == "err"
    assert answer["response"].startswith("Post only order")
    assert [row["limitPx"] for row in desk.ask("openOrders")] == ["95000.0"]
    assert desk.status(cloid(1)) == "open"
    assert desk.send({**change, "order": order(px="94000")})["status"] == "ok"
    gone = {"type": "batchModify", "modifies": [{"oid": oid, "order": order()}]}
    assert statuses(desk.send(gone)) == [{"error": "Cannot modify canceled or filled order"}]


@pytest.mark.parametrize(("scope", "taken"), [("EVER", False), ("OPEN", True)])
def test_cloid_when_used_again_after_its_fill_then_the_scope_decides(
    scope: str, taken: bool
) -> None:
    desk = Desk(cloids=scope)
    again = order(px="101000", tif="Ioc", c=cloid(1))
    desk.place(again)

    [status] = desk.place(again)

    assert ("filled" in status) is taken
    assert desk.position("BTC") == (Decimal("0.02") if taken else Decimal("0.01"))


@pytest.mark.parametrize("scope", ["EVER", "OPEN"])
def test_cloid_when_an_open_order_has_it_then_refused(scope: str) -> None:
    desk = Desk(cloids=scope)
    first, second = desk.place(order(c=cloid(1)), order(c=cloid(1)))

    assert "resting" in first
    assert second == {"error": "Order has a duplicate cloid."}
    assert "resting" in desk.place(order(c=cloid(1)), key=BOB)[0]


def test_scheduled_cancel_when_its_time_comes_then_every_open_order_goes() -> None:
    desk = Desk()
    desk.place(order(c=cloid(1)), order(ETH, px="2900", sz="0.1", c=cloid(2)))
    now_ms = desk.next_nonce()
    assert desk.send({"type": "scheduleCancel", "time": now_ms + 1000})["status"] == "err"
    assert desk.send({"type": "scheduleCancel", "time": now_ms + 6000})["status"] == "ok"

    desk.clock.advance(5)
    assert len(desk.ask("openOrders")) == 2
    desk.clock.advance(2)

    assert desk.ask("openOrders") == []
    assert desk.status(cloid(2)) == "scheduledCancel"
