"""The recorder under contention and missing documents, and the venue's position beside ours."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from common.books import EXPOSURES, FILLS, ORDERS
from common.contention import TRIES
from common.domain.exposure import Exposure
from common.domain.identifiers import prefixed_id
from common.domain.instrument import Venue
from common.domain.order import IntentStatus, OrderStatus
from common.errors import (
    ConflictError,
    InvalidInputError,
    OutcomeUnknownError,
    TransientError,
)
from common.execution.case import load_case
from common.execution.outcome import from_report, rejected, unknown
from common.execution.positions import venue_agrees
from common.execution.recorder import Recorder, _reserve_what_is_open, fill_ref
from common.ports import Delete, Ref
from tests.builders import (
    CLIENT_ORDER_ID,
    DEPLOYMENT_ID,
    INTENT_ID,
    a_fill,
    a_position,
    an_intent,
    an_order,
)
from tests.fakes.venue import fill_of, report_of
from tests.unit.functions.trading_desk import HL, TradingDesk

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


WORK: dict[str, Work] = {
    "record": lambda recorder: recorder.record(INTENT_ID, CLIENT_ORDER_ID, rejected("M", "no")),
    "unresolved": lambda recorder: recorder.unresolved(INTENT_ID, CLIENT_ORDER_ID, "why"),
    "abandon_retry": lambda recorder: recorder.abandon_retry(INTENT_ID),
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
    with pytest.raises(InvalidInputError, match="its order, delivery or exposure is missing"):
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


def test_reservation_when_there_is_none_or_an_earlier_order_speaks_then_left_alone() -> None:
    empty = Exposure.empty(DEPLOYMENT_ID)
    intent = an_intent(status=IntentStatus.WORKING)

    assert _reserve_what_is_open(empty, intent, an_order()) is empty


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


def test_fill_ref_when_venues_use_the_same_number_then_two_documents() -> None:
    one, two = (fill_ref(a_fill("7", venue=venue)) for venue in (HL, Venue.GMX))
    assert one != two
    assert one == fill_ref(a_fill("7", last_qty=Decimal(9)))


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
