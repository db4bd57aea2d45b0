"""Keys, nonces, limits, pages and bad requests of the simulated Hyperliquid, and its faults."""

from decimal import Decimal
from typing import Any

import pytest
from eth_account import Account

from common.domain.moment import to_ms
from infra.local.exchanges.exchange import ApiRequest, Operation
from infra.local.exchanges.faults import Fault, FaultKind, FaultRule, FaultSchedule
from infra.local.exchanges.hyperliquid.limits import WeightBudget, exchange_weight, info_weight
from infra.local.exchanges.hyperliquid.nonces import KEPT
from infra.local.exchanges.server import Reply
from tests.unit.infra.local.exchanges.hyperliquid_desk import (
    AGENT,
    ALICE,
    BOB,
    BTC,
    Desk,
    cloid,
    order,
    statuses,
    struck,
)

GTC = {"type": "order", "orders": [order(c=cloid(1))], "grouping": "na"}
MARKET = order(px="101000", sz="0.01", tif="Ioc", c=cloid(1))
DAY_MS = 86_400_000
UNREADABLE = (422, "Failed to deserialize the JSON body into the target type")


def unknown(address: str) -> dict[str, str]:
    text = f"User or API Wallet {address.lower()} does not exist."
    return {"status": "err", "response": text}


# ------------------------------------------------------------------------------------------ agents
def test_agent_when_approved_then_it_trades_for_its_master_alone() -> None:
    desk = Desk()
    assert desk.send(GTC, AGENT) == unknown(AGENT.address)

    assert desk.approve(AGENT.address)["status"] == "ok"

    statuses(desk.send(GTC, AGENT))
    assert len(desk.ask("openOrders")) == 1
    assert desk.ask("openOrders", AGENT) == []  # the recorded trap: ask for the master
    assert desk.ask("userRole", AGENT) == {
        "role": "agent",
        "data": {"user": ALICE.address.lower()},
    }


def test_agent_when_another_takes_its_name_then_it_is_out_for_ever() -> None:
    desk = Desk()
    second = Account.from_key("0x" + "d5" * 32)
    desk.approve(AGENT.address)
    desk.approve(second.address)

    assert desk.send(GTC, AGENT) == unknown(AGENT.address)
    assert desk.send(GTC, second)["status"] == "ok"
    again = desk.approve(AGENT.address, "named")
    assert again == {"status": "err", "response": "Extra agent already used."}


def test_agent_when_deregistered_or_expired_then_unknown() -> None:
    desk = Desk()
    second = Account.from_key("0x" + "d5" * 32)
    desk.exchange.approve_agent(ALICE.address, AGENT.address, desk.clock.now())
    desk.exchange.approve_agent(BOB.address, second.address, desk.clock.now())

    desk.exchange.deregister_agent(AGENT.address)
    assert desk.send(GTC, AGENT) == unknown(AGENT.address)
    assert desk.send(GTC, second)["status"] == "ok"
    desk.clock.advance(90 * 86_400)
    assert desk.send(GTC, second) == unknown(second.address)
    with pytest.raises(ValueError, match="already used"):
        desk.exchange.approve_agent(ALICE.address, AGENT.address, desk.clock.now())


def test_named_agents_when_three_are_held_then_a_fourth_name_is_refused() -> None:
    desk = Desk()
    keys = [Account.from_key(f"0x{n:064x}").address for n in range(1, 6)]
    for number, address in enumerate(keys[:3]):
        assert desk.approve(address, f"n{number}")["status"] == "ok"

    assert desk.approve(keys[3], "n3")["response"] == "Too many extra agents."
    assert desk.approve(keys[4], "n0")["status"] == "ok"
    rows = desk.ask("extraAgents")
    assert {row["name"]: row["address"] for row in rows}["n0"] == keys[4].lower()
    assert {row["validUntil"] for row in rows} == {to_ms(desk.clock.now()) + 90 * DAY_MS}


def test_approval_when_signed_by_an_agent_or_a_stranger_then_refused() -> None:
    desk = Desk()
    desk.approve(AGENT.address)
    other = Account.from_key("0x" + "d5" * 32).address

    assert desk.approve(other, key=AGENT) == unknown(AGENT.address)


