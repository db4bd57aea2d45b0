"""The adapter against the stand-in: what is sent, what comes back, and every fault between."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest

from common.domain.instrument import OrderType, TimeInForce, Venue
from common.domain.moment import to_ms
from common.domain.order import LiquiditySide, OrderSide, OrderStatus
from common.errors import (
    ConfigurationError,
    DeniedError,
    InvalidInputError,
    OutcomeUnknownError,
    RateLimitedError,
    RejectedError,
    TransientError,
)
from infra.local.exchanges.aster.accounts import Account
from infra.local.exchanges.aster.exchange import AsterExchange
from infra.local.exchanges.faults import FaultKind
from infra.venues.aster.capabilities import CAPABILITIES
from infra.venues.aster.refusals import verdict
from infra.venues.aster.venue import AsterVenue, _accepted
from infra.venues.http import VenueAnswer
from infra.venues.parts import VenueParts
from tests.builders import DEPLOYMENT_ID
from tests.unit.infra.venues.aster.desk import KEY, WALLET, Desk, OneTable


@pytest.fixture
async def desk() -> Desk:
    return await Desk().load()


# ------------------------------------------------------------------------------------ what is sent
async def test_prepare_when_a_market_order_then_a_bounded_ioc_signed_with_its_nonce(
    desk: Desk,
) -> None:
    order = desk.order()
    written, request = await desk.prepared(order)
    sent = dict(parse_qsl(request.body))
    assert sent.pop("signature").startswith("0x")
    assert sent.pop("signer").lower() == request.signer == desk.accounts.fake_signer.address
    assert sent == {
        "symbol": "ETHUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "IOC",
        "quantity": "0.333",
        "price": "3015",
        "reduceOnly": "false",
        "newClientOrderId": order.client_order_id,
        "newOrderRespType": "RESULT",
        "nonce": str(to_ms(desk.clock.now()) * 1000),
    }
    assert (request.request_key, request.expires_at) == (order.client_order_id, order.expires_at)
    assert written.nonce == request.nonce
    assert KEY[2:] not in request.body
    assert desk.held() == 0


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        ({"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC}, ("LIMIT", "GTC")),
        ({"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.FOK}, ("LIMIT", "FOK")),
        (
            {
                "order_type": OrderType.LIMIT,
                "time_in_force": TimeInForce.GTC,
                "post_only": True,
            },
            ("LIMIT", "GTX"),
        ),
        ({"time_in_force": TimeInForce.GTC}, ("LIMIT", "IOC")),
        (
            {"order_type": OrderType.STOP_MARKET, "trigger_price": Decimal(2900)},
            ("STOP_MARKET", None),
        ),
        (
            {"order_type": OrderType.MARKET_IF_TOUCHED, "trigger_price": Decimal(3100)},
            ("TAKE_PROFIT_MARKET", None),
        ),
    ],
)
async def test_prepare_when_another_kind_then_asters_words_for_it(
    desk: Desk, change: dict[str, Any], sent: tuple[str, str | None]
) -> None:
    order = desk.order(side=OrderSide.SELL, reduce_only=True, **change)
    _, request = await desk.prepared(order)
    pairs = dict(parse_qsl(request.body))
    assert (pairs["type"], pairs.get("timeInForce")) == sent
    assert pairs["reduceOnly"] == "true"
    assert ("price" in pairs) is (sent[1] is not None)
    if order.trigger_price is not None:
        assert Decimal(pairs["stopPrice"]) == order.trigger_price


async def test_submit_when_a_contract_of_thousands_then_tokens_on_our_side(desk: Desk) -> None:
    order = desk.order(
        symbol="PEPE",
        instrument_id="PEPE-USDT-PERP.ASTER",
        quantity=Decimal(2_000_000),
        price=Decimal("0.0000101"),
    )
    report = await desk.send(order)
    assert desk.held("1000PEPEUSDT") == 2000
    assert (report.status, report.filled_qty) == (OrderStatus.FILLED, order.quantity)
    assert all(Decimal("0.00001") <= fill.last_px <= order.price for fill in report.fills)
    position = await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="PEPE")
    assert position is not None
    assert position.signed_qty == "2000000"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"price": Decimal("3015.005")}, "PRICE_NOT_ON_TICK"),
        ({"quantity": Decimal("0.3333")}, "QUANTITY_NOT_ON_LOT"),
        ({"quantity": Decimal("0.0001")}, "QUANTITY_BELOW_MINIMUM"),
        ({"quantity": Decimal("0.001")}, "NOTIONAL_BELOW_MINIMUM"),
        ({"symbol": "NOPE"}, "INSTRUMENT_NOT_LISTED"),
        ({"instrument_id": "ETH-OTHER"}, "INSTRUMENT_NOT_LISTED"),
        ({"order_type": OrderType.STOP_MARKET}, "PRICE_NOT_ON_TICK"),
    ],
)
async def test_prepare_when_the_venue_would_refuse_then_nothing_is_signed(
    desk: Desk, change: dict[str, Any], code: str
) -> None:
    with pytest.raises(RejectedError) as refusal:
        await desk.venue.prepare(desk.order(**change))
    assert refusal.value.code == code
    assert desk.accounts.asked == []


async def test_prepare_when_only_reducing_then_a_small_notional_passes(desk: Desk) -> None:
    small = desk.order(quantity=Decimal("0.001"), reduce_only=True, side=OrderSide.SELL)
    assert (await desk.venue.prepare(small)).body


async def test_prepare_when_closed_or_refused_then_its_reason(desk: Desk) -> None:
    table = desk.instruments.held
    assert table is not None
    eth = table.find("ETH")
    assert eth is not None
    for change, code in (
        ({"is_open": False}, "MARKET_CLOSED"),
        ({"refusal": "odd steps"}, "INSTRUMENT_REFUSED"),
    ):
        desk.instruments.held = replace(table, instruments=(replace(eth, **change),))
        with pytest.raises(RejectedError, match=code):
            await desk.venue.prepare(desk.order())
    desk.instruments.held = None
    with pytest.raises(TransientError):
        await desk.venue.prepare(desk.order())


async def test_prepare_when_asked_again_or_at_once_elsewhere_then_nonces_differ(
    desk: Desk,
) -> None:
    order = desk.order()
    nonces = [(await venue.prepare(order)).nonce for venue in (desk.venue, desk.opened()) * 3]
    assert len(set(nonces)) == 6
    assert nonces == sorted(nonces)


async def test_prepare_when_nonces_ran_ahead_of_the_clock_then_not_now(desk: Desk) -> None:
    """A clock that stepped back: the order would outlive its expiry at the venue."""
    await desk.venue.prepare(desk.order())
    desk.clock.advance(-5)
    with pytest.raises(TransientError, match="ahead"):
        await desk.venue.prepare(desk.order())
    desk.clock.advance(5)
    assert (await desk.venue.prepare(desk.order())).nonce


async def test_prepare_when_the_key_is_refused_then_denied(desk: Desk) -> None:
    desk.accounts.refusal = DeniedError("KEY_REVOKED", "revoked")
    with pytest.raises(DeniedError):
        await desk.venue.prepare(desk.order())


def test_venue_when_the_network_is_unknown_then_a_person_must_act() -> None:
    desk = Desk()
    with pytest.raises(ConfigurationError, match="moon"):
        AsterVenue(
            VenueParts(
                accounts=desk.accounts,
                store=desk.store,
                clock=desk.clock,
                instruments=OneTable(),
                network="moon",
            )
        )


# ------------------------------------------------------------------------------------ what it says
async def test_submit_when_filled_then_every_trade_with_its_exact_fee(desk: Desk) -> None:
    order = desk.order()
    report = await desk.send(order)
    assert (report.status, report.filled_qty) == (OrderStatus.FILLED, order.quantity)
    assert sum(fill.last_qty for fill in report.fills) == order.quantity
    oracle = {fill.trade_id: fill for fill in desk.exchange.fills()}
    for fill in report.fills:
        known = oracle[fill.trade_id]
        assert (fill.last_qty, fill.last_px) == (known.quantity, known.price)
        assert fill.commission == fill.last_qty * fill.last_px * Decimal("0.0004")
        assert fill.liquidity_side is LiquiditySide.TAKER
        assert fill.ts_event == desk.clock.now()
    assert len(report.fills) == len(oracle)
    assert await desk.venue.query_order(order) == report


async def test_submit_when_it_walks_the_book_then_several_fills_within_the_bound(
    desk: Desk,
) -> None:
    order = desk.order(quantity=Decimal(80), price=Decimal("3002.5"))
    report = await desk.send(order)
    assert len(report.fills) > 1
    assert max(fill.last_px for fill in report.fills) <= order.price
    assert report.status is OrderStatus.CANCELED
    assert 0 < report.filled_qty < order.quantity
    assert desk.held() == report.filled_qty


async def test_submit_when_the_market_is_beyond_the_bound_then_nothing_fills(desk: Desk) -> None:
    report = await desk.send(desk.order(price=Decimal(2990)))
    assert (report.status, report.filled_qty, report.fills) == (
        OrderStatus.CANCELED,
        Decimal(0),
        (),
    )


async def test_submit_when_post_only_would_take_then_canceled_unfilled(desk: Desk) -> None:
    order = desk.order(order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC, post_only=True)
    report = await desk.send(order)
    assert (report.status, report.filled_qty) == (OrderStatus.CANCELED, Decimal(0))
    assert desk.held() == 0


async def test_query_order_when_it_rested_and_filled_then_the_makers_fee(desk: Desk) -> None:
    order = desk.order(
        order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC, price=Decimal(2990)
    )
    assert (await desk.send(order)).status is OrderStatus.ACCEPTED
    state = await desk.venue.query_account(account_id=DEPLOYMENT_ID)
    (resting,) = state.open_orders
    assert (resting.client_order_id, resting.left_qty) == (order.client_order_id, "0.333")
    desk.clock.advance(9 * 24 * 3600)
    desk.exchange.set_mark("ETH", Decimal(2980), desk.clock.now())
    report = await desk.venue.query_order(order)
    assert report is not None
    (fill,) = report.fills
    assert (report.status, fill.liquidity_side) == (OrderStatus.FILLED, LiquiditySide.MAKER)
    assert fill.commission == order.quantity * order.price * Decimal("0.00005")


async def test_query_order_when_a_stop_fires_then_its_fills(desk: Desk) -> None:
    await desk.send(desk.order(1))
    stop = desk.order(
        2,
        side=OrderSide.SELL,
        order_type=OrderType.STOP_MARKET,
        trigger_price=Decimal(2900),
        price=Decimal(2900),
        reduce_only=True,
    )
    assert (await desk.send(stop)).status is OrderStatus.ACCEPTED
    desk.exchange.set_mark("ETH", Decimal(2890), desk.clock.now())
    report = await desk.venue.query_order(stop)
    assert report is not None
    assert (report.status, report.filled_qty) == (OrderStatus.FILLED, stop.quantity)
    assert desk.held() == 0


async def test_query_order_when_over_a_page_of_trades_then_all_of_them(desk: Desk) -> None:
    """1,203 trades of the symbol in one window; the order's own are the last."""
    other = desk.order(7)
    for number in range(1200):
        desk.exchange.engine.place(
            desk.exchange.account(WALLET),
            _raw(desk, f"other-{number}"),
            desk.clock.now(),
        )
    report = await desk.send(other)
    assert sum(fill.last_qty for fill in report.fills) == other.quantity
    assert len(desk.exchange.account(WALLET).trades) > 1000


