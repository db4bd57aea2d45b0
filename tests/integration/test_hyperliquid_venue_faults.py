"""Everything that can go wrong between our adapter and Hyperliquid ends in the right outcome.

The oracle is the simulated venue's own ledger: what it holds, not what it said.
"""

from dataclasses import replace
from decimal import Decimal

import pytest

from common.domain.money import ZERO
from common.domain.order import Order, OrderStatus
from common.errors import (
    OutcomeUnknownError,
    RateLimitedError,
    RejectedError,
    SapphireError,
    TransientError,
)
from infra.local.exchanges.faults import Fault, FaultKind
from infra.local.exchanges.hyperliquid.limits import WeightBudget
from tests.builders import DEPLOYMENT_ID
from tests.integration.hyperliquid_floor import MASTER, Floor, outcome

FULL = Decimal("0.3333")
LAG_S = 8.0
AFTER_ITS_END_S = 23.0  # beyond order_ttl + clock_skew_max + read_lag_max

# What striking the order's own request must end in, and whether the venue then holds the order.
SUBMITTED: list[tuple[Fault, type[SapphireError] | None, bool]] = [
    (Fault(FaultKind.DOWN), TransientError, False),
    (Fault(FaultKind.LOST_REQUEST), OutcomeUnknownError, False),
    (Fault(FaultKind.LOST_ANSWER), OutcomeUnknownError, True),
    (Fault(FaultKind.LATE, delay_s=8), OutcomeUnknownError, False),
    (Fault(FaultKind.TWICE), OutcomeUnknownError, True),
    (Fault(FaultKind.SERVER_ERROR, lands=False), OutcomeUnknownError, False),
    (Fault(FaultKind.SERVER_ERROR, lands=True), OutcomeUnknownError, True),
    (Fault(FaultKind.SERVER_ERROR, lands=True, status=504), OutcomeUnknownError, True),
    (Fault(FaultKind.RATE_LIMITED), OutcomeUnknownError, False),
    (Fault(FaultKind.RATE_LIMITED, retry_after_s=3), OutcomeUnknownError, False),
    (Fault(FaultKind.REDIRECT, lands=False), OutcomeUnknownError, False),
    (Fault(FaultKind.REDIRECT, lands=True), OutcomeUnknownError, True),
    (Fault(FaultKind.TRUNCATED), OutcomeUnknownError, True),
    (Fault(FaultKind.EMPTY), OutcomeUnknownError, True),
    (Fault(FaultKind.HUGE), OutcomeUnknownError, True),
    (Fault(FaultKind.ENDLESS), OutcomeUnknownError, True),
    (Fault(FaultKind.ORDER_ERROR), OutcomeUnknownError, False),
    (Fault(FaultKind.ORDER_ERROR, message="duplicate cloid"), OutcomeUnknownError, False),
    (
        Fault(FaultKind.ORDER_ERROR, message="Insufficient margin to place order. asset=2"),
        RejectedError,
        False,
    ),
    (Fault(FaultKind.MISSING_FIELD, field="status"), OutcomeUnknownError, True),
    (Fault(FaultKind.MISSING_FIELD, field="oid"), OutcomeUnknownError, True),
    (Fault(FaultKind.RENAMED_FIELD, field="totalSz"), OutcomeUnknownError, True),
    (Fault(FaultKind.RENAMED_FIELD), OutcomeUnknownError, True),
    (Fault(FaultKind.NULL_FIELD, field="oid"), OutcomeUnknownError, True),
    (Fault(FaultKind.NULL_FIELD), OutcomeUnknownError, True),
    (Fault(FaultKind.NAN_FIELD, field="totalSz"), OutcomeUnknownError, True),
    (Fault(FaultKind.NAN_FIELD), OutcomeUnknownError, True),
    (Fault(FaultKind.READ_LAG, delay_s=LAG_S), None, True),
    (Fault(FaultKind.PARTIAL_FILL, fraction=Decimal("0.5")), None, True),
    (Fault(FaultKind.FILLS_SHUFFLED), None, True),
    (Fault(FaultKind.FILLS_REPEATED), None, True),
    (Fault(FaultKind.NO_EFFECT), None, False),
]


