"""Settle: what the venue's answers prove, what its silence does not, and that everything ends."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from common.books import FILLS, ORDER_INTENTS, ORDERS, V2, V3
from common.documents import create
from common.domain.events import NotificationRaised, OrderPlanned, PositionChanged
from common.domain.identifiers import client_order_id
from common.domain.order import IntentStatus, Order, OrderReport, OrderStatus
from common.domain.signal import SignalRecord, SignalStatus
from common.errors import (
    InvalidInputError,
    OutcomeUnknownError,
    SapphireError,
    TransientError,
)
from common.execution.outcome import from_report
from common.execution.recorder import Recorder
from common.how.trading_state import TradingState
from common.how.worst_case import gross, notionals
from common.ports import Create, Delete, Ref
from functions.settle.deliveries import PAGE
from tests.builders import (
    DELIVERY_ID,
    INTENT_ID,
    NOON,
    SIGNAL_ID,
    a_delivery,
    a_signal,
    a_signal_record,
    an_intent,
)
from tests.fakes.venue import fill_of, report_of
from tests.unit.functions.mishaps import right_after
from tests.unit.functions.trading_desk import HL, TradingDesk, two_venue_plan

FINAL_S = 22.0
"""The scripted venue's order_ttl + skew + lag."""


@pytest.fixture
async def desk() -> TradingDesk:
    """The answer to the first order was lost."""
    desk = await TradingDesk().open()
    desk.hyperliquid.replies = [OutcomeUnknownError("lost")]
    await desk.execute()
    assert desk.states() == ("UNKNOWN", "UNKNOWN", "EXECUTING", "PENDING")
    return desk


async def test_settle_when_the_venue_has_it_filled_then_recorded_once(desk: TradingDesk) -> None:
    desk.hyperliquid.answer = report_of(desk.order(), fill_of(desk.order()))

    messages = await desk.settle(INTENT_ID)
    again = await desk.settle(INTENT_ID)
    tick = await desk.settle()

    assert [type(message.event) for message in messages] == [NotificationRaised, PositionChanged]
    assert (again, tick) == ([], [])
    assert desk.states() == ("FILLED", "FILLED", "EXECUTED", "EXECUTED")
    assert (desk.position().fill_count, len(desk.rows(FILLS))) == (1, 1)


async def test_settle_when_the_venue_proves_a_refusal_then_the_next_venue(
    desk: TradingDesk,
) -> None:
    desk.hyperliquid.answer = report_of(desk.order(), status=OrderStatus.REJECTED)

    (message,) = await desk.settle()

    assert message.event == OrderPlanned(plan=desk.plan, attempt=2)
    assert desk.intent().candidate == 1


@pytest.mark.parametrize("after_s", [0, 15.5, FINAL_S])
async def test_settle_when_absent_before_it_is_final_then_nothing_is_concluded(
    desk: TradingDesk, after_s: float
) -> None:
    desk.clock.advance(after_s)

    assert await desk.settle() == []

    assert desk.states() == ("UNKNOWN", "UNKNOWN", "EXECUTING", "PENDING")
    assert desk.intent().queries == 1
    assert desk.exposure().reservations[INTENT_ID].quantity == 1


async def test_settle_when_absent_after_it_is_final_then_tried_again_where_it_was(
    desk: TradingDesk,
) -> None:
    desk.clock.advance(FINAL_S + 0.001)

    (message,) = await desk.settle()

    assert message.event == OrderPlanned(plan=desk.plan, attempt=2)
    assert (desk.order(1).status, desk.intent().candidate) == (OrderStatus.EXPIRED, 0)
    assert desk.order(1).reason == "Hyperliquid does not have it, asked after its expiry"
    desk.hyperliquid.replies = [OutcomeUnknownError("lost"), report_of(desk.order(1))]
    await desk.execute(attempt=2)
    assert len(desk.hyperliquid.sent) == 2
    assert desk.hyperliquid.sent[0].client_order_id != desk.hyperliquid.sent[1].client_order_id