def _raw(desk: Desk, client_id: str) -> Any:
    from infra.local.exchanges.aster.accounts import Order as Raw

    return Raw(
        order_id=0,
        client_id=client_id,
        account=WALLET,
        symbol="ETHUSDT",
        is_buy=len(client_id) % 2 == 0,
        kind="LIMIT",
        time_in_force="IOC",
        quantity=Decimal("0.01"),
        price=Decimal("3010") if len(client_id) % 2 == 0 else Decimal("2990"),
        stop_price=Decimal(0),
        reduce_only=False,
        created_ms=to_ms(desk.clock.now()),
        updated_ms=to_ms(desk.clock.now()),
    )


async def test_query_position_when_short_then_the_venues_signed_net(desk: Desk) -> None:
    assert await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH") is None
    await desk.send(desk.order(side=OrderSide.SELL, price=Decimal(2985)))
    held = await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH")
    assert held is not None
    assert Decimal(held.signed_qty) == Decimal("-0.333")
    assert held.avg_px is not None
    state = await desk.venue.query_account(account_id=DEPLOYMENT_ID)
    assert state.positions == (held,)


async def test_query_order_when_it_never_was_then_none(desk: Desk) -> None:
    assert await desk.venue.query_order(desk.order()) is None


# ------------------------------------------------------------------------------------ refusals
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"quantity": Decimal(5000), "price": Decimal(3015)}, "INSUFFICIENT_MARGIN"),
        ({"reduce_only": True}, "REDUCE_ONLY"),
        ({"price": Decimal(3600)}, "PRICE_OUT_OF_RANGE"),
        (
            {
                "order_type": OrderType.STOP_MARKET,
                "side": OrderSide.SELL,
                "trigger_price": Decimal(3100),
            },
            "TRIGGER_ALREADY_PASSED",
        ),
        (
            {
                "order_type": OrderType.STOP_MARKET,
                "quantity": Decimal(200_000),
                "trigger_price": Decimal(3100),
            },
            "QUANTITY_EXCEEDS_MAXIMUM",
        ),
    ],
)
async def test_submit_when_the_venue_refuses_then_rejected_with_our_code(
    desk: Desk, change: dict[str, Any], code: str
) -> None:
    order = desk.order(**change)
    with pytest.raises(RejectedError) as refusal:
        await desk.send(order)
    assert refusal.value.code == code
    assert await desk.venue.query_order(order) is None