def test_vault_when_it_is_the_masters_then_its_account_trades() -> None:
    vault = "0x" + "77" * 20
    desk = Desk(vaults={vault: ALICE.address})
    desk.exchange.deposit(vault, "1000")

    statuses(desk.send(GTC, vault=vault))

    assert len(desk.post("/info", {"type": "openOrders", "user": vault})) == 1
    assert desk.ask("openOrders") == []
    assert desk.post("/info", {"type": "userRole", "user": vault})["role"] == "subAccount"
    other = desk.send(GTC, BOB, vault=vault)
    assert other == {"status": "err", "response": f"Vault not registered: {vault}"}


# ---------------------------------------------------------------------------------- nonce and time
def test_nonce_when_used_before_then_refused_and_nothing_happens() -> None:
    desk = Desk()
    nonce = desk.next_nonce()
    desk.send(GTC, nonce=nonce)
    noop = desk.send({"type": "noop"}, nonce=nonce)

    assert noop == {"status": "err", "response": f"Invalid nonce: duplicate nonce {nonce}"}
    assert len(desk.ask("openOrders")) == 1


def test_nonce_when_a_noop_burned_it_then_the_pending_order_is_dead() -> None:
    desk = Desk()
    nonce = desk.next_nonce()

    assert desk.send({"type": "noop"}, nonce=nonce)["status"] == "ok"

    assert "duplicate nonce" in desk.send(GTC, nonce=nonce)["response"]
    assert desk.ask("openOrders") == []


def test_nonce_when_below_the_hundred_highest_then_too_low_and_gaps_above_are_fine() -> None:
    desk = Desk()
    start = desk.next_nonce() + 1000
    for step in range(KEPT):
        assert desk.send({"type": "noop"}, nonce=start + 2 * step)["status"] == "ok"

    low = desk.send({"type": "noop"}, nonce=start - 1)

    assert low["response"] == f"Invalid nonce: nonce too low {start - 1} < {start}"
    assert desk.send({"type": "noop"}, nonce=start + 1)["status"] == "ok"
    pushed_out = desk.send({"type": "noop"}, nonce=start)
    assert pushed_out["response"] == f"Invalid nonce: nonce too low {start} < {start + 1}"
    assert desk.send({"type": "noop"}, BOB, nonce=start - 1)["status"] == "ok"


@pytest.mark.parametrize(
    ("away_ms", "ok"), [(-2 * DAY_MS, False), (-DAY_MS, True), (DAY_MS, False)]
)
def test_nonce_when_far_from_the_block_time_then_refused(away_ms: int, ok: bool) -> None:
    desk = Desk()

    answer = desk.send({"type": "noop"}, nonce=to_ms(desk.clock.now()) + away_ms)

    assert (answer["status"] == "ok") is ok


def test_action_when_it_arrives_after_its_expiry_then_refused() -> None:
    desk = struck(Fault(FaultKind.LATE, delay_s=11))
    expires = to_ms(desk.clock.now()) + 10_000

    assert desk.send(GTC, expires_after=expires) is None
    desk.clock.advance(12)
    assert desk.status(cloid(1)) == "unknownOid"

    late = desk.send(GTC, expires_after=expires)
    assert late["response"].startswith("Action expired")
    assert desk.send(GTC, expires_after=expires + 10_000)["status"] == "ok"


# ------------------------------------------------------------------------------------------ limits
@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        (exchange_weight({"orders": [0] * 39}), 1),
        (exchange_weight({"cancels": [0] * 80}), 3),
        (exchange_weight({"type": "noop"}), 1),
        (info_weight("orderStatus", 0), 2),
        (info_weight("userRole", 0), 60),
        (info_weight("userFills", 45), 22),
        (info_weight("candleSnapshot", 120), 22),
        (info_weight("meta", 500), 20),
    ],
)
def test_weight_when_counted_then_as_documented(weight: int, expected: int) -> None:
    assert weight == expected


def test_weight_when_the_minute_is_spent_then_429_until_it_passes() -> None:
    desk = Desk(weights=WeightBudget(per_minute=40))

    assert [desk.ask("userRateLimit") == (429, "null") for _ in range(3)] == [False, False, True]
    assert desk.send(GTC) == (429, "null")
    other = ApiRequest(method="POST", path="/info", body=b'{"type":"meta"}', client="10.0.0.9")
    reply = desk.server.respond(other)
    assert isinstance(reply, Reply)
    assert reply.answer.status == 200
    desk.clock.advance(60)
    assert desk.send(GTC)["status"] == "ok"


