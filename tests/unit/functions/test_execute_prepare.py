"""Execute before the wire: what preparing an order may come to, and what is written then."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from common.books import (
    AUDIT,
    BREAKERS,
    EXPOSURES,
    ORDER_INTENTS,
    ORDERS,
    PLAN_APPROVALS,
    SIGNED_REQUESTS,
    V3,
)
from common.domain.agent import Deployment, DeploymentStatus
from common.domain.events import OrderPlanned
from common.domain.exposure import Reservation
from common.domain.order import Order, OrderReport, OrderSide, OrderStatus, SignedRequest
from common.errors import (
    ConfigurationError,
    DeniedError,
    OutcomeUnknownError,
    RateLimitedError,
    RejectedError,
    TransientError,
)
from common.execution.request import request_hash, unsigned_request
from common.execution.sender import Sender, Unprepared, answer_of, submit_once
from common.ports import Ref
from common.where.breaker import Breaker, BreakerStatus, closed
from tests.builders import DEPLOYMENT_ID, INTENT_ID, a_deployment, an_order
from tests.fakes.venue import ScriptedVenue, fill_of, report_of
from tests.unit.functions.trading_desk import HL, OSTIUM, TradingDesk, candidate, two_venue_plan


@pytest.fixture
async def desk() -> TradingDesk:
    return await TradingDesk().open()


async def test_execute_when_prepared_then_the_very_request_is_written_ahead_and_sent(
    desk: TradingDesk,
) -> None:
    seen: list[SignedRequest] = []

    async def look(order: Order) -> OrderReport:
        seen.append(desk.get(SignedRequest, SIGNED_REQUESTS, order.client_order_id))
        assert order == desk.order()
        return report_of(order, fill_of(order))

    desk.hyperliquid.replies = [look]
    await desk.execute()

    assert desk.hyperliquid.requests == seen
    assert desk.order().payload_hash == request_hash(seen[0])
    assert desk.order().nonce == seen[0].nonce
    row = next(r for r in desk.rows(AUDIT).values() if r["action"] == "order-sending")
    assert row["facts"]["payload_hash"] == request_hash(seen[0])


async def test_execute_when_it_runs_its_course_then_every_audit_row_names_the_one_before(
    desk: TradingDesk,
) -> None:
    desk.hyperliquid.replies = [RejectedError("MARGIN", "too poor")]
    desk.ostium.replies = [OutcomeUnknownError("lost")]
    await desk.execute()
    await desk.execute(attempt=2)
    desk.ostium.answer = report_of(desk.order(2), fill_of(desk.order(2)))
    await desk.settle()

    by_hash = {row["hash"]: row for row in desk.rows(AUDIT).values()}
    head, actions = desk.intent().audit_head, []
    while head:
        actions.append(by_hash[head]["action"])
        head = by_hash[head]["previous"]
    assert actions == [
        "order-outcome",
        "order-outcome",
        "order-sending",
        "order-outcome",
        "order-sending",
    ]
    assert len(by_hash) == len(actions)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("KEY_INVALID", "KEY_INVALID"),
        ("KEY_REVOKED", "KEY_REVOKED"),
        ("DEPLOYMENT_NOT_READY", "DEPLOYMENT_NOT_READY"),
        ("SOMETHING_NEW", "DEPLOYMENT_NOT_READY"),
    ],
)
async def test_execute_when_the_key_may_not_be_used_then_denied_and_no_venue_is_tried(
    desk: TradingDesk, code: str, told: str
) -> None:
    desk.hyperliquid.refusals = [DeniedError(code, "the key was looked at")]

    assert await desk.execute() == []

    assert (desk.signal().status, desk.signal().reason_code) == ("DENIED", told)
    assert desk.delivery().reason == "the key was looked at"
    assert desk.hyperliquid.sent == desk.ostium.sent == []
    for collection in (ORDERS, SIGNED_REQUESTS, EXPOSURES, BREAKERS):
        assert collection not in desk.store.contents()


async def test_execute_when_the_key_of_the_next_venue_may_not_be_used_then_all_is_released(
    desk: TradingDesk,
) -> None:
    desk.hyperliquid.replies = [RejectedError("MARGIN", "too poor")]
    await desk.execute()
    desk.ostium.refusals = [DeniedError("KEY_INVALID", "no")]

    assert await desk.execute(attempt=2) == []

    assert (desk.intent().status, desk.delivery().status) == ("DENIED", "DENIED")
    assert desk.exposure().reservations == {}
    assert desk.ostium.sent == []


async def test_execute_when_the_venue_refuses_before_it_is_sent_then_the_next_venue(
    desk: TradingDesk,
) -> None:
    desk.hyperliquid.refusals = [RejectedError("PRICE_NOT_ON_TICK", "half a tick")]

    (message,) = await desk.execute()

    assert message.event == OrderPlanned(plan=desk.plan, attempt=2)
    assert desk.hyperliquid.sent == []
    assert desk.order(1).status is OrderStatus.REJECTED
    assert desk.order(1).payload_hash == ""
    assert SIGNED_REQUESTS not in desk.store.contents()
    assert BREAKERS not in desk.store.contents()
    await desk.execute(attempt=2)
    assert desk.signal().final_venue == "OSTIUM"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TransientError("the quote did not come"), "the quote did not come"),
        (OutcomeUnknownError("half an answer"), "half an answer"),
        (TimeoutError(), "it did not answer in time"),
        (KeyError("route"), "KeyError while the order was prepared"),
    ],
)
async def test_execute_when_it_cannot_be_prepared_then_the_breaker_counts_it_and_the_next_venue(
    desk: TradingDesk, error: Exception, reason: str
) -> None:
    desk.hyperliquid.refusals = [error]

    (message,) = await desk.execute()

    assert message.event == OrderPlanned(plan=desk.plan, attempt=2)
    assert (desk.intent().reason_code, desk.order(1).reason) == ("NOT_SENT", reason)
    assert desk.get(Breaker, BREAKERS, HL).failures == 1
    assert desk.hyperliquid.sent == []
    await desk.execute(attempt=2)
    assert desk.states() == ("FILLED", "FILLED", "EXECUTED", "EXECUTED")


async def test_execute_when_our_own_setting_is_wrong_then_said_and_no_fault_of_the_venue(
    desk: TradingDesk,
) -> None:
    desk.hyperliquid.refusals = [ConfigurationError("ARBITRUM_RPC_URL is missing")]

    (message,) = await desk.execute()

    assert message.event == OrderPlanned(plan=desk.plan, attempt=2)
    assert desk.order(1).reason == "ARBITRUM_RPC_URL is missing"
    assert Ref(BREAKERS, HL).id not in desk.rows(BREAKERS)
    assert desk.hyperliquid.sent == []


async def test_execute_when_preparing_takes_for_ever_then_it_is_cut_off(
    desk: TradingDesk,
) -> None:
    async def silent(order: Order) -> SignedRequest:
        await asyncio.Event().wait()
        return unsigned_request(order, now=order.submitted_at)

    desk.hyperliquid.capabilities = replace(
        desk.hyperliquid.capabilities, request_timeout=timedelta(milliseconds=10)
    )
    desk.hyperliquid.prepare = silent  # type: ignore[method-assign]  # a venue that says nothing

    (message,) = await desk.execute()

    assert isinstance(message.event, OrderPlanned)
    assert desk.order(1).reason == "it did not answer in time"


async def test_execute_when_the_venue_asks_to_wait_then_delivered_again_with_nothing_written(
    desk: TradingDesk,
) -> None:
    before = desk.store.contents()
    desk.hyperliquid.refusals = [RateLimitedError("slow down", retry_after_s=3)]

    with pytest.raises(RateLimitedError):
        await desk.execute()

    assert desk.store.contents() == before
    await desk.execute()
    assert desk.states() == ("FILLED", "FILLED", "EXECUTED", "EXECUTED")


async def test_execute_when_the_breaker_is_open_then_nothing_is_signed(desk: TradingDesk) -> None:
    asked: list[Order] = []

    async def listen(order: Order) -> SignedRequest:
        asked.append(order)
        return unsigned_request(order, now=order.submitted_at)

    desk.hyperliquid.prepare = listen  # type: ignore[method-assign]  # a listening ear
    breaker = replace(
        closed(HL, now=desk.clock.now()),
        status=BreakerStatus.OPEN,
        generation=1,
        opened_at=desk.clock.now(),
    )
    await desk.change(Ref(BREAKERS, HL), breaker)

    (message,) = await desk.execute()

    assert asked == []
    assert isinstance(message.event, OrderPlanned)
    assert desk.order(1).status is OrderStatus.DENIED


async def test_execute_when_the_request_dies_before_the_order_then_so_does_the_order(
    desk: TradingDesk,
) -> None:
    """A quote that expires first: the gate must not let it through after that."""

    async def short(order: Order) -> SignedRequest:
        request = unsigned_request(order, now=order.submitted_at)
        return replace(request, expires_at=order.submitted_at + timedelta(seconds=4))

    desk.hyperliquid.prepare = short  # type: ignore[method-assign]  # a short-lived quote

    await desk.execute()

    assert desk.order(1).expires_at == desk.order(1).submitted_at + timedelta(seconds=4)
    assert desk.hyperliquid.sent == []
    assert desk.delivery().reason_code == "SIGNAL_EXPIRED"


# ---------------------------------------------------------------- reduce-only


@pytest.mark.parametrize(
    ("held", "under_way", "expected"),
    [
        ("1", None, True),
        ("2", None, True),
        ("0.9999", None, False),  # the rest of it would open a short
        ("-1", None, False),
        ("0", None, False),
        ("1.5", "0.5", True),
        ("1.5", "0.6", False),  # another order closes so much of it first
    ],
)
async def test_execute_when_all_of_the_order_closes_then_and_only_then_reduce_only(
    held: str, under_way: str | None, expected: bool
) -> None:
    plan = two_venue_plan(side=OrderSide.SELL, candidates=(candidate(HL, price="2985"),))
    desk = await TradingDesk(plan).open()
    if held != "0":
        await desk.hold(held)
    if under_way is not None:
        other = Reservation(
            venue=HL,
            symbol="ETH",
            side=OrderSide.SELL,
            quantity=Decimal(under_way),
            price=Decimal(3000),
        )
        await desk.change(
            Ref(EXPOSURES, DEPLOYMENT_ID), desk.exposure().reserve("int_other", other)
        )
    desk.hyperliquid.replies = [OutcomeUnknownError("lost")]

    await desk.execute()

    assert desk.hyperliquid.sent[0].reduce_only is expected


async def test_execute_when_it_buys_back_a_short_then_reduce_only() -> None:
    desk = await TradingDesk().open()
    await desk.hold("-3")
    await desk.execute()
    assert desk.hyperliquid.sent[0].reduce_only


async def test_execute_when_the_holding_is_at_another_venue_then_it_may_open() -> None:
    desk = await TradingDesk().open()
    await desk.hold("-3", venue=OSTIUM)
    await desk.execute()
    assert not desk.hyperliquid.sent[0].reduce_only


# ---------------------------------------------------------------- more filled than was ordered


@pytest.mark.parametrize(
    ("quantity", "status"),
    [("1", DeploymentStatus.ACTIVE), ("1.0001", DeploymentStatus.PAUSED)],
)
async def test_execute_when_more_fills_than_was_ordered_then_the_deployment_trades_no_more(
    desk: TradingDesk, quantity: str, status: DeploymentStatus
) -> None:
    """Catalogue case 103."""

    async def generous(order: Order) -> OrderReport:
        return report_of(order, fill_of(order, Decimal(quantity)))

    desk.hyperliquid.replies = [generous]
    await desk.execute()

    assert desk.get(Deployment, V3.deployments, DEPLOYMENT_ID).status is status
    frozen = [r for r in desk.rows(AUDIT).values() if r["action"] == "deployment-frozen"]
    assert len(frozen) == (status is DeploymentStatus.PAUSED)


async def test_execute_when_a_paused_deployment_overfills_then_it_stays_as_it_is(
    desk: TradingDesk,
) -> None:
    paused = a_deployment(status=DeploymentStatus.PAUSED)
    await desk.change(Ref(V3.deployments, DEPLOYMENT_ID), paused)

    async def generous(order: Order) -> OrderReport:
        return report_of(order, fill_of(order, Decimal(2)))

    desk.hyperliquid.replies = [generous]
    await desk.execute()

    assert desk.get(Deployment, V3.deployments, DEPLOYMENT_ID) == paused
    assert not [r for r in desk.rows(AUDIT).values() if r["action"] == "deployment-frozen"]


# ---------------------------------------------------------------- the wire itself


@pytest.mark.parametrize(
    ("reply", "status", "code", "problem"),
    [
        (RejectedError("MARGIN", "too poor"), "REJECTED", "MARGIN", None),
        (TransientError("refused"), "REJECTED", "NOT_SENT", "refused"),
        (OutcomeUnknownError("502"), "UNKNOWN", "OUTCOME_UNKNOWN", "502"),
        (TimeoutError(), "UNKNOWN", "OUTCOME_UNKNOWN", "no answer in time"),
        (ZeroDivisionError("x"), "UNKNOWN", "OUTCOME_UNKNOWN", "ZeroDivisionError: x"),
        (
            report_of(an_order(), replace(fill_of(an_order()), last_px=Decimal(0))),
            "UNKNOWN",
            "OUTCOME_UNKNOWN",
            "The venue told a fill without a quantity or a price",
        ),
        (report_of(an_order()), "CANCELED", "NOT_FILLED_WITHIN_BOUND", None),
        (report_of(an_order(), status=OrderStatus.REJECTED), "REJECTED", "REJECTED", None),
        (report_of(an_order(), fill_of(an_order())), "FILLED", "FILLED", None),
    ],
)
async def test_submit_once_when_answered_then_what_it_proves_and_whose_fault_it_is(
    reply: OrderReport | Exception, status: str, code: str, problem: str | None
) -> None:
    order = an_order()
    request = unsigned_request(order, now=order.submitted_at)

    outcome, blamed = await submit_once(ScriptedVenue(HL, reply), order, request)

    assert (outcome.status.value, outcome.code, blamed) == (status, code, problem)
    assert outcome.of_one_sending is (status == "REJECTED")


async def test_answer_of_when_the_answer_cannot_be_used_then_transient_with_its_problem() -> None:
    venue = ScriptedVenue(HL)

    async def broken() -> None:
        raise KeyError("szi")

    with pytest.raises(TransientError, match=r"Hyperliquid's answer cannot be used \(KeyError"):
        await answer_of(venue, broken())


async def test_prepare_when_refused_then_no_request_and_no_fault(desk: TradingDesk) -> None:
    sender = Sender(desk.store, desk.clock, desk.settings, desk.venues)
    desk.hyperliquid.refusals = [RejectedError("MARGIN", "too poor")]

    unprepared = await sender.prepare(an_order())

    assert isinstance(unprepared, Unprepared)
    assert (unprepared.outcome.code, unprepared.problem) == ("MARGIN", None)
    assert isinstance(await sender.prepare(an_order()), SignedRequest)
    assert INTENT_ID not in str(desk.store.contents().get(ORDERS))


async def test_execute_when_it_begins_then_all_of_the_plan_is_read_at_once(
    desk: TradingDesk,
) -> None:
    """One read for the plan's own documents, one for the portfolio, before anything is written."""
    calls: list[str] = []

    async def listen(operation: str, argument: object) -> None:
        calls.append(operation)
        if operation == "get_many" and len(calls) == 1:
            assert isinstance(argument, list)
            kinds = {ref.collection for ref in argument}
            assert kinds == {ORDER_INTENTS, PLAN_APPROVALS, V3.deployments, V3.deliveries}

    desk.store.before = listen
    await desk.execute()

    assert calls[:2] == ["get_many", "get_many"]