async def test_submit_when_the_agent_is_not_approved_then_rejected(desk: Desk) -> None:
    stranger = AsterExchange()
    desk.server.exchange = stranger
    with pytest.raises(RejectedError, match="NOT_AUTHORIZED"):
        await desk.send(desk.order())


async def test_submit_when_the_body_was_altered_then_the_signature_is_refused(desk: Desk) -> None:
    written, request = await desk.prepared(desk.order())
    altered = replace(request, body=request.body.replace("quantity=0.333", "quantity=3.33"))
    with pytest.raises(RejectedError, match="SIGNATURE_REFUSED"):
        await desk.venue.submit(written, altered)
    assert desk.held() == 0


@pytest.mark.parametrize(
    ("code", "text", "error"),
    [
        (-2019, "Margin is insufficient.", RejectedError),
        (-4164, "Order's notional must be no smaller than 5.0", RejectedError),
        (-2010, "NEW_ORDER_REJECTED", RejectedError),
        (-2010, "Duplicate order sent.", OutcomeUnknownError),
        (-4116, "ClientOrderId is duplicated", OutcomeUnknownError),
        (-4225, "Nonce Expired", OutcomeUnknownError),
        (-1000, "UNKNOWN", OutcomeUnknownError),
        (-1001, "DISCONNECTED", OutcomeUnknownError),
        (-1006, "UNEXPECTED_RESP", OutcomeUnknownError),
        (-1007, "TIMEOUT", OutcomeUnknownError),
        (-9999, "something new", OutcomeUnknownError),
        (-1003, "Too many requests", RateLimitedError),
        (-1015, "Too many new orders", RateLimitedError),
    ],
)
def test_verdict_when_asked_then_only_definitive_codes_reject(
    code: int, text: str, error: type[Exception]
) -> None:
    """Catalogue cases 102, 107 and 108."""
    assert type(verdict(code, text)) is error