async def test_settle_when_every_attempt_is_absent_then_expired_and_told(
    desk: TradingDesk,
) -> None:
    for attempt in (2, 3):
        desk.clock.advance(FINAL_S + 1)
        await desk.settle()
        await desk.execute(attempt=attempt)
    desk.clock.advance(FINAL_S + 1)
    await desk.settle()

    assert desk.states() == ("EXPIRED", "EXPIRED", "EXPIRED", "EXPIRED")
    assert desk.signal().reason_code == "NOT_ACCEPTED_BEFORE_EXPIRY"
    assert gross(notionals(desk.exposure())) == 0
    assert len(desk.hyperliquid.sent) == 3
    assert desk.told()[0].startswith("RISK BUY 1 ETH on Hyperliquid never reached the venue")


async def test_settle_when_the_sender_died_before_the_wire_then_found_on_the_tick() -> None:
    desk = await TradingDesk().open()

    async def die() -> None:
        raise TransientError("the process died here")

    right_after(desk.store, ORDERS, die)
    with pytest.raises(TransientError):
        await desk.execute()
    assert desk.intent().status is IntentStatus.SENDING

    await desk.settle()
    assert (desk.intent().status, desk.intent().queries) == (IntentStatus.UNKNOWN, 1)
    desk.clock.advance(FINAL_S + 1)
    await desk.settle()
    assert desk.intent().status is IntentStatus.RETRYING


async def test_settle_when_the_position_disagrees_then_unresolved_after_a_while_with_an_alert(
    desk: TradingDesk,
) -> None:
    desk.hyperliquid.holds = Decimal(1)
    desk.clock.advance(FINAL_S + 600)
    await desk.settle()
    assert desk.intent().status is IntentStatus.UNKNOWN

    desk.clock.advance(1)
    (message,) = await desk.settle()

    assert isinstance(message.event, NotificationRaised)
    assert desk.states() == ("UNKNOWN", "UNRESOLVED", "FAILED", "FAILED")
    assert desk.delivery().reason_code == "OUTCOME_UNRESOLVED"
    assert desk.exposure().reservations[INTENT_ID].quantity == 1
    assert desk.told() == [
        "RISK BUY 1 ETH on Hyperliquid UNRESOLVED: check the venue by hand: Hyperliquid does not"
        " know the order, and its position is not the one we hold"
    ]
    assert await desk.settle() == []
    assert len(desk.told()) == 1


async def unresolve(desk: TradingDesk) -> None:
    desk.hyperliquid.holds = Decimal(1)
    desk.clock.advance(FINAL_S + 601)
    await desk.settle()
    assert desk.intent().status is IntentStatus.UNRESOLVED


async def test_settle_when_a_fill_shows_up_after_unresolved_then_delivery_and_signal_move(
    desk: TradingDesk,
) -> None:
    await unresolve(desk)
    desk.hyperliquid.answer = report_of(desk.order(), fill_of(desk.order()))

    await desk.settle()

    assert desk.states() == ("FILLED", "FILLED", "EXECUTED", "EXECUTED")
    assert (desk.delivery().reason_code, desk.signal().reason_code) == ("FILLED_LATE",) * 2
    assert desk.signal().outcomes == {"FAILED": 0, "EXECUTED": 1}
    assert desk.signal().final_venue == "HYPERLIQUID"
    assert desk.exposure().reservations == {}
    assert any("LATE FILL" in text for text in desk.told())


