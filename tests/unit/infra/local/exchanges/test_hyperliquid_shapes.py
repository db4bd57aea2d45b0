"""What the simulated Hyperliquid answers has the fields of what the real one answered."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from infra.local.exchanges.hyperliquid.assets import Listing
from infra.local.exchanges.hyperliquid.exchange import HyperliquidExchange
from tests.shared_data import shared_path
from tests.unit.infra.local.exchanges.hyperliquid_desk import Desk, order, sl, tp

GONE = {"maxTradeSzs"}
"""Fields of 2023 that the venue has dropped since."""


def recorded(name: str) -> Any:
    exchanges = json.loads(shared_path(f"data/hyperliquid/cassettes/{name}.json").read_text())
    return exchanges[-1]["response"]


def sample(name: str) -> Any:
    return json.loads(shared_path(f"data/hyperliquid/samples/{name}.json").read_text())


def busy_desk() -> Desk:
    """A position with a bracket, and resting orders."""
    desk = Desk()
    desk.exchange.deposit("0xcb331197e84f135ab9ed6fb51cd9757c0bd29d0d", "1")
    exits = [
        order(buy=False, px="90000", sz="0.01", reduce_only=True, trigger=trigger)
        for trigger in (sl("90000"), tp("104000"))
    ]
    desk.place(order(px="101000", tif="Ioc"), order(px="94000"))
    desk.place(order(px="93000"), *exits, grouping="normalTpsl")
    return desk


SHAPES: list[tuple[str, Callable[[], Any], str, dict[str, Any]]] = [
    ("user fills", lambda: recorded("test_get_user_fills"), "userFills", {}),
    ("open orders", lambda: recorded("test_get_open_orders"), "openOrders", {}),
    (
        "frontend open orders",
        lambda: recorded("test_get_frontend_open_orders"),
        "frontendOpenOrders",
        {},
    ),
    ("account", lambda: recorded("test_get_user_state"), "clearinghouseState", {}),
    ("spot account", lambda: sample("http_spot_clearinghouse_state"), "spotClearinghouseState", {}),
    ("book", lambda: recorded("test_get_l2_snapshot"), "l2Book", {"coin": "BTC"}),
]


def same_fields(real: object, ours: object, where: str = "answer") -> None:
    """Each field of the first real record is in our first, with the same JSON type."""
    if isinstance(real, Mapping):
        assert isinstance(ours, Mapping), where
        assert real.keys() - GONE <= ours.keys(), where
        for name in real.keys() - GONE:
            same_fields(real[name], ours[name], f"{where}.{name}")
    elif isinstance(real, list):
        assert isinstance(ours, list), where
        if real and ours:
            same_fields(real[0], ours[0], f"{where}[0]")
    elif real is not None and ours is not None:
        assert type(real) is type(ours), where


@pytest.mark.parametrize(("_", "real", "kind", "fields"), SHAPES, ids=[row[0] for row in SHAPES])
def test_answer_when_compared_with_the_recorded_one_then_no_field_is_missing(
    _: str, real: Callable[[], Any], kind: str, fields: dict[str, Any]
) -> None:
    same_fields(real(), busy_desk().ask(kind, **fields))


def test_order_answers_when_compared_with_the_documented_ones_then_alike() -> None:
    shapes = json.loads(shared_path("data/hyperliquid/order_response_shapes.json").read_text())
    desk = Desk()
    limit = {"type": "order", "orders": [order()], "grouping": "na"}
    market = {"type": "order", "orders": [order(px="101000", tif="Ioc")], "grouping": "na"}
    small = {"type": "order", "orders": [order(sz="0.0001")], "grouping": "na"}
    named = {"type": "order", "orders": [order(c="0x" + "1" * 32)], "grouping": "na"}
    resting = desk.send(limit)
    oid = resting["response"]["data"]["statuses"][0]["resting"]["oid"]
    cancel = {"type": "cancel", "cancels": [{"a": 0, "o": oid}]}

    same_fields(shapes["order_resting"], resting)
    same_fields(shapes["order_resting_with_cloid"], desk.send(named))
    same_fields(shapes["order_filled"], desk.send(market))
    assert desk.send(small) == shapes["order_error"]
    assert desk.send(cancel) == shapes["cancel_ok"]
    assert desk.send(cancel) == shapes["cancel_error"]
    assert desk.ask("orderStatus", oid=1) == shapes["order_status_unknown"]


def test_recorded_markets_when_listed_then_each_asset_has_its_id_and_a_house_that_fits() -> None:
    universe = recorded("test_get_info")["universe"]
    marks = {row["name"]: "1.2345" for row in universe}

    exchange = HyperliquidExchange(Listing.of({"universe": universe}), marks=marks)

    assert [asset.coin for asset in exchange.engine.listing.perps] == [
        row["name"] for row in universe
    ]
    for book in exchange.engine.books.values():
        levels = book.levels(bids=True) + book.levels(bids=False)
        assert levels
        assert all(book.asset.price_fits(price) for price, _, _ in levels)
        assert all(book.asset.size_fits(size) for _, size, _ in levels)