def name_of(case: object) -> str | None:
    if not isinstance(case, Fault):
        return None
    parts = [case.kind.value, case.field or "", "lands" if case.lands else "", case.message[:12]]
    return "-".join(part for part in parts if part)


def test_the_table_when_a_fault_is_added_then_it_must_be_here() -> None:
    assert {fault.kind for fault, _, _ in SUBMITTED} == set(FaultKind)


@pytest.mark.parametrize(("fault", "error", "lands"), SUBMITTED, ids=name_of)
async def test_submit_when_the_order_is_struck_then_proven_or_unknown(
    fault: Fault, error: type[SapphireError] | None, lands: bool
) -> None:
    """Never "failed" for an order that may live, and after its time the truth is found."""
    floor = await Floor().open()
    floor.strike(fault)
    order = floor.order()
    request = await floor.venue.prepare(order)
    order = replace(order, nonce=request.nonce, signer=request.signer)
    if error is None:
        report = await floor.venue.submit(order, request)
        assert report.client_order_id == order.client_order_id
    else:
        with pytest.raises(SapphireError) as problem:
            await floor.venue.submit(order, request)
        assert type(problem.value) is error
    assert (floor.held() > 0) is lands
    await floor.clock.sleep(AFTER_ITS_END_S)
    await check_found_out(floor, order)


async def check_found_out(floor: Floor, order: Order) -> None:
    """What the venue's ledger holds is what a query tells, fill by fill."""
    asked = await floor.venue.query_order(order)
    ledger = floor.exchange.fills(MASTER)
    position = await floor.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH")
    if asked is None:
        assert not ledger
        assert position is None
        return
    assert {fill.trade_id for fill in asked.fills} == {str(fill.tid) for fill in ledger}
    assert sum(fill.last_qty for fill in asked.fills) == asked.filled_qty == floor.held()
    assert (Decimal(position.signed_qty) if position else 0) == floor.held()
    assert asked.status.is_terminal


async def test_submit_when_late_within_its_life_then_found_when_it_comes() -> None:
    floor = await Floor().open()
    floor.strike(Fault(FaultKind.LATE, delay_s=8))
    with pytest.raises(OutcomeUnknownError):
        await floor.place(order := floor.order())
    assert await floor.venue.query_order(order) is None
    await floor.clock.sleep(9)
    assert outcome(await floor.venue.query_order(order)) == (OrderStatus.FILLED, FULL, FULL)


async def test_submit_when_late_beyond_its_expiry_then_never() -> None:
    floor = await Floor().open()
    floor.strike(Fault(FaultKind.LATE, delay_s=20))
    with pytest.raises(OutcomeUnknownError):
        await floor.place(order := floor.order())
    await floor.clock.sleep(AFTER_ITS_END_S)
    assert await floor.venue.query_order(order) is None
    assert floor.held() == 0


async def test_submit_when_expired_then_unknown_because_it_may_have_come_before() -> None:
    floor = await Floor().open()
    order = floor.order()
    request = await floor.venue.prepare(order)
    await floor.venue.submit(order, request)
    await floor.clock.sleep(16)
    with pytest.raises(OutcomeUnknownError, match="expire"):
        await floor.venue.submit(order, request)
    assert floor.held() == FULL