def test_rate_limit_when_trading_then_requests_and_volume_count() -> None:
    desk = Desk()
    desk.place(MARKET)
    desk.send({"type": "noop"})

    limits = desk.ask("userRateLimit")

    assert limits["nRequestsUsed"] == 2
    assert limits["nRequestsCap"] == 10_000 + int(Decimal(limits["cumVlm"])) == 11_000


# ------------------------------------------------------------------------------------------- pages
def test_fills_when_more_than_a_page_then_time_pages_join_up() -> None:
    desk = Desk()
    start = to_ms(desk.clock.now())
    for step in range(1050):
        desk.clock.advance(1)
        buy = step % 2 == 0
        desk.exchange.engine.place(
            desk.exchange.engine.accounts[ALICE.address.lower()],
            request_of(buy),
            to_ms(desk.clock.now()),
        )
        desk.mark("BTC", "100000")
    account = desk.exchange.engine.accounts[ALICE.address.lower()]
    account.fills = [fill for fill in account.fills for _ in range(2)]

    first = desk.ask("userFillsByTime", startTime=start)
    second = desk.ask("userFillsByTime", startTime=first[-1]["time"])

    assert (len(first), len(desk.ask("userFills"))) == (2000, 2000)
    assert [row["time"] for row in first] == sorted(row["time"] for row in first)
    tids = {row["tid"] for row in [*first, *second]}
    assert len(tids) == 1050
    assert desk.ask("userFills")[0]["time"] == second[-1]["time"]
    one_moment = desk.ask("userFillsByTime", startTime=start + 1000, endTime=start + 1000)
    assert one_moment == first[:2]


def request_of(buy: bool) -> Any:
    from infra.local.exchanges.hyperliquid.orders import OrderRequest

    return OrderRequest.of(order(buy=buy, px="101000" if buy else "99000", tif="Ioc"))


def test_info_when_about_the_market_then_in_the_recorded_shapes() -> None:
    rows = [{"t": t, "s": "BTC", "i": "5m"} for t in (0, 300_000, 600_000)]
    desk = Desk(candles={("BTC", "5m"): rows})
    span = {"coin": "BTC", "interval": "5m", "startTime": 1, "endTime": 600_000}

    assert desk.ask("candleSnapshot", None, req=span) == rows[1:]
    assert desk.ask("candleSnapshot", None, req={**span, "coin": "ETH"}) == []
    assert desk.ask("perpDexs", None) == [None]
    assert desk.ask("meta", None, dex="xyz") is None
    assert desk.ask("allMids", None, dex="xyz") == {}
    assert desk.ask("l2Book", None, coin="NONE") is None
    assert desk.ask("spotMetaAndAssetCtxs", None)[1][0]["markPx"] == "0.2"
    assert desk.ask("metaAndAssetCtxs", None)[1][2]["midPx"] is None
    book = desk.ask("l2Book", None, coin="BTC")
    assert [len(side) for side in book["levels"]] == [10, 10]
    assert set(book["levels"][0][0]) == {"px", "sz", "n"}


def test_account_queries_when_of_another_dex_or_a_nobody_then_empty() -> None:
    desk = Desk()
    desk.place(order(), MARKET)

    assert desk.ask("openOrders", dex="xyz") == desk.ask("frontendOpenOrders", dex="xyz") == []
    assert desk.ask("clearinghouseState", dex="xyz")["assetPositions"] == []
    assert desk.ask("userFills", AGENT) == []
    assert desk.ask("clearinghouseState", AGENT)["marginSummary"]["accountValue"] == "0.0"
    assert desk.ask("userRole", AGENT) == {"role": "missing"}
    assert desk.ask("userRole", BOB) == {"role": "user"}


