"""Our adapter trades on the simulated Hyperliquid, and sees what the official SDK sees."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
import requests
from hyperliquid.exchange import Exchange
from hyperliquid.utils.types import Cloid
from requests.adapters import BaseAdapter

from common.books import EXPOSURES
from common.documents import create
from common.domain.exposure import Exposure
from common.domain.instrument import OrderType, TimeInForce, Venue
from common.domain.money import ZERO
from common.domain.order import LiquiditySide, OrderSide, OrderStatus
from common.errors import DeniedError, OutcomeUnknownError, RejectedError, TransientError
from common.ports import Ref
from infra.local.clock import SystemClock
from infra.local.exchanges.exchange import ApiRequest
from infra.local.exchanges.faults import Fault, FaultKind
from infra.local.exchanges.hyperliquid.book import House
from infra.local.exchanges.server import ExchangeServer, NoAnswer
from infra.local.exchanges.transport import ExchangeTransport
from infra.venues.hyperliquid.instruments import listed
from infra.venues.hyperliquid.listing import BUILDER_REFUSAL
from tests.builders import DEPLOYMENT_ID
from tests.integration.hyperliquid_floor import (
    MASTER,
    META,
    SPOT_META,
    Floor,
    outcome,
    seller,
)

FULL = Decimal("0.3333")


class Wire(ExchangeTransport):
    """Keeps what is sent, byte for byte."""

    def __init__(self, server: ExchangeServer) -> None:
        super().__init__(server)
        self.sent: list[bytes] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(await request.aread())
        return await super().handle_async_request(request)


@pytest.fixture
async def floor() -> Floor:
    return await Floor().open()


# ---------------------------------------------------------------------------------- instruments


async def test_load_instruments_when_live_then_perpetuals_spot_and_refused_builders(
    floor: Floor,
) -> None:
    table = floor.instruments.current
    assert table is not None
    assert {item.symbol: item.venue_id for item in table.instruments} == {
        "BTC": "0",
        "ETH": "2",
        "PEPE": "3",
        "PURRUSDC": "10000",
        "xyzTSLA": "110000",
    }
    assert [item.refusal for item in table.instruments if item.refusal] == [BUILDER_REFUSAL]
    assert table.source == "live"


async def test_load_instruments_when_builders_do_not_answer_then_the_rest_is_listed(
    floor: Floor,
) -> None:
    floor.strike(Fault(FaultKind.SERVER_ERROR), operation="perpDexs", times=None)
    table = await floor.venue.load_instruments()
    assert {item.symbol for item in table.instruments} >= {"BTC", "PURRUSDC", "xyzTSLA"}
    floor.strike(Fault(FaultKind.SERVER_ERROR), operation="spotMeta", times=None)
    with pytest.raises(TransientError):
        await floor.venue.load_instruments()


# ---------------------------------------------------------------------------------- orders


async def test_submit_when_market_then_filled_with_its_fills(floor: Floor) -> None:
    order, report = await floor.place(floor.order())
    assert outcome(report) == (OrderStatus.FILLED, FULL, FULL)
    assert floor.held() == FULL
    (fill,) = report.fills
    assert fill.trade_id == str(floor.exchange.fills(MASTER)[0].tid)
    assert fill.last_px <= order.price
    assert fill.commission == floor.exchange.fills(MASTER)[0].fee
    assert fill.commission > 0
    assert fill.liquidity_side is LiquiditySide.TAKER
    assert fill.venue_order_id == report.venue_order_id
    assert await floor.venue.query_order(order) == replace(report, reason="filled")


async def test_submit_when_sent_then_exactly_the_text_that_was_prepared(floor: Floor) -> None:
    order = floor.order()
    request = await floor.venue.prepare(order)
    body = json.loads(request.body)
    assert body["expiresAfter"] == int(order.expires_at.timestamp() * 1000)
    assert body["nonce"] == request.nonce
    assert body["action"]["orders"][0] == {
        "a": 2,
        "b": True,
        "p": "3015",
        "s": "0.3333",
        "r": False,
        "t": {"limit": {"tif": "Ioc"}},
        "c": order.client_order_id,
    }
    assert list(body["action"]["orders"][0]) == ["a", "b", "p", "s", "r", "t", "c"]
    assert request.request_key == order.client_order_id
    assert floor.asked("order") == []
    wire = Wire(floor.server)
    await floor.another_instance(wire).submit(order, request)
    assert wire.sent[0] == request.body.encode()


async def test_submit_when_the_same_bytes_go_again_then_one_fill_and_unknown(floor: Floor) -> None:
    """A resend: the venue takes a nonce once, and its answer proves nothing."""
    order = floor.order()
    request = await floor.venue.prepare(order)
    await floor.venue.submit(order, request)
    for venue in (floor.venue, floor.another_instance()):
        with pytest.raises(OutcomeUnknownError, match="duplicate nonce"):
            await venue.submit(order, request)
    assert len(floor.exchange.fills(MASTER)) == 1
    assert outcome(await floor.venue.query_order(order)) == (OrderStatus.FILLED, FULL, FULL)


async def test_prepare_when_called_again_then_another_nonce_and_the_same_order(
    floor: Floor,
) -> None:
    """A crash before the commit: nothing of the first was sent."""
    order = floor.order()
    first, second = await floor.venue.prepare(order), await floor.venue.prepare(order)
    assert second.nonce > first.nonce
    assert json.loads(first.body)["action"] == json.loads(second.body)["action"]


async def test_submit_when_by_the_thousand_then_scaled_both_ways(floor: Floor) -> None:
    """PEPE: one of theirs is a thousand of ours."""
    order = floor.order(
        symbol="PEPE",
        instrument_id="PEPE-USD-PERP.HYPERLIQUID",
        quantity=Decimal(15_000_000),
        price=Decimal("0.000007"),
    )
    order, report = await floor.place(order)
    assert outcome(report) == (OrderStatus.FILLED, Decimal(15_000_000), Decimal(15_000_000))
    assert floor.held("kPEPE") == 15_000
    assert all(fill.last_px < Decimal("0.0000069") for fill in report.fills)
    position = await floor.venue.query_position(account_id=DEPLOYMENT_ID, symbol="PEPE")
    assert position is not None
    assert Decimal(position.signed_qty) == 15_000_000
    assert position.avg_px is not None
    assert Decimal("0.0000067") < Decimal(position.avg_px) < Decimal("0.000007")


async def test_submit_when_spot_then_bought_and_held_as_a_balance(floor: Floor) -> None:
    order = floor.order(
        symbol="PURRUSDC",
        instrument_id="PURR-USDC-SPOT.HYPERLIQUID",
        quantity=Decimal(100),
        price=Decimal("0.201"),
    )
    order, report = await floor.place(order)
    assert outcome(report) == (OrderStatus.FILLED, Decimal(100), Decimal(100))
    (fill,) = report.fills
    raw = floor.exchange.fills(MASTER)[0]
    in_quote = raw.fee * fill.last_px if raw.fee_token == "PURR" else raw.fee
    assert fill.commission == in_quote > 0
    position = await floor.venue.query_position(account_id=DEPLOYMENT_ID, symbol="PURRUSDC")
    assert position is not None
    assert 99 < Decimal(position.signed_qty) <= 100


async def test_submit_when_gtc_then_it_rests_is_listed_and_canceled(floor: Floor) -> None:
    order, report = await floor.place(floor.resting())
    assert outcome(report) == (OrderStatus.ACCEPTED, ZERO, ZERO)
    assert outcome(await floor.venue.query_order(order)) == (OrderStatus.ACCEPTED, ZERO, ZERO)
    state = await floor.venue.query_account(account_id=DEPLOYMENT_ID)
    (resting,) = state.open_orders
    assert (resting.client_order_id, resting.symbol, resting.left_qty) == (
        order.client_order_id,
        "ETH",
        "0.3333",
    )
    assert resting.side is OrderSide.BUY
    order = replace(order, venue_order_id=report.venue_order_id)
    assert outcome(await floor.venue.cancel(order)) == (OrderStatus.CANCELED, ZERO, ZERO)
    assert (await floor.venue.query_account(account_id=DEPLOYMENT_ID)).open_orders == ()


async def test_submit_when_post_only_then_it_rests_or_is_refused(floor: Floor) -> None:
    _, report = await floor.place(floor.resting(post_only=True))
    assert report.status is OrderStatus.ACCEPTED
    order = floor.order(order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC, post_only=True)
    with pytest.raises(RejectedError) as refusal:
        await floor.place(order)
    assert refusal.value.code == "POST_ONLY_WOULD_TAKE"


async def test_submit_when_reduce_only_then_it_closes_and_never_opens(floor: Floor) -> None:
    with pytest.raises(RejectedError) as refusal:
        await floor.place(floor.order(reduce_only=True))
    assert refusal.value.code == "REDUCE_ONLY"
    await floor.place(floor.order(quantity=Decimal("0.0040")))
    _, report = await floor.place(
        floor.order(**seller(reduce_only=True, quantity=Decimal("0.0020")))
    )
    assert report.status is OrderStatus.FILLED
    assert floor.held() == Decimal("0.0020")


@pytest.mark.parametrize(
    ("order_type", "trigger", "mark"),
    [(OrderType.STOP_MARKET, "2900", "2890"), (OrderType.MARKET_IF_TOUCHED, "3100", "3110")],
)
async def test_submit_when_triggered_later_then_the_position_is_closed(
    floor: Floor, order_type: OrderType, trigger: str, mark: str
) -> None:
    await floor.place(floor.order())
    stop = floor.order(
        order_type=order_type,
        time_in_force=TimeInForce.GTC,
        trigger_price=Decimal(trigger),
        **seller(reduce_only=True, price=Decimal(2800)),
    )
    stop, report = await floor.place(stop)
    assert report.status is OrderStatus.ACCEPTED
    assert floor.held() == FULL
    floor.exchange.set_mark("ETH", mark, floor.clock.now())
    assert outcome(await floor.venue.query_order(stop)) == (OrderStatus.FILLED, FULL, FULL)
    assert floor.held() == 0


async def test_submit_when_the_book_is_thin_then_canceled_with_a_part(floor: Floor) -> None:
    thin = await Floor(house=House(notional=Decimal(300), levels=2, replenish=False)).open()
    order, report = await thin.place(thin.order())
    assert report.status is OrderStatus.CANCELED
    assert 0 < report.filled_qty < order.quantity
    assert sum(fill.last_qty for fill in report.fills) == report.filled_qty == thin.held()
    asked = await thin.venue.query_order(order)
    assert outcome(asked) == outcome(report)


async def test_modify_when_resting_then_its_price_and_size_change(floor: Floor) -> None:
    order, report = await floor.place(floor.resting())
    changed = replace(order, price=Decimal(2950), quantity=Decimal("0.2"))
    modified = await floor.venue.modify(changed)
    assert modified.status is OrderStatus.ACCEPTED
    assert modified.venue_order_id != report.venue_order_id
    state = await floor.venue.query_account(account_id=DEPLOYMENT_ID)
    assert [row.left_qty for row in state.open_orders] == ["0.2"]


async def test_modify_when_nothing_rests_then_no_second_order(floor: Floor) -> None:
    order, _ = await floor.place(floor.order())
    with pytest.raises(OutcomeUnknownError, match="Cannot modify"):
        await floor.venue.modify(replace(order, price=Decimal(2950)))
    assert floor.held() == FULL


async def test_cancel_by_id_when_it_is_gone_unlisted_or_refused_then_said_apart(
    floor: Floor,
) -> None:
    _, report = await floor.place(floor.resting())
    theirs = {"account_id": DEPLOYMENT_ID, "symbol": "ETH"}
    name = report.venue_order_id
    assert await floor.venue.cancel_by_id(**theirs, venue_order_id=name)
    assert not await floor.venue.cancel_by_id(**theirs, venue_order_id=name)
    with pytest.raises(TransientError, match="not in Hyperliquid's table"):
        await floor.venue.cancel_by_id(account_id=DEPLOYMENT_ID, symbol="NOPE", venue_order_id=name)
    order, report = await floor.place(floor.resting())
    floor.exchange.deregister_agent(floor.accounts.fake_signer.address)
    with pytest.raises(TransientError, match="does not exist"):
        await floor.venue.cancel_by_id(**theirs, venue_order_id=report.venue_order_id)
    with pytest.raises(TransientError, match="does not exist"):
        await floor.venue.cancel(order)


async def test_query_account_when_spot_is_held_then_only_what_our_orders_bought(
    floor: Floor,
) -> None:
    """Tokens that the wallet's owner put there are no position of ours."""
    await floor.place(floor.order(**seller()))
    floor.exchange.deposit(MASTER, "70", token="PURR")
    state = await floor.venue.query_account(account_id=DEPLOYMENT_ID)
    held = {position.symbol: Decimal(position.signed_qty) for position in state.positions}
    assert held == {"ETH": -FULL}
    exposure = Exposure.empty(DEPLOYMENT_ID).hold(
        venue=Venue.HYPERLIQUID,
        symbol="PURRUSDC",
        signed_qty=Decimal(60),
        price=Decimal("0.2"),
    )
    await floor.store.commit([create(Ref(EXPOSURES, DEPLOYMENT_ID), exposure)])
    state = await floor.venue.query_account(account_id=DEPLOYMENT_ID)
    held = {position.symbol: Decimal(position.signed_qty) for position in state.positions}
    assert held == {"ETH": -FULL, "PURRUSDC": Decimal(70)}