# ------------------------------------------------------------------------------------ faults
LANDS_UNKNOWN = [
    (FaultKind.LOST_ANSWER, {}),
    (FaultKind.SERVER_ERROR, {"lands": True, "status": 503}),
    (FaultKind.REDIRECT, {"lands": True}),
    (FaultKind.TRUNCATED, {}),
    (FaultKind.EMPTY, {}),
    (FaultKind.HUGE, {}),
    (FaultKind.ENDLESS, {}),
    (FaultKind.TWICE, {}),
    (FaultKind.MISSING_FIELD, {}),
    (FaultKind.RENAMED_FIELD, {"field": "status"}),
    (FaultKind.NULL_FIELD, {"field": "executedQty"}),
    (FaultKind.NAN_FIELD, {"field": "executedQty"}),
    (FaultKind.NAN_FIELD, {"field": "clientOrderId"}),
    (FaultKind.MISSING_FIELD, {"field": "symbol"}),
]
NEVER_LANDS_UNKNOWN = [
    (FaultKind.LOST_REQUEST, {}),
    (FaultKind.SERVER_ERROR, {"status": 502}),
    (FaultKind.SERVER_ERROR, {"status": 503}),
    (FaultKind.REDIRECT, {}),
    (FaultKind.RATE_LIMITED, {}),
    (FaultKind.RATE_LIMITED, {"retry_after_s": 2}),
]


