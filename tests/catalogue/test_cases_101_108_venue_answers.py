"""Cases 101 to 108: answers of venues that are wrong, odd or no answers at all."""

import json
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from common.books import FILLS, V3
from common.domain.agent import Deployment, DeploymentStatus
from common.domain.instrument import Venue
from common.domain.money import ZERO
from common.domain.order import (
    Fill,
    FillRecord,
    IntentStatus,
    Order,
    OrderReport,
    OrderStatus,
    SignedRequest,
)
from common.domain.position import Position
from common.errors import (
    OutcomeUnknownError,
    RateLimitedError,
    RejectedError,
    SapphireError,
    TransientError,
)
from common.execution.sender import answer_of
from common.ports import Ref
from common.wire import from_document
from infra.local.exchanges.exchange import ApiAnswer, Operation
from infra.local.exchanges.faults import Fault, FaultKind
from infra.local.exchanges.gmx.markets import default_pools
from tests.builders import DEPLOYMENT_ID
from tests.catalogue.answers import (
    LIVE,
    SENDS,
    Body,
    pipeline,
    prepared,
    rewrite,
    rewrite_bodies,
    sent,
)
from tests.fakes.venue import fill_of, report_of
from tests.faults.cell import judge
from tests.faults.rows import ROWS
from tests.faults.stand import MakeStand, Stand
from tests.functions.api_client import Api, signal_body
from tests.functions.town import DEPLOYED, Town
from tests.unit.functions.trading_desk import TradingDesk

BTC_POOL = next(pool for pool in default_pools() if pool.index.symbol == "BTC")
WETH = "0x82af49447d8a07e3bd95bd0d56f35241523fbab1"
HTML = b"<!doctype html><html><title>Just a moment...</title><body>1</body></html>"
NO_ANSWERS: dict[str, Body] = {
    "empty": lambda _: b"",
    "HTML": lambda _: HTML,
    "truncated": lambda body: json.dumps(body).encode()[:-2],
    "null": lambda _: b"null",
    "a number": lambda _: b"7",
    "nested": lambda _: b"[" * 100_000,
    "not UTF-8": lambda _: b'{"status":"\xff\xfe"}',
}


def struck(name: str, body: Body) -> MakeStand:
    """The venue, whose first answer to an order is another; what was asked for happens."""

    async def make() -> Stand:
        stand = await ROWS[name]()
        rewrite_bodies(stand, {SENDS[name]: body}, times=1)
        return stand

    return make


# ------------------------------------------------------------------------------------------- 101
@pytest.mark.parametrize("body", NO_ANSWERS.values(), ids=NO_ANSWERS)
@pytest.mark.parametrize("venue", LIVE)
async def test_case_101_when_a_200_to_an_order_is_no_answer_then_unknown(
    venue: str, body: Body
) -> None:
    stand = await ROWS[venue]()
    order, request = await prepared(stand)
    done = rewrite_bodies(stand, {SENDS[venue]: body})
    with pytest.raises(OutcomeUnknownError):
        await stand.venue.submit(order, request)
    assert done[SENDS[venue]] == 1


@pytest.mark.parametrize("body", NO_ANSWERS.values(), ids=NO_ANSWERS)
@pytest.mark.parametrize("venue", LIVE)
async def test_case_101_when_a_200_to_a_query_is_no_answer_then_neither_absent_nor_flat(
    venue: str, body: Body
) -> None:
    stand = await ROWS[venue]()
    order = await sent(stand)
    rewrite(stand, lambda _, answer: ApiAnswer(body(answer.body), 200))
    account_id = order.account_id
    for ask in (
        lambda: stand.venue.query_order(order),
        lambda: stand.venue.query_position(account_id=account_id, symbol=order.symbol),
        lambda: stand.venue.query_account(account_id=account_id),
        lambda: stand.venue.cancel(order),
    ):
        with pytest.raises(TransientError):
            await ask()