async def test_query_position_when_nothing_is_held_then_none(floor: Floor) -> None:
    for symbol in ("ETH", "PURRUSDC", "NOPE"):
        assert await floor.venue.query_position(account_id=DEPLOYMENT_ID, symbol=symbol) is None


# ---------------------------------------------------------------------------------- refused here


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"quantity": Decimal("0.33333")}, "QUANTITY_NOT_ON_LOT"),
        ({"quantity": Decimal("0.00001")}, "QUANTITY_BELOW_MINIMUM"),
        ({"quantity": Decimal("0.003")}, "NOTIONAL_BELOW_MINIMUM"),
        ({"price": Decimal("3015.123")}, "PRICE_NOT_ON_TICK"),
        ({"time_in_force": TimeInForce.FOK}, "TIME_IN_FORCE_NOT_SUPPORTED"),
        ({"expires_at": None}, "ORDER_EXPIRED"),
        (
            {"symbol": "xyzTSLA", "instrument_id": "xyz:TSLA-USD-PERP.HYPERLIQUID"},
            "INSTRUMENT_REFUSED",
        ),
        ({"order_type": OrderType.STOP_MARKET}, "TRIGGER_PRICE_MISSING"),
        ({"trigger_price": Decimal("3000.123")}, "PRICE_NOT_ON_TICK"),
        ({"post_only": True}, "ORDER_TYPE_NOT_SUPPORTED"),
        ({"client_order_id": "0x12"}, "ORDER_NOT_EXPRESSIBLE"),
    ],
)
async def test_prepare_when_the_venue_would_refuse_then_never_signed(
    floor: Floor, change: dict[str, Any], code: str
) -> None:
    if change.get("expires_at", 1) is None:
        change = {"expires_at": floor.clock.now()}
    with pytest.raises(RejectedError) as refusal:
        await floor.venue.prepare(floor.order(**change))
    assert refusal.value.code == code
    assert floor.accounts.asked == []