@pytest.mark.parametrize(("kind", "fault"), LANDS_UNKNOWN)
async def test_submit_when_it_landed_and_the_answer_is_none_then_unknown_and_found(
    desk: Desk, kind: FaultKind, fault: dict[str, Any]
) -> None:
    """Cases 101, 104, 107: asked by client id, the fill is there, once."""
    desk.strike(kind, **fault)
    order, request = await desk.prepared(desk.order())
    with pytest.raises(OutcomeUnknownError):
        await desk.venue.submit(order, request)
    report = await desk.opened().query_order(order)
    assert report is not None
    assert (report.status, report.filled_qty) == (OrderStatus.FILLED, order.quantity)
    assert desk.held() == order.quantity


@pytest.mark.parametrize(("kind", "fault"), NEVER_LANDS_UNKNOWN)
async def test_submit_when_it_never_landed_and_nothing_proves_it_then_unknown_and_absent(
    desk: Desk, kind: FaultKind, fault: dict[str, Any]
) -> None:
    desk.strike(kind, **fault)
    order, request = await desk.prepared(desk.order())
    with pytest.raises(OutcomeUnknownError):
        await desk.venue.submit(order, request)
    desk.clock.advance(30)  # a drained budget refills
    assert await desk.venue.query_order(order) is None
    assert desk.held() == 0


async def test_submit_when_down_then_proven_never_sent(desk: Desk) -> None:
    desk.strike(FaultKind.DOWN)
    with pytest.raises(TransientError):
        await desk.send(desk.order())
    assert desk.held() == 0


async def test_submit_when_the_same_bytes_go_again_then_one_order(desk: Desk) -> None:
    """A resend after a lost answer proves nothing by its duplicate nonce, and trades nothing."""
    desk.strike(FaultKind.LOST_ANSWER)
    order, request = await desk.prepared(desk.order())
    for _ in range(3):
        with pytest.raises(OutcomeUnknownError):
            await desk.opened().submit(order, request)
    assert desk.held() == order.quantity


async def test_submit_when_the_request_was_lost_then_a_resend_within_the_window_lands(
    desk: Desk,
) -> None:
    desk.strike(FaultKind.LOST_REQUEST)
    order, request = await desk.prepared(desk.order())
    with pytest.raises(OutcomeUnknownError):
        await desk.venue.submit(order, request)
    desk.clock.advance(20)
    assert (await desk.venue.submit(order, request)).status is OrderStatus.FILLED
    assert desk.held() == order.quantity


@pytest.mark.parametrize("window", [10, 60])
async def test_submit_when_sent_after_the_window_then_it_can_never_trade(window: int) -> None:
    """Whichever of the two documented windows holds."""
    desk = await Desk(AsterExchange(nonce_window=timedelta(seconds=window))).load()
    order, request = await desk.prepared(desk.order())
    desk.clock.advance(CAPABILITIES.order_ttl.total_seconds() + 1)
    with pytest.raises(OutcomeUnknownError):
        await desk.venue.submit(order, request)
    assert await desk.venue.query_order(order) is None
    assert desk.held() == 0


@pytest.mark.parametrize(("delay", "lands"), [(40, True), (61, False)])
async def test_submit_when_late_then_absent_until_it_arrives_or_for_ever(
    desk: Desk, delay: int, lands: bool
) -> None:
    desk.strike(FaultKind.LATE, delay_s=delay)
    order, request = await desk.prepared(desk.order())
    with pytest.raises(OutcomeUnknownError):
        await desk.venue.submit(order, request)
    assert await desk.venue.query_order(order) is None
    desk.clock.advance(CAPABILITIES.absence_is_final_after.total_seconds())
    report = await desk.venue.query_order(order)
    assert (report is not None) is lands
    assert (desk.held() != 0) is lands