@pytest.mark.parametrize("kind", ["empty", "HTML", "truncated"])
@pytest.mark.parametrize("venue", LIVE)
async def test_case_101_when_an_order_has_no_answer_then_it_ends_once_and_on_record(
    venue: str, kind: str
) -> None:
    verdict = await judge(struck(venue, NO_ANSWERS[kind]), None)
    assert verdict is not None
    assert verdict.broken == ()
    assert verdict.word in {"FILLED", "PARTIAL", "UNRESOLVED"}


# ------------------------------------------------------------------------------------------- 102
DEFINITIVE = {
    "Hyperliquid perps": ("Insufficient margin to place order. asset=1", "INSUFFICIENT_MARGIN"),
    "Hyperliquid spot": (
        "Order could not immediately match against any resting orders. asset=10000",
        "NOT_FILLED_WITHIN_BOUND",
    ),
    "Ostium": ("insufficient funds for gas * price + value", "INSUFFICIENT_GAS_FUNDS"),
    "Spot (Uniswap)": ("intrinsic gas too low", "GAS_LIMIT"),
}
"""Venues that refuse an order inside a 200 with a text; Aster and GMX have codes, below."""


@pytest.mark.parametrize("venue", DEFINITIVE)
async def test_case_102_when_a_200_has_a_known_error_then_rejected_in_our_words(venue: str) -> None:
    text, code = DEFINITIVE[venue]
    stand = await ROWS[venue]()
    order, request = await prepared(stand)
    assert stand.strike(Fault(FaultKind.ORDER_ERROR, message=text))
    with pytest.raises(RejectedError) as refused:
        await stand.venue.submit(order, request)
    assert refused.value.code == code
    assert stand.fills() == []


@pytest.mark.parametrize("venue", DEFINITIVE)
async def test_case_102_when_a_200_has_an_unknown_error_then_unknown(venue: str) -> None:
    stand = await ROWS[venue]()
    order, request = await prepared(stand)
    stand.strike(Fault(FaultKind.ORDER_ERROR, message="The moon is in the seventh house."))
    with pytest.raises(OutcomeUnknownError):
        await stand.venue.submit(order, request)


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        (-2019, "Margin is insufficient.", RejectedError),
        (-4164, "Order's notional must be no smaller than 5.0", RejectedError),
        (-2019, "Duplicated order: margin is insufficient", OutcomeUnknownError),
        (-4225, "Nonce Expired", OutcomeUnknownError),
        (-9999, "A code that nobody has heard of", OutcomeUnknownError),
        (-1007, "Timeout waiting for response from backend server.", OutcomeUnknownError),
    ],
)
async def test_case_102_when_asters_200_has_an_error_code_then_by_the_table(
    code: int, message: str, error: type[SapphireError]
) -> None:
    stand = await ROWS["Aster"]()
    order, request = await prepared(stand)
    rewrite_bodies(stand, {"order": lambda _: {"code": code, "msg": message}})
    with pytest.raises(error):
        await stand.venue.submit(order, request)


@pytest.mark.parametrize("message", ["", "INVALID_SIGNATURE", "insufficient"])
async def test_case_102_when_gmxs_200_has_an_error_item_then_unknown(message: str) -> None:
    stand = await ROWS["GMX"]()
    order, request = await prepared(stand)
    rewrite_bodies(stand, {"submit": lambda _: {"code": "INVALID_SIGNATURE", "message": message}})
    with pytest.raises(OutcomeUnknownError):
        await stand.venue.submit(order, request)


async def test_case_102_when_symphonys_batch_failed_for_us_then_no_fill_is_claimed() -> None:
    def failed(body: Any) -> Any:
        results = [
            {**row, "result": {"success": False, "error": "slippage"}} for row in body["results"]
        ]
        return {**body, "successful": 0, "failed": len(results), "results": results}

    stand = await ROWS["Symphony"]()
    order, request = await prepared(stand)
    stand.strike(Fault(FaultKind.NO_EFFECT))
    rewrite_bodies(stand, {"batch-open": failed})
    report = await stand.venue.submit(order, request)
    assert report.status is OrderStatus.ACCEPTED
    assert not report.fills
    assert report.filled_qty == 0
    assert "failed (slippage)" in report.reason