async def test_settle_when_absence_is_proven_after_unresolved_then_ended_and_never_retried(
    desk: TradingDesk,
) -> None:
    desk.plan = two_venue_plan(expires_at=NOON + timedelta(hours=5))
    desk = await TradingDesk(desk.plan).open()
    desk.hyperliquid.replies = [OutcomeUnknownError("lost")]
    await desk.execute()
    await unresolve(desk)
    desk.hyperliquid.holds = Decimal(0)

    messages = await desk.settle()

    assert not any(isinstance(message.event, OrderPlanned) for message in messages)
    assert desk.states() == ("EXPIRED", "EXPIRED", "EXPIRED", "EXPIRED")
    assert desk.delivery().reason_code == "NOT_ACCEPTED_BEFORE_EXPIRY"
    assert gross(notionals(desk.exposure())) == 0


@pytest.mark.parametrize(
    "problem", [TransientError("503"), KeyError("status"), OutcomeUnknownError("?")]
)
async def test_settle_when_the_query_fails_then_that_is_not_absent_but_in_time_a_persons(
    desk: TradingDesk, problem: Exception
) -> None:
    desk.hyperliquid.answer = problem
    desk.clock.advance(600)
    assert await desk.settle() == []
    assert desk.states() == ("UNKNOWN", "UNKNOWN", "EXECUTING", "PENDING")
    with pytest.raises(SapphireError):
        await desk.settle(INTENT_ID)

    desk.clock.advance(1)
    (message,) = await desk.settle()

    assert isinstance(message.event, NotificationRaised)
    assert desk.intent().status is IntentStatus.UNRESOLVED
    assert desk.intent().reason.startswith("the venue cannot be asked: ")


async def test_settle_when_the_position_cannot_be_asked_then_that_is_not_flat(
    desk: TradingDesk,
) -> None:
    desk.hyperliquid.holds = TransientError("503")
    desk.clock.advance(FINAL_S + 1)

    assert await desk.settle() == []
    assert desk.intent().status is IntentStatus.UNKNOWN


async def test_settle_when_the_query_never_returns_then_it_is_cut_off(desk: TradingDesk) -> None:
    async def silent(order: Order) -> OrderReport | None:
        await asyncio.Event().wait()
        return None

    desk.hyperliquid.capabilities = replace(
        desk.hyperliquid.capabilities, request_timeout=timedelta(milliseconds=10)
    )
    desk.hyperliquid.answer = silent
    with pytest.raises(TransientError, match="Hyperliquid did not answer a query in time"):
        await desk.settle(INTENT_ID)


async def test_settle_when_one_intent_makes_trouble_then_the_others_are_settled_first(
    desk: TradingDesk,
) -> None:
    desk.hyperliquid.answer = report_of(desk.order(), fill_of(desk.order()))
    await desk.store.commit(
        [Create(Ref(ORDER_INTENTS, "int_0_broken"), {"status": "UNKNOWN", "plan": None})]
    )

    with pytest.raises(InvalidInputError, match="OrderIntent"):
        await desk.settle()

    assert desk.states() == ("FILLED", "FILLED", "EXECUTED", "EXECUTED")


async def test_settle_when_an_order_document_is_gone_then_trouble_is_told_not_hidden(
    desk: TradingDesk,
) -> None:
    await desk.store.commit([Delete(Ref(ORDERS, client_order_id(INTENT_ID, 1)))])
    desk.clock.advance(3600)
    missing = "its order, exposure, delivery or parent order is missing"
    with pytest.raises(InvalidInputError, match=missing):
        await desk.settle()


async def test_settle_when_the_venue_is_not_connected_then_unresolved(desk: TradingDesk) -> None:
    del desk.venues[HL]

    await desk.settle()

    assert desk.intent().status is IntentStatus.UNRESOLVED
    assert desk.intent().reason == "its venue is not connected here"


async def test_settle_when_many_unresolved_lie_before_it_then_a_new_one_is_still_asked_for(
    desk: TradingDesk,
) -> None:
    stuck = [
        create(
            Ref(ORDER_INTENTS, f"int_0{number:04}"),
            an_intent(two_venue_plan(intent_id=f"int_0{number:04}"), status=IntentStatus.RETRYING),
        )
        for number in range(PAGE + 1)
    ]
    await desk.store.commit(stuck)

    await desk.settle()

    assert desk.hyperliquid.asked == [desk.intent().client_order_id]