async def test_submit_when_refused_with_200_then_rejected(desk: Desk) -> None:
    desk.strike(FaultKind.ORDER_ERROR, message="NEW_ORDER_REJECTED")
    with pytest.raises(RejectedError, match="REFUSED_BY_VENUE"):
        await desk.send(desk.order())
    assert desk.held() == 0


async def test_submit_when_it_says_ok_and_did_nothing_then_the_query_tells(desk: Desk) -> None:
    """NO_EFFECT: the answer says FILLED, its trades are nowhere, and no fill is made up."""
    desk.strike(FaultKind.NO_EFFECT)
    order = desk.order()
    report = await desk.send(order)
    assert (report.filled_qty, report.fills) == (order.quantity, ())
    assert await desk.venue.query_order(order) is None


async def test_submit_when_reads_lag_then_filled_without_trades_until_they_show(
    desk: Desk,
) -> None:
    desk.strike(FaultKind.READ_LAG, delay_s=8)
    order = desk.order()
    report = await desk.send(order)
    assert (report.status, report.filled_qty, report.fills) == (
        OrderStatus.FILLED,
        order.quantity,
        (),
    )
    assert await desk.venue.query_order(order) is None
    desk.clock.advance(8)
    later = await desk.venue.query_order(order)
    assert later is not None
    assert sum(fill.last_qty for fill in later.fills) == order.quantity


async def test_submit_when_only_part_finds_a_counterparty_then_the_rest_is_canceled(
    desk: Desk,
) -> None:
    desk.strike(FaultKind.PARTIAL_FILL, fraction=Decimal("0.4"))
    report = await desk.send(desk.order())
    assert (report.status, report.filled_qty) == (OrderStatus.CANCELED, Decimal("0.133"))
    assert sum(fill.last_qty for fill in report.fills) == Decimal("0.133")


@pytest.mark.parametrize("kind", [FaultKind.FILLS_SHUFFLED, FaultKind.FILLS_REPEATED])
async def test_submit_when_trades_come_oddly_then_each_once(desk: Desk, kind: FaultKind) -> None:
    desk.strike(kind, "userTrades")
    order = desk.order(quantity=Decimal(60))
    report = await desk.send(order)
    assert len(report.fills) > 2
    assert sum(fill.last_qty for fill in report.fills) == report.filled_qty == order.quantity
    assert len({fill.trade_id for fill in report.fills}) == len(report.fills)


UNREADABLE = [
    FaultKind.DOWN,
    FaultKind.LOST_REQUEST,
    FaultKind.LOST_ANSWER,
    FaultKind.LATE,
    FaultKind.SERVER_ERROR,
    FaultKind.RATE_LIMITED,
    FaultKind.REDIRECT,
    FaultKind.TRUNCATED,
    FaultKind.EMPTY,
    FaultKind.HUGE,
    FaultKind.ENDLESS,
    FaultKind.TWICE,
    FaultKind.MISSING_FIELD,
    FaultKind.RENAMED_FIELD,
    FaultKind.NULL_FIELD,
    FaultKind.NAN_FIELD,
]


@pytest.mark.parametrize("kind", UNREADABLE)
async def test_submit_when_the_trades_cannot_be_had_then_taken_all_the_same(
    desk: Desk, kind: FaultKind
) -> None:
    """The order's own answer stands: a failed query is never "not sent"."""
    desk.strike(kind, "userTrades")
    report = await desk.send(desk.order())
    assert (report.status, report.fills) == (OrderStatus.FILLED, ())
    assert report.filled_qty == desk.order().quantity


