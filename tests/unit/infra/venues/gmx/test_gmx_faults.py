"""Every fault of the fault core, at each step of an order: the right error, and never two fills."""

import pytest

from common.domain.order import OrderReport, OrderStatus
from common.errors import (
    OutcomeUnknownError,
    RateLimitedError,
    RejectedError,
    SapphireError,
    TransientError,
)
from infra.local.exchanges.faults import Fault, FaultKind
from tests.unit.infra.venues.gmx.gmx_desk import WALLET, Desk, always, once

Ends = type[SapphireError] | OrderStatus

DRIFTS = (
    FaultKind.MISSING_FIELD,
    FaultKind.RENAMED_FIELD,
    FaultKind.NULL_FIELD,
    FaultKind.NAN_FIELD,
)
EXECUTED = OrderStatus.CANCELED  # filled, and a remainder ended with it
SUBMITS: list[tuple[Fault, Ends]] = [
    (Fault(FaultKind.DOWN), TransientError),
    (Fault(FaultKind.LOST_REQUEST), OutcomeUnknownError),
    (Fault(FaultKind.LOST_ANSWER), OutcomeUnknownError),
    (Fault(FaultKind.LATE, delay_s=20), OutcomeUnknownError),
    (Fault(FaultKind.TWICE), EXECUTED),
    (Fault(FaultKind.SERVER_ERROR), OutcomeUnknownError),
    (Fault(FaultKind.SERVER_ERROR, lands=True), OutcomeUnknownError),
    (Fault(FaultKind.SERVER_ERROR, status=503, lands=True), OutcomeUnknownError),
    (Fault(FaultKind.RATE_LIMITED), OutcomeUnknownError),
    (Fault(FaultKind.RATE_LIMITED, retry_after_s=7), OutcomeUnknownError),
    (Fault(FaultKind.REDIRECT), OutcomeUnknownError),
    (Fault(FaultKind.REDIRECT, lands=True), OutcomeUnknownError),
    (Fault(FaultKind.TRUNCATED), OutcomeUnknownError),
    (Fault(FaultKind.EMPTY), OutcomeUnknownError),
    (Fault(FaultKind.HUGE), OutcomeUnknownError),
    (Fault(FaultKind.ENDLESS), OutcomeUnknownError),
    (Fault(FaultKind.ORDER_ERROR), RejectedError),
    (Fault(FaultKind.NO_EFFECT), OrderStatus.ACCEPTED),
    (Fault(FaultKind.READ_LAG, delay_s=20), OrderStatus.ACCEPTED),
    (Fault(FaultKind.PARTIAL_FILL), EXECUTED),
    (Fault(FaultKind.FILLS_SHUFFLED), EXECUTED),
    (Fault(FaultKind.FILLS_REPEATED), EXECUTED),
    *((Fault(kind), OutcomeUnknownError) for kind in DRIFTS),
    *((Fault(kind, field="status"), OutcomeUnknownError) for kind in DRIFTS),
    *((Fault(kind, field="requestId"), OutcomeUnknownError) for kind in DRIFTS),
]
NOTHING_HAPPENED = {
    FaultKind.DOWN,
    FaultKind.LOST_REQUEST,
    FaultKind.RATE_LIMITED,
    FaultKind.ORDER_ERROR,
    FaultKind.NO_EFFECT,
}


def test_submit_cases_when_counted_then_no_kind_of_fault_is_missing() -> None:
    assert {fault.kind for fault, _ in SUBMITS} == set(FaultKind)


@pytest.mark.parametrize(("fault", "ends"), SUBMITS, ids=str)
async def test_submit_when_struck_then_its_end_is_what_is_proven(fault: Fault, ends: Ends) -> None:
    desk = await Desk(once(fault, "submit")).open()
    order, request = await desk.prepared(desk.order())

    if isinstance(ends, OrderStatus):
        assert (await desk.venue.submit(order, request)).status is ends
    else:
        with pytest.raises(ends) as raised:
            await desk.venue.submit(order, request)
        assert type(raised.value) is ends

    desk.clock.advance(30)
    desk.server.catch_up()
    desk.exchange.advance(desk.clock.now())
    happened = fault.kind not in NOTHING_HAPPENED and (fault.reaches or fault.delay_s > 0)
    assert len(desk.exchange.fills()) == (1 if happened else 0)


@pytest.mark.parametrize(("fault", "ends"), SUBMITS, ids=str)
async def test_order_when_struck_and_then_asked_and_sent_again_then_one_fill(
    fault: Fault, ends: Ends
) -> None:
    """What `settle` does: ask; while the venue has no such order, send the same bytes again."""
    desk = await Desk(once(fault, "submit")).open()
    order, request = await desk.prepared(desk.order())
    first = await outcome(desk.venue.submit(order, request))

    reports = [first] if isinstance(first, OrderReport) else []
    for _ in range(4):
        desk.clock.advance(8)
        report = await desk.venue.query_order(order)
        if report is None and ends is not RejectedError:
            again = await outcome(desk.venue.submit(order, request))
            report = again if isinstance(again, OrderReport) else None
        reports += [report] if report else []

    if ends is RejectedError:
        assert desk.exchange.fills() == []
        assert reports[-1].status is OrderStatus.REJECTED
        return
    (house,) = desk.exchange.fills()
    told = {fill.trade_id: fill for report in reports for fill in report.fills}
    assert [(fill.trade_id, fill.last_qty) for fill in told.values()] == [
        (house.trade_id, house.qty)
    ]
    assert desk.exchange.position(WALLET, "ETH") == house.qty


