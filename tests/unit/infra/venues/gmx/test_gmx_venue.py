"""GMX's adapter against its stand-in: open, close, rest, cancel, and what each answer proves."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from common.books import ORDERS
from common.domain.instrument import OrderType, TimeInForce, Venue
from common.domain.order import OrderSide, OrderStatus
from common.errors import (
    ConfigurationError,
    DeniedError,
    OutcomeUnknownError,
    RejectedError,
    TransientError,
)
from common.ports import Create, Ref
from common.wire import to_document
from infra.local.exchanges.gmx.markets import USD
from infra.local.exchanges.transport import ExchangeTransport
from infra.venues.accounts import VenueAccount
from infra.venues.gmx.client import GmxClient
from infra.venues.gmx.contracts import network_named
from infra.venues.gmx.venue import GmxVenue
from infra.venues.parts import VenueParts
from tests.fakes.accounts import FakeAccounts
from tests.unit.infra.venues.gmx.gmx_desk import WALLET, Desk, signed

BUY, SELL = OrderSide.BUY, OrderSide.SELL


# -- instruments ----------------------------------------------------------------------------------


async def test_load_instruments_when_several_pools_then_the_one_that_takes_most() -> None:
    desk = await Desk().open()
    assert desk.instruments.loaded is not None
    table = {one.symbol: one for one in desk.instruments.loaded.instruments}

    assert sorted(table) == ["BTC", "DOGE", "ETH", "SOL"]
    sol = table["SOL"]
    assert (sol.venue_symbol, sol.venue_id) == ("SOL/USD [SOL-USDC]", f"0x{0x50:040x}")
    assert sol.liquidity == 5_000_000
    assert (sol.size_increment, sol.min_notional) == (Decimal("1e-9"), Decimal(1))
    assert (sol.taker_fee, sol.maker_fee) == (Decimal("0.0006"), Decimal("0.0004"))


async def test_load_instruments_when_only_another_collateral_then_never_that_pool() -> None:
    desk = await Desk().open()
    assert desk.instruments.loaded is not None
    btc = desk.instruments.loaded.find("BTC")
    assert btc is not None
    assert btc.venue_symbol == "BTC/USD [BTC-USDC]"  # the WBTC pool is deeper and takes no USDC


async def test_load_instruments_when_little_open_interest_is_left_then_that_is_the_liquidity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    info = desk.exchange.listing.info()
    for row in info:
        row["longInterestUsd"] = str(80_000_000 * USD - 123 * USD)
    monkeypatch.setattr(type(desk.exchange.listing), "info", lambda listing: info)

    await desk.open()

    assert desk.instruments.loaded is not None
    assert {one.liquidity for one in desk.instruments.loaded.instruments} == {123}


@pytest.mark.parametrize(
    ("listing", "change"),
    [
        ("markets", {"indexTokenAddress": "0x12"}),
        ("markets", {"isListed": "yes"}),
        ("markets", {"minPositionSizeUsd": "NaN"}),
        ("tokens", {"decimals": 6.0}),
        ("tickers", {"availableLiquidityLong": "-5"}),
        ("info", {"maxOpenInterestLong": None}),
        ("info", {"positionFeeFactorForBalanceWasNotImproved": str(10**30)}),
    ],
)
async def test_load_instruments_when_a_field_has_drifted_then_no_table(
    monkeypatch: pytest.MonkeyPatch, listing: str, change: dict[str, Any]
) -> None:
    desk = Desk()
    rows = getattr(desk.exchange.listing, listing)()
    rows[1] |= change
    monkeypatch.setattr(type(desk.exchange.listing), listing, lambda _: rows)

    with pytest.raises(Exception, match=next(iter(change))):
        await desk.venue.load_instruments()


# -- opening and closing --------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "sign"), [(BUY, 1), (SELL, -1)])
async def test_trade_when_executed_then_the_fill_is_the_chains(side: OrderSide, sign: int) -> None:
    desk = await Desk().open()

    order, report = await desk.trade(desk.order(side))

    (house,) = desk.exchange.fills()
    (fill,) = report.fills
    assert (fill.trade_id, fill.last_qty, fill.last_px) == (house.trade_id, house.qty, house.price)
    assert fill.commission == (fill.last_qty * fill.last_px * Decimal("0.0006")).quantize(
        Decimal("1e-6"), rounding="ROUND_DOWN"
    )
    assert 0 < order.quantity - fill.last_qty < order.quantity / 100  # never more than asked
    assert desk.exchange.position(WALLET, "ETH") == sign * fill.last_qty
    assert report.filled_qty == fill.last_qty
    assert report.status is OrderStatus.CANCELED  # the rest to the quantity ended with it
    assert "came to" in report.reason


@pytest.mark.parametrize(("side", "other"), [(BUY, SELL), (SELL, BUY)])
async def test_trade_when_the_whole_position_is_closed_then_nothing_is_left(
    side: OrderSide, other: OrderSide
) -> None:
    desk = await Desk().open()
    await desk.trade(desk.order(side))
    held = abs(desk.exchange.position(WALLET, "ETH"))

    order, report = await desk.trade(desk.order(other, quantity=held))

    assert report.status is OrderStatus.FILLED
    assert report.filled_qty == order.quantity == held
    assert report.fills[0].side is other
    assert desk.exchange.position(WALLET, "ETH") == 0
    assert await desk.venue.query_position(account_id="a", symbol="ETH") is None


async def test_trade_when_a_part_is_closed_then_exactly_that_quantity() -> None:
    desk = await Desk().open()
    await desk.trade(desk.order())
    before = desk.exchange.position(WALLET, "ETH")
    desk.exchange.set_mark("ETH", "3100", desk.clock.now())  # size is at the entry's dollars

    part = Decimal("0.123456789012345678")
    _, report = await desk.trade(desk.order(SELL, quantity=part, price=Decimal("3085")))

    assert report.filled_qty == part
    assert report.fills[0].last_px == 3100
    assert desk.exchange.position(WALLET, "ETH") == before - part


async def test_prepare_when_it_would_close_and_open_then_refused() -> None:
    desk = await Desk().open()
    await desk.trade(desk.order())

    with pytest.raises(RejectedError) as refused:
        await desk.venue.prepare(desk.order(SELL, quantity=Decimal("0.6")))

    assert refused.value.code == "ORDER_CROSSES_POSITION"


async def test_prepare_when_reduce_only_is_larger_then_only_what_is_held() -> None:
    desk = await Desk().open()
    await desk.trade(desk.order())

    _, report = await desk.trade(desk.order(SELL, quantity=Decimal(3), reduce_only=True))

    assert desk.exchange.position(WALLET, "ETH") == 0
    assert report.status is OrderStatus.CANCELED


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"reduce_only": True}, "REDUCE_ONLY"),
        ({"post_only": True}, "POST_ONLY_WOULD_TAKE"),
        ({"quantity": Decimal("0.0001")}, "NOTIONAL_BELOW_MINIMUM"),
        ({"price": Decimal("2900")}, "NOT_FILLED_WITHIN_BOUND"),
        ({"price": Decimal("30")}, "PRICE_AWAY_FROM_ORACLE"),
        ({"price": Decimal("300000")}, "PRICE_AWAY_FROM_ORACLE"),
        ({"order_type": OrderType.STOP_MARKET}, "TRIGGER_PRICE_MISSING"),
    ],
)
async def test_prepare_when_the_order_cannot_be_then_refused_before_the_server_is_asked(
    changes: dict[str, Any], code: str
) -> None:
    desk = await Desk().open()

    with pytest.raises(RejectedError) as refused:
        await desk.venue.prepare(desk.order(**changes))

    assert refused.value.code == code
    assert desk.exchange.requests == {}
    assert desk.accounts.asked == []


async def test_prepare_when_signed_then_the_body_is_the_submission_and_the_relays_nonce() -> None:
    desk = await Desk().open()

    order, request = await desk.prepared(desk.order())

    body = json.loads(request.body)
    assert sorted(body) == ["eip712Data", "from", "mode", "requestId", "signature"]
    assert body["from"] == WALLET
    assert request.request_key == body["requestId"] == order.request_key
    assert request.nonce == int(body["eip712Data"]["relayParams"]["userNonce"])
    assert request.signer == desk.accounts.fake_signer.address
    assert request.expires_at == desk.clock.now() + timedelta(seconds=60)  # earlier than ours


async def test_prepare_when_the_venue_would_take_it_after_our_expiry_then_refused() -> None:
    desk = await Desk().open()
    desk.exchange.drafting.lives_for = timedelta(minutes=20)

    with pytest.raises(RejectedError) as refused:
        await desk.venue.prepare(desk.order())

    assert refused.value.code == "EXPIRY_TOO_LATE"
    assert desk.accounts.asked == []


async def test_prepare_when_the_key_may_not_be_used_then_denied() -> None:
    desk = await Desk().open()
    desk.accounts.refusal = DeniedError("KEY_INVALID", "revoked")

    with pytest.raises(DeniedError):
        await desk.venue.prepare(desk.order())


async def test_prepare_when_the_key_is_not_the_accounts_then_denied() -> None:
    desk = await Desk().open()
    told = await desk.accounts.account("a", Venue.GMX)
    other: LocalAccount = Account.from_key("0x" + "77" * 32)

    class Swapped(FakeAccounts):
        async def account(self, account_id: str, venue: Venue) -> VenueAccount:
            return told

    parts = replace(desk.venue._parts, accounts=Swapped(WALLET, other.key.hex()))

    with pytest.raises(DeniedError, match="not the one of the account"):
        await GmxVenue(parts).prepare(desk.order())


async def test_prepare_when_the_market_was_delisted_since_then_its_code_in_our_words() -> None:
    desk = await Desk().open()
    for pool in desk.exchange.listing.pools:
        pool.is_listed = False

    with pytest.raises(RejectedError) as refused:
        await desk.venue.prepare(desk.order())

    assert refused.value.code == "INSTRUMENT_NOT_FOUND"


# -- what an answer proves ------------------------------------------------------------------------


async def test_submit_when_the_price_leaves_the_bound_then_cancelled_with_the_reason() -> None:
    desk = await Desk().open()
    order, request = await desk.prepared(desk.order())
    desk.exchange.set_mark("ETH", "3100", desk.clock.now())

    report = await desk.venue.submit(order, request)

    assert report.status is OrderStatus.CANCELED
    assert report.filled_qty == 0
    assert "AcceptablePrice" in report.reason
    assert desk.exchange.fills() == []


async def test_submit_when_past_its_expiry_then_not_sent() -> None:
    desk = await Desk().open()
    order, request = await desk.prepared(desk.order())
    desk.clock.advance(61)
    sent = len(desk.server.requests)

    with pytest.raises(RejectedError) as refused:
        await desk.venue.submit(order, request)

    assert refused.value.code == "ORDER_EXPIRED"
    assert len(desk.server.requests) == sent


async def test_submit_when_sent_twice_then_one_fill() -> None:
    desk = await Desk().open()
    order, request = await desk.prepared(desk.order())

    first = await desk.venue.submit(order, request)
    second = await desk.fresh_venue().submit(order, request)

    assert first == second
    assert len(desk.exchange.fills()) == 1


async def test_submit_when_the_wallet_is_empty_then_the_relay_reverts_and_it_is_rejected() -> None:
    desk = await Desk().open()
    desk.exchange.chain.usdc[WALLET] = 0
    order, request = await desk.prepared(desk.order())

    report = await desk.venue.submit(order, request)

    assert report.status is OrderStatus.REJECTED
    assert "exceeds balance" in report.reason


async def test_submit_when_the_subaccount_is_not_approved_then_rejected() -> None:
    desk = await Desk().open()
    desk.exchange._subaccounts.clear()
    order, request = await desk.prepared(desk.order())

    with pytest.raises(RejectedError) as refused:
        await desk.venue.submit(order, request)

    assert refused.value.code == "SIGNATURE_REFUSED"


async def test_submit_when_a_byte_of_the_order_is_changed_on_the_way_then_nothing_trades() -> None:
    desk = await Desk().open()
    order, request = await desk.prepared(desk.order())
    body = json.loads(request.body)
    numbers = body["eip712Data"]["batchParams"]["createOrderParams"][0]["orderPayload"]["numbers"]
    numbers["sizeDeltaUsd"] = "1"

    with pytest.raises(RejectedError):
        await desk.venue.submit(order, replace(request, body=json.dumps(body)))

    assert desk.exchange.fills() == []


async def test_query_order_when_only_prepared_then_the_venue_has_no_such_order() -> None:
    desk = await Desk().open()
    order, _ = await desk.prepared(desk.order())

    assert await desk.venue.query_order(order) is None
    assert await desk.venue.query_order(replace(order, request_key="req-0")) is None


async def test_query_order_when_never_prepared_then_no_answer() -> None:
    desk = await Desk().open()
    with pytest.raises(TransientError):
        await desk.venue.query_order(desk.order())


STATES = [
    ("relay_accepted", OrderStatus.ACCEPTED),
    ("relay_pending", OrderStatus.ACCEPTED),
    ("relay_submitted", OrderStatus.ACCEPTED),
    ("created", OrderStatus.ACCEPTED),
    ("cancelled", OrderStatus.CANCELED),
    ("relay_failed", OrderStatus.REJECTED),
    ("relay_reverted", OrderStatus.REJECTED),
]


@pytest.mark.parametrize(("state", "status"), STATES)
async def test_query_order_when_in_a_state_then_our_word_for_it(
    state: str, status: OrderStatus
) -> None:
    desk = await Desk().open()
    order, request = await desk.prepared(desk.order())
    held = desk.exchange.requests[request.request_key]
    held.status, held.submitted_at = state, desk.clock.now()
    held.order_key = "0x" + "cd" * 32

    report = await desk.venue.query_order(order)

    assert report is not None
    assert (report.status, report.venue_order_id) == (status, order.request_key)


async def test_query_order_when_the_state_is_not_known_then_no_answer() -> None:
    desk = await Desk().open()
    order, request = await desk.prepared(desk.order())
    desk.exchange.requests[request.request_key].status = "relay_teleported"

    with pytest.raises(TransientError, match="no status that we know"):
        await desk.venue.query_order(order)


async def test_query_order_when_its_trade_is_not_told_yet_then_no_fills() -> None:
    desk = await Desk().open()
    order, request = await desk.prepared(desk.order())
    await desk.venue.submit(order, request)
    desk.clock.advance(30)
    await desk.venue.query_order(order)
    desk.exchange.chain.trades.clear()

    report = await desk.venue.query_order(order)

    assert report is not None
    assert (report.status, report.fills, report.filled_qty) == (OrderStatus.FILLED, (), Decimal(0))


async def test_query_order_when_the_trade_stands_on_a_further_page_then_found() -> None:
    desk = await Desk().open()
    order, _ = await desk.trade(desk.order())
    first = desk.exchange.chain.trades[0]
    desk.exchange.chain.trades += [first | {"id": f"x{n}", "orderKey": "0x00"} for n in range(250)]

    report = await desk.venue.query_order(order)

    assert report is not None
    assert len(report.fills) == 1


TRADE_CHANGES: list[dict[str, Any]] = [
    {"marketAddress": f"0x{0xB7:040x}"},  # case 106: the key names another symbol's trade
    {"marketAddress": "0x12"},
    {"account": "0x" + "12" * 20},
    {"executionPrice": "1"},
    {"executionPrice": None},
    {"sizeDeltaInTokens": "-1"},
    {"sizeDeltaInTokens": "1e18"},
    {"timestamp": "soon"},
    {"positionFeeAmount": "many"},
    {"id": ""},
]


@pytest.mark.parametrize("change", TRADE_CHANGES, ids=str)
async def test_query_order_when_its_trade_is_no_evidence_then_no_answer(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    desk = await Desk().open()
    order, _ = await desk.trade(desk.order())
    told = {"trades": [desk.exchange.chain.trades[-1] | change], "hasMore": False}
    monkeypatch.setattr(desk.exchange, "_trades", lambda *_: told)

    with pytest.raises(TransientError):
        await desk.venue.query_order(order)


async def test_query_order_when_the_price_comes_in_dollars_then_the_same() -> None:
    desk = await Desk().open()
    order, report = await desk.trade(desk.order())
    desk.exchange.chain.trades[-1]["executionPrice"] = str(3000 * USD)

    assert await desk.venue.query_order(order) == report


async def test_query_order_when_more_was_filled_than_asked_then_told_as_it_is() -> None:
    desk = await Desk().open()
    order, _ = await desk.trade(desk.order())
    desk.exchange.chain.trades[-1]["sizeDeltaInTokens"] = str(2 * 10**18)

    report = await desk.venue.query_order(order)

    assert report is not None
    assert (report.status, report.filled_qty) == (OrderStatus.FILLED, Decimal(2))


async def test_query_order_when_a_fee_is_negative_then_it_is_ours() -> None:
    desk = await Desk().open()
    order, report = await desk.trade(desk.order())
    desk.exchange.chain.trades[-1]["fundingFeeAmount"] = "-1000000"

    again = await desk.venue.query_order(order)

    assert again is not None
    assert again.fills[0].commission == report.fills[0].commission - 1


async def test_query_order_when_the_fee_is_in_another_token_then_at_its_price() -> None:
    desk = await Desk().open()
    order, _ = await desk.trade(desk.order())
    weth = desk.exchange.listing.token("ETH")
    assert weth is not None
    desk.exchange.chain.trades[-1] |= {
        "initialCollateralTokenAddress": weth.address,
        "positionFeeAmount": str(10**15),
        "collateralTokenPriceMin": str(3000 * 10**12),
    }

    report = await desk.venue.query_order(order)

    assert report is not None
    assert report.fills[0].commission == 3


@pytest.mark.parametrize(
    "change",
    [{"account": "0x" + "12" * 20}, {"marketAddress": "0x" + "12" * 20}, {"sizeInTokens": "NaN"}],
    ids=str,
)
async def test_query_position_when_its_answer_is_no_evidence_then_no_answer(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    desk = await Desk().open()
    await desk.trade(desk.order())
    rows = desk.exchange._positions(WALLET, {})
    assert isinstance(rows, list)
    monkeypatch.setattr(desk.exchange, "_positions", lambda *_: [rows[0] | change])

    with pytest.raises(TransientError):
        await desk.venue.query_position(account_id="a", symbol="ETH")


# -- orders that rest -----------------------------------------------------------------------------


def resting(desk: Desk, **changes: Any) -> Any:
    known: dict[str, Any] = {
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "price": Decimal("2900"),
    }
    return desk.order(**(known | changes))


async def test_limit_when_it_rests_then_listed_as_ours_and_executed_at_its_price() -> None:
    desk = await Desk().open()
    order, request = await desk.prepared(resting(desk))
    await desk.store.commit([Create(Ref(ORDERS, order.client_order_id), to_document(order))])

    report = await desk.venue.submit(order, request)

    assert report.status is OrderStatus.ACCEPTED
    state = await desk.venue.query_account(account_id="a")
    (open_order,) = state.open_orders
    assert open_order.client_order_id == order.client_order_id
    assert (open_order.symbol, open_order.side, open_order.left_qty) == ("ETH", BUY, "0.5")
    desk.exchange.set_mark("ETH", "2899", desk.clock.now())
    filled = await desk.venue.query_order(order)
    assert filled is not None
    assert filled.fills[0].last_px == 2899


async def test_open_order_when_it_is_not_ours_then_by_its_key() -> None:
    desk = await Desk().open()
    order, request = await desk.prepared(resting(desk))
    await desk.venue.submit(order, request)

    state = await desk.venue.query_account(account_id="a")

    assert state.open_orders[0].client_order_id is None


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "price", "mark"),
    [
        (SELL, OrderType.STOP_MARKET, "2950", "2900", "2940"),
        (SELL, OrderType.MARKET_IF_TOUCHED, "3050", "3030", "3060"),
    ],
)
async def test_protection_when_triggered_then_the_position_is_closed(
    side: OrderSide, kind: OrderType, trigger: str, price: str, mark: str
) -> None:
    desk = await Desk().open()
    await desk.trade(desk.order())
    held = desk.exchange.position(WALLET, "ETH")
    order, request = await desk.prepared(
        desk.order(
            side,
            quantity=held,
            order_type=kind,
            trigger_price=Decimal(trigger),
            price=Decimal(price),
            time_in_force=TimeInForce.GTC,
            reduce_only=True,
        )
    )
    assert (await desk.venue.submit(order, request)).status is OrderStatus.ACCEPTED
    desk.clock.advance(5)
    assert desk.exchange.position(WALLET, "ETH") == held

    desk.exchange.set_mark("ETH", mark, desk.clock.now())

    report = await desk.venue.query_order(order)
    assert report is not None
    assert report.status is OrderStatus.FILLED
    assert desk.exchange.position(WALLET, "ETH") == 0


async def test_cancel_when_it_rests_then_it_is_gone_and_the_collateral_is_back() -> None:
    desk = await Desk().open()
    before = desk.exchange.chain.usdc[WALLET]
    order, request = await desk.prepared(resting(desk))
    await desk.venue.submit(order, request)
    desk.clock.advance(5)

    report = await desk.venue.cancel(order)

    assert report is not None
    assert (report.status, report.filled_qty) == (OrderStatus.CANCELED, Decimal(0))
    assert before - desk.exchange.chain.usdc[WALLET] == 2 * 200_000  # both relay fees


async def test_cancel_when_never_submitted_then_there_is_none() -> None:
    desk = await Desk().open()
    order, _ = await desk.prepared(resting(desk))

    assert await desk.venue.cancel(order) is None


async def test_cancel_when_executed_then_its_report() -> None:
    desk = await Desk().open()
    order, report = await desk.trade(desk.order())

    assert await desk.venue.cancel(order) == report


async def test_cancel_when_on_its_way_then_not_now() -> None:
    desk = await Desk().open()
    order, request = await desk.prepared(resting(desk))
    await desk.venue._client.send("/orders/txns/submit", request.body)

    with pytest.raises(TransientError, match="does not show yet"):
        await desk.venue.cancel(order)  # and when it is on the chain, it can be

    report = await desk.venue.cancel(order)
    assert report is not None
    assert report.status is OrderStatus.CANCELED


# -- the wire -------------------------------------------------------------------------------------


async def test_oracle_when_the_first_host_is_down_then_the_next_answers() -> None:
    desk = await Desk().open()
    asked = []

    class FirstIsDown(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            asked.append(request.url.host)
            if request.url.host == "arbitrum-api.gmxinfra.io":
                raise httpx.ConnectError("refused")
            return await ExchangeTransport(desk.server).handle_async_request(request)

    client = GmxClient(
        network_named("mainnet"),
        clock=desk.clock,
        base_url=None,
        timeout_s=5,
        transport=FirstIsDown(),
    )
    market = next(iter((await client.catalogue()).markets.values()))

    band = await client.band(market.index)

    assert 0 < band.low <= band.high
    assert asked[-2:] == ["arbitrum-api.gmxinfra.io", "arbitrum-api-fallback.gmxinfra.io"]


async def test_orders_when_the_api_is_down_then_no_other_host_is_asked() -> None:
    desk = await Desk().open()
    order, request = await desk.prepared(desk.order())
    asked = []

    class Down(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            asked.append(request.url.host)
            raise httpx.ReadTimeout("no answer")

    venue = GmxVenue(replace(desk.venue._parts, api_url=None, transport=Down()))
    with pytest.raises(OutcomeUnknownError):
        await venue.submit(order, request)

    assert asked == ["arbitrum.gmxapi.io"]


def test_venue_when_the_network_is_none_of_ours_then_a_person_must_act() -> None:
    desk = Desk()
    parts: VenueParts = replace(desk.venue._parts, network="fuji")
    with pytest.raises(ConfigurationError):
        GmxVenue(parts)


async def test_signed_order_when_it_was_prepared_again_then_two_requests_and_one_effect() -> None:
    desk = await Desk().open()
    _, abandoned = await desk.prepared(desk.order())

    order, request = await desk.prepared(desk.order())
    await desk.venue.submit(order, request)

    assert abandoned.request_key != request.request_key
    assert len(desk.exchange.fills()) == 1
    assert signed(desk.order(), request).request_key == request.request_key
