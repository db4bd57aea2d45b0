"""Aster's answers: the document's examples, and what must be refused."""

import copy
import json
from decimal import Decimal
from typing import Any

import pytest

from common.domain.identifiers import client_order_id
from common.domain.order import OrderSide, OrderStatus
from common.domain.rounding import check_order, round_price, round_quantity
from common.errors import InvalidInputError
from infra.local.exchanges.aster.exchange import AsterExchange
from infra.local.exchanges.exchange import ApiRequest
from infra.venues.aster.instruments import listed
from infra.venues.aster.orders import client_id
from infra.venues.aster.parse import (
    parse_exchange_info,
    parse_open_orders,
    parse_order,
    parse_positions,
    parse_trades,
)
from tests.builders import NOON
from tests.shared_data import shared_path


def documented(name: str, number: int = 0) -> Any:
    answers = json.loads(shared_path("data/aster/v3_doc_response_examples.json").read_text())
    return answers["endpoints"][name]["examples"][number]


def listing(**market: object) -> dict[str, Any]:
    """One market as the stand-in lists it, changed."""
    request = ApiRequest(method="GET", path="/fapi/v3/exchangeInfo")
    payload = AsterExchange().process(request, NOON, None).body
    assert isinstance(payload, dict)
    whole: dict[str, Any] = copy.deepcopy(payload)
    whole["symbols"] = [{**whole["symbols"][1], **market}]
    return whole


def filtered(kind: str, **rule: object) -> dict[str, Any]:
    whole = listing()
    for row in whole["symbols"][0]["filters"]:
        if row["filterType"] == kind:
            row.update(rule)
    return whole


def test_parse_exchange_info_when_the_documents_example_then_its_filters_and_not_precision() -> (
    None
):
    table = parse_exchange_info(documented("Exchange Information"), NOON, "recorded")
    doge = table.find("DOGE")
    assert doge is not None
    assert (doge.price_increment, doge.size_increment) == (Decimal("0.0001"), Decimal(1))
    assert (doge.min_notional, doge.price_decimals_max) == (Decimal(1), 4)
    assert doge.refusal is None
    assert doge.is_open


def test_parse_exchange_info_when_contracts_bundle_tokens_then_the_tokens_own_figures() -> None:
    table = parse_exchange_info(listing(symbol="1000PEPEUSDT"), NOON, "recorded")
    pepe = table.find("PEPE")
    assert pepe is not None
    assert pepe.price_increment == Decimal("0.00001")
    assert (pepe.size_increment, pepe.min_quantity) == (Decimal(1), Decimal(1))
    assert pepe.venue_symbol == "1000PEPEUSDT"


@pytest.mark.parametrize(
    "change",
    [
        {"status": "PENDING_TRADING"},
        {"status": "CLOSE"},
        {"contractType": "CURRENT_QUARTER"},
        {"quoteAsset": "USDF"},
        {"symbol": "TESTUSDT"},
        {"symbol": "币USDT"},
    ],
)
def test_parse_exchange_info_when_a_market_is_not_for_us_then_left_out(
    change: dict[str, object],
) -> None:
    with pytest.raises(InvalidInputError, match="lists nothing"):
        parse_exchange_info(listing(**change), NOON, "recorded")


def test_parse_exchange_info_when_about_to_settle_then_listed_and_closed() -> None:
    eth = parse_exchange_info(listing(status="PRE_SETTLE"), NOON, "recorded").find("ETH")
    assert eth is not None
    assert not eth.is_open


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("PRICE_FILTER", {"minPrice": "0.005"}),
        ("LOT_SIZE", {"minQty": "0.0015"}),
        ("MARKET_LOT_SIZE", {"stepSize": "0.0015", "minQty": "0.0015"}),
    ],
)
def test_parse_exchange_info_when_rules_are_beyond_ours_then_listed_with_a_refusal(
    kind: str, rule: dict[str, object]
) -> None:
    eth = parse_exchange_info(filtered(kind, **rule), NOON, "recorded").find("ETH")
    assert eth is not None
    assert eth.refusal is not None


def test_parse_exchange_info_when_market_steps_are_coarser_then_the_coarser_counts() -> None:
    payload = filtered("MARKET_LOT_SIZE", stepSize="0.01", minQty="0.05")
    eth = parse_exchange_info(payload, NOON, "recorded").find("ETH")
    assert eth is not None
    assert (eth.size_increment, eth.min_quantity) == (Decimal("0.01"), Decimal("0.05"))


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("PRICE_FILTER", {"tickSize": "0"}),
        ("PRICE_FILTER", {"tickSize": "NaN"}),
        ("PRICE_FILTER", {"tickSize": 0.01}),
        ("LOT_SIZE", {"stepSize": None}),
        ("LOT_SIZE", {"filterType": "LOT"}),
        ("MIN_NOTIONAL", {"notional": "-1"}),
    ],
)
def test_parse_exchange_info_when_a_filter_cannot_be_read_then_refused(
    kind: str, rule: dict[str, object]
) -> None:
    with pytest.raises(InvalidInputError, match="exchangeInfo"):
        parse_exchange_info(filtered(kind, **rule), NOON, "recorded")


