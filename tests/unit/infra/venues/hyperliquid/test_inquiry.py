"""Fills over several pages, and what the adapter says when nothing usable comes."""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import pytest

from common.domain.instrument import InstrumentTable, OrderType, TimeInForce, Venue
from common.domain.moment import to_ms
from common.errors import (
    ConfigurationError,
    OutcomeUnknownError,
    RateLimitedError,
    TransientError,
)
from infra.keys.private_key import PrivateKey
from infra.keys.signer import Signer
from infra.local.store.memory import MemoryStore
from infra.venues.hyperliquid.answers import FILLS_PAGE
from infra.venues.hyperliquid.inquiry import FILLS_PAGES_MAX
from infra.venues.hyperliquid.parse import parse_meta
from infra.venues.hyperliquid.venue import HyperliquidVenue
from infra.venues.parts import VenueParts
from tests.builders import DEPLOYMENT_ID, NOON, an_order
from tests.fakes.accounts import FakeAccounts, FakeSigner
from tests.fakes.clock import FakeClock

CLOID = "0x0123456789abcdef0123456789abcdef"
ORDER = an_order(client_order_id=CLOID)
KEY = "0x" + "11" * 32
Answer = Callable[[dict[str, Any]], object]


class OneTable:
    async def table(self, venue: Venue) -> InstrumentTable | None:
        return parse_meta({"universe": [{"name": "ETH", "szDecimals": 4}]}, NOON, "live")


class Asked:
    """A venue whose every answer is `answer(request)`; remembers what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.hosts: set[str] = set()
        self._answer = answer

    def handle(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.bodies.append(body)
        self.hosts.add(request.url.host)
        answer = self._answer(body)
        if isinstance(answer, httpx.Response):
            return answer
        return httpx.Response(200, json=answer)


def a_venue(asked: Asked, **changes: Any) -> HyperliquidVenue:
    parts = VenueParts(
        accounts=FakeAccounts("0x" + "AB" * 20, KEY),
        store=MemoryStore(),
        clock=FakeClock(),
        instruments=OneTable(),
        network="mainnet",
        transport=httpx.MockTransport(asked.handle),
    )
    return HyperliquidVenue(replace(parts, **changes))


def row(number: int, time: int, *, mine: bool = False) -> dict[str, Any]:
    return {
        "coin": "ETH",
        "px": "3000",
        "sz": "0.1",
        "side": "B",
        "time": time,
        "oid": 77 if mine else 500,
        "crossed": True,
        "fee": "0.1",
        "tid": number,
        "cloid": CLOID if mine else None,
    }


class History:
    """The account's fills; each page the oldest from its start on, as the venue gives them."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    def __call__(self, request: dict[str, Any]) -> object:
        if request["type"] == "orderStatus":
            return {"status": "unknownOid"}
        return [one for one in self._rows if one["time"] >= request["startTime"]][:FILLS_PAGE]


async def test_fills_when_over_several_pages_then_each_of_ours_once() -> None:
    start = to_ms(NOON)
    rows = [row(n, start + n, mine=n % 1500 == 7) for n in range(5000)]
    asked = Asked(History(rows))
    report = await a_venue(asked).query_order(ORDER)
    assert report is not None
    assert [fill.trade_id for fill in report.fills] == ["7", "1507", "3007", "4507"]
    pages = [body for body in asked.bodies if body["type"] == "userFillsByTime"]
    assert len(pages) == 3
    assert pages[0]["startTime"] == start - 60_000
    assert {page["endTime"] for page in pages} == {to_ms(ORDER.expires_at) + 60_000}
    assert {body["user"] for body in asked.bodies} == {"0x" + "ab" * 20}


@pytest.mark.parametrize("step", [0, 1])
async def test_fills_when_they_cannot_be_read_to_the_end_then_no_answer(step: int) -> None:
    """All in one millisecond, or more than the venue keeps within reach: never "not filled"."""
    start = to_ms(NOON)
    count = FILLS_PAGE * (FILLS_PAGES_MAX + 1)
    asked = Asked(History([row(n, start + n * step) for n in range(count)]))
    with pytest.raises(TransientError, match="more fills than can be read"):
        await a_venue(asked).query_order(ORDER)


async def test_fills_when_the_order_may_rest_then_looked_for_without_an_end() -> None:
    asked = Asked(History([]))
    order = replace(ORDER, order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC)
    assert await a_venue(asked).query_order(order) is None
    assert "endTime" not in asked.bodies[-1]