@pytest.mark.parametrize("kind", UNREADABLE)
@pytest.mark.parametrize(
    ("operation", "call"),
    [
        ("queryOrder", "query_order"),
        ("userTrades", "query_order"),
        ("positionRisk", "query_position"),
        ("positionRisk", "query_account"),
        ("openOrders", "query_account"),
        ("cancel", "cancel"),
    ],
)
async def test_every_query_when_the_answer_is_none_then_transient_never_absent(
    desk: Desk, kind: FaultKind, operation: str, call: str
) -> None:
    order, request = await desk.prepared(
        desk.order(order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC)
    )
    await desk.venue.submit(order, request)
    resting, request = await desk.prepared(
        desk.order(
            2, order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC, price=Decimal(2990)
        )
    )
    await desk.venue.submit(resting, request)
    desk.strike(kind, operation)
    account = {"account_id": DEPLOYMENT_ID}
    asked: dict[str, Callable[[], Awaitable[object]]] = {
        "query_order": lambda: desk.venue.query_order(order),
        "query_position": lambda: desk.venue.query_position(**account, symbol="ETH"),
        "query_account": lambda: desk.venue.query_account(**account),
        "cancel": lambda: desk.venue.cancel(resting),
    }
    with pytest.raises(TransientError):
        await asked[call]()
    assert sum(desk.server.faults.fired.values()) == 1


DRIFTS = [
    FaultKind.MISSING_FIELD,
    FaultKind.RENAMED_FIELD,
    FaultKind.NULL_FIELD,
    FaultKind.NAN_FIELD,
]
ORDER_FIELDS = ["orderId", "clientOrderId", "symbol", "side", "status", "origQty", "executedQty"]
TRADE_FIELDS = ["id", "orderId", "symbol", "side", "price", "qty", "commission", "maker", "time"]


@pytest.mark.parametrize("kind", DRIFTS)
@pytest.mark.parametrize(
    ("operation", "field"),
    [
        *(("queryOrder", field) for field in ORDER_FIELDS),
        *(("openOrders", field) for field in ORDER_FIELDS),
        *(("userTrades", field) for field in [*TRADE_FIELDS, "commissionAsset"]),
        *(("positionRisk", field) for field in ["symbol", "positionAmt", "entryPrice"]),
    ],
)
async def test_every_query_when_one_field_drifts_then_transient_or_the_same_answer(
    desk: Desk, operation: str, field: str, kind: FaultKind
) -> None:
    """Nothing vanishes, nothing turns flat and no fill gets another name."""
    filled, resting = desk.order(1), desk.order(2, price=Decimal(2990))
    resting = replace(resting, order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC)
    for order in (filled, resting):
        await desk.send(order)

    async def ask() -> object:
        if operation in {"queryOrder", "userTrades"}:
            return await desk.venue.query_order(filled)
        if operation == "openOrders":
            return await desk.venue.query_account(account_id=DEPLOYMENT_ID)
        return await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH")

    right = await ask()
    desk.strike(kind, operation, field=field)
    try:
        drifted = await ask()
    except TransientError:
        return
    unnamed = field == "clientOrderId" and operation == "openOrders"  # then it is not one of ours
    assert drifted == right or unnamed


async def test_submit_when_the_answer_is_of_another_order_then_unknown(desk: Desk) -> None:
    """Case 106: the same request's answer under another symbol."""
    order, request = await desk.prepared(desk.order())
    with pytest.raises(OutcomeUnknownError, match="another order"):
        await desk.venue.submit(replace(order, symbol="BTC"), request)
    other = replace(order, side=OrderSide.SELL)
    with pytest.raises(TransientError, match="another order"):
        await desk.venue.query_order(other)


async def test_submit_when_the_key_is_revoked_meanwhile_then_the_order_is_taken_all_the_same(
    desk: Desk,
) -> None:
    """Its trades cannot be asked for without a key; that makes it no refused order."""
    order, request = await desk.prepared(desk.order())
    desk.accounts.refusal = DeniedError("KEY_REVOKED", "revoked")
    report = await desk.venue.submit(order, request)
    assert (report.status, report.fills) == (OrderStatus.FILLED, ())


async def test_query_order_when_a_trade_contradicts_the_order_then_not_an_answer(
    desk: Desk,
) -> None:
    order = desk.order()
    await desk.send(order)
    trades = desk.exchange.account(WALLET).trades
    trades[0] = replace(trades[0], is_buy=False)
    with pytest.raises(TransientError, match="of another one"):
        await desk.venue.query_order(order)


class _Unfiltered(AsterExchange):
    """Answers with every position, whichever symbol is asked for."""

    def _positions(self, account: Account, pairs: dict[str, str]) -> object:
        return super()._positions(account, {})


