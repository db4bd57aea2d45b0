"""The adapter against the stand-in: partial success, whole batches, and every fault between."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from common.domain.instrument import OrderType, Venue
from common.domain.order import OrderSide, OrderStatus
from common.errors import (
    DeniedError,
    InvalidInputError,
    OutcomeUnknownError,
    RejectedError,
    TransientError,
)
from infra.local.exchanges.faults import FaultKind
from infra.venues.symphony.api import SymphonyApi, swap_body
from infra.venues.symphony.capabilities import CAPABILITIES
from infra.venues.symphony.parse import decoded, parse_batch, parse_positions
from infra.venues.symphony.venue import SymphonyVenue
from tests.builders import DEPLOYMENT_ID
from tests.unit.infra.venues.symphony.desk import ACCOUNT, AGENT, API_KEY, OTHER, Desk

ACCEPTED, CANCELED = OrderStatus.ACCEPTED, OrderStatus.CANCELED


@pytest.fixture
async def desk() -> Desk:
    return await Desk().load()


def opened(desk: Desk) -> Decimal:
    """What the venue itself holds for the account, in ETH, signed."""
    return sum(
        (
            held.size / held.entry * (1 if held.is_long else -1)
            for held in desk.subscriber.open_positions
        ),
        Decimal(0),
    )


# ------------------------------------------------------------------------------------ opening
async def test_prepare_when_an_open_then_weight_and_lowest_leverage_and_no_key(desk: Desk) -> None:
    order, request = await desk.prepared(desk.order())
    assert json.loads(request.body, parse_float=Decimal) == {
        "agentId": AGENT,
        "symbol": "ETH",
        "action": "LONG",
        "weight": Decimal("9.04"),
        "leverage": Decimal("1.1"),
        "orderOptions": {"triggerPrice": 0, "stopLossPrice": 0, "takeProfitPrice": 0},
    }
    assert (request.request_key, request.signer) == ("", "")
    assert API_KEY not in request.body
    assert desk.subscriber.positions == []
    assert order.request_key == ""


async def test_submit_when_opened_then_one_fill_a_little_under_the_order(desk: Desk) -> None:
    order = desk.order()
    report = await desk.send(order)
    (fill,) = report.fills
    (known,) = desk.exchange.fills()
    assert report.status is CANCELED
    assert order.quantity * Decimal("0.98") < report.filled_qty < order.quantity
    assert (fill.trade_id, fill.last_qty, fill.last_px) == (
        known.trade_id,
        known.quantity,
        known.price,
    )
    assert fill.ts_event == desk.clock.now()
    assert "done" in report.reason
    again = await desk.opened().query_order(replace(order, venue_order_id=report.venue_order_id))
    assert again is not None
    assert again.fills == report.fills


async def test_submit_when_shorted_then_signed_below_zero(desk: Desk) -> None:
    report = await desk.send(desk.order(side=OrderSide.SELL, price=Decimal(2985)))
    held = await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH")
    assert held is not None
    assert Decimal(held.signed_qty) == -report.filled_qty < 0


async def test_submit_when_others_of_the_agent_fail_then_ours_stands(desk: Desk) -> None:
    """HTTP 200 with failed > 0 is normal."""
    desk.exchange.subscribe(OTHER, Decimal(3))
    report = await desk.send(desk.order())
    assert report.filled_qty > 0
    assert "1 other accounts of the agent traded too" in report.reason


async def test_submit_when_ours_fails_in_the_batch_then_never_a_fill_and_asked_by_its_batch(
    desk: Desk,
) -> None:
    """Failed is no proof that nothing was traded: the order stays accepted, a person is called."""
    desk.exchange.subscribe(OTHER, Decimal(5_000))
    order, request = await desk.prepared(desk.order())
    desk.subscriber.available = Decimal(1)
    report = await desk.venue.submit(order, request)
    assert (report.status, report.fills) == (ACCEPTED, ())
    assert "failed (Trade size is below 5 USDC)" in report.reason
    known = replace(order, venue_order_id=report.venue_order_id, status=ACCEPTED)
    assert await desk.venue.query_order(known) is None


async def test_submit_when_our_account_is_not_in_the_batch_then_no_fill(desk: Desk) -> None:
    order, request = await desk.prepared(desk.order())
    desk.exchange._subscribers.clear()
    desk.exchange.subscribe(OTHER, Decimal(5_000))
    report = await desk.venue.submit(order, request)
    assert (report.status, report.fills) == (ACCEPTED, ())
    assert "does not name our account" in report.reason


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"order_type": OrderType.LIMIT}, "ORDER_TYPE_NOT_SUPPORTED"),
        ({"symbol": "NOPE"}, "INSTRUMENT_NOT_LISTED"),
        ({"instrument_id": "ETH-OTHER"}, "INSTRUMENT_NOT_LISTED"),
        ({"quantity": Decimal("0.0001")}, "NOTIONAL_BELOW_MINIMUM"),
        ({"quantity": Decimal(9)}, "INSUFFICIENT_MARGIN"),
        ({"price": Decimal(2999)}, "NOT_FILLED_WITHIN_BOUND"),
        ({"symbol": "XRP", "instrument_id": "XRP-USD-PERP.SYMPHONY"}, "NO_PRICE"),
    ],
)
async def test_prepare_when_it_cannot_be_then_rejected_and_nothing_sent(
    desk: Desk, change: dict[str, Any], code: str
) -> None:
    with pytest.raises(RejectedError) as refusal:
        await desk.venue.prepare(desk.order(**change))
    assert refusal.value.code == code
    assert not [op for op, _ in desk.server.requests if op.writes]


# ------------------------------------------------------------------------------------ whose agent
@pytest.mark.parametrize(
    ("urls", "code"),
    [
        ({"SYMPHONY_AGENT_ID": AGENT}, "NOT_THE_AGENTS_ACCOUNT"),
        ({"SYMPHONY_AGENT_ID": AGENT, "SYMPHONY_SMART_ACCOUNT": OTHER}, "NOT_THE_AGENTS_ACCOUNT"),
        ({"SYMPHONY_AGENT_ID": "me", "SYMPHONY_SMART_ACCOUNT": ACCOUNT}, "NO_AGENT"),
    ],
)
async def test_prepare_when_the_agent_is_not_this_accounts_then_denied(
    desk: Desk, urls: dict[str, str], code: str
) -> None:
    """A batch trades for every subscriber: two deployments on one agent would each trade twice."""
    desk.urls = urls
    with pytest.raises(DeniedError) as denied:
        await desk.opened().prepare(desk.order())
    assert denied.value.code == code


async def test_requests_when_the_key_is_missing_or_wrong_then_said_without_it(desk: Desk) -> None:
    order, request = await desk.prepared(desk.order())
    desk.key = None
    with pytest.raises(DeniedError, match="NO_API_KEY"):
        await desk.opened().prepare(order)
    desk.key = "sk_other_secret"
    with pytest.raises(RejectedError) as refusal:
        await desk.opened().submit(order, request)
    assert refusal.value.code == "NOT_AUTHORIZED"
    assert desk.key not in str(refusal.value)
    assert desk.subscriber.positions == []


# ------------------------------------------------------------------------------------ closing
async def test_submit_when_reducing_then_the_whole_batch_closes_at_its_last_price(
    desk: Desk,
) -> None:
    bought = await desk.send(desk.order())
    desk.exchange.prices["ETH"] = Decimal(3100)
    closing, request = await desk.prepared(desk.closing(price=Decimal(3000)))
    assert request.request_key == closing.request_key == bought.venue_order_id
    report = await desk.venue.submit(closing, request)
    assert report.filled_qty == bought.filled_qty
    assert report.fills[0].last_px == Decimal("3099.38")
    assert report.fills[0].side is OrderSide.SELL
    assert opened(desk) == 0
    assert {fill.trade_id for fill in (*bought.fills, *report.fills)} == {
        fill.trade_id for fill in desk.exchange.fills()
    }
    assert await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH") is None


async def test_submit_when_the_same_close_goes_twice_then_skipped_and_the_same_fill(
    desk: Desk,
) -> None:
    await desk.send(desk.order())
    closing, request = await desk.prepared(desk.closing())
    first = await desk.venue.submit(closing, request)
    second = await desk.venue.submit(closing, request)
    assert "skipped" in second.reason
    assert second.fills == first.fills
    assert len(desk.exchange.fills()) == 2


async def test_prepare_when_no_whole_batch_fits_then_rejected(desk: Desk) -> None:
    bought = await desk.send(desk.order())
    too_small = desk.closing(quantity=bought.filled_qty / 2)
    with pytest.raises(RejectedError, match="REDUCE_ONLY"):
        await desk.venue.prepare(too_small)
    with pytest.raises(RejectedError, match="REDUCE_ONLY"):
        await desk.venue.prepare(desk.order(reduce_only=True))


async def test_prepare_when_several_batches_fit_then_the_largest(desk: Desk) -> None:
    small = await desk.send(desk.order(1, quantity=Decimal("0.1")))
    large = await desk.send(desk.order(2, quantity=Decimal("0.2")))
    request = await desk.venue.prepare(desk.closing(3))
    assert request.request_key == large.venue_order_id
    request = await desk.venue.prepare(desk.closing(3, quantity=Decimal("0.15")))
    assert request.request_key == small.venue_order_id


@pytest.mark.parametrize(
    ("kind", "closes"), [(FaultKind.LOST_ANSWER, True), (FaultKind.LOST_REQUEST, False)]
)
async def test_submit_when_a_closes_answer_is_lost_then_its_batch_tells(
    desk: Desk, kind: FaultKind, closes: bool
) -> None:
    """Unlike an open, a close has a name from the start."""
    await desk.send(desk.order())
    closing, request = await desk.prepared(desk.closing())
    desk.strike(kind, "batch-close")
    with pytest.raises(OutcomeUnknownError):
        await desk.venue.submit(closing, request)
    report = await desk.opened().query_order(closing)
    assert (report is not None) is closes
    assert (opened(desk) == 0) is closes


async def test_submit_when_a_close_fails_in_the_batch_then_accepted_and_still_open(
    desk: Desk,
) -> None:
    await desk.send(desk.order())
    closing, request = await desk.prepared(desk.closing())
    desk.strike(FaultKind.ORDER_ERROR, "batch-close", message="execution reverted")
    report = await desk.venue.submit(closing, request)
    assert (report.status, report.fills) == (ACCEPTED, ())
    assert "failed (execution reverted)" in report.reason
    assert await desk.venue.query_order(closing) is None
    assert opened(desk) > 0


# ------------------------------------------------------------------------------------ faults
UNKNOWN = [
    (FaultKind.LOST_REQUEST, {}, False),
    (FaultKind.LOST_ANSWER, {}, True),
    (FaultKind.LATE, {"delay_s": 20}, False),
    (FaultKind.SERVER_ERROR, {"lands": True}, True),
    (FaultKind.SERVER_ERROR, {"status": 503}, False),
    (FaultKind.RATE_LIMITED, {}, False),
    (FaultKind.RATE_LIMITED, {"retry_after_s": 5}, False),
    (FaultKind.REDIRECT, {"lands": True}, True),
    (FaultKind.REDIRECT, {}, False),
    (FaultKind.TRUNCATED, {}, True),
    (FaultKind.EMPTY, {}, True),
    (FaultKind.HUGE, {}, True),
    (FaultKind.ENDLESS, {}, True),
    (FaultKind.MISSING_FIELD, {}, True),
    (FaultKind.RENAMED_FIELD, {"field": "batchId"}, True),
    (FaultKind.NULL_FIELD, {"field": "successful"}, True),
    (FaultKind.NAN_FIELD, {"field": "failed"}, True),
    (FaultKind.MISSING_FIELD, {"field": "success"}, True),
    (FaultKind.MISSING_FIELD, {"field": "smartAccount"}, True),
]


@pytest.mark.parametrize(("kind", "fault", "lands"), UNKNOWN)
async def test_submit_when_no_batch_comes_back_then_unknown_for_good_and_never_sent_again(
    desk: Desk, kind: FaultKind, fault: dict[str, Any], lands: bool
) -> None:
    """An open has no name without its answer: None, which at this venue never proves absence."""
    desk.strike(kind, **fault)
    order, request = await desk.prepared(desk.order())
    with pytest.raises(OutcomeUnknownError):
        await desk.venue.submit(order, request)
    assert await desk.venue.query_order(order) is None
    assert await desk.venue.cancel(order) is None
    assert (opened(desk) > 0) is lands
    assert sum(op.name == "batch-open" for op, _ in desk.server.requests) == 1
    desk.clock.advance(30)
    desk.server.catch_up()
    assert (opened(desk) > 0) is (lands or kind is FaultKind.LATE)


def test_capabilities_when_read_then_absence_and_resends_are_ruled_out() -> None:
    assert not CAPABILITIES.expires_after
    assert not CAPABILITIES.resends
    assert not CAPABILITIES.cancel_is_a_fence


async def test_submit_when_down_then_proven_never_sent(desk: Desk) -> None:
    desk.strike(FaultKind.DOWN)
    with pytest.raises(TransientError):
        await desk.send(desk.order())
    assert opened(desk) == 0


async def test_submit_when_delivered_twice_then_the_second_batch_is_the_one_we_know(
    desk: Desk,
) -> None:
    """The network doubles it and nothing of the API prevents that: the positions disagree, which
    reconciliation shows.
    """
    desk.strike(FaultKind.TWICE)
    report = await desk.send(desk.order())
    held = await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH")
    assert held is not None
    assert Decimal(held.signed_qty) > report.filled_qty > 0


async def test_submit_when_it_says_ok_and_did_nothing_then_accepted_and_no_fill(
    desk: Desk,
) -> None:
    desk.strike(FaultKind.NO_EFFECT)
    report = await desk.send(desk.order())
    assert (report.status, report.fills) == (ACCEPTED, ())


async def test_submit_when_reads_lag_then_accepted_until_the_position_shows(desk: Desk) -> None:
    desk.strike(FaultKind.READ_LAG, delay_s=25)
    order = desk.order()
    report = await desk.send(order)
    assert report.status is ACCEPTED
    known = replace(order, venue_order_id=report.venue_order_id)
    assert await desk.venue.query_order(known) is None
    desk.clock.advance(25)
    later = await desk.venue.query_order(known)
    assert later is not None
    assert later.filled_qty > 0


async def test_submit_when_only_part_is_executed_then_that_part(desk: Desk) -> None:
    desk.strike(FaultKind.PARTIAL_FILL, fraction=Decimal("0.5"))
    order = desk.order()
    report = await desk.send(order)
    assert report.status is CANCELED
    assert order.quantity * Decimal("0.48") < report.filled_qty < order.quantity / 2


async def test_submit_when_refused_in_the_batch_then_accepted_with_what_it_said(
    desk: Desk,
) -> None:
    desk.strike(FaultKind.ORDER_ERROR, message="insufficient balance")
    report = await desk.send(desk.order())
    assert (report.status, report.fills) == (ACCEPTED, ())
    assert "insufficient balance" in report.reason


@pytest.mark.parametrize("kind", [FaultKind.FILLS_SHUFFLED, FaultKind.FILLS_REPEATED])
async def test_queries_when_positions_come_oddly_then_each_once(
    desk: Desk, kind: FaultKind
) -> None:
    reports = [await desk.send(desk.order(n, quantity=Decimal("0.1"))) for n in (1, 2, 3)]
    desk.strike(kind, "positions")
    held = await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH")
    assert held is not None
    assert Decimal(held.signed_qty) == sum(report.filled_qty for report in reports)


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
    FaultKind.MISSING_FIELD,
    FaultKind.RENAMED_FIELD,
    FaultKind.NULL_FIELD,
    FaultKind.NAN_FIELD,
]


@pytest.mark.parametrize("kind", UNREADABLE)
@pytest.mark.parametrize(
    ("operation", "call"),
    [
        ("positions", "query_order"),
        ("positions", "query_position"),
        ("positions", "query_account"),
        ("positions", "prepare_close"),
        ("token-price", "prepare_open"),
        ("all-positions", "prepare_open"),
    ],
)
async def test_every_query_when_the_answer_is_none_then_transient_never_flat(
    desk: Desk, kind: FaultKind, operation: str, call: str
) -> None:
    report = await desk.send(desk.order())
    known = desk.order(venue_order_id=report.venue_order_id)
    desk.strike(kind, operation)
    account = {"account_id": DEPLOYMENT_ID}
    asked: dict[str, Callable[[], Awaitable[object]]] = {
        "query_order": lambda: desk.venue.query_order(known),
        "query_position": lambda: desk.venue.query_position(**account, symbol="ETH"),
        "query_account": lambda: desk.venue.query_account(**account),
        "prepare_close": lambda: desk.venue.prepare(desk.closing()),
        "prepare_open": lambda: desk.venue.prepare(desk.order(3)),
    }
    with pytest.raises(TransientError):
        await asked[call]()
    assert sum(desk.server.faults.fired.values()) == 1


@pytest.mark.parametrize("kind", UNREADABLE)
async def test_submit_when_the_positions_cannot_be_had_then_accepted_all_the_same(
    desk: Desk, kind: FaultKind
) -> None:
    order, request = await desk.prepared(desk.order())
    desk.strike(kind, "positions")
    report = await desk.venue.submit(order, request)
    assert (report.status, report.fills) == (ACCEPTED, ())
    assert report.venue_order_id
    assert opened(desk) > 0


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.MISSING_FIELD,
        FaultKind.RENAMED_FIELD,
        FaultKind.NULL_FIELD,
        FaultKind.NAN_FIELD,
    ],
)
@pytest.mark.parametrize(
    "field",
    [
        *("batchId", "smartAccount", "symphonyPositionHash", "status", "asset", "isLong"),
        *("positionSize", "entryPrice", "currentPrice", "createdTimestamp", "positionsCount"),
        *("positions", "lastUpdatedTimestamp", "leverage"),
    ],
)
async def test_every_query_when_one_field_drifts_then_transient_or_the_same_answer(
    desk: Desk, field: str, kind: FaultKind
) -> None:
    report = await desk.send(desk.order())
    known = desk.order(venue_order_id=report.venue_order_id)
    calls: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: desk.venue.query_order(known),
        lambda: desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH"),
    )
    for call in calls:
        right = await call()
        desk.strike(kind, "positions", field=field)
        try:
            assert await call() == right
        except TransientError:
            continue


async def test_query_order_when_the_batch_is_of_another_order_then_not_an_answer(
    desk: Desk,
) -> None:
    report = await desk.send(desk.order())
    known = desk.order(venue_order_id=report.venue_order_id)
    with pytest.raises(TransientError, match="another symbol"):
        await desk.venue.query_order(replace(known, symbol="BTC"))
    with pytest.raises(TransientError, match="other side"):
        await desk.venue.query_order(replace(known, side=OrderSide.SELL))


# ------------------------------------------------------------------------------------ the rest
async def test_load_instruments_when_asked_then_our_own_list(desk: Desk) -> None:
    table = await desk.venue.load_instruments()
    assert (table.venue, table.source) == (Venue.SYMPHONY, "recorded")
    assert table.pair_count >= 60
    desk.instruments.held = None
    with pytest.raises(TransientError):
        await desk.venue.prepare(desk.order())
    await desk.venue.close()


async def test_batch_swap_when_partly_failed_then_each_subscribers_result(desk: Desk) -> None:
    """Spot on Monad: not on the order path, whose collateral is USDC."""
    desk.subscriber.mon = Decimal(200)
    desk.exchange.subscribe(OTHER, Decimal(0))
    body = swap_body(
        AGENT, token_in="MON", token_out="USDC", weight=Decimal("12.5"), protocol="nadfun"
    )
    assert json.loads(body)["intentOptions"] == {"desiredProtocol": "nadfun"}
    batch = await _api(desk.venue).batch("batch-swap", body)
    assert (batch.successful, batch.failed) == (1, 1)
    ours, other = batch.result_of(ACCOUNT), batch.result_of(OTHER)
    assert ours is not None
    assert other is not None
    assert (ours.success, other.success) == (True, False)
    assert desk.subscriber.tokens == {"USDC": Decimal(25)}
    bare = swap_body(AGENT, token_in="USDC", token_out="MON", weight=Decimal(5))
    assert "intentOptions" not in bare
    with pytest.raises(RejectedError, match="ORDER_INVALID"):
        await _api(desk.venue).batch("batch-swap", bare)


def _api(venue: SymphonyVenue) -> SymphonyApi:
    return venue._api


def test_decoded_when_numbers_are_long_then_every_digit_and_never_a_float() -> None:
    assert decoded(b'{"p": 0.1000000000000000055511151231257827}') == {
        "p": Decimal("0.1000000000000000055511151231257827")
    }
    for body in (b"NaN", b'{"p": Infinity}', b"{", b"[" * 100_000):
        with pytest.raises(ValueError, match=r".*"):
            decoded(body)


def test_parse_when_fields_cannot_be_then_refused() -> None:
    batch = {
        "batchId": "eff6924e-e737-4243-8718-45fc402a342f",
        "successful": 1,
        "failed": 0,
        "results": [{"smartAccount": ACCOUNT, "result": {"success": True}}],
    }
    assert parse_batch(batch).skipped == 0
    changes: tuple[dict[str, object], ...] = (
        {"batchId": "../x"},
        {"results": {}},
        {"results": [{"smartAccount": "0x1", "result": {"success": True}}]},
        {"failed": -1},
    )
    for change in changes:
        with pytest.raises(InvalidInputError):
            parse_batch({**batch, **change})
    with pytest.raises(InvalidInputError):
        parse_positions({"positions": [{"smartAccount": ACCOUNT, "asset": "ETH"}]}, ACCOUNT)
    with pytest.raises(InvalidInputError, match="fewer than it counts"):
        parse_positions({"positions": [], "positionsCount": 1}, ACCOUNT)


async def test_errors_when_they_are_shown_then_without_the_api_key(desk: Desk) -> None:
    desk.strike(FaultKind.SERVER_ERROR)
    order, request = await desk.prepared(desk.order())
    with pytest.raises(OutcomeUnknownError) as lost:
        await desk.venue.submit(order, request)
    assert API_KEY not in str(lost.value)
    assert API_KEY not in repr(request)
