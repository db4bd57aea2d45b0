"""Hyperliquid's answers about orders and accounts, recorded and distorted."""

import copy
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from common.domain.moment import to_ms
from common.domain.order import LiquiditySide, OrderSide, OrderStatus
from common.errors import InvalidInputError
from infra.venues.hyperliquid.answers import (
    FILLS_PAGE,
    KnownOrder,
    Refused,
    Taken,
    parse_balances,
    parse_done,
    parse_fills,
    parse_open_orders,
    parse_order_status,
    parse_placed,
    parse_positions,
)
from infra.venues.hyperliquid.listing import spot_pair
from infra.venues.hyperliquid.parse import perpetual
from tests.builders import NOON, an_order
from tests.shared_data import shared_path

CLOID = "0x0123456789abcdef0123456789abcdef"
ORDER = an_order(client_order_id=CLOID)
ETH = perpetual("ETH", 4)
PEPE = perpetual("kPEPE", 0)


def recorded(name: str) -> Any:
    return json.loads(shared_path(f"data/hyperliquid/{name}").read_text())


def response_of(cassette: str) -> Any:
    return recorded(f"cassettes/{cassette}.json")[0]["response"]


def placed(*statuses: object) -> dict[str, Any]:
    return {"status": "ok", "response": {"type": "order", "data": {"statuses": list(statuses)}}}


# ---------------------------------------------------------------------------------- /exchange


def test_parse_placed_when_documented_then_taken_or_refused() -> None:
    shapes = recorded("order_response_shapes.json")
    assert parse_placed(shapes["order_resting"], ORDER, ETH) == Taken(77738308, None)
    assert parse_placed(shapes["order_filled"], ORDER, ETH) == Taken(77747314, Decimal("0.02"))
    error = parse_placed(shapes["order_error"], ORDER, ETH)
    assert error == Refused("Order must have minimum value of $10.", whole_request=False)
    refused = parse_placed(shapes["action_err"], ORDER, ETH)
    assert isinstance(refused, Refused)
    assert refused.whole_request
    with pytest.raises(InvalidInputError, match="another order"):
        parse_placed(shapes["order_resting_with_cloid"], ORDER, ETH)
    mine = placed({"resting": {"oid": 5, "cloid": CLOID}})
    assert parse_placed(mine, ORDER, ETH) == Taken(5, None)


def test_parse_placed_when_by_the_thousand_then_single_tokens() -> None:
    answer = placed({"filled": {"totalSz": "15", "avgPx": "0.0068", "oid": 5}})
    assert parse_placed(answer, ORDER, PEPE) == Taken(5, Decimal(15_000))


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "ok",
        {},
        {"status": "ok"},
        {"status": "ok", "response": "success"},
        {"status": "ok", "response": {"type": "order"}},
        {"status": "ok", "response": {"type": "cancel", "data": {"statuses": ["success"]}}},
        {"status": "maybe", "response": {"type": "order", "data": {"statuses": []}}},
        {"status": "err", "response": {"type": "order"}},
        {"status": "err", "response": ""},
        placed(),
        placed("success"),
        placed("waitingForTrigger"),
        placed({}),
        placed({"resting": {}}),
        placed({"resting": {"oid": "5"}}),
        placed({"resting": {"oid": True}}),
        placed({"resting": {"oid": -5}}),
        placed({"filled": {"oid": 5}}),
        placed({"filled": {"oid": 5, "totalSz": "NaN"}}),
        placed({"filled": {"oid": 5, "totalSz": "0"}}),
        placed({"filled": {"oid": 5, "totalSz": 0.5}}),
        placed({"error": None}),
        placed({"error": ""}),
        placed({"resting": {"oid": 5}}, {"resting": {"oid": 6}}),
    ],
)
def test_parse_placed_when_it_is_no_evidence_then_refused(answer: object) -> None:
    """An answer without an id proves nothing (hyperliquid-python-sdk 251)."""
    with pytest.raises(InvalidInputError):
        parse_placed(answer, ORDER, ETH)