async def test_settle_when_the_venue_has_no_expiry_then_absence_is_never_proven() -> None:
    desk = await TradingDesk().open()
    desk.hyperliquid.capabilities = replace(desk.hyperliquid.capabilities, expires_after=False)
    desk.hyperliquid.replies = [OutcomeUnknownError("no answer")]
    await desk.execute()
    desk.clock.advance(FINAL_S + 1)
    await desk.settle()
    assert desk.states() == ("UNKNOWN", "UNKNOWN", "EXECUTING", "PENDING")

    desk.clock.advance(601)
    await desk.settle()

    assert desk.states() == ("UNKNOWN", "UNRESOLVED", "FAILED", "FAILED")
    assert desk.intent().reason.endswith("would still take it, because its orders have no expiry")


async def test_settle_when_an_accepted_order_vanishes_then_never_taken_for_absent() -> None:
    desk = await TradingDesk().open()

    async def accepted(order: Order) -> OrderReport:
        return report_of(order, status=OrderStatus.ACCEPTED)

    desk.hyperliquid.replies = [accepted]
    await desk.execute()
    desk.clock.advance(FINAL_S + 1)
    await desk.settle()
    assert desk.states() == ("ACCEPTED", "WORKING", "EXECUTING", "PENDING")

    desk.clock.advance(601)
    await desk.settle()

    assert desk.states() == ("ACCEPTED", "UNRESOLVED", "FAILED", "FAILED")
    assert desk.intent().reason == "Hyperliquid does not know the order, which it had accepted"


async def test_settle_when_a_working_order_ends_then_its_fills_are_taken() -> None:
    desk = await TradingDesk().open()

    async def accepted(order: Order) -> OrderReport:
        return report_of(order, status=OrderStatus.ACCEPTED)

    desk.hyperliquid.replies = [accepted]
    await desk.execute()
    first = fill_of(desk.order(), Decimal("0.4"), trade_id="a")
    rest = fill_of(desk.order(), Decimal("0.6"), trade_id="b")
    desk.hyperliquid.answer = report_of(desk.order(), first, status=OrderStatus.PARTIALLY_FILLED)
    await desk.settle()
    assert desk.states()[:2] == ("PARTIALLY_FILLED", "WORKING")
    assert desk.exposure().reservations[INTENT_ID].quantity == Decimal("0.6")
    assert await desk.settle() == []

    desk.hyperliquid.answer = report_of(desk.order(), first, rest)
    await desk.settle()

    assert desk.states() == ("FILLED", "FILLED", "EXECUTED", "EXECUTED")
    assert (desk.position().signed_qty, desk.position().fill_count) == (Decimal(1), 2)


@pytest.mark.parametrize("status", [OrderStatus.FILLED, OrderStatus.CANCELED])
async def test_settle_when_fills_are_withheld_then_asked_on_and_in_time_a_persons(
    desk: TradingDesk, status: OrderStatus
) -> None:
    desk.hyperliquid.answer = replace(report_of(desk.order(), status=status), filled_qty=Decimal(1))
    desk.clock.advance(FINAL_S + 600)
    assert await desk.settle() == []
    assert desk.states() == ("UNKNOWN", "UNKNOWN", "EXECUTING", "PENDING")

    desk.clock.advance(1)
    await desk.settle()

    assert desk.states() == ("UNKNOWN", "UNRESOLVED", "FAILED", "FAILED")
    assert "does not tell all of its fills" in desk.intent().reason
    desk.hyperliquid.answer = report_of(desk.order(), fill_of(desk.order()))
    await desk.settle()
    assert desk.states() == ("FILLED", "FILLED", "EXECUTED", "EXECUTED")


