"""Settle's question about one order: sent again, fenced off, cancelled, or left for a person."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from common.books import BREAKERS, ORDERS, RETIRED_AGENT_ADDRESSES, SIGNED_REQUESTS
from common.domain.events import OrderPlanned
from common.domain.instrument import TimeInForce
from common.domain.order import (
    IntentStatus,
    Order,
    OrderReport,
    OrderStatus,
    SignedRequest,
)
from common.errors import (
    OutcomeUnknownError,
    RejectedError,
    TransientError,
)
from common.execution.attempts import with_request
from common.execution.outcome import from_report
from common.execution.recorder import Recorder
from common.how.trading_state import TradingState
from common.ports import Create, Delete, Ref
from common.where.breaker import Breaker
from tests.builders import INTENT_ID, NOON
from tests.fakes.venue import fill_of, report_of
from tests.unit.functions.mishaps import right_after
from tests.unit.functions.trading_desk import HL, TradingDesk

FINAL_S = 22.0
PATIENCE_S = 600.0
SIGNER = "0x" + "ab" * 20


async def accepted(order: Order) -> OrderReport:
    return report_of(order, status=OrderStatus.ACCEPTED)


async def filled(order: Order) -> OrderReport:
    return report_of(order, fill_of(order))


async def refused(order: Order) -> OrderReport:
    return report_of(order, status=OrderStatus.REJECTED)


async def canceled(order: Order) -> OrderReport:
    return report_of(order)


async def a_lost_order(**capabilities: object) -> TradingDesk:
    """The answer to the first order was lost, at a venue with these capabilities."""
    desk = await TradingDesk().open()
    desk.hyperliquid.capabilities = replace(
        desk.hyperliquid.capabilities,
        **capabilities,  # type: ignore[arg-type]  # keywords of a test
    )
    desk.hyperliquid.replies = [OutcomeUnknownError("lost")]
    await desk.execute()
    assert desk.states() == ("UNKNOWN", "UNKNOWN", "EXECUTING", "PENDING")
    return desk


# ---------------------------------------------------------------- the same bytes again


async def test_resend_when_the_venue_takes_bytes_once_then_the_very_same_go_out_again() -> None:
    desk = await a_lost_order(resends=True)
    desk.hyperliquid.replies = [filled]
    desk.clock.advance(5.001)

    await desk.settle()

    first, second = desk.hyperliquid.requests
    assert first == second
    assert desk.states() == ("FILLED", "FILLED", "EXECUTED", "EXECUTED")
    assert desk.position().fill_count == 1


@pytest.mark.parametrize(
    ("resends", "after_s", "copies"),
    [
        (True, 5, 1),  # its first sender may still be waiting for an answer
        (True, 5.001, 2),
        (True, 10, 2),
        (True, 10.001, 1),  # the answer would come after the order's expiry
        (True, 22, 1),
        (False, 8, 1),
    ],
)
async def test_resend_when_the_time_is_not_right_or_the_venue_takes_two_then_only_asked(
    resends: bool, after_s: float, copies: int
) -> None:
    desk = await a_lost_order(resends=resends)
    desk.clock.advance(after_s)

    assert await desk.settle() == []

    assert len(desk.hyperliquid.sent) == copies
    assert desk.states() == ("UNKNOWN", "UNKNOWN", "EXECUTING", "PENDING")
    assert desk.intent().queries == 1


@pytest.mark.parametrize(
    "reply",
    [
        RejectedError("INVALID_NONCE", "nonce already used"),
        refused,
        TransientError("connection refused"),
        OutcomeUnknownError("502"),
        KeyError("oid"),
    ],
)
async def test_resend_when_it_is_refused_or_unanswered_then_that_proves_nothing(
    reply: Exception | Callable[[Order], Awaitable[OrderReport]],
) -> None:
    """The first copy may have been taken: a refusal is of the second."""
    desk = await a_lost_order(resends=True)
    desk.hyperliquid.replies = [reply]
    desk.clock.advance(6)

    assert await desk.settle() == []

    assert len(desk.hyperliquid.sent) == 2
    assert desk.states() == ("UNKNOWN", "UNKNOWN", "EXECUTING", "PENDING")
    assert desk.ostium.sent == []
    failures = desk.get(Breaker, BREAKERS, HL).failures
    assert failures == (0 if isinstance(reply, RejectedError) or reply is refused else 2)


async def test_resend_when_it_is_accepted_then_working() -> None:
    desk = await a_lost_order(resends=True)
    desk.hyperliquid.replies = [accepted]
    desk.clock.advance(6)

    await desk.settle()

    assert desk.states() == ("ACCEPTED", "WORKING", "EXECUTING", "PENDING")


async def test_resend_when_the_first_one_proved_nothing_then_the_same_bytes_once_more() -> None:
    desk = await a_lost_order(resends=True)
    for _ in range(2):
        desk.clock.advance(2.6)
        await desk.settle()
        assert desk.order().sent_again is (len(desk.hyperliquid.sent) > 1)
    desk.clock.advance(2)
    desk.hyperliquid.replies = [filled]
    await desk.settle()

    assert len(desk.hyperliquid.requests) == 3
    assert len({request.body for request in desk.hyperliquid.requests}) == 1
    assert desk.position().fill_count == 1


async def test_resend_when_its_outcome_came_meanwhile_then_not_sent() -> None:
    """Another instance learned of the fill between our question and our resend."""
    desk = await a_lost_order(resends=True)
    desk.clock.advance(6)
    order = desk.order()
    recorder = Recorder(desk.store, desk.clock, max_attempts=3)

    async def not_found(_: Order) -> OrderReport | None:
        outcome = from_report(report_of(order, fill_of(order)))
        await recorder.record(INTENT_ID, order.client_order_id, outcome)
        return None

    desk.hyperliquid.answer = not_found

    assert await desk.settle() == []

    assert len(desk.hyperliquid.sent) == 1
    assert desk.states() == ("FILLED", "FILLED", "EXECUTED", "EXECUTED")


@pytest.mark.parametrize("obstacle", ["halted", "retired", "altered", "gone", "breaker"])
async def test_resend_when_it_must_not_go_out_then_only_asked(obstacle: str) -> None:
    desk = await a_lost_order(resends=True)
    order_id = desk.order().client_order_id
    place = Ref(SIGNED_REQUESTS, order_id)
    request = desk.get(SignedRequest, SIGNED_REQUESTS, order_id)
    desk.clock.advance(6)
    if obstacle == "halted":
        await desk.set_state(TradingState.HALTED)
    elif obstacle == "gone":
        await desk.store.commit([Delete(place)])
    elif obstacle == "altered":
        await desk.change(place, replace(request, body="another"))
    elif obstacle == "retired":
        signed = replace(request, signer=SIGNER)
        await desk.change(place, signed)
        await desk.change(Ref(ORDERS, order_id), with_request(desk.order(), signed))
        await desk.store.commit([Create(Ref(RETIRED_AGENT_ADDRESSES, SIGNER), {"why": "revoked"})])
    else:
        failing = replace(desk.settings.breaker, failures_to_open=1)
        desk.settings = replace(desk.settings, breaker=failing)
        desk.hyperliquid.replies = [OutcomeUnknownError("lost")]
        await desk.settle()
        assert desk.get(Breaker, BREAKERS, HL).status == "OPEN"

    sent = len(desk.hyperliquid.sent)
    assert await desk.settle() == []

    assert len(desk.hyperliquid.sent) == sent == (2 if obstacle == "breaker" else 1)
    assert desk.intent().status is IntentStatus.UNKNOWN


async def test_resend_when_the_signer_is_not_retired_then_it_goes_out() -> None:
    desk = await a_lost_order(resends=True)
    order_id = desk.order().client_order_id
    signed = replace(desk.get(SignedRequest, SIGNED_REQUESTS, order_id), signer=SIGNER)
    await desk.change(Ref(SIGNED_REQUESTS, order_id), signed)
    await desk.change(Ref(ORDERS, order_id), with_request(desk.order(), signed))
    desk.hyperliquid.replies = [filled]
    desk.clock.advance(6)

    await desk.settle()

    assert desk.hyperliquid.requests[-1] == signed
    assert desk.states()[0] == "FILLED"


# ---------------------------------------------------------------- a fence before what may come


async def test_fence_when_no_expiry_then_the_order_is_made_impossible_and_another_venue_tried() -> (
    None
):
    desk = await a_lost_order(expires_after=False, cancel_is_a_fence=True)
    desk.hyperliquid.on_cancel = canceled
    desk.clock.advance(FINAL_S)
    await desk.settle()
    assert desk.hyperliquid.canceled == []

    desk.clock.advance(0.001)
    (message,) = await desk.settle()

    assert desk.hyperliquid.canceled == [desk.order(1).client_order_id]
    assert desk.order(1).status is OrderStatus.CANCELED
    assert message.event == OrderPlanned(plan=desk.plan, attempt=2)
    assert desk.intent().candidate == 1


async def test_fence_when_the_cancel_finds_it_filled_then_the_fill_is_taken() -> None:
    desk = await a_lost_order(expires_after=False, cancel_is_a_fence=True)
    desk.hyperliquid.on_cancel = filled
    desk.clock.advance(FINAL_S + 1)

    await desk.settle()

    assert desk.states() == ("FILLED", "FILLED", "EXECUTED", "EXECUTED")


async def test_fence_when_the_cancel_is_wordless_then_the_venue_is_asked_for_the_proof() -> None:
    desk = await a_lost_order(expires_after=False, cancel_is_a_fence=True)
    answers: list[OrderReport | None] = [None, report_of(desk.order())]

    async def then_ended(order: Order) -> OrderReport | None:
        return answers.pop(0)

    desk.hyperliquid.answer = then_ended
    desk.hyperliquid.on_cancel = None
    desk.clock.advance(FINAL_S + 1)

    (message,) = await desk.settle()

    assert isinstance(message.event, OrderPlanned)
    assert answers == []


@pytest.mark.parametrize("fence", [True, False])
async def test_fence_when_nothing_is_proven_then_in_time_a_person(fence: bool) -> None:
    """Without a fence it is never cancelled; with one it is, and still only proof counts."""
    desk = await a_lost_order(expires_after=False, cancel_is_a_fence=fence)
    desk.hyperliquid.on_cancel = None
    desk.clock.advance(FINAL_S + 1)
    await desk.settle()
    assert desk.states()[:2] == ("UNKNOWN", "UNKNOWN")
    assert bool(desk.hyperliquid.canceled) is fence

    desk.clock.advance(PATIENCE_S)
    await desk.settle()

    assert desk.intent().status is IntentStatus.UNRESOLVED
    assert desk.ostium.sent == []


async def test_fence_when_the_orders_expire_by_themselves_then_none_is_needed() -> None:
    desk = await a_lost_order(expires_after=True, cancel_is_a_fence=True)
    desk.clock.advance(FINAL_S + 1)

    await desk.settle()

    assert desk.hyperliquid.canceled == []
    assert desk.order(1).status is OrderStatus.EXPIRED


async def test_fence_when_the_cancel_fails_then_nothing_is_concluded() -> None:
    desk = await a_lost_order(expires_after=False, cancel_is_a_fence=True)
    desk.hyperliquid.on_cancel = TransientError("503")
    desk.clock.advance(FINAL_S + 1)

    assert await desk.settle() == []

    assert desk.states() == ("UNKNOWN", "UNKNOWN", "EXECUTING", "PENDING")


# ---------------------------------------------------------------- open longer than it may be


async def a_working_order(**changes: object) -> TradingDesk:
    desk = await TradingDesk().open()
    desk.hyperliquid.replies = [accepted]
    await desk.execute()
    working = replace(desk.order(), **changes)  # type: ignore[arg-type]  # keywords of a test
    await desk.change(Ref(ORDERS, working.client_order_id), working)
    desk.hyperliquid.answer = accepted
    return desk


@pytest.mark.parametrize(
    ("on_cancel", "states"),
    [
        (canceled, ("CANCELED", "RETRYING", "EXECUTING", "PENDING")),
        (filled, ("FILLED", "FILLED", "EXECUTED", "EXECUTED")),
    ],
)
async def test_overdue_when_an_order_that_was_to_fill_at_once_still_stands_then_cancelled(
    on_cancel: Callable[[Order], Awaitable[OrderReport]], states: tuple[str, ...]
) -> None:
    desk = await a_working_order()
    desk.hyperliquid.on_cancel = on_cancel
    desk.clock.advance(FINAL_S)
    await desk.settle()
    assert desk.hyperliquid.canceled == []

    desk.clock.advance(0.001)
    await desk.settle()

    order = desk.order(1)
    assert desk.hyperliquid.canceled == [order.client_order_id]
    assert (order.status.value, *desk.states()[1:]) == states


async def test_overdue_when_a_part_had_filled_then_partial_and_nobody_is_called() -> None:
    desk = await a_working_order()
    part = fill_of(desk.order(), Decimal("0.4"))
    desk.hyperliquid.answer = report_of(desk.order(), part, status=OrderStatus.PARTIALLY_FILLED)
    await desk.settle()
    desk.hyperliquid.on_cancel = report_of(desk.order(), part)
    desk.clock.advance(FINAL_S + PATIENCE_S + 1)

    assert await desk.settle() == []

    assert desk.states() == ("CANCELED", "PARTIAL", "PARTIAL", "PARTIAL")
    assert desk.exposure().reservations == {}


async def test_overdue_when_it_rests_on_purpose_then_left_alone() -> None:
    desk = await a_working_order(time_in_force=TimeInForce.GTC)
    desk.clock.advance(FINAL_S + PATIENCE_S + 1)

    assert await desk.settle() == []

    assert desk.hyperliquid.canceled == []
    assert desk.intent().status is IntentStatus.WORKING


@pytest.mark.parametrize("on_cancel", [None, accepted])
async def test_overdue_when_the_venue_does_not_cancel_then_in_time_a_person(
    on_cancel: Callable[[Order], Awaitable[OrderReport]] | None,
) -> None:
    desk = await a_working_order()
    desk.hyperliquid.on_cancel = on_cancel
    desk.clock.advance(FINAL_S + PATIENCE_S)
    await desk.settle()
    assert desk.intent().status is IntentStatus.WORKING

    desk.clock.advance(0.001)
    await desk.settle()

    assert desk.intent().status is IntentStatus.UNRESOLVED
    assert desk.intent().reason == "Hyperliquid keeps the order open and does not cancel it"
    assert desk.exposure().reservations[INTENT_ID].quantity == 1


# ---------------------------------------------------------------- never signed


async def test_unprepared_when_its_sender_died_then_dead_without_asking_and_the_next_venue() -> (
    None
):
    """Nothing of it was signed, so nothing of it can come."""
    desk = await TradingDesk().open()
    desk.hyperliquid.refusals = [TransientError("no quote")]

    async def die() -> None:
        raise TransientError("the process died here")

    right_after(desk.store, ORDERS, die)
    with pytest.raises(TransientError):
        await desk.execute()
    assert desk.order().status is OrderStatus.SUBMITTED
    desk.hyperliquid.answer = TransientError("it was never prepared")

    (message,) = await desk.settle()

    assert message.event == OrderPlanned(plan=desk.plan, attempt=2)
    assert (desk.order(1).status, desk.intent().candidate) == (OrderStatus.REJECTED, 1)
    assert desk.hyperliquid.asked == []


async def test_settle_when_asked_in_vain_then_patience_counts_from_the_last_news() -> None:
    desk = await a_lost_order()
    desk.hyperliquid.answer = TransientError("503")
    for _ in range(3):
        desk.clock.advance(PATIENCE_S / 3)
        assert await desk.settle() == []
    assert desk.intent().updated_at == NOON

    desk.clock.advance(0.001)
    await desk.settle()

    assert desk.intent().status is IntentStatus.UNRESOLVED