# ------------------------------------------------------------------------------------ bad requests
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/info", b""),
        ("/info", b"[]"),
        ("/info", b"[" * 100_000),
        ("/info", b'{"type":"nothing","user":"0x' + b"1" * 40 + b'"}'),
        ("/info", b'{"type":"openOrders","user":"0xzz"}'),
        ("/info", b'{"type":"openOrders"}'),
        ("/info", b'{"type":"orderStatus","user":"0x' + b"1" * 40 + b'","oid":"0x1"}'),
        ("/info", b'{"type":"orderStatus","user":"0x' + b"1" * 40 + b'","oid":true}'),
        ("/info", b'{"type":"userFillsByTime","user":"0x' + b"1" * 40 + b'"}'),
        ("/info", b'{"type":"candleSnapshot","req":{}}'),
        ("/exchange", b"{}"),
        ("/exchange", b'{"action":{"type":"noop"},"nonce":-1,"signature":{}}'),
        ("/exchange", b'{"action":{"type":"noop"},"nonce":36893488147419103232,"signature":{}}'),
        (
            "/exchange",
            b'{"action":{"type":"noop"},"nonce":1,"signature":{},"expiresAfter":"soon"}',
        ),
        ("/exchange", b'{"action":{"type":"cancel","cancels":1},"nonce":1,"signature":{}}'),
        ("/exchange", b'{"action":{"type":"approveAgent"},"nonce":1,"signature":{}}'),
        ("/exchange", b'{"action":{"type":"order","orders":[[]]},"nonce":1,"signature":{}}'),
    ],
)
def test_request_when_it_makes_no_sense_then_422_or_an_error_and_nothing_breaks(
    path: str, body: bytes
) -> None:
    answer = Desk().post(path, body)

    assert answer == UNREADABLE or answer["status"] == "err"


@pytest.mark.parametrize(
    "action",
    [
        {"type": "updateLeverage", "asset": [], "isCross": True, "leverage": "9"},
        {"type": "scheduleCancel", "time": "soon"},
        {"type": "order", "orders": [{**order(), "b": "yes"}], "grouping": "na"},
        {
            "type": "order",
            "orders": [{**order(), "t": {"limit": {"tif": "Fok"}}}],
            "grouping": "na",
        },
        {"type": "order", "orders": [order()], "grouping": "all"},
        {"type": "order", "orders": [order(c="0x12")], "grouping": "na"},
    ],
)
def test_action_when_well_signed_and_senseless_then_422_and_nothing_rests(
    action: dict[str, Any],
) -> None:
    desk = Desk()

    assert desk.send(action) == UNREADABLE
    assert desk.ask("openOrders") == []


def test_action_when_a_number_is_too_large_to_be_packed_then_422() -> None:
    action = {"type": "cancel", "cancels": [{"a": 0, "o": 2**70}]}
    body = {"action": action, "nonce": 1, "signature": {"r": "0x1", "s": "0x1", "v": 27}}

    assert Desk().post("/exchange", body) == UNREADABLE


def test_request_when_the_path_or_method_is_none_then_404() -> None:
    desk = Desk()

    assert desk.post("/ws", {}) == (404, "null")
    reply = desk.server.respond(ApiRequest(method="GET", path="/info"))
    assert isinstance(reply, Reply)
    assert reply.answer.status == 404


# ------------------------------------------------------------------------------------------ faults
@pytest.mark.parametrize(
    ("request_body", "operation"),
    [
        ({"action": GTC}, Operation("order", cloid(1), writes=True)),
        (
            {"action": {"type": "cancel", "cancels": [{"a": 0, "o": 7}]}},
            Operation("cancel", "7", writes=True),
        ),
        (
            {"action": {"type": "cancelByCloid", "cancels": [{"asset": 0, "cloid": "0x1"}]}},
            Operation("cancelByCloid", "0x1", writes=True),
        ),
        (
            {"action": {"type": "batchModify", "modifies": [{"oid": 8}]}},
            Operation("batchModify", "8", writes=True),
        ),
        (
            {"action": {"type": "modify", "oid": 9, "order": {}}},
            Operation("modify", "9", writes=True),
        ),
        ({"action": {"type": "noop"}}, Operation("noop", "", writes=True)),
        ({"action": []}, Operation("unknown")),
    ],
)
def test_operation_when_named_for_the_faults_then_it_is_the_action_and_its_order(
    request_body: dict[str, Any], operation: Operation
) -> None:
    desk = Desk()
    desk.post("/exchange", request_body)

    assert desk.server.requests[0] == (operation, None)


