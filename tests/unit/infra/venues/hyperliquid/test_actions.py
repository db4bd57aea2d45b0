"""Actions in the venue's own key order, with exact numbers."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from common.domain.instrument import OrderType, TimeInForce
from common.domain.order import OrderSide
from common.errors import InvalidInputError, RejectedError, TransientError
from infra.venues.hyperliquid.actions import (
    cancel_action,
    cancel_by_cloid_action,
    modify_action,
    noop_action,
    order_action,
    order_wire,
    schedule_cancel_action,
)
from infra.venues.hyperliquid.parse import perpetual
from tests.builders import an_order

CLOID = "0x0123456789abcdef0123456789abcdef"
ETH = replace(perpetual("ETH", 4), venue_id="1")


def wire(**changes: Any) -> Any:
    return order_wire(an_order(client_order_id=CLOID, **changes), ETH)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, {"limit": {"tif": "Ioc"}}),
        ({"time_in_force": TimeInForce.GTC}, {"limit": {"tif": "Ioc"}}),
        ({"order_type": OrderType.LIMIT}, {"limit": {"tif": "Ioc"}}),
        (
            {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC},
            {"limit": {"tif": "Gtc"}},
        ),
        (
            {
                "order_type": OrderType.LIMIT,
                "time_in_force": TimeInForce.GTC,
                "post_only": True,
            },
            {"limit": {"tif": "Alo"}},
        ),
        (
            {"order_type": OrderType.STOP_MARKET, "trigger_price": Decimal("2900.50")},
            {"trigger": {"isMarket": True, "triggerPx": "2900.5", "tpsl": "sl"}},
        ),
        (
            {"order_type": OrderType.MARKET_IF_TOUCHED, "trigger_price": Decimal(3100)},
            {"trigger": {"isMarket": True, "triggerPx": "3100", "tpsl": "tp"}},
        ),
    ],
)
def test_order_wire_when_of_each_kind_then_as_the_venue_writes_it(
    changes: dict[str, Any], kind: dict[str, Any]
) -> None:
    assert wire(**changes)["t"] == kind
    assert [list(inner) for inner in wire(**changes)["t"].values()] == [
        list(inner) for inner in kind.values()
    ]


def test_order_action_when_built_then_keys_stand_in_the_order_that_is_hashed() -> None:
    order = an_order(client_order_id=CLOID, side=OrderSide.SELL, reduce_only=True)
    action = order_action(order, ETH)
    assert list(action) == ["type", "orders", "grouping"]
    assert list(action["orders"][0].items()) == [
        ("a", 1),
        ("b", False),
        ("p", "3015"),
        ("s", "0.3333"),
        ("r", True),
        ("t", {"limit": {"tif": "Ioc"}}),
        ("c", CLOID),
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"order_type": OrderType.STOP_MARKET}, "TRIGGER_PRICE_MISSING"),
        ({"post_only": True}, "ORDER_TYPE_NOT_SUPPORTED"),
        ({"order_type": OrderType.LIMIT, "post_only": True}, "TIME_IN_FORCE_NOT_SUPPORTED"),
        (
            {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.FOK},
            "TIME_IN_FORCE_NOT_SUPPORTED",
        ),
    ],
)
def test_order_wire_when_the_venue_has_no_such_order_then_rejected(
    changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(RejectedError) as refusal:
        wire(**changes)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "cloid", ["", "0x12", "0x" + "G" * 32, "0x" + "A" * 32, "0x" + "1" * 33, CLOID + "\n"]
)
def test_order_wire_when_the_id_is_no_cloid_then_refused(cloid: str) -> None:
    with pytest.raises(InvalidInputError, match="client_order_id"):
        order_wire(an_order(client_order_id=cloid), ETH)


@pytest.mark.parametrize("number", ["", "BTC", "-1", "1000000", "٣"])
def test_order_wire_when_the_instrument_has_no_number_then_not_now(number: str) -> None:
    with pytest.raises(TransientError, match="asset number"):
        order_wire(an_order(client_order_id=CLOID), replace(ETH, venue_id=number))


def test_other_actions_when_built_then_in_the_documented_shapes() -> None:
    order = an_order(client_order_id=CLOID)
    assert cancel_by_cloid_action(order, ETH) == {
        "type": "cancelByCloid",
        "cancels": [{"asset": 1, "cloid": CLOID}],
    }
    assert cancel_action(10107, 77) == {"type": "cancel", "cancels": [{"a": 10107, "o": 77}]}
    modified = modify_action(order, ETH)
    assert (modified["type"], modified["modifies"][0]["oid"]) == ("batchModify", CLOID)
    assert list(modified["modifies"][0]) == ["oid", "order"]
    assert noop_action() == {"type": "noop"}
    assert schedule_cancel_action(123456789) == {"type": "scheduleCancel", "time": 123456789}
    assert schedule_cancel_action(None) == {"type": "scheduleCancel"}