def test_every_instrument_when_rounded_then_the_venues_filters_hold() -> None:
    """(price - minPrice) % tickSize == 0 and (qty - minQty) % stepSize == 0, in its own units."""
    request = ApiRequest(method="GET", path="/fapi/v3/exchangeInfo")
    exchange = AsterExchange()
    payload = exchange.process(request, NOON, None).body
    for instrument in parse_exchange_info(payload, NOON, "recorded").instruments:
        market = exchange.engine.markets[instrument.venue_symbol]
        unit = 1000 if market.base.startswith("1000") else 1
        for part in range(1, 400):
            price = round_price(
                instrument, market.mark / unit * (1 + Decimal(part) / 997), buy=True
            )
            quantity = round_quantity(instrument, Decimal(part * 7919) / 31 * unit)
            assert check_order(instrument, quantity, price) in {None, "NOTIONAL_BELOW_MINIMUM"}
            assert (price * unit - market.tick) % market.tick == 0
            assert (quantity / unit - market.lot) % market.lot == 0


def test_listed_when_on_paper_then_no_token_twice_and_ticks_that_are_exact() -> None:
    table = listed(NOON)
    assert len({item.symbol for item in table.instruments}) == table.pair_count >= 50
    for item in table.instruments:
        assert item.price_increment is not None
        assert item.price_increment % (Decimal(1).scaleb(-item.price_decimals_max)) == 0


def test_parse_order_when_the_documents_example_then_read() -> None:
    state = parse_order(documented("Query Order (USER_DATA)"))
    assert (state.order_id, state.client_id, state.status) == (1917641, "abc", OrderStatus.ACCEPTED)
    assert (state.quantity, state.executed, state.left) == (
        Decimal("0.40"),
        Decimal(0),
        Decimal("0.40"),
    )


def test_parse_order_when_recorded_then_ids_as_texts_are_read() -> None:
    """ccxt's recorded answers carry orderId as a text."""
    recorded = json.loads(shared_path("data/aster/ccxt_order_responses_sample.json").read_text())
    for row in recorded["responses"]:
        state = parse_order(row["httpResponse"])
        assert state.order_id == int(row["httpResponse"]["orderId"])
    nautilus = json.loads(shared_path("data/aster/http_json_order_response.json").read_text())
    assert parse_order(nautilus).side is OrderSide.BUY


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "PENDING_CANCEL"),
        ("status", None),
        ("executedQty", "NaN"),
        ("executedQty", -1),
        ("executedQty", "1e3"),
        ("orderId", "0x1"),
        ("orderId", True),
        ("side", "BUY!!"),
        ("origQty", None),
    ],
)
def test_parse_order_when_a_field_cannot_be_then_refused(field: str, value: object) -> None:
    answer = {**documented("Query Order (USER_DATA)"), field: value}
    with pytest.raises(InvalidInputError, match=field):
        parse_order(answer)


def test_parse_trades_when_repeated_and_shuffled_then_each_once_in_order() -> None:
    row = documented("Account Trade List (USER_DATA)")[0]
    rows = [{**row, "id": number} for number in (3, 1, 3, 2, 1)]
    trades = parse_trades(rows)
    assert [trade.trade_id for trade in trades] == [1, 2, 3]
    assert trades[0].quote_commission == Decimal("-0.07819010")
    assert trades[0].price == Decimal("7819.01")


@pytest.mark.parametrize(
    ("asset", "commission"),
    [("USDT", "0.002"), ("BTC", "15.63802"), ("ASTER", None)],
)
def test_parse_trades_when_the_fee_is_in_another_asset_then_exact_or_nothing(
    asset: str, commission: str | None
) -> None:
    row = documented("Account Trade List (USER_DATA)")[0]
    trade = parse_trades([{**row, "commission": "0.002", "commissionAsset": asset}])[0]
    assert trade.quote_commission == (None if commission is None else Decimal(commission))


def test_parse_positions_when_recorded_then_the_net_that_is_not_flat() -> None:
    assert parse_positions(documented("Position Information v3 (USER_DATA)")) == ()
    rows = json.loads(shared_path("data/aster/http_json_position_risk.json").read_text())
    (held,) = parse_positions(rows)
    assert (held.symbol, held.signed_qty, held.avg_px) == ("BTC", "0.001", "50000")


def test_parse_positions_when_hedged_and_bundled_then_the_net_in_tokens() -> None:
    row = json.loads(shared_path("data/aster/http_json_position_risk.json").read_text())[0]
    rows = [
        {**row, "symbol": "1000PEPEUSDT", "positionAmt": amount, "positionSide": side}
        for amount, side in (("5", "LONG"), ("-2", "SHORT"))
    ]
    (held,) = parse_positions(rows)
    assert (held.symbol, held.signed_qty, held.avg_px) == ("PEPE", "3000", None)


def test_parse_open_orders_when_some_are_not_ours_then_only_ours_have_our_id() -> None:
    ours = client_order_id("int_1", 1)
    row = documented("Current All Open Orders (USER_DATA)")[0]
    orders = parse_open_orders([row, {**row, "clientOrderId": ours, "executedQty": "0.1"}])
    assert [order.client_order_id for order in orders] == [None, ours]
    assert orders[1].left_qty == "0.3"


def test_client_id_when_ours_then_itself_and_else_a_stable_one_that_fits() -> None:
    assert client_id(client_order_id("int_1", 1)) == client_order_id("int_1", 1)
    long = client_id("x" * 80)
    assert long == client_id("x" * 80) != client_id("x" * 79)
    assert len(long) == 34
    assert client_id("a b") != "a b"