async def test_settle_when_a_retrys_message_was_lost_then_it_ends_after_the_grace(
    desk: TradingDesk,
) -> None:
    desk.hyperliquid.answer = report_of(desk.order(), status=OrderStatus.REJECTED)
    await desk.settle()
    desk.clock.advance(659)
    await desk.settle()
    assert desk.intent().status is IntentStatus.RETRYING

    desk.clock.advance(1)
    await desk.settle()

    assert desk.states() == ("REJECTED", "EXPIRED", "EXPIRED", "EXPIRED")
    assert desk.delivery().reason == "The signal expired before the next attempt began"
    assert gross(notionals(desk.exposure())) == 0
    assert await desk.execute(attempt=2) == []
    assert desk.ostium.sent == []


async def test_settle_when_a_breaker_is_open_or_trading_halted_then_it_still_asks(
    desk: TradingDesk,
) -> None:
    """I08: queries are never blocked."""
    await desk.set_state(TradingState.HALTED)
    desk.hyperliquid.answer = report_of(desk.order(), fill_of(desk.order()))

    await desk.settle()

    assert desk.states()[0] == "FILLED"


async def test_settle_when_the_intent_is_unknown_or_ended_then_nothing(desk: TradingDesk) -> None:
    assert await desk.settle("int_nobody") == []
    desk.hyperliquid.answer = report_of(desk.order(), fill_of(desk.order()))
    await desk.settle()
    before = desk.store.contents()

    assert await desk.settle(INTENT_ID) == []
    assert desk.store.contents() == before


async def test_settle_when_the_order_ended_but_its_intent_goes_on_then_not_asked_again(
    desk: TradingDesk,
) -> None:
    ended = replace(desk.order(), status=OrderStatus.REJECTED)
    await desk.change(Ref(ORDERS, ended.client_order_id), ended)

    assert await desk.settle() == []
    assert desk.hyperliquid.asked == []


@pytest.mark.parametrize("status", [SignalStatus.PENDING, SignalStatus.ROUTED])
@pytest.mark.parametrize("book", [V2, V3])
async def test_settle_when_a_deliverys_message_was_dead_lettered_then_it_expires(
    status: SignalStatus, book: object
) -> None:
    name = "v2" if book is V2 else "v3"
    desk = await TradingDesk(two_venue_plan(book=name)).open()
    waiting = replace(desk.delivery(), status=status, expires_at=NOON)
    await desk.change(Ref((V2 if name == "v2" else V3).deliveries, DELIVERY_ID), waiting)
    desk.clock.advance(60)
    await desk.settle()
    assert desk.delivery().status is status

    desk.clock.advance(0.001)
    await desk.settle()

    assert desk.delivery().status is SignalStatus.EXPIRED
    assert desk.delivery().reason == f"Still {status.lower()} when its signal expired"
    assert (desk.signal().status, desk.signal().reason_code) == ("EXPIRED", "SIGNAL_EXPIRED")


async def test_settle_when_a_crash_left_the_signal_open_then_it_is_ended() -> None:
    desk = await TradingDesk().open()
    ended = replace(desk.delivery(), status=SignalStatus.SKIPPED, reason_code="X", reason="why")
    await desk.change(Ref(V3.deliveries, DELIVERY_ID), ended)
    await desk.change(Ref(V3.signals, SIGNAL_ID), replace(desk.signal(), outcomes={"SKIPPED": 1}))

    await desk.settle()

    assert (desk.signal().status, desk.signal().reason) == (SignalStatus.SKIPPED, "why")


async def lost_fan_out(deliveries: int) -> TradingDesk:
    desk = TradingDesk()
    record = a_signal_record(a_signal(expires_at=NOON), deployments_expected=None)
    await desk.store.commit([create(Ref(V3.signals, SIGNAL_ID), record)])
    for number in range(deliveries):
        delivery = a_delivery(f"dlv_{number}", expires_at=NOON)
        await desk.store.commit([create(Ref(V3.deliveries, f"dlv_{number}"), delivery)])
    return desk