async def outcome(call: object) -> object:
    try:
        return await call  # type: ignore[misc]  # any coroutine
    except SapphireError as error:
        return error


UNANSWERED = [
    Fault(FaultKind.DOWN),
    Fault(FaultKind.LOST_REQUEST),
    Fault(FaultKind.LOST_ANSWER),
    Fault(FaultKind.LATE, delay_s=5),
    Fault(FaultKind.SERVER_ERROR),
    Fault(FaultKind.SERVER_ERROR, lands=True),
    Fault(FaultKind.RATE_LIMITED, retry_after_s=3),
    Fault(FaultKind.REDIRECT, lands=True),
    Fault(FaultKind.TRUNCATED),
    Fault(FaultKind.EMPTY),
    Fault(FaultKind.HUGE),
    Fault(FaultKind.ENDLESS),
]


@pytest.mark.parametrize("operation", ["prepare", "positions", "prices"])
@pytest.mark.parametrize("fault", UNANSWERED, ids=str)
async def test_prepare_when_a_step_is_not_answered_then_not_now_and_nothing_is_signed(
    fault: Fault, operation: str
) -> None:
    desk = await Desk(always(fault, operation)).open()

    with pytest.raises(TransientError):
        await desk.venue.prepare(desk.order())

    assert desk.accounts.asked == []
    assert desk.exchange.fills() == []


@pytest.mark.parametrize("kind", DRIFTS)
async def test_prepare_when_the_answer_has_drifted_then_refused_and_nothing_is_signed(
    kind: FaultKind,
) -> None:
    desk = await Desk(always(Fault(kind), "prepare")).open()

    with pytest.raises(RejectedError, match="TYPED_DATA_MISMATCH"):
        await desk.venue.prepare(desk.order())

    assert desk.accounts.asked == []


@pytest.mark.parametrize("operation", ["markets", "tokens", "tickers", "info"])
@pytest.mark.parametrize("fault", [*UNANSWERED, *(Fault(kind) for kind in DRIFTS)], ids=str)
async def test_load_instruments_when_a_list_cannot_be_used_then_no_table(
    fault: Fault, operation: str
) -> None:
    desk = Desk()
    desk.server.faults = Desk(always(fault, operation)).faults

    with pytest.raises(SapphireError):
        await desk.venue.load_instruments()


@pytest.mark.parametrize("operation", ["status", "trades"])
@pytest.mark.parametrize("fault", [*UNANSWERED, *(Fault(kind) for kind in DRIFTS)], ids=str)
async def test_query_order_when_not_answered_then_that_is_not_absent(
    fault: Fault, operation: str
) -> None:
    desk = await Desk().open()
    order, _ = await desk.trade(desk.order())
    desk.server.faults = Desk(always(fault, operation)).faults

    told = await outcome(desk.venue.query_order(order))

    if isinstance(told, OrderReport):  # executed it is; the trade cannot be made out
        assert (operation, fault.kind in DRIFTS) == ("trades", True)
        assert (told.status, told.fills) == (OrderStatus.FILLED, ())
    else:
        assert isinstance(told, TransientError)


@pytest.mark.parametrize("kind", [FaultKind.FILLS_SHUFFLED, FaultKind.FILLS_REPEATED])
@pytest.mark.parametrize("operation", ["trades", "positions", "orders"])
async def test_queries_when_records_are_repeated_or_out_of_order_then_the_same(
    kind: FaultKind, operation: str
) -> None:
    desk = await Desk().open()
    order, report = await desk.trade(desk.order())
    await desk.trade(desk.order(client_order_id="0x" + "12" * 16))
    state = await desk.venue.query_account(account_id="a")
    desk.server.faults = Desk(always(Fault(kind), operation)).faults

    assert await desk.venue.query_order(order) == report
    assert await desk.venue.query_account(account_id="a") == state
    assert desk.server.faults.fired[kind] > 0


@pytest.mark.parametrize("operation", ["positions", "orders"])
@pytest.mark.parametrize("fault", [*UNANSWERED, *(Fault(kind) for kind in DRIFTS)], ids=str)
async def test_query_account_when_not_answered_then_that_is_not_flat(
    fault: Fault, operation: str
) -> None:
    desk = await Desk().open()
    await desk.trade(desk.order())
    await desk.exchange_rests(desk.order(client_order_id="0x" + "34" * 16))
    desk.server.faults = Desk(always(fault, operation)).faults

    with pytest.raises(TransientError):
        await desk.venue.query_account(account_id="a")


@pytest.mark.parametrize("operation", ["cancel_prepare", "submit", "status"])
@pytest.mark.parametrize("fault", UNANSWERED, ids=str)
async def test_cancel_when_a_step_is_not_answered_then_not_now(
    fault: Fault, operation: str
) -> None:
    desk = await Desk().open()
    order = await desk.exchange_rests(desk.order())
    desk.server.faults = Desk(always(fault, operation)).faults

    with pytest.raises(TransientError):
        await desk.venue.cancel(order)


async def test_read_when_the_venue_names_a_wait_then_it_is_told() -> None:
    desk = await Desk().open()
    order, _ = await desk.trade(desk.order())
    fault = Fault(FaultKind.RATE_LIMITED, retry_after_s=7)
    desk.server.faults = Desk(always(fault, "status")).faults

    with pytest.raises(RateLimitedError) as limited:
        await desk.venue.query_order(order)

    assert limited.value.retry_after_s == 7