@pytest.mark.parametrize("venue", LIVE)
async def test_case_102_when_the_error_item_is_a_lie_then_the_fill_is_booked_all_the_same(
    venue: str,
) -> None:
    """The venue took the order, and says something that is in no table."""
    lie = {"status": "ok", "code": -9999, "msg": "no", "error": {"code": 7, "message": "no"}}
    verdict = await judge(struck(venue, lambda _: lie), None)
    assert verdict is not None
    assert verdict.broken == ()
    assert verdict.word in {"FILLED", "PARTIAL", "UNRESOLVED"}


# ------------------------------------------------------------------------------------------- 103
async def test_case_103_when_more_filled_than_ordered_then_booked_alert_and_frozen() -> None:
    async def twice(order: Order) -> OrderReport:
        return report_of(order, fill_of(order, order.quantity * 2))

    desk = await TradingDesk().open()
    desk.hyperliquid.replies = [twice]
    await desk.execute()
    assert desk.intent().status is IntentStatus.FILLED
    assert desk.position().signed_qty == desk.order().quantity * 2
    assert desk.exposure().reservations == {}
    _assert_frozen_and_told(desk)


async def test_case_103_when_settle_finds_the_overfill_then_booked_alert_and_frozen() -> None:
    async def twice(order: Order) -> OrderReport:
        return report_of(order, fill_of(order, order.quantity * 2))

    desk = await TradingDesk().open()
    desk.hyperliquid.replies = [OutcomeUnknownError("no answer")]
    desk.hyperliquid.answer = twice
    await desk.execute()
    await desk.settle()
    assert desk.position().signed_qty == desk.order().quantity * 2
    _assert_frozen_and_told(desk)


async def test_case_103_when_a_deployment_is_frozen_then_no_further_child_of_a_parent_leaves(
    town: Town, api: Api
) -> None:
    """A parent order lives for hours: what is frozen must not go on opening by itself."""
    execution = {"algorithm": "TWAP", "duration_s": 1200, "slices": 20}
    size = {"type": "quantity", "value": "1"}
    body = signal_body("swarm", size_model=size, execution=execution, risk_model=None)
    assert (await api.post("/api/v3/signals/generate", body)).status_code == 201
    await town.pass_time(2)
    place = Ref(V3.deployments, DEPLOYED)
    frozen = replace(await town.only(Deployment, V3.deployments), status=DeploymentStatus.PAUSED)
    await api.change(place, frozen)
    await town.settle_down()
    held = (await town.only(Position, V3.positions)).signed_qty
    await town.pass_time(4)
    assert (await town.only(Position, V3.positions)).signed_qty == held


def _assert_frozen_and_told(desk: TradingDesk) -> None:
    frozen = desk.get(Deployment, V3.deployments, DEPLOYMENT_ID)
    assert frozen.status is DeploymentStatus.PAUSED
    assert [text for text in desk.told() if text.startswith("RISK OVERFILL")]


def doubled(*fields: str) -> Body:
    """Every such field of the body, twice as large."""

    def change(body: Any) -> Any:
        if isinstance(body, list):
            return [change(item) for item in body]
        if not isinstance(body, dict):
            return body
        return {
            name: str(Decimal(value) * 2) if name in fields else change(value)
            for name, value in body.items()
        }

    return change