def test_parse_done_when_documented_then_yes_or_why_not() -> None:
    shapes = recorded("order_response_shapes.json")
    assert parse_done(shapes["cancel_ok"], "cancel") is None
    missing = parse_done(shapes["cancel_error"], "cancel")
    assert missing == Refused(
        "Order was never placed, already canceled, or filled.", whole_request=False
    )
    assert parse_done({"status": "ok", "response": {"type": "default"}}, "default") is None
    refused = parse_done(shapes["action_err"], "default")
    assert isinstance(refused, Refused)
    assert refused.whole_request


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"status": "ok", "response": {"type": "default"}}, "cancel"),
        ({"status": "ok", "response": {"type": "cancel"}}, "default"),
        ({"response": {"type": "default"}}, "default"),
        ({"status": "ok", "response": {"type": "cancel", "data": {"statuses": [1]}}}, "cancel"),
        (None, "cancel"),
    ],
)
def test_parse_done_when_it_is_no_evidence_then_refused(answer: object, kind: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_done(answer, kind)


# ---------------------------------------------------------------------------------- orderStatus

STATUS = {
    "status": "order",
    "order": {
        "order": {
            "coin": "ETH",
            "side": "B",
            "limitPx": "3015.0",
            "sz": "0.0",
            "oid": 77,
            "timestamp": 1_724_361_546_645,
            "origSz": "0.3333",
            "tif": "Ioc",
            "cloid": CLOID,
        },
        "status": "filled",
        "statusTimestamp": 1_724_361_546_645,
    },
}


def status_of(word: str, left: str = "0.0", **row: object) -> KnownOrder | None:
    payload: Any = copy.deepcopy(STATUS)
    payload["order"]["status"] = word
    payload["order"]["order"].update({"sz": left, **row})
    return parse_order_status(payload, ORDER, ETH)


@pytest.mark.parametrize(
    ("word", "left", "status", "filled"),
    [
        ("filled", "0.0", OrderStatus.FILLED, "0.3333"),
        ("filled", "0.1333", OrderStatus.CANCELED, "0.2"),
        ("open", "0.3333", OrderStatus.ACCEPTED, "0"),
        ("open", "0.1333", OrderStatus.PARTIALLY_FILLED, "0.2"),
        ("triggered", "0.3333", OrderStatus.ACCEPTED, "0"),
        ("canceled", "0.3333", OrderStatus.CANCELED, "0"),
        ("canceled", "0.1333", OrderStatus.CANCELED, "0.2"),
        ("marginCanceled", "0.3333", OrderStatus.CANCELED, "0"),
        ("scheduledCancel", "0.3333", OrderStatus.CANCELED, "0"),
        ("rejected", "0.3333", OrderStatus.REJECTED, "0"),
        ("iocCancelRejected", "0.3333", OrderStatus.REJECTED, "0"),
        ("iocCancelRejected", "0.1333", OrderStatus.CANCELED, "0.2"),
    ],
)
def test_parse_order_status_when_the_word_is_known_then_ours(
    word: str, left: str, status: OrderStatus, filled: str
) -> None:
    assert status_of(word, left) == KnownOrder(77, status, word, Decimal(filled))


def test_parse_order_status_when_every_documented_word_then_known() -> None:
    words = (
        "open filled canceled triggered rejected marginCanceled vaultWithdrawalCanceled"
        " openInterestCapCanceled selfTradeCanceled reduceOnlyCanceled siblingFilledCanceled"
        " delistedCanceled liquidatedCanceled scheduledCancel tickRejected minTradeNtlRejected"
        " perpMarginRejected reduceOnlyRejected badAloPxRejected iocCancelRejected"
        " badTriggerPxRejected marketOrderNoLiquidityRejected"
        " positionIncreaseAtOpenInterestCapRejected positionFlipAtOpenInterestCapRejected"
        " tooAggressiveAtOpenInterestCapRejected openInterestIncreaseRejected"
        " insufficientSpotBalanceRejected oracleRejected perpMaxPositionRejected"
    )
    assert len({known.word for word in words.split() if (known := status_of(word))}) == 29


def test_parse_order_status_when_unknown_there_then_none() -> None:
    shape = recorded("order_response_shapes.json")["order_status_unknown"]
    assert parse_order_status(shape, ORDER, ETH) is None


@pytest.mark.parametrize(
    ("row", "where"),
    [
        ({"coin": "BTC"}, "order in BTC, not ETH"),
        ({"side": "A"}, "is not a BUY"),
        ({"side": "X"}, "is not a BUY"),
        ({"cloid": "0x" + "9" * 32}, "another client id"),
        ({"origSz": "0"}, "origSz"),
        ({"sz": "-0.1"}, "sz"),
        ({"sz": "0.4"}, "sz"),
        ({"oid": None}, "oid"),
    ],
)
def test_parse_order_status_when_it_is_another_order_or_no_numbers_then_refused(
    row: dict[str, Any], where: str
) -> None:
    """Catalogue case 106: an id that is used again for another symbol."""
    with pytest.raises(InvalidInputError, match=where):
        status_of("filled", **{"left": "0.0", **row} if "sz" not in row else row)


@pytest.mark.parametrize("word", ["", "half-filled", "FILLED", "Rejected!"])
def test_parse_order_status_when_the_word_is_new_then_no_evidence(word: str) -> None:
    """Catalogue case 104."""
    with pytest.raises(InvalidInputError):
        status_of(word)


@pytest.mark.parametrize("payload", [None, {}, {"status": "yes"}, {"status": "order"}])
def test_parse_order_status_when_another_shape_then_no_evidence(payload: object) -> None:
    with pytest.raises(InvalidInputError):
        parse_order_status(payload, ORDER, ETH)


# ---------------------------------------------------------------------------------- fills


def fill_row(**changes: object) -> dict[str, Any]:
    return {
        "coin": "ETH",
        "px": "3001.5",
        "sz": "0.1",
        "side": "B",
        "time": to_ms(NOON),
        "oid": 77,
        "crossed": True,
        "fee": "0.13",
        "tid": 745210434703679,
        "cloid": CLOID,
        "feeToken": "USDC",
        **changes,
    }


def test_parse_fills_when_recorded_then_the_fill_of_its_cloid() -> None:
    (row,) = recorded("samples/ws_user_fill_liquidation.json")["data"]["fills"]
    order = an_order(
        client_order_id=row["cloid"],
        symbol="BTC",
        instrument_id="BTC-USD-PERP.HYPERLIQUID",
        side=OrderSide.SELL,
    )
    page = parse_fills([row], order, perpetual("BTC", 5), venue_order_id=None)
    (fill,) = page.fills
    assert (fill.trade_id, fill.venue_order_id) == ("745210434703679", "55030848197")
    assert (fill.last_px, fill.last_qty) == (Decimal("66653.0"), Decimal("0.001"))
    assert fill.commission == Decimal("0.009997")
    assert fill.liquidity_side is LiquiditySide.MAKER
    assert page.next_from_ms is None
    assert parse_fills([row], ORDER, ETH, venue_order_id=1).fills == ()


def test_parse_fills_when_of_others_then_only_ours_by_cloid_or_id() -> None:
    rows = [
        fill_row(tid=1, cloid=None, oid=77),
        fill_row(tid=2, oid=78, cloid=CLOID),
        fill_row(tid=3, oid=79, cloid=None, coin="BTC"),
        fill_row(tid=2, oid=78, cloid=CLOID),
    ]
    page = parse_fills(rows, ORDER, ETH, venue_order_id=77)
    assert [fill.trade_id for fill in page.fills] == ["1", "2"]
    assert page.count == 4


def test_parse_fills_when_by_the_thousand_then_single_tokens_and_the_same_money() -> None:
    row = fill_row(coin="kPEPE", px="0.0068", sz="15")
    (fill,) = parse_fills([row], ORDER, PEPE, venue_order_id=None).fills
    assert (fill.last_qty, fill.last_px) == (Decimal(15_000), Decimal("0.0000068"))
    assert fill.last_qty * fill.last_px == Decimal("0.102")
    assert fill.commission == Decimal("0.13")


@pytest.mark.parametrize(
    ("fee", "token", "commission"),
    [("-0.05", "USDC", "-0.05"), ("0.07", "PURR", "0.014"), ("0", "HYPE", "0")],
)
def test_parse_fills_when_the_fee_is_a_rebate_or_in_the_token_then_exact(
    fee: str, token: str, commission: str
) -> None:
    """Catalogue case 105."""
    purr = spot_pair("PURR", 0, 0, "PURR/USDC")
    row = fill_row(coin="PURR/USDC", px="0.2", sz="100", fee=fee, feeToken=token)
    (fill,) = parse_fills([row], ORDER, purr, venue_order_id=None).fills
    assert fill.commission == Decimal(commission)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"coin": "BTC"}, "is of BTC, not ETH"),
        ({"side": "A"}, "is not a BUY"),
        ({"px": "0"}, "px"),
        ({"px": "NaN"}, "px"),
        ({"sz": "-1"}, "sz"),
        ({"tid": None}, "tid"),
        ({"oid": None}, "oid"),
        ({"time": "now"}, "time"),
        ({"fee": None}, "fee"),
        ({"crossed": 1}, "crossed"),
        ({"fee": "0.1", "feeToken": "HYPE"}, "a fee in 'HYPE'"),
    ],
)
def test_parse_fills_when_ours_cannot_be_trusted_then_no_evidence(
    change: dict[str, Any], where: str
) -> None:
    with pytest.raises(InvalidInputError, match=where):
        parse_fills([fill_row(**change)], ORDER, ETH, venue_order_id=None)


