"""Funding at the simulated Hyperliquid."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from common.domain.moment import to_ms
from infra.local.exchanges.hyperliquid.limits import info_weight
from infra.local.exchanges.hyperliquid.queries import FUNDING_PER_PAGE
from tests.shared_data import shared_path
from tests.unit.infra.local.exchanges.hyperliquid_desk import ALICE, BOB, Desk, order
from tests.unit.infra.local.exchanges.test_hyperliquid_shapes import same_fields


def holding() -> Desk:
    """Alice is long 0.01 BTC."""
    desk = Desk()
    desk.place(order(px="101000", sz="0.01", tif="Ioc"))
    return desk


def test_pay_funding_when_long_then_it_pays_and_everybody_else_does_not() -> None:
    desk = holding()
    account = desk.exchange.engine.accounts[ALICE.address.lower()]
    before = account.usdc
    desk.exchange.pay_funding("BTC", "0.0001", desk.clock.now())
    assert account.usdc - before == Decimal("-0.1")  # 0.01 x 100,000 x 0.0001
    (paid,) = desk.ask("userFunding", startTime=0)
    assert paid["delta"]["usdc"] == "-0.1"
    assert paid["time"] == to_ms(desk.clock.now())
    assert desk.ask("userFunding", BOB, startTime=0) == []


def test_user_funding_when_more_than_a_page_then_the_oldest_from_its_start() -> None:
    desk = holding()
    for hour in range(FUNDING_PER_PAGE + 3):
        desk.exchange.pay_funding("BTC", "0.0001", desk.clock.now() + timedelta(hours=hour))
    desk.clock.advance(3600 * FUNDING_PER_PAGE * 2)
    page = desk.ask("userFunding", startTime=0)
    assert len(page) == FUNDING_PER_PAGE
    rest = desk.ask("userFunding", startTime=page[-1]["time"])
    assert [one["time"] for one in rest[:1]] == [page[-1]["time"]]
    assert len(rest) == 4
    assert desk.ask("userFunding", startTime=0, endTime=page[1]["time"]) == page[:2]


def test_user_funding_when_it_names_no_start_then_malformed() -> None:
    assert Desk().ask("userFunding")[0] == 422


def test_user_funding_when_compared_with_the_recorded_one_then_no_field_is_missing() -> None:
    path = shared_path("data/hyperliquid/cassettes/test_user_funding_history_without_end_time.json")
    desk = holding()
    desk.exchange.pay_funding("BTC", "0.0001", desk.clock.now())
    same_fields(json.loads(path.read_text())[0]["response"], desk.ask("userFunding", startTime=0))


@pytest.mark.parametrize(("items", "weight"), [(0, 20), (19, 20), (500, 45)])
def test_info_weight_when_funding_is_asked_for_then_more_for_every_twenty(
    items: int, weight: int
) -> None:
    assert info_weight("userFunding", items) == weight
