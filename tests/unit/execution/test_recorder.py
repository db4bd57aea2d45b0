"""The recorder under contention and missing documents, and the venue's position beside ours."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from common.books import EXPOSURES, FILLS, ORDERS, PARENT_ORDERS
from common.contention import TRIES
from common.domain.events import OrderPlanned, ParentOrderDue
from common.domain.identifiers import prefixed_id
from common.domain.instrument import OrderType, TimeInForce
from common.domain.order import IntentStatus, Order, OrderReport, OrderStatus
from common.domain.parent_order import ParentStatus
from common.domain.signal import SignalStatus
from common.errors import (
    ConflictError,
    InvalidInputError,
    OutcomeUnknownError,
    TransientError,
)
from common.execution.approval import approval_write
from common.execution.by_hand import Sighting
from common.execution.case import load_case
from common.execution.outcome import from_report, rejected, unknown
from common.execution.positions import venue_agrees
from common.execution.recorder import Recorder
from common.how.denial import Denial
from common.how.limits import Refusal
from common.ports import Delete, Ref
from tests.builders import (
    CLIENT_ORDER_ID,
    DEPLOYMENT_ID,
    INTENT_ID,
    NOON,
    PARENT_ID,
    a_child,
    a_parent,
    a_plan,
    a_position,
    amounts,
    an_order,
)
from tests.fakes.venue import fill_of, report_of
from tests.unit.functions.floor import Floor
from tests.unit.functions.trading_desk import HL, OSTIUM, TradingDesk, candidate, two_venue_plan

Work = Callable[[Recorder], Awaitable[object]]


@pytest.fixture
async def desk() -> TradingDesk:
    desk = await TradingDesk().open()
    desk.hyperliquid.replies = [OutcomeUnknownError("lost")]
    await desk.execute()
    return desk


def recorder_of(desk: TradingDesk) -> Recorder:
    return Recorder(desk.store, desk.clock, max_attempts=3)


async def retrying(desk: TradingDesk) -> None:
    await recorder_of(desk).record(INTENT_ID, CLIENT_ORDER_ID, rejected("MARGIN", "no"))
    assert desk.intent().status is IntentStatus.RETRYING


LATE = Refusal(Denial.SIGNAL_EXPIRED, "too late")
WORK: dict[str, Work] = {
    "record": lambda recorder: recorder.record(INTENT_ID, CLIENT_ORDER_ID, rejected("M", "no")),
    "unresolved": lambda recorder: recorder.unresolved(INTENT_ID, CLIENT_ORDER_ID, "why"),
    "abandon_retry": lambda recorder: recorder.abandon_retry(INTENT_ID, LATE),
}


@pytest.mark.parametrize("name", WORK)
@pytest.mark.parametrize("losses", [TRIES - 1, TRIES])
async def test_recorder_when_contended_then_it_tries_again_and_gives_up_with_nothing_written(
    desk: TradingDesk, name: str, losses: int
) -> None:
    if name == "abandon_retry":
        await retrying(desk)
    before, left = desk.store.contents(), [losses]

    async def conflict(operation: str, argument: object) -> None:
        if operation == "commit" and left[0]:
            left[0] -= 1
            raise ConflictError("taken", collection=ORDERS, document_id="x")

    desk.store.before = conflict
    if losses < TRIES:
        await WORK[name](recorder_of(desk))
        assert desk.store.contents() != before
        return
    with pytest.raises(TransientError, match=f"intent {INTENT_ID} is contended"):
        await WORK[name](recorder_of(desk))
    assert desk.store.contents() == before


@pytest.mark.parametrize("name", ["unresolved", "abandon_retry"])
async def test_recorder_when_the_intent_has_moved_on_then_nothing(
    desk: TradingDesk, name: str
) -> None:
    report = report_of(desk.order(), fill_of(desk.order()))
    await recorder_of(desk).record(INTENT_ID, CLIENT_ORDER_ID, from_report(report))
    before = desk.store.contents()

    assert await WORK[name](recorder_of(desk)) == []
    assert desk.store.contents() == before


async def test_record_when_older_news_come_then_nothing_changes(desk: TradingDesk) -> None:
    report = report_of(desk.order(), fill_of(desk.order()))
    await recorder_of(desk).record(INTENT_ID, CLIENT_ORDER_ID, from_report(report))
    before = desk.store.contents()

    for outcome in (unknown("timeout"), rejected("M", "no"), from_report(report)):
        assert await recorder_of(desk).record(INTENT_ID, CLIENT_ORDER_ID, outcome) == []
    assert desk.store.contents() == before


async def test_record_when_two_learn_the_same_at_once_then_it_counts_once(
    desk: TradingDesk,
) -> None:
    outcome = from_report(report_of(desk.order(), fill_of(desk.order())))

    async def twin(operation: str, argument: object) -> None:
        if operation == "commit":
            desk.store.before = None
            await recorder_of(desk).record(INTENT_ID, CLIENT_ORDER_ID, outcome)

    desk.store.before = twin
    assert await recorder_of(desk).record(INTENT_ID, CLIENT_ORDER_ID, outcome) == []

    assert (desk.position().fill_count, len(desk.rows(FILLS))) == (1, 1)
    assert desk.signal().outcomes == {"EXECUTED": 1}


async def test_record_when_fills_close_and_turn_a_position_then_each_realizes_its_own(
    desk: TradingDesk,
) -> None:
    short = a_position(
        position_id=prefixed_id("pos", "v3", DEPLOYMENT_ID, HL, "ETH"),
        signed_qty=Decimal("-0.6"),
        open_cost=Decimal(1800),
    )
    await desk.change(Ref("positions_v3", short.position_id), short)
    fills = (
        replace(fill_of(desk.order(), Decimal("0.4"), trade_id="a"), last_px=Decimal(2900)),
        replace(fill_of(desk.order(), Decimal("0.6"), trade_id="b"), last_px=Decimal(3100)),
    )

    outcome = from_report(report_of(desk.order(), *fills))
    await recorder_of(desk).record(INTENT_ID, CLIENT_ORDER_ID, outcome)

    realized = {row["fill"]["trade_id"]: row["realized_pnl"] for row in desk.rows(FILLS).values()}
    assert realized == {"a": "40", "b": "-20"}
    assert (desk.position().realized_pnl, desk.position().signed_qty) == (
        Decimal(20),
        Decimal("0.4"),
    )
    assert desk.position().avg_px_open == 3100
    assert desk.exposure().held(HL, "ETH") == Decimal("0.4")


@pytest.mark.parametrize("missing", ["orders", "exposures", "signal_deliveries_v3"])
async def test_load_case_when_a_document_is_missing_then_invalid_input(
    desk: TradingDesk, missing: str
) -> None:
    ids = {
        "orders": CLIENT_ORDER_ID,
        "exposures": DEPLOYMENT_ID,
        "signal_deliveries_v3": desk.plan.delivery_id,
    }
    await desk.store.commit([Delete(Ref(missing, ids[missing]))])
    with pytest.raises(InvalidInputError, match="its order, exposure, delivery or parent"):
        await load_case(desk.store, INTENT_ID, CLIENT_ORDER_ID)


async def test_load_case_when_there_is_no_intent_then_invalid_input(desk: TradingDesk) -> None:
    with pytest.raises(InvalidInputError, match="order_intents/int_9: no such intent"):
        await load_case(desk.store, "int_9", CLIENT_ORDER_ID)


@pytest.mark.parametrize(
    ("ours", "theirs", "agrees"),
    [("0", "0", True), ("1", "1", True), ("1", "0", False), ("0", "-1", False)],
)
async def test_venue_agrees_when_asked_then_only_if_our_fills_explain_its_position(
    ours: str, theirs: str, agrees: bool
) -> None:
    desk = TradingDesk()
    if ours != "0":
        await desk.hold(ours)
    desk.hyperliquid.holds = Decimal(theirs)

    answer = await venue_agrees(desk.store, desk.hyperliquid, desk.plan, an_order())

    assert answer is agrees
    assert (EXPOSURES in desk.store.contents()) is (ours != "0")


async def test_reservation_when_an_earlier_orders_fill_comes_then_the_open_one_keeps_its_own(
    desk: TradingDesk,
) -> None:
    first = desk.order()
    desk.clock.advance(23)
    await desk.settle()
    await desk.execute(attempt=2)
    assert desk.intent().status is IntentStatus.UNKNOWN

    late = from_report(report_of(first, fill_of(first, Decimal("0.4"))))
    await recorder_of(desk).record(INTENT_ID, first.client_order_id, late)

    assert desk.exposure().reservations[INTENT_ID].quantity == 1
    assert desk.exposure().held(HL, "ETH") == Decimal("0.4")
    assert (desk.intent().status, desk.intent().filled_qty) == (
        IntentStatus.UNKNOWN,
        Decimal("0.4"),
    )


async def test_record_when_an_earlier_order_turns_out_canceled_then_the_open_one_goes_on(
    desk: TradingDesk,
) -> None:
    first = desk.order()
    desk.clock.advance(23)
    await desk.settle()
    await desk.execute(attempt=2)
    intent = desk.intent()

    outcome = from_report(report_of(first))
    assert await recorder_of(desk).record(INTENT_ID, first.client_order_id, outcome) == []

    assert desk.order(1).status is OrderStatus.CANCELED
    assert desk.intent().audit_head != intent.audit_head
    assert replace(desk.intent(), audit_head=intent.audit_head) == intent


async def test_record_when_it_ends_without_a_word_then_the_reason_is_its_code(
    desk: TradingDesk,
) -> None:
    await retrying(desk)
    desk.ostium.replies = [report_of(desk.order())]
    await desk.execute(attempt=2)

    assert desk.intent().status is IntentStatus.REJECTED
    assert desk.delivery().reason == "Not filled within bound"


# ---------------------------------------------------------------- children, and what rests


async def a_lost_child() -> Floor:
    """The only child of a parent for 1 ETH: its answer was lost."""
    plan = a_plan(candidates=(candidate(HL),), parent_order_id=PARENT_ID)
    floor = await Floor().open()
    children = {INTENT_ID: a_child("1")}
    await floor.work(a_parent(quantity=Decimal(1), open_children=children, spawned=1))
    await floor.store.commit([approval_write(plan, "advance", now=NOON)])

    async def lost(name: str) -> None:
        if name == "submit":
            raise OutcomeUnknownError("lost")

    floor.hyperliquid.before = lost
    await floor.handle(OrderPlanned(plan=plan, attempt=1))
    floor.hyperliquid.before = None
    return floor


def recorder_on(floor: Floor) -> Recorder:
    return Recorder(floor.store, floor.clock, max_attempts=3)


async def test_unresolved_when_it_is_a_child_then_its_parent_waits_for_it_no_more() -> None:
    """What it may still fill stays reserved."""
    floor = await a_lost_child()

    messages = await recorder_on(floor).unresolved(INTENT_ID, CLIENT_ORDER_ID, "why")

    assert floor.parent().open_children[INTENT_ID].unresolved
    assert any(isinstance(each.event, ParentOrderDue) for each in messages)
    assert floor.delivery().status is SignalStatus.EXECUTING
    await floor.advance()
    assert floor.parent().status is ParentStatus.EXPIRED
    assert floor.delivery().status is SignalStatus.EXPIRED
    assert {key: each.quantity for key, each in floor.exposure().reservations.items()} == {
        INTENT_ID: Decimal(1)
    }


async def test_record_when_a_given_up_child_filled_after_all_then_all_that_ended_moves() -> None:
    floor = await a_lost_child()
    recorder = recorder_on(floor)
    await recorder.unresolved(INTENT_ID, CLIENT_ORDER_ID, "why")
    await floor.advance()
    order = floor.get(Order, ORDERS, CLIENT_ORDER_ID)
    assert floor.signal().status is SignalStatus.EXPIRED

    part = from_report(report_of(order, fill_of(order, Decimal("0.4"))))
    await recorder.record(INTENT_ID, CLIENT_ORDER_ID, part)

    parent = floor.parent()
    assert (parent.status, parent.filled_qty) == (ParentStatus.PARTIAL, Decimal("0.4"))
    delivery = floor.delivery()
    assert (delivery.status, delivery.reason_code) == (SignalStatus.PARTIAL, "FILLED_LATE")
    assert floor.signal().status is SignalStatus.PARTIAL
    assert floor.signal().outcomes == {"EXPIRED": 0, "PARTIAL": 1}
    assert floor.exposure().reservations == {}
    assert any("LATE FILL" in text for text in floor.told())


async def test_record_when_a_child_fills_at_the_second_venue_then_that_is_the_signals() -> None:
    """V3-07: where it was traded, not where it was wanted first."""
    plan = a_plan(candidates=(candidate(OSTIUM),), parent_order_id=PARENT_ID)
    floor = await Floor().open()
    parent = a_parent(
        quantity=Decimal(1),
        candidates=(candidate(HL), candidate(OSTIUM)),
        open_children={INTENT_ID: a_child("1")},
        spawned=1,
    )
    await floor.work(parent)
    await floor.store.commit([approval_write(plan, "advance", now=NOON)])

    await floor.handle(OrderPlanned(plan=plan, attempt=1))
    assert floor.parent().filled_at == (OSTIUM,)
    await floor.advance()

    assert floor.parent().status is ParentStatus.FILLED
    assert floor.delivery().venue == OSTIUM
    assert floor.signal().final_venue == OSTIUM


async def test_record_when_an_ended_parent_fills_elsewhere_too_then_its_signal_says_so() -> None:
    floor = await a_lost_child()
    recorder = recorder_on(floor)
    await recorder.unresolved(INTENT_ID, CLIENT_ORDER_ID, "why")
    await floor.advance()
    order = floor.get(Order, ORDERS, CLIENT_ORDER_ID)
    part = from_report(report_of(order, fill_of(order, Decimal("0.2"))))
    await recorder.record(INTENT_ID, CLIENT_ORDER_ID, part)
    assert floor.signal().final_venue == HL
    await floor.change(Ref(PARENT_ORDERS, PARENT_ID), replace(floor.parent(), filled_at=(OSTIUM,)))

    later = replace(fill_of(order, Decimal("0.1")), trade_id="later")
    both = from_report(report_of(order, *part.fills, later))
    await recorder.record(INTENT_ID, CLIENT_ORDER_ID, both)

    assert floor.parent().status is ParentStatus.PARTIAL
    assert floor.parent().filled_at == (OSTIUM, HL)
    assert floor.delivery().venue == floor.signal().final_venue == "MULTI"
    assert floor.signal().outcomes == {"EXPIRED": 0, "PARTIAL": 1}


async def test_settle_by_hand_when_it_is_a_child_then_its_parent_has_what_the_person_saw() -> None:
    floor = await a_lost_child()
    recorder = recorder_on(floor)
    await recorder.unresolved(INTENT_ID, CLIENT_ORDER_ID, "why")
    seen = Sighting(
        filled_qty=Decimal("0.4"),
        avg_px=Decimal(3000),
        commission=Decimal(1),
        reason="seen in the venue's history",
        by="ada",
    )

    await recorder.settle_by_hand(INTENT_ID, seen)

    parent = floor.parent()
    assert (parent.filled_qty, parent.commissions) == amounts("0.4", 1)
    assert parent.open_children == {}
    assert floor.exposure().held(HL, "ETH") == Decimal("0.4")
    assert parent.unspawned_qty == Decimal("0.6")


async def test_load_case_when_its_parent_is_gone_then_invalid_input() -> None:
    floor = await a_lost_child()
    await floor.store.commit([Delete(Ref(PARENT_ORDERS, PARENT_ID))])

    with pytest.raises(InvalidInputError, match="its order, exposure, delivery or parent"):
        await load_case(floor.store, INTENT_ID, CLIENT_ORDER_ID)


async def test_record_when_an_order_that_rested_ends_unfilled_then_canceled_and_skipped() -> None:
    """Nobody refused it: it was not reached."""
    plan = two_venue_plan(order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC)
    desk = await TradingDesk(plan).open()
    desk.hyperliquid.replies = [_accepted]
    await desk.execute()
    ended = from_report(report_of(desk.order()))

    await recorder_of(desk).record(INTENT_ID, CLIENT_ORDER_ID, ended)

    assert desk.states() == ("CANCELED", "CANCELED", "SKIPPED", "SKIPPED")
    assert desk.ostium.sent == []
    assert desk.exposure().reservations == {}


async def _accepted(order: Order) -> OrderReport:
    return report_of(order, status=OrderStatus.ACCEPTED)