def test_parse_fills_when_a_page_is_full_then_the_next_begins_at_its_last_moment() -> None:
    first = to_ms(NOON)
    rows = [
        fill_row(tid=number, cloid=None, oid=number + 1000, time=first + number)
        for number in range(FILLS_PAGE)
    ]
    page = parse_fills(rows, ORDER, ETH, venue_order_id=1001)
    assert page.next_from_ms == first + FILLS_PAGE - 1
    assert [fill.trade_id for fill in page.fills] == ["1"]
    assert parse_fills(rows[1:], ORDER, ETH, venue_order_id=1).next_from_ms is None


def test_parse_fills_when_recorded_without_ids_then_refused() -> None:
    """The recording of 2023 has no `tid`; a fill like any other proves nothing."""
    rows = response_of("test_get_user_fills")
    order = replace(ORDER, symbol="SUI", side=OrderSide.SELL)
    with pytest.raises(InvalidInputError, match="tid"):
        parse_fills(rows, order, perpetual("SUI", 1), venue_order_id=rows[0]["oid"])


# ---------------------------------------------------------------------------------- accounts


def test_parse_positions_when_recorded_then_signed_and_averaged() -> None:
    held = {one.coin: one for one in parse_positions(response_of("test_get_user_state"))}
    assert held["BTC"].signed_qty == Decimal("-0.00785")
    assert held["BTC"].avg_px == Decimal("26951.0")
    assert held["ETH"].signed_qty == Decimal("0.1334")
    assert all(position.signed_qty for position in held.values())