async def test_prepare_when_the_table_is_not_the_venues_then_not_now(floor: Floor) -> None:
    """A paper table has no asset numbers, and a stored one may be gone."""
    for table in (listed(floor.clock.now()), None):
        floor.instruments.current = table
        with pytest.raises(TransientError):
            await floor.venue.prepare(floor.order())


async def test_prepare_when_the_key_is_not_to_be_used_then_denied(floor: Floor) -> None:
    floor.accounts.refusal = DeniedError("KEY_INVALID", "the key is not ready")
    with pytest.raises(DeniedError, match="KEY_INVALID"):
        await floor.venue.prepare(floor.order())


# ---------------------------------------------------------------------------------- who signs


async def test_submit_when_the_agent_is_not_approved_then_said_what_it_usually_is(
    floor: Floor,
) -> None:
    floor.exchange.deregister_agent(floor.accounts.fake_signer.address)
    with pytest.raises(RejectedError, match="not approved for this account") as refusal:
        await floor.place(floor.order())
    assert refusal.value.code == "SIGNER_UNKNOWN"


async def test_submit_when_the_agent_goes_before_a_resend_then_nothing_is_proven(
    floor: Floor,
) -> None:
    """The first sending filled; "does not exist" is about the second alone."""
    order = floor.order()
    request = await floor.venue.prepare(order)
    await floor.venue.submit(order, request)
    floor.exchange.deregister_agent(floor.accounts.fake_signer.address)
    for venue in (floor.venue, floor.another_instance()):
        with pytest.raises(OutcomeUnknownError, match="does not exist"):
            await venue.submit(order, request)