async def test_submit_when_a_resend_of_a_lost_request_then_it_trades_once() -> None:
    """Lost, sent again, and again: one order."""
    floor = await Floor().open()
    floor.strike(Fault(FaultKind.LOST_REQUEST))
    order = floor.order()
    request = await floor.venue.prepare(order)
    with pytest.raises(OutcomeUnknownError):
        await floor.venue.submit(order, request)
    report = await floor.another_instance().submit(order, request)
    assert outcome(report) == (OrderStatus.FILLED, FULL, FULL)
    with pytest.raises(OutcomeUnknownError):
        await floor.venue.submit(order, request)
    assert floor.held() == FULL


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.DOWN),
        Fault(FaultKind.LOST_ANSWER),
        Fault(FaultKind.SERVER_ERROR, lands=True),
        Fault(FaultKind.RATE_LIMITED, retry_after_s=3),
        Fault(FaultKind.TRUNCATED),
        Fault(FaultKind.EMPTY),
        Fault(FaultKind.ENDLESS),
        Fault(FaultKind.MISSING_FIELD, field="tid"),
        Fault(FaultKind.NAN_FIELD, field="px"),
        Fault(FaultKind.RENAMED_FIELD, field="oid"),
    ],
    ids=name_of,
)
async def test_submit_when_only_its_fills_cannot_be_read_then_it_is_filled_without_them(
    fault: Fault,
) -> None:
    """The venue said "filled": what is told later is told by the next query."""
    floor = await Floor().open()
    floor.strike(fault, operation="userFillsByTime")
    order, report = await floor.place(floor.order())
    assert outcome(report) == (OrderStatus.FILLED, FULL, ZERO)
    assert "fills could not be read" in report.reason
    await floor.clock.sleep(15)
    assert outcome(await floor.venue.query_order(order)) == (OrderStatus.FILLED, FULL, FULL)


QUERIES = [
    Fault(FaultKind.DOWN),
    Fault(FaultKind.LOST_REQUEST),
    Fault(FaultKind.LOST_ANSWER),
    Fault(FaultKind.LATE, delay_s=5),
    Fault(FaultKind.SERVER_ERROR),
    Fault(FaultKind.RATE_LIMITED),
    Fault(FaultKind.RATE_LIMITED, retry_after_s=3),
    Fault(FaultKind.REDIRECT),
    Fault(FaultKind.TRUNCATED),
    Fault(FaultKind.EMPTY),
    Fault(FaultKind.HUGE),
    Fault(FaultKind.ENDLESS),
    Fault(FaultKind.MISSING_FIELD),
    Fault(FaultKind.RENAMED_FIELD),
    Fault(FaultKind.NULL_FIELD),
    Fault(FaultKind.NAN_FIELD),
]


@pytest.mark.parametrize("operation", ["orderStatus", "userFillsByTime", "clearinghouseState"])
@pytest.mark.parametrize("fault", QUERIES, ids=name_of)
async def test_query_when_struck_then_no_answer_and_never_absent_or_flat(
    fault: Fault, operation: str
) -> None:
    floor = await Floor().open()
    order, _ = await floor.place(floor.order())
    floor.strike(fault, operation=operation)

    async def ask() -> None:
        await floor.venue.query_order(order)
        await floor.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH")

    with pytest.raises(TransientError) as problem:
        await ask()
    if fault.kind is FaultKind.RATE_LIMITED:
        assert isinstance(problem.value, RateLimitedError)
        assert problem.value.retry_after_s == fault.retry_after_s
    await floor.clock.sleep(15)
    await check_found_out(floor, order)


@pytest.mark.parametrize("kind", [FaultKind.FILLS_SHUFFLED, FaultKind.FILLS_REPEATED])
async def test_query_when_fills_come_twice_or_out_of_order_then_each_once_and_sorted(
    kind: FaultKind,
) -> None:
    floor = await Floor().open()
    order, report = await floor.place(floor.order(quantity=Decimal(60)))
    assert len(report.fills) >= 2
    floor.strike(Fault(kind), operation="userFillsByTime", times=None)
    asked = await floor.venue.query_order(order)
    assert asked is not None
    assert asked.fills == report.fills
    assert len({fill.trade_id for fill in asked.fills}) == len(asked.fills)


async def test_query_when_reads_lag_then_absent_until_they_catch_up() -> None:
    floor = await Floor().open()
    floor.strike(Fault(FaultKind.READ_LAG, delay_s=LAG_S))
    order, report = await floor.place(floor.order())
    assert outcome(report) == (OrderStatus.FILLED, FULL, ZERO)  # its word counts; its fills lag
    assert await floor.venue.query_order(order) is None
    await floor.clock.sleep(LAG_S + 1)
    assert outcome(await floor.venue.query_order(order)) == (OrderStatus.FILLED, FULL, FULL)