def test_parse_positions_when_by_the_thousand_or_flat_then_scaled_or_left_out() -> None:
    rows = [
        {"position": {"coin": "kPEPE", "szi": "-15.0", "entryPx": "0.0068"}},
        {"position": {"coin": "ETH", "szi": "0.0", "entryPx": None}},
    ]
    (held,) = parse_positions({"assetPositions": rows})
    assert (held.signed_qty, held.avg_px) == (Decimal(-15_000), Decimal("0.0000068"))


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {"assetPositions": [{}]},
        {"assetPositions": [{"position": {"coin": "ETH"}}]},
        {"assetPositions": [{"position": {"coin": "ETH", "szi": "1", "entryPx": "0"}}]},
        {"assetPositions": [{"position": {"coin": "ETH", "szi": "1", "entryPx": "1"}}] * 2},
    ],
)
def test_parse_positions_when_they_cannot_be_trusted_then_refused(payload: object) -> None:
    with pytest.raises(InvalidInputError):
        parse_positions(payload)


def test_parse_balances_when_recorded_then_the_whole_holding() -> None:
    balances = parse_balances(recorded("samples/http_spot_clearinghouse_state.json"))
    assert balances["PURR"] == 2000
    assert balances["USDC"] == Decimal("14.625485")
    with pytest.raises(InvalidInputError):
        parse_balances({"balances": [{"coin": "PURR", "total": "-1"}]})


def test_parse_open_orders_when_recorded_then_each_id_once() -> None:
    resting = parse_open_orders(response_of("test_get_frontend_open_orders"))
    assert [one.venue_order_id for one in resting] == [3184595907, 3184595906, 3184595905]
    assert [one.side for one in resting] == [OrderSide.SELL, OrderSide.SELL, OrderSide.BUY]
    assert {one.cloid for one in resting} == {None}
    plain = parse_open_orders(response_of("test_get_open_orders"))
    assert plain[0].left_qty == Decimal("208.7")


def test_parse_open_orders_when_the_side_is_none_then_refused() -> None:
    row = {"coin": "ETH", "side": "X", "oid": 1, "sz": "1"}
    with pytest.raises(InvalidInputError, match="neither B nor A"):
        parse_open_orders([row])