async def test_query_position_when_the_answer_is_of_another_symbol_then_not_flat() -> None:
    desk = await Desk(_Unfiltered()).load()
    await desk.send(desk.order())
    with pytest.raises(TransientError, match="another symbol"):
        await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="BTC")


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
@pytest.mark.parametrize("body", [b'{"code": -2019, "msg": "Margin is insufficient."}', b"{}"])
def test_accepted_when_the_status_is_the_servers_failure_then_unknown_whatever_it_says(
    desk: Desk, status: int, body: bytes
) -> None:
    with pytest.raises(OutcomeUnknownError, match=str(status)):
        _accepted(VenueAnswer(status, {}, body), desk.order())


# ------------------------------------------------------------------------------------ cancel
async def test_cancel_when_resting_then_canceled_and_when_ended_then_its_report(
    desk: Desk,
) -> None:
    resting, request = await desk.prepared(
        desk.order(order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC, price=Decimal(2990))
    )
    await desk.venue.submit(resting, request)
    report = await desk.venue.cancel(resting)
    assert report is not None
    assert (report.status, report.filled_qty) == (OrderStatus.CANCELED, Decimal(0))
    assert await desk.venue.cancel(resting) == report
    filled = desk.order(2)
    done = await desk.send(filled)
    assert await desk.venue.cancel(filled) == done


async def test_cancel_when_the_order_is_still_under_way_then_its_nonce_is_used_up(
    desk: Desk,
) -> None:
    desk.strike(FaultKind.LATE, delay_s=20)
    order, request = await desk.prepared(desk.order())
    with pytest.raises(OutcomeUnknownError):
        await desk.venue.submit(order, request)
    assert await desk.venue.cancel(order) is None
    desk.clock.advance(30)
    assert await desk.venue.query_order(order) is None
    assert desk.held() == 0


async def test_cancel_when_another_key_signed_it_then_no_noop_is_sent(desk: Desk) -> None:
    order, _ = await desk.prepared(desk.order())
    assert await desk.venue.cancel(replace(order, signer="0x" + "9" * 40)) is None
    assert "noop" not in {operation.name for operation, _ in desk.server.requests}


# ------------------------------------------------------------------------------------ limits
async def test_requests_when_the_venue_says_enough_then_we_stop_by_ourselves(desk: Desk) -> None:
    desk.strike(FaultKind.RATE_LIMITED, "positionRisk", retry_after_s=7)
    with pytest.raises(RateLimitedError) as limited:
        await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH")
    assert limited.value.retry_after_s == 7
    asked = len(desk.server.requests)
    with pytest.raises(RateLimitedError):
        await desk.opened().query_position(account_id=DEPLOYMENT_ID, symbol="ETH")
    assert len(desk.server.requests) == asked
    desk.clock.advance(60)
    assert await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH") is None


async def test_requests_when_the_header_nears_the_limit_then_everybody_pauses(desk: Desk) -> None:
    """Somebody else behind our address uses it up; the header tells."""
    for _ in range(2161 // 40):
        desk.exchange._weights.add("127.0.0.1", 40, desk.clock.now())
    await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH")
    with pytest.raises(RateLimitedError):
        await desk.opened().query_account(account_id=DEPLOYMENT_ID)


async def test_load_instruments_when_it_fails_then_transient_or_refused(desk: Desk) -> None:
    desk.strike(FaultKind.SERVER_ERROR, "exchangeInfo")
    with pytest.raises(TransientError):
        await desk.venue.load_instruments()
    desk.strike(FaultKind.TRUNCATED, "exchangeInfo")
    with pytest.raises(InvalidInputError):
        await desk.venue.load_instruments()
    table = await desk.venue.load_instruments()
    assert (table.venue, table.source) == (Venue.ASTER, "live")
    assert table.pair_count == 7
    await desk.venue.close()


async def test_errors_when_they_are_shown_then_no_key_and_no_signature(desk: Desk) -> None:
    desk.strike(FaultKind.LOST_ANSWER)
    order, request = await desk.prepared(desk.order())
    with pytest.raises(OutcomeUnknownError) as lost:
        await desk.venue.submit(order, request)
    for secret in (KEY[2:], request.body, "signature"):
        assert secret not in str(lost.value)