async def test_fills_when_they_cost_more_than_there_was_then_paid_before_anything_else() -> None:
    clock = FakeClock()
    rows = [row(n, to_ms(NOON) + n) for n in range(5000)]
    venue = a_venue(Asked(History(rows)), clock=clock)
    assert await venue.query_order(ORDER) is None
    with pytest.raises(RateLimitedError) as refusal:
        await venue.query_order(ORDER)
    debt = 2 + 3 * 20 + 5000 // 20 - 240  # what it cost, less the bucket
    wait = refusal.value.retry_after_s
    assert wait == pytest.approx((debt + 2) * 60 / 840, abs=2)
    assert wait is not None
    clock.advance(wait + 2)  # and the 20 of its fills
    assert await venue.query_order(ORDER) is None


async def test_query_order_when_told_by_its_fills_alone_then_not_final_until_all_are() -> None:
    rows = [row(1, to_ms(NOON), mine=True), row(2, to_ms(NOON), mine=True)]
    report = await a_venue(Asked(History(rows))).query_order(
        replace(ORDER, quantity=Decimal("0.2"))
    )
    assert report is not None
    assert (report.status, report.filled_qty) == ("FILLED", Decimal("0.2"))
    report = await a_venue(Asked(History(rows))).query_order(ORDER)
    assert report is not None
    assert (report.status, report.filled_qty) == ("PARTIALLY_FILLED", Decimal("0.2"))


async def test_query_order_when_more_has_filled_than_was_ordered_then_told_as_it_is() -> None:
    """Catalogue case 103."""
    rows = [row(number, to_ms(NOON), mine=True) for number in range(9)]
    report = await a_venue(Asked(History(rows))).query_order(ORDER)
    assert report is not None
    assert report.filled_qty == Decimal("0.9") > ORDER.quantity


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b""),
        (422, b"Failed to deserialize"),
        (200, b"<html>"),
        (200, b"[NaN]"),
        (200, b"\xff"),
    ],
)
async def test_query_order_when_the_answer_is_none_then_not_absent(
    status: int, body: bytes
) -> None:
    asked = Asked(lambda request: httpx.Response(status, content=body))
    with pytest.raises(TransientError):
        await a_venue(asked).query_order(ORDER)


@pytest.mark.parametrize("status", [201, 400, 401, 403, 404, 409, 418, 422, 500, 503])
async def test_submit_when_another_status_then_unknown(status: int) -> None:
    asked = Asked(lambda request: httpx.Response(status, content=b"who knows"))
    venue = a_venue(asked)
    request = await venue.prepare(ORDER)
    with pytest.raises(OutcomeUnknownError):
        await venue.submit(ORDER, request)


async def test_query_position_when_the_table_has_no_such_symbol_then_by_its_coin() -> None:
    """A coin that was delisted can still be held."""
    position = {"position": {"coin": "OLD", "szi": "3", "entryPx": "2"}}
    asked = Asked(lambda request: {"assetPositions": [position]})
    held = await a_venue(asked).query_position(account_id=DEPLOYMENT_ID, symbol="OLD")
    assert held is not None
    assert held.signed_qty == "3"


async def test_query_order_when_its_instrument_is_gone_then_no_answer() -> None:
    order = replace(ORDER, instrument_id="ETH-USD-PERP.ELSEWHERE")
    with pytest.raises(TransientError, match="not in Hyperliquid's table"):
        await a_venue(Asked(lambda request: {})).query_order(order)


@pytest.mark.parametrize(
    ("network", "url", "host"),
    [
        ("mainnet", None, "api.hyperliquid.xyz"),
        ("testnet", None, "api.hyperliquid-testnet.xyz"),
        ("testnet", "http://127.0.0.1:1/", "127.0.0.1"),
    ],
)
async def test_venue_when_built_then_it_asks_its_networks_own_address(
    network: str, url: str | None, host: str
) -> None:
    asked = Asked(lambda request: {"assetPositions": []})
    venue = a_venue(asked, network=network, api_url=url)
    assert await venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH") is None
    assert asked.hosts == {host}
    await venue.close()


def test_venue_when_the_network_is_neither_then_a_person_must_act() -> None:
    with pytest.raises(ConfigurationError, match="mainnet or testnet"):
        a_venue(Asked(lambda request: {}), network="devnet")


async def test_prepare_when_the_vaults_own_signer_signs_then_the_same_bytes() -> None:
    """`infra/keys` hides the key; what it signs is what eth-account signs."""
    bodies = []
    for hidden in (False, True):
        venue = a_venue(Asked(lambda request: {}))
        accounts = venue._parts.accounts
        assert isinstance(accounts, FakeAccounts)
        if hidden:
            signer = Signer(PrivateKey(bytes.fromhex(KEY[2:])), accounts.fake_signer.address)
            accounts.fake_signer = FakeSigner(address=signer.address, account=signer.account)
        bodies.append((await venue.prepare(ORDER)).body)
    assert bodies[0] == bodies[1]
    assert KEY[2:] not in bodies[0]