OVERFILLS: dict[str, dict[str, Body]] = {
    "Hyperliquid perps": {"order": doubled("totalSz"), "userFillsByTime": doubled("sz")},
    "Hyperliquid spot": {"order": doubled("totalSz"), "userFillsByTime": doubled("sz", "fee")},
    "Aster": {
        "order": doubled("executedQty"),
        "queryOrder": doubled("executedQty"),
        "userTrades": doubled("qty"),
    },
    "Ostium": {"subgraph.Order": doubled("tradeNotional")},
    "GMX": {"trades": doubled("sizeDeltaUsd", "sizeDeltaInTokens")},
    "Symphony": {"positions": doubled("positionSize")},
}


@pytest.mark.parametrize("venue", OVERFILLS)
async def test_case_103_when_a_venue_overfills_then_booked_as_told_alert_and_frozen(
    venue: str,
) -> None:
    stand = await ROWS[venue]()
    flow = await pipeline(stand)
    done = rewrite_bodies(stand, OVERFILLS[venue])
    await flow.run()
    assert any(done.values())
    assert flow.trading.intent().status is IntentStatus.FILLED
    assert flow.booked > stand.candidate.quantity * Decimal("1.9")
    assert flow.following.sent == []
    _assert_frozen_and_told(flow.trading)


async def test_case_103_when_a_swap_brings_more_than_was_bought_then_alert_and_frozen() -> None:
    """SPOT's fills are transfers in a receipt: the token's transfer is doubled there."""
    stand = await ROWS["Spot (Uniswap)"]()
    flow = await pipeline(stand)
    rewrite_bodies(stand, {"eth_getTransactionReceipt": _more_weth})
    await flow.run()
    assert flow.booked == stand.candidate.quantity * 2
    _assert_frozen_and_told(flow.trading)


def _more_weth(body: Any) -> Any:
    for reply in body:
        for log in (reply.get("result") or {}).get("logs", []):
            if log["address"].lower() == WETH:
                log["data"] = f"0x{int(log['data'], 16) * 2:064x}"
    return body


# ------------------------------------------------------------------------------------------- 104
def put(value: object, *path: str | int) -> Body:
    """The body with `value` at `path`; a body that has no such place stays as it is."""

    def change(body: Any) -> Any:
        place = body
        try:
            for step in path[:-1]:
                place = place[step]
            place[path[-1]]
        except (KeyError, IndexError, TypeError):
            return body
        place[path[-1]] = value
        return body

    return change


ODD_SENT: dict[str, Body] = {
    "Hyperliquid perps": put({"queued": {"oid": 1}}, "response", "data", "statuses", 0),
    "Hyperliquid spot": put("maybe", "status"),
    "Aster": put("HALF_FILLED", "status"),
    "GMX": put("teleported", "status"),
    "Symphony": put("perhaps", "results", 0, "result", "success"),
}
ODD_ASKED: dict[str, dict[str, Body]] = {
    "Hyperliquid perps": {"orderStatus": put("halfFilled", "order", "status")},
    "Hyperliquid spot": {"orderStatus": put("somewhere", "status")},
    "Aster": {"queryOrder": put("HALF_FILLED", "status")},
    "Ostium": {"eth_getTransactionReceipt": put("0x2", 0, "result", "status")},
    "GMX": {"status": put("teleported", "status")},
    "Spot (Uniswap)": {"eth_getTransactionReceipt": put("0x2", 0, "result", "status")},
    "Symphony": {"positions": put("HALF_OPEN", "positions", 0, "status")},
}


@pytest.mark.parametrize("venue", ODD_SENT)
async def test_case_104_when_an_order_comes_to_an_unknown_status_then_unknown(venue: str) -> None:
    stand = await ROWS[venue]()
    order, request = await prepared(stand)
    rewrite_bodies(stand, {SENDS[venue]: ODD_SENT[venue]})
    with pytest.raises(OutcomeUnknownError):
        await stand.venue.submit(order, request)


@pytest.mark.parametrize("venue", ODD_ASKED)
async def test_case_104_when_a_query_tells_an_unknown_status_then_it_proves_nothing(
    venue: str,
) -> None:
    stand = await ROWS[venue]()
    order = await sent(stand)
    done = rewrite_bodies(stand, ODD_ASKED[venue])
    with pytest.raises(TransientError):
        await answer_of(stand.venue, stand.venue.query_order(order))
    assert all(done.values())