async def test_every_question_when_asked_then_by_the_master_wallet(floor: Floor) -> None:
    """An agent's own address is empty at the venue."""
    order, _ = await floor.place(floor.order())
    floor.accounts.wallet = floor.accounts.fake_signer.address
    assert await floor.venue.query_order(order) is None
    assert await floor.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH") is None
    floor.accounts.wallet = MASTER
    assert await floor.venue.query_order(order) is not None
    assert await floor.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH") is not None


# ---------------------------------------------------------------------------------- the same state


class InProcess(BaseAdapter):
    """Takes what `requests` would send over a socket to the exchange."""

    def __init__(self, server: ExchangeServer) -> None:
        super().__init__()
        self._server = server

    def send(self, request: Any, *args: Any, **options: Any) -> requests.Response:
        body = request.body if isinstance(request.body, bytes) else str(request.body).encode()
        reply = self._server.respond(
            ApiRequest(method=request.method, path=request.path_url, body=body)
        )
        assert not isinstance(reply, NoAnswer)
        response = requests.Response()
        response.status_code = reply.answer.status
        response._content = reply.answer.encoded()
        response.headers["content-type"] = "application/json"
        response.request = request
        return response

    def close(self) -> None:
        return None


@pytest.fixture
def sdk() -> Any:
    """The official client, trading with the same agent for the same account."""
    clients: list[Exchange] = []

    def connect(floor: Floor) -> Exchange:
        client = Exchange(
            floor.accounts.fake_signer.account,
            "http://hyperliquid.invalid",
            meta=META,
            spot_meta=SPOT_META,
            account_address=MASTER,
            perp_dexs=None,
        )
        for session in (client.session, client.info.session):
            session.mount("http://", InProcess(floor.server))
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client.session.close()
        client.info.session.close()


