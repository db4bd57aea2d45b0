"""Hyperliquid's funding payments, recorded and distorted, and over several pages."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.domain.instrument import Venue
from common.domain.moment import from_ms, to_ms
from common.errors import InvalidInputError, TransientError
from infra.venues.hyperliquid.funding import FUNDING_PAGE, parse_funding
from infra.venues.hyperliquid.inquiry import FUNDING_PAGES_MAX
from tests.builders import DEPLOYMENT_ID, NOON
from tests.shared_data import shared_path
from tests.unit.infra.venues.hyperliquid.test_inquiry import Asked, a_venue

NO_HASH = "0x" + "0" * 64


def recorded(name: str) -> Any:
    path = shared_path(f"data/hyperliquid/cassettes/test_user_funding_history_{name}.json")
    return json.loads(path.read_text())[0]["response"]


def row(number: int = 0, **changes: Any) -> dict[str, Any]:
    delta = {
        "type": "funding",
        "coin": "ETH",
        "usdc": "-0.25",
        "szi": "1.5",
        "fundingRate": "0.0000125",
        "nSamples": None,
    }
    hour = to_ms(NOON) + number * 3_600_000
    return {"time": hour, "hash": NO_HASH, "delta": {**delta, **changes}}


class History:
    """The account's payments; each page the oldest from its start on, as the venue gives them."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    def __call__(self, request: dict[str, Any]) -> object:
        return [one for one in self._rows if one["time"] >= request["startTime"]][:FUNDING_PAGE]


def test_parse_funding_when_recorded_then_what_was_received_and_paid() -> None:
    page = parse_funding(recorded("with_end_time"), "dep_1", {})
    assert (page.count, page.next_from_ms) == (13, None)
    amounts = {payment.symbol: payment.amount for payment in page.payments}
    assert amounts["ARB"] == Decimal("2.694388")  # short while the rate was positive
    assert amounts["AVAX"] == Decimal("-0.572915")  # long
    assert {payment.ts_event for payment in page.payments} == {from_ms(1681948800000)}
    assert {payment.account_id for payment in page.payments} == {"dep_1"}
    assert {payment.venue for payment in page.payments} == {Venue.HYPERLIQUID}


def test_parse_funding_when_recorded_over_days_then_each_payment_has_its_own_id() -> None:
    rows = recorded("without_end_time")
    page = parse_funding(rows, "dep_1", {})
    ids = {payment.payment_id for payment in page.payments}
    assert len(ids) == page.count == 218
    assert parse_funding(rows, "dep_1", {}) == page
    others = {payment.payment_id for payment in parse_funding(rows, "dep_2", {}).payments}
    assert not ids & others
    signs = {
        (Decimal(one["delta"]["szi"]) * Decimal(one["delta"]["fundingRate"]) > 0)
        == (payment.amount < 0)
        for one, payment in zip(rows, page.payments, strict=True)
    }
    assert signs == {True}


def test_parse_funding_when_the_venue_writes_a_coin_its_own_way_then_our_symbol() -> None:
    rows = [row(coin="kPEPE"), row(1, coin="xyz:TSLA")]
    page = parse_funding(rows, "dep_1", {"xyz:TSLA": "xyzTSLA"})
    assert [payment.symbol for payment in page.payments] == ["PEPE", "xyzTSLA"]
    assert [payment.amount for payment in page.payments] == [Decimal("-0.25")] * 2


@pytest.mark.parametrize(
    "payload",
    [
        {"status": "err"},
        [[]],
        [{"time": "1", "delta": {}}],
        [{"time": 1}],
        [row(type="deposit")],
        [row(coin="")],
        [row(usdc=0.25)],
        [row(usdc="NaN")],
    ],
)
def test_parse_funding_when_of_another_shape_then_refused(payload: object) -> None:
    with pytest.raises(InvalidInputError):
        parse_funding(payload, "dep_1", {})


async def test_query_funding_when_over_several_pages_then_each_once_in_order() -> None:
    """Two coins an hour, so that a page ends between payments of one moment."""
    rows = [row(hour, coin=coin) for hour in range(600) for coin in ("ETH", "BTC", "SOL")]
    asked = Asked(History(rows))
    since = NOON + timedelta(minutes=30)
    told = await a_venue(asked).query_funding(account_id=DEPLOYMENT_ID, since=since)
    assert len(told) == len({payment.payment_id for payment in told}) == 599 * 3
    assert [payment.symbol for payment in told[:3]] == ["BTC", "ETH", "SOL"]
    assert told[0].ts_event == NOON + timedelta(hours=1)
    assert list(told) == sorted(told, key=lambda payment: (payment.ts_event, payment.symbol))
    assert {body["type"] for body in asked.bodies} == {"userFunding"}
    assert {body["user"] for body in asked.bodies} == {"0x" + "ab" * 20}
    assert asked.bodies[0]["startTime"] == to_ms(since)
    assert len(asked.bodies) == 4


@pytest.mark.parametrize("step", [0, 1])
async def test_query_funding_when_it_cannot_be_read_to_the_end_then_no_answer(step: int) -> None:
    """All at one moment, or more than we are ready to read: never "nothing more"."""
    count = FUNDING_PAGE * (FUNDING_PAGES_MAX + 1)
    rows = [row(number * step, coin=f"C{number}") for number in range(count)]
    with pytest.raises(TransientError, match="more funding payments than can be read"):
        await a_venue(Asked(History(rows))).query_funding(account_id=DEPLOYMENT_ID, since=NOON)


async def test_query_funding_when_the_answer_cannot_be_used_then_no_answer() -> None:
    with pytest.raises(TransientError, match="cannot be used"):
        await a_venue(Asked(lambda _: {"error": "none"})).query_funding(
            account_id=DEPLOYMENT_ID, since=NOON
        )