@pytest.mark.parametrize("venue", LIVE)
async def test_case_104_when_the_status_stays_unknown_then_a_person_is_called(venue: str) -> None:
    """Nothing is concluded: the reservation stays, and no other venue gets the order."""
    stand = await ROWS[venue]()
    flow = await pipeline(stand)
    stand.strike(Fault(FaultKind.LOST_ANSWER))
    rewrite_bodies(stand, ODD_ASKED[venue])
    await flow.run()
    assert flow.trading.intent().status is IntentStatus.UNRESOLVED
    assert flow.trading.exposure().reservations
    assert flow.following.sent == []
    assert [text for text in flow.trading.told() if "UNRESOLVED" in text]


# ------------------------------------------------------------------------------------------- 105
async def test_case_105_when_the_fee_is_in_the_token_bought_then_what_is_held_is_less() -> None:
    stand = await ROWS["Hyperliquid spot"]()
    flow = await pipeline(stand)
    await flow.run()
    fills = _fills_of(flow.trading)
    assert fills
    withheld = sum((fill.base_withheld for fill in fills), ZERO)
    assert withheld > 0
    assert all(fill.commission == fill.base_withheld * fill.last_px for fill in fills)
    held = flow.trading.exposure().held(Venue.HYPERLIQUID, stand.symbol)
    assert held == stand.filled() - withheld
    assert _cash_spent(flow.trading) == sum((fill.last_qty * fill.last_px for fill in fills), ZERO)


async def test_case_105_when_the_fee_is_a_rebate_then_it_is_cash_that_came_in() -> None:
    def rebate(body: Any) -> Any:
        return [{**row, "fee": "-0.0314159265"} for row in body]

    stand = await ROWS["Hyperliquid perps"]()
    flow = await pipeline(stand)
    rewrite_bodies(stand, {"userFillsByTime": rebate})
    await flow.run()
    fills = _fills_of(flow.trading)
    paid = sum((fill.last_qty * fill.last_px for fill in fills), ZERO)
    assert [fill.commission for fill in fills] == [Decimal("-0.0314159265")] * len(fills)
    assert _cash_spent(flow.trading) == paid - Decimal("0.0314159265") * len(fills)


@pytest.mark.parametrize(
    ("fee", "asset", "commission"),
    [
        ("-0.05", "USDT", "-0.05"),
        ("0.0001", "ETH", "0.3"),  # at the fill's own price, 3000
        ("-0.0001", "ETH", "-0.3"),
    ],
)
async def test_case_105_when_asters_fee_is_odd_then_booked_exact(
    fee: str, asset: str, commission: str
) -> None:
    def charged(body: Any) -> Any:
        return [
            {**row, "price": "3000", "commission": fee, "commissionAsset": asset} for row in body
        ]

    stand = await ROWS["Aster"]()
    flow = await pipeline(stand)
    rewrite_bodies(stand, {"userTrades": charged})
    await flow.run()
    assert [fill.commission for fill in _fills_of(flow.trading)] == [Decimal(commission)]
    assert _cash_spent(flow.trading) == Decimal(3000) * Decimal("0.333") + Decimal(commission)


async def test_case_105_when_the_fees_asset_has_no_price_then_the_report_says_so() -> None:
    """Aster tells no price of a third asset. All but that fee is exact, and that is said."""
    stand = await ROWS["Aster"]()
    order = await sent(stand)
    rewrite_bodies(stand, {"userTrades": _in_bnb})
    report = await stand.venue.query_order(order)
    assert report is not None
    assert report.filled_qty == order.quantity
    assert "fees in BNB are not in the commission" in report.reason


def _in_bnb(body: Any) -> Any:
    return [{**row, "commission": "0.001", "commissionAsset": "BNB"} for row in body]