def test_lost_answer_when_the_order_filled_then_status_fills_and_position_tell() -> None:
    desk = struck(Fault(FaultKind.LOST_ANSWER))

    assert desk.send({"type": "order", "orders": [MARKET], "grouping": "na"}) is None

    assert desk.status(cloid(1)) == "filled"
    assert desk.position("BTC") == Decimal("0.01")
    assert desk.ask("userFills")[0]["cloid"] == cloid(1)


def test_order_delivered_twice_when_the_nonce_is_one_then_it_trades_once() -> None:
    desk = struck(Fault(FaultKind.TWICE))

    answer = desk.send({"type": "order", "orders": [MARKET], "grouping": "na"})

    assert "duplicate nonce" in answer["response"]
    assert desk.position("BTC") == Decimal("0.01")


def test_order_error_when_struck_then_each_order_has_it_and_none_is_known() -> None:
    desk = struck(Fault(FaultKind.ORDER_ERROR, message="No liquidity available for market order."))

    refused = desk.place(MARKET, order())

    assert refused == [{"error": "No liquidity available for market order."}] * 2
    assert desk.status(cloid(1)) == "unknownOid"
    assert struck(Fault(FaultKind.ORDER_ERROR), "noop").send({"type": "noop"})["status"] == "err"


def test_cancel_error_when_struck_then_the_order_still_rests() -> None:
    desk = struck(Fault(FaultKind.ORDER_ERROR), "cancel")
    [rest] = desk.place(order())

    assert "error" in desk.cancel(rest["resting"]["oid"])
    assert len(desk.ask("openOrders")) == 1


def test_no_effect_when_struck_then_it_says_filled_and_holds_nothing() -> None:
    desk = struck(Fault(FaultKind.NO_EFFECT))

    [filled] = desk.place(MARKET)

    assert filled["filled"]["totalSz"] == "0.01"
    assert desk.status(cloid(1)) == "unknownOid"
    assert desk.position("BTC") == 0


@pytest.mark.parametrize(("tif", "status"), [("Ioc", "canceled"), ("Gtc", "open")])
def test_partial_fill_when_struck_then_the_rest_is_canceled_or_rests(tif: str, status: str) -> None:
    desk = struck(Fault(FaultKind.PARTIAL_FILL, fraction=Decimal("0.3")))

    desk.place({**MARKET, "t": {"limit": {"tif": tif}}})

    assert desk.position("BTC") == Decimal("0.003")
    assert desk.status(cloid(1)) == status
    desk.mark("BTC", "100000")
    assert desk.position("BTC") == (Decimal("0.01") if tif == "Gtc" else Decimal("0.003"))


def test_read_lag_when_struck_then_orders_fills_and_positions_lag_together() -> None:
    desk = struck(Fault(FaultKind.READ_LAG, delay_s=60))
    [filled] = desk.place(MARKET)
    assert "filled" in filled

    desk.clock.advance(59)
    assert desk.status(cloid(1)) == "unknownOid"
    assert desk.ask("userFills") == desk.ask("clearinghouseState")["assetPositions"] == []

    desk.clock.advance(1)
    assert desk.status(cloid(1)) == "filled"
    assert len(desk.ask("userFills")) == len(desk.ask("clearinghouseState")["assetPositions"]) == 1


def test_fills_when_shuffled_or_repeated_then_their_tids_still_tell_them_apart() -> None:
    kinds = (FaultKind.FILLS_REPEATED, FaultKind.FILLS_SHUFFLED)
    desk = Desk(FaultSchedule([FaultRule(Fault(kind), operation="userFills") for kind in kinds]))
    for number in range(3):
        desk.place(order(px="101000", tif="Ioc", c=cloid(number)))

    first, second, right = (desk.ask("userFills") for _ in range(3))

    tids = [row["tid"] for row in right]
    assert [row["tid"] for row in first] == [tid for tid in tids for _ in range(2)]
    assert [row["tid"] for row in second] != tids
    assert {row["tid"] for row in second} == set(tids)


def test_cancel_when_swallowed_then_the_order_still_rests_until_it_comes_again() -> None:
    desk = struck(Fault(FaultKind.LOST_REQUEST), "cancelByCloid")
    desk.send(GTC)
    cancel = {"type": "cancelByCloid", "cancels": [{"asset": BTC, "cloid": cloid(1)}]}

    assert desk.send(cancel) is None
    assert desk.status(cloid(1)) == "open"
    assert statuses(desk.send(cancel)) == ["success"]