async def test_query_order_when_only_its_fills_know_it_then_it_is_not_absent() -> None:
    """nautilus_trader 3879: a look-up by client id that finds nothing for a known order."""
    floor = await Floor().open()
    order, _ = await floor.place(floor.order())
    (found,) = floor.exchange.engine.accounts[MASTER].orders
    found.cloid = None
    asked = await floor.venue.query_order(order)
    assert outcome(asked) == (OrderStatus.FILLED, FULL, FULL)


# ---------------------------------------------------------------------------------- the fence


async def test_cancel_when_under_way_then_it_can_never_come() -> None:
    floor = await Floor().open()
    floor.strike(Fault(FaultKind.LATE, delay_s=8))
    order = floor.order()
    request = await floor.venue.prepare(order)
    order = replace(order, nonce=request.nonce, signer=request.signer)
    with pytest.raises(OutcomeUnknownError):
        await floor.venue.submit(order, request)
    assert await floor.venue.cancel(order) is None
    await floor.clock.sleep(AFTER_ITS_END_S)
    assert await floor.venue.query_order(order) is None
    assert floor.held() == 0
    assert floor.asked("noop", "cancelByCloid") == ["noop", "noop"]


async def test_cancel_when_it_came_before_the_fence_then_its_report() -> None:
    floor = await Floor().open()
    floor.strike(Fault(FaultKind.LOST_ANSWER))
    order = floor.order()
    request = await floor.venue.prepare(order)
    order = replace(order, nonce=request.nonce, signer=request.signer)
    with pytest.raises(OutcomeUnknownError):
        await floor.venue.submit(order, request)
    assert outcome(await floor.venue.cancel(order)) == (OrderStatus.FILLED, FULL, FULL)


async def test_cancel_when_the_order_rests_unknown_to_us_then_canceled() -> None:
    floor = await Floor().open()
    floor.strike(Fault(FaultKind.LOST_ANSWER))
    order = floor.resting()
    request = await floor.venue.prepare(order)
    order = replace(order, nonce=request.nonce, signer=request.signer)
    with pytest.raises(OutcomeUnknownError):
        await floor.venue.submit(order, request)
    assert outcome(await floor.venue.cancel(order)) == (OrderStatus.CANCELED, ZERO, ZERO)


async def test_cancel_when_it_came_and_does_not_show_then_not_absent() -> None:
    """The nonce is used: by the order, or by a fence before. Only time tells them apart."""
    floor = await Floor().open()
    floor.strike(Fault(FaultKind.READ_LAG, delay_s=LAG_S))
    order, _ = await floor.place(floor.order())
    with pytest.raises(TransientError, match="may still appear"):
        await floor.venue.cancel(order)
    await floor.clock.sleep(LAG_S + 1)
    assert outcome(await floor.venue.cancel(order)) == (OrderStatus.FILLED, FULL, FULL)


async def test_cancel_when_asked_again_after_a_fence_then_absent_in_the_end() -> None:
    floor = await Floor().open()
    floor.strike(Fault(FaultKind.LOST_REQUEST))
    order = floor.order()
    request = await floor.venue.prepare(order)
    order = replace(order, nonce=request.nonce, signer=request.signer)
    with pytest.raises(OutcomeUnknownError):
        await floor.venue.submit(order, request)
    assert await floor.venue.cancel(order) is None
    with pytest.raises(TransientError):
        await floor.venue.cancel(order)
    await floor.clock.sleep(AFTER_ITS_END_S)
    assert await floor.venue.cancel(order) is None


@pytest.mark.parametrize(
    "fault", [f for f, error, _ in SUBMITTED if error is not None], ids=name_of
)
@pytest.mark.parametrize("operation", ["noop", "cancelByCloid"])
async def test_cancel_when_struck_then_no_answer_and_the_next_one_is_right(
    fault: Fault, operation: str
) -> None:
    floor = await Floor().open()
    order, report = await floor.place(floor.resting())
    if operation == "cancelByCloid":
        order = replace(order, venue_order_id=report.venue_order_id)
    floor.strike(fault, operation=operation)
    try:
        ended = await floor.venue.cancel(order)
    except TransientError:
        await floor.clock.sleep(15)
        ended = await floor.venue.cancel(order)
    assert outcome(ended) == (OrderStatus.CANCELED, ZERO, ZERO)
    assert not floor.exchange.engine.accounts[MASTER].live_orders