async def test_case_105_when_hyperliquids_fee_has_no_price_then_nothing_is_guessed() -> None:
    stand = await ROWS["Hyperliquid perps"]()
    order = await sent(stand)
    rewrite_bodies(
        stand, {"userFillsByTime": lambda body: [{**row, "feeToken": "HYPE"} for row in body]}
    )
    with pytest.raises(TransientError, match="a fee in 'HYPE'"):
        await stand.venue.query_order(order)


def _fills_of(desk: TradingDesk) -> list[Fill]:
    rows = desk.rows(FILLS).values()
    return [from_document(FillRecord, row).fill for row in rows]


def _cash_spent(desk: TradingDesk) -> Decimal:
    """start + realized + unrealized - fees = end, solved for what the purchase took from the cash.

    At a mark of 0 the position is worth nothing, so all that it has cost is its loss.
    """
    (row,) = desk.rows(V3.positions).values()
    position = from_document(Position, row)
    return position.commissions - position.realized_pnl - position.unrealized_pnl(ZERO)


# ------------------------------------------------------------------------------------------- 106
def in_logs(address: str) -> Body:
    """The receipt's token transfers are of another token."""

    def change(body: Any) -> Any:
        for reply in body:
            for log in (reply.get("result") or {}).get("logs", []):
                if log["address"].lower() == WETH:
                    log["address"] = address
        return body

    return change


def each(**changes: object) -> Body:
    """Every row of a list has these fields instead."""
    return lambda body: [{**row, **changes} for row in body]


OTHER_SYMBOL: dict[str, dict[str, Body]] = {
    "Hyperliquid perps": {
        "orderStatus": put("BTC", "order", "order", "coin"),
        "userFillsByTime": each(coin="BTC"),
    },
    "Hyperliquid spot": {
        "orderStatus": put("ETH", "order", "order", "coin"),
        "userFillsByTime": each(coin="ETH"),
    },
    "Aster": {"queryOrder": put("BTCUSDT", "symbol"), "userTrades": each(symbol="BTCUSDT")},
    "Ostium": {"subgraph.Order": put("0", "data", "orders", 0, "pair", "id")},
    "GMX": {
        "trades": lambda body: {
            **body,
            "trades": [{**row, "marketAddress": BTC_POOL.address} for row in body["trades"]],
        }
    },
    "Spot (Uniswap)": {"eth_getTransactionReceipt": in_logs("0x" + "be" * 20)},
    "Symphony": {"positions": put("BTC", "positions", 0, "asset")},
}


SAID = {
    Venue.HYPERLIQUID: "is an order in (BTC|ETH), not",
    Venue.ASTER: "is of another order",
    Venue.OSTIUM: "is not ETH as sent",
    Venue.GMX: "names a trade of BTC",
    Venue.SPOT: "are not those of a swap",
    Venue.SYMPHONY: "is of another symbol",
}


@pytest.mark.parametrize("venue", OTHER_SYMBOL)
async def test_case_106_when_the_order_id_is_of_another_symbol_then_it_proves_nothing(
    venue: str,
) -> None:
    stand = await ROWS[venue]()
    order = await sent(stand)
    done = rewrite_bodies(stand, OTHER_SYMBOL[venue])
    with pytest.raises(TransientError, match=SAID[stand.name]):
        await answer_of(stand.venue, stand.venue.query_order(order))
    assert any(done.values())


@pytest.mark.parametrize("venue", OTHER_SYMBOL)
async def test_case_106_when_it_stays_so_then_alert_and_nothing_is_booked(venue: str) -> None:
    stand = await ROWS[venue]()
    flow = await pipeline(stand)
    stand.strike(Fault(FaultKind.LOST_ANSWER))
    rewrite_bodies(stand, OTHER_SYMBOL[venue])
    await flow.run()
    assert flow.trading.intent().status is IntentStatus.UNRESOLVED
    assert flow.booked == 0
    assert flow.following.sent == []
    assert [text for text in flow.trading.told() if "UNRESOLVED" in text]