async def test_both_clients_when_they_trade_one_account_then_they_see_one_state(sdk: Any) -> None:
    floor = await Floor(SystemClock()).open()
    client = sdk(floor)
    ours, report = await floor.place(floor.resting())
    theirs = Cloid.from_int(0x5A99)
    placed = client.order("ETH", True, 0.2, 2850.0, {"limit": {"tif": "Gtc"}}, cloid=theirs)
    their_id = placed["response"]["data"]["statuses"][0]["resting"]["oid"]

    told = client.info.frontend_open_orders(MASTER)
    state = await floor.venue.query_account(account_id=DEPLOYMENT_ID)
    assert {(row["oid"], row["cloid"], Decimal(row["sz"])) for row in told} == {
        (int(row.venue_order_id), row.client_order_id, Decimal(row.left_qty))
        for row in state.open_orders
    }
    assert {row["cloid"] for row in told} == {ours.client_order_id, theirs.to_raw()}

    seen = client.info.query_order_by_cloid(MASTER, Cloid.from_str(ours.client_order_id))
    assert seen["order"]["order"]["oid"] == int(report.venue_order_id)
    same = replace(ours, client_order_id=theirs.to_raw(), quantity=Decimal("0.2"))
    asked = await floor.venue.query_order(same)
    assert asked is not None
    assert asked.venue_order_id == str(their_id)

    client.cancel_by_cloid("ETH", Cloid.from_str(ours.client_order_id))  # each cancels the other's
    assert outcome(await floor.venue.query_order(ours)) == (OrderStatus.CANCELED, ZERO, ZERO)
    assert await floor.venue.cancel_by_id(
        account_id=DEPLOYMENT_ID, symbol="ETH", venue_order_id=str(their_id)
    )
    assert client.info.frontend_open_orders(MASTER) == []


async def test_both_clients_when_they_fill_then_the_same_fills_and_position(sdk: Any) -> None:
    floor = await Floor(SystemClock()).open()
    client = sdk(floor)
    order, report = await floor.place(floor.order())
    client.order("ETH", False, 0.1, 2985.0, {"limit": {"tif": "Ioc"}})
    (position,) = client.info.user_state(MASTER)["assetPositions"]
    ours = await floor.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH")
    assert ours is not None
    assert Decimal(position["position"]["szi"]) == Decimal(ours.signed_qty) == FULL - Decimal("0.1")
    mine = [row for row in client.info.user_fills(MASTER) if row.get("cloid")]
    assert {str(row["tid"]) for row in mine} == {fill.trade_id for fill in report.fills}
    assert {Decimal(row["fee"]) for row in mine} == {fill.commission for fill in report.fills}
    assert outcome(await floor.venue.query_order(order)) == (OrderStatus.FILLED, FULL, FULL)


async def test_schedule_cancel_when_its_time_comes_then_nothing_rests(floor: Floor) -> None:
    order, _ = await floor.place(floor.resting())
    await floor.venue.schedule_cancel(
        account_id=DEPLOYMENT_ID, at=floor.clock.now() + timedelta(seconds=30)
    )
    assert outcome(await floor.venue.query_order(order)) == (OrderStatus.ACCEPTED, ZERO, ZERO)
    await floor.clock.sleep(31)
    assert outcome(await floor.venue.query_order(order)) == (OrderStatus.CANCELED, ZERO, ZERO)
    with pytest.raises(RejectedError, match="SCHEDULE_REFUSED"):
        await floor.venue.schedule_cancel(account_id=DEPLOYMENT_ID, at=floor.clock.now())