async def test_settle_when_the_fan_out_was_lost_then_the_signal_expires() -> None:
    desk = await lost_fan_out(0)
    desk.clock.advance(59)
    await desk.settle()
    assert desk.signal().status is SignalStatus.PENDING

    desk.clock.advance(1)
    await desk.settle()

    assert (desk.signal().status, desk.signal().reason_code) == ("EXPIRED", "SIGNAL_EXPIRED")
    assert desk.signal().reason == "The signal expired before any deployment received it"


async def test_settle_when_a_later_page_was_lost_then_the_deliveries_it_has_decide() -> None:
    desk = await lost_fan_out(2)
    desk.clock.advance(61)

    await desk.settle()

    signal = desk.get(SignalRecord, V3.signals, SIGNAL_ID)
    assert (signal.status, signal.deployments_expected) == (SignalStatus.EXPIRED, 2)
    assert signal.outcomes == {"EXPIRED": 2}


async def test_settle_when_others_were_faster_then_nothing_is_undone(desk: TradingDesk) -> None:
    """Every write of settle's own loses its race once."""

    async def fill_meanwhile(operation: str, argument: object) -> None:
        if operation == "commit":
            desk.store.before = None
            twin = desk.hyperliquid.answer
            desk.hyperliquid.answer = report_of(desk.order(), fill_of(desk.order()))
            await desk.settle(INTENT_ID)
            desk.hyperliquid.answer = twin

    desk.store.before = fill_meanwhile
    await desk.settle(INTENT_ID)

    assert desk.states() == ("FILLED", "FILLED", "EXECUTED", "EXECUTED")


async def test_settle_when_an_overdue_delivery_is_taken_meanwhile_then_it_is_left_alone() -> None:
    desk = await TradingDesk().open()
    await desk.change(Ref(V3.deliveries, DELIVERY_ID), replace(desk.delivery(), expires_at=NOON))
    desk.clock.advance(61)
    taken = replace(desk.delivery(), status=SignalStatus.EXECUTING)

    async def take(operation: str, argument: object) -> None:
        if operation == "commit":
            desk.store.before = None
            await desk.change(Ref(V3.deliveries, DELIVERY_ID), taken)

    desk.store.before = take
    await desk.settle()

    assert desk.delivery() == taken
    assert desk.signal().outcomes == {}


async def test_settle_when_a_lost_fan_out_is_counted_meanwhile_then_that_count_stands() -> None:
    desk = await lost_fan_out(0)
    desk.clock.advance(61)

    async def count(operation: str, argument: object) -> None:
        if operation == "commit":
            desk.store.before = None
            counted = replace(desk.signal(), deployments_expected=1)
            await desk.change(Ref(V3.signals, SIGNAL_ID), counted)

    desk.store.before = count
    await desk.settle()

    assert (desk.signal().status, desk.signal().deployments_expected) == ("PENDING", 1)


async def test_settle_when_a_fill_comes_for_an_earlier_attempt_then_it_is_not_lost(
    desk: TradingDesk,
) -> None:
    """The venue broke its word on expiry: the fill is recorded beside the second attempt's."""
    first = desk.order()
    desk.clock.advance(FINAL_S + 1)
    await desk.settle()

    async def fills(order: Order) -> OrderReport:
        return report_of(order, fill_of(order))

    desk.hyperliquid.replies = [fills]
    await desk.execute(attempt=2)
    recorder = Recorder(desk.store, desk.clock, max_attempts=3)
    late = from_report(report_of(first, fill_of(first)))
    await recorder.record(INTENT_ID, first.client_order_id, late)

    assert desk.order(1).status is OrderStatus.FILLED
    assert (desk.intent().status, desk.intent().filled_qty) == (IntentStatus.FILLED, Decimal(2))
    assert desk.position().signed_qty == 2
    assert any("LATE FILL" in text for text in desk.told())