@pytest.mark.parametrize(
    "change",
    [
        put("BTCUSDT", "symbol"),
        put("someone-elses", "clientOrderId"),
        put("SELL", "side"),
    ],
    ids=["symbol", "client id", "side"],
)
async def test_case_106_when_asters_answer_to_an_order_is_of_another_then_unknown(
    change: Body,
) -> None:
    stand = await ROWS["Aster"]()
    order, request = await prepared(stand)
    rewrite_bodies(stand, {"order": change})
    with pytest.raises(OutcomeUnknownError):
        await stand.venue.submit(order, request)


# ------------------------------------------------------------------------------------------- 107
@pytest.mark.parametrize("venue", [name for name in LIVE if name != "Symphony"])
async def test_case_107_when_the_same_bytes_come_twice_then_once_and_never_rejected(
    venue: str,
) -> None:
    stand = await ROWS[venue]()
    order, request = await prepared(stand)
    await stand.venue.submit(order, request)
    for _ in range(2):
        stand.clock.advance(2)
        stand.pass_time()
        with suppress(OutcomeUnknownError):  # a refusal would end the order as dead
            report = await stand.venue.submit(order, request)
            assert report.status is not OrderStatus.REJECTED
    stand.clock.advance(15)
    stand.pass_time()
    await stand.venue.query_order(order)  # the stand-ins' chains and keepers move when asked
    assert len(stand.fills()) == 1