@pytest.mark.parametrize("times", [1, None])
async def test_cancel_when_the_fence_says_yes_and_does_nothing_then_no_answer(
    times: int | None,
) -> None:
    """200, ok, and no effect: the venue must show that the nonce is used."""
    floor = await Floor().open()
    floor.strike(Fault(FaultKind.LATE, delay_s=8))
    order = floor.order()
    request = await floor.venue.prepare(order)
    order = replace(order, nonce=request.nonce, signer=request.signer)
    with pytest.raises(OutcomeUnknownError):
        await floor.venue.submit(order, request)
    floor.strike(Fault(FaultKind.NO_EFFECT), operation="noop", times=times)
    with pytest.raises(TransientError, match="does not confirm"):
        await floor.venue.cancel(order)
    await floor.clock.sleep(AFTER_ITS_END_S)
    asked = await floor.venue.cancel(order) if times == 1 else await floor.venue.query_order(order)
    assert (asked is None) is (floor.held() == 0)


async def test_cancel_when_another_key_signs_now_then_only_time_proves_absence() -> None:
    """A fence needs the key that signed the order; a cancel by cloid does not."""
    floor = await Floor().open()
    floor.strike(Fault(FaultKind.LOST_REQUEST))
    order = floor.order()
    request = await floor.venue.prepare(order)
    order = replace(order, nonce=request.nonce, signer="0x" + "0" * 40)
    with pytest.raises(OutcomeUnknownError):
        await floor.venue.submit(order, request)
    with pytest.raises(TransientError, match="may still appear"):
        await floor.venue.cancel(order)
    assert floor.asked("noop") == []
    await floor.clock.sleep(AFTER_ITS_END_S)
    assert await floor.venue.cancel(order) is None


# ---------------------------------------------------------------------------------- weight


async def test_requests_when_many_then_the_venues_own_limit_is_never_met() -> None:
    """Two instances trade as fast as our budget lets them; the venue counts the weight itself."""
    floor = await Floor(weights=WeightBudget()).open()
    venues = [floor.venue, floor.another_instance()]
    placed = 0
    waits: list[float | None] = []
    while placed < 60:
        order = floor.order(quantity=Decimal("0.0050"))
        venue = venues[placed % 2]
        try:
            request = await venue.prepare(order)
            await venue.submit(order, request)
            placed += 1
        except RateLimitedError as error:
            waits.append(error.retry_after_s)
            await floor.clock.sleep(error.retry_after_s or 60)
    assert waits
    assert None not in waits
    assert len({fill.cloid for fill in floor.exchange.fills(MASTER)}) == placed


async def test_requests_when_reading_used_its_share_then_orders_are_still_settled() -> None:
    floor = await Floor().open()

    async def read_on() -> None:
        while True:
            await floor.venue.load_instruments()

    with pytest.raises(RateLimitedError):
        await read_on()
    order, report = await floor.place(floor.order())
    assert outcome(report) == (OrderStatus.FILLED, FULL, FULL)
    assert outcome(await floor.venue.query_order(order)) == (OrderStatus.FILLED, FULL, FULL)
    assert outcome(await floor.venue.cancel(order)) == (OrderStatus.FILLED, FULL, FULL)


async def test_submit_when_the_budget_ran_out_after_signing_then_it_still_goes() -> None:
    """Its weight was paid by `prepare`: our own limit never looks like a venue that is down."""
    floor = await Floor().open()
    order = floor.order()
    request = await floor.venue.prepare(order)

    async def use_up() -> None:
        while True:
            await floor.another_instance().query_position(account_id=DEPLOYMENT_ID, symbol="ETH")

    with pytest.raises(RateLimitedError):
        await use_up()
    with pytest.raises(RateLimitedError):
        await floor.another_instance().prepare(floor.order())
    report = await floor.venue.submit(order, request)
    assert outcome(report) == (OrderStatus.FILLED, FULL, ZERO)
    assert "limit of requests is used up" in report.reason