@pytest.mark.parametrize("venue", LIVE)
async def test_case_107_when_the_answer_is_lost_then_nothing_is_signed_before_it_is_asked(
    venue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer is lost, the second copy is told to be a duplicate: one signature, one
    attempt, one effect.
    """
    stand = await ROWS[venue]()
    signed: list[SignedRequest] = []
    sign = stand.venue.prepare

    async def counted(order: Order) -> SignedRequest:
        signed.append(await sign(order))
        return signed[-1]

    monkeypatch.setattr(stand.venue, "prepare", counted)
    flow = await pipeline(stand)
    stand.strike(Fault(FaultKind.LOST_ANSWER))
    await flow.run()
    assert len(signed) == 1
    assert len(flow.trading.rows("orders")) == 1
    assert flow.following.sent == []
    assert len(stand.fills()) == 1


async def test_case_107_when_a_venue_has_no_nonces_then_it_is_never_sent_again() -> None:
    stand = await ROWS["Symphony"]()
    assert not stand.venue.capabilities.resends
    flow = await pipeline(stand)
    assert stand.server is not None
    stand.strike(Fault(FaultKind.LOST_REQUEST))
    await flow.run()
    names = [operation.name for operation, _ in stand.server.requests]
    assert names.count("batch-open") == 1
    assert flow.trading.intent().status is IntentStatus.UNRESOLVED


DUPLICATES: dict[str, list[dict[str, Any]]] = {
    "Hyperliquid perps": [
        {"status": "err", "response": "Invalid nonce: duplicate nonce 1761955200000"},
        {"status": "err", "response": "Invalid nonce: nonce too low 1"},
    ],
    "Aster": [
        {"code": -4225, "msg": "Nonce Expired"},
        {"code": -4111, "msg": "Duplicated client order id."},
        {"code": -2010, "msg": "Duplicate order sent."},
    ],
    "Ostium": [
        {"jsonrpc": "2.0", "id": 0, "error": {"code": -32000, "message": "already known"}},
        {"jsonrpc": "2.0", "id": 0, "error": {"code": -32000, "message": "nonce too low"}},
    ],
    "GMX": [{"code": "DUPLICATE_REQUEST", "message": "request already submitted"}],
}
DUPLICATES["Spot (Uniswap)"] = DUPLICATES["Ostium"]


@pytest.mark.parametrize(
    ("venue", "body"), [(venue, body) for venue, bodies in DUPLICATES.items() for body in bodies]
)
async def test_case_107_when_the_first_answer_says_duplicate_then_unknown(
    venue: str, body: object
) -> None:
    """Somebody has used the nonce, and that may have been this very order."""
    stand = await ROWS[venue]()
    order, request = await prepared(stand)
    rewrite_bodies(stand, {SENDS[venue]: lambda _: body})
    with pytest.raises(OutcomeUnknownError):
        await stand.venue.submit(order, request)


# ------------------------------------------------------------------------------------------- 108
@pytest.mark.parametrize("headers", [{}, {"retry-after": "7"}], ids=["", "retry-after"])
@pytest.mark.parametrize("body", [b"", HTML, b'{"error":"slow down"}'], ids=["", "HTML", "JSON"])
@pytest.mark.parametrize("venue", LIVE)
async def test_case_108_when_an_order_meets_a_429_without_proof_then_unknown(
    venue: str, body: bytes, headers: dict[str, str]
) -> None:
    """It may come from a gateway behind the venue: here the order was taken before."""
    stand = await ROWS[venue]()
    order, request = await prepared(stand)

    def limited(operation: Operation, answer: ApiAnswer) -> ApiAnswer:
        return ApiAnswer(body, 429, headers) if operation.name == SENDS[venue] else answer

    rewrite(stand, limited)
    with pytest.raises(OutcomeUnknownError):
        await stand.venue.submit(order, request)


@pytest.mark.parametrize("venue", ["Ostium", "Spot (Uniswap)"])
async def test_case_108_when_a_429_looks_like_a_nodes_refusal_then_still_unknown(
    venue: str,
) -> None:
    """A balancer in front of several nodes says 429; which of them has the order, nobody says."""
    stand = await ROWS[venue]()
    order, request = await prepared(stand)
    told = {"jsonrpc": "2.0", "id": 0, "error": {"code": -32000, "message": "insufficient funds"}}
    rewrite(stand, lambda _, __: ApiAnswer(told, 429))
    with pytest.raises(OutcomeUnknownError):
        await stand.venue.submit(order, request)


@pytest.mark.parametrize("venue", LIVE)
async def test_case_108_when_the_429_came_after_the_order_then_its_fill_is_found(
    venue: str,
) -> None:
    async def make() -> Stand:
        stand = await ROWS[venue]()
        left = [SENDS[venue]]

        def limited(operation: Operation, answer: ApiAnswer) -> ApiAnswer:
            if operation.name not in left:
                return answer
            left.remove(operation.name)
            return ApiAnswer(b"", 429)

        rewrite(stand, limited)
        return stand

    verdict = await judge(make, None)
    assert verdict is not None
    assert verdict.broken == ()
    assert verdict.word in {"FILLED", "PARTIAL", "UNRESOLVED"}


@pytest.mark.parametrize("code", [-1003, -1015])
async def test_case_108_when_aster_says_itself_that_it_took_nothing_then_definitive(
    code: int,
) -> None:
    stand = await ROWS["Aster"]()
    order, request = await prepared(stand)
    stand.strike(Fault(FaultKind.NO_EFFECT))

    def limited(operation: Operation, answer: ApiAnswer) -> ApiAnswer:
        told = {"code": code, "msg": "Too many requests."}
        return ApiAnswer(told, 429) if operation.name == "order" else answer

    rewrite(stand, limited)
    with pytest.raises(RateLimitedError):
        await stand.venue.submit(order, request)


@pytest.mark.parametrize("venue", LIVE)
async def test_case_108_when_a_query_meets_a_429_then_not_absent(venue: str) -> None:
    stand = await ROWS[venue]()
    order = await sent(stand)
    rewrite(stand, lambda _, __: ApiAnswer(b"", 429, {"retry-after": "1"}))
    with pytest.raises(TransientError):
        await stand.venue.query_order(order)
