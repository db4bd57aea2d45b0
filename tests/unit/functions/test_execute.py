"""Execute: every outcome at the wire, and every reason not to get there."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from common.books import (
    ACCOUNTS,
    AUDIT,
    BREAKERS,
    EXPOSURES,
    FILLS,
    ORDER_INTENTS,
    ORDERS,
)
from common.contention import TRIES
from common.documents import create
from common.domain.account import Account
from common.domain.events import NotificationRaised, OrderPlanned, OrderUnknown, PositionChanged
from common.domain.exposure import Reservation
from common.domain.instrument import Venue
from common.domain.order import Order, OrderReport, OrderSide, OrderStatus
from common.errors import (
    InvalidInputError,
    OutcomeUnknownError,
    RateLimitedError,
    RejectedError,
    TransientError,
)
from common.how.trading_state import PLATFORM, TradingState
from common.how.worst_case import gross, notionals
from common.ports import Delete, Ref
from common.where.breaker import Breaker, BreakerStatus
from common.where.breakers import Breakers
from tests.builders import DEPLOYMENT_ID, INTENT_ID, NOON
from tests.fakes.venue import fill_of, report_of
from tests.unit.functions.mishaps import LosesRaces, meanwhile, right_after
from tests.unit.functions.trading_desk import HL, OSTIUM, TradingDesk, candidate, two_venue_plan

HOLD_ALL = ("SUBMITTED", "SENDING", "EXECUTING", "PENDING")


@pytest.fixture
async def desk() -> TradingDesk:
    return await TradingDesk().open()


async def open_breaker(desk: TradingDesk, venue: Venue) -> None:
    breakers = Breakers(desk.store, desk.clock, desk.settings.breaker)
    for number in range(desk.settings.breaker.failures_to_open):
        ticket = await breakers.admit(venue, f"r{number}")
        assert ticket is not None
        await breakers.failed(ticket, "down")


def breaker(desk: TradingDesk, venue: Venue = HL) -> Breaker:
    return desk.get(Breaker, BREAKERS, venue)


async def test_execute_when_filled_then_everything_agrees_in_one_commit(desk: TradingDesk) -> None:
    messages = await desk.execute()

    assert desk.states() == ("FILLED", "FILLED", "EXECUTED", "EXECUTED")
    assert desk.delivery().reason == "Filled 1 ETH"
    assert desk.signal().final_venue == "HYPERLIQUID"
    assert desk.signal().outcomes == {"EXECUTED": 1}
    assert (desk.position().signed_qty, desk.position().fill_count) == (Decimal(1), 1)
    assert desk.exposure().reservations == {}
    assert desk.exposure().held(HL, "ETH") == 1
    (record,) = desk.rows(FILLS).values()
    assert record["position_id"] == desk.position().position_id
    assert record["realized_pnl"] == "0"
    assert desk.told() == [
        "TRADE BUY 1 ETH on Hyperliquid at 3,015.00, 3,015.00 USD, fee 0.45 (swarm)"
    ]
    assert [type(message.event) for message in messages] == [NotificationRaised, PositionChanged]
    assert desk.in_outbox(messages)
    account = desk.get(Account, ACCOUNTS, DEPLOYMENT_ID)
    assert (account.cash, account.commissions) == (
        Decimal("6984.55"),
        Decimal("0.45"),
    )
    assert {row["action"] for row in desk.rows(AUDIT).values()} == {
        "order-sending",
        "order-outcome",
    }


async def test_execute_when_it_sends_then_all_was_written_ahead(desk: TradingDesk) -> None:
    seen: list[tuple[str, ...]] = []

    async def look(order: Order) -> OrderReport:
        seen.append(desk.states())
        assert desk.order() == order
        assert desk.exposure().reservations[INTENT_ID].quantity == order.quantity
        assert [row["action"] for row in desk.rows(AUDIT).values()] == ["order-sending"]
        return report_of(order, fill_of(order))

    desk.hyperliquid.replies = [look]
    await desk.execute()

    assert seen == [HOLD_ALL]


async def test_execute_when_a_part_fills_then_partial_and_no_second_venue(
    desk: TradingDesk,
) -> None:
    async def part(order: Order) -> OrderReport:
        return report_of(order, fill_of(order, Decimal("0.4")))

    desk.hyperliquid.replies = [part]
    messages = await desk.execute()

    assert desk.states() == ("CANCELED", "PARTIAL", "PARTIAL", "PARTIAL")
    assert desk.delivery().reason == "Filled 0.4 ETH, the rest did not fill"
    assert desk.exposure().reservations == {}
    assert desk.told()[0].startswith("TRADE BUY 0.4 of 1 ETH on Hyperliquid")
    assert not any(isinstance(message.event, OrderPlanned) for message in messages)


@pytest.mark.parametrize(
    ("error", "code", "failures"),
    [
        (RejectedError("MARGIN_INSUFFICIENT", "too poor"), "MARGIN_INSUFFICIENT", 0),
        (TransientError("connection refused"), "NOT_SENT", 1),
        (RateLimitedError("slow down", retry_after_s=1), "NOT_SENT", 1),
    ],
)
async def test_execute_when_refused_or_never_sent_then_the_next_venue_gets_it(
    desk: TradingDesk, error: Exception, code: str, failures: int
) -> None:
    desk.hyperliquid.replies = [error]

    (message,) = await desk.execute()

    assert message.event == OrderPlanned(plan=desk.plan, attempt=2)
    assert desk.in_outbox([message])
    assert (desk.intent().status, desk.intent().reason_code) == ("RETRYING", code)
    assert desk.exposure().reservations[INTENT_ID].quantity == 1
    stored = desk.rows(BREAKERS).get(HL, {"failures": 0})
    assert stored["failures"] == failures

    await desk.execute(attempt=2)

    assert desk.states() == ("FILLED", "FILLED", "EXECUTED", "EXECUTED")
    assert desk.signal().final_venue == "OSTIUM"
    assert desk.position(OSTIUM).signed_qty == 1
    assert desk.order(1).status is OrderStatus.REJECTED


async def test_execute_when_the_last_venue_refuses_too_then_failed_and_told(
    desk: TradingDesk,
) -> None:
    desk.hyperliquid.replies = [RejectedError("MARGIN", "too poor")]
    desk.ostium.replies = [RejectedError("PAUSED", "closed for the day")]
    await desk.execute()
    await desk.execute(attempt=2)

    assert desk.states() == ("REJECTED", "REJECTED", "FAILED", "FAILED")
    assert desk.signal().reason_code == "PAUSED"
    assert gross(notionals(desk.exposure())) == 0
    assert desk.told() == ["RISK BUY 1 ETH on Ostium rejected: closed for the day"]


async def test_execute_when_nothing_fills_within_the_bound_then_the_next_venue(
    desk: TradingDesk,
) -> None:
    async def nothing(order: Order) -> OrderReport:
        return report_of(order)

    desk.hyperliquid.replies = [nothing]
    (message,) = await desk.execute()

    assert isinstance(message.event, OrderPlanned)
    assert desk.intent().reason_code == "NOT_FILLED_WITHIN_BOUND"


async def test_execute_when_ended_with_fills_that_are_not_told_then_no_other_venue_is_tried(
    desk: TradingDesk,
) -> None:
    async def canceled(order: Order) -> OrderReport:
        return replace(report_of(order), filled_qty=Decimal("0.5"))

    desk.hyperliquid.replies = [canceled]
    (message,) = await desk.execute()

    assert message.event == OrderUnknown(intent_id=INTENT_ID)
    assert desk.states() == ("UNKNOWN", "UNKNOWN", "EXECUTING", "PENDING")


async def test_execute_when_the_venue_takes_it_to_work_then_working_and_still_reserved(
    desk: TradingDesk,
) -> None:
    async def accepted(order: Order) -> OrderReport:
        return report_of(order, fill_of(order, Decimal("0.3")), status=OrderStatus.ACCEPTED)

    desk.hyperliquid.replies = [accepted]
    await desk.execute()

    assert desk.states() == ("PARTIALLY_FILLED", "WORKING", "EXECUTING", "PENDING")
    assert desk.exposure().reservations[INTENT_ID].quantity == Decimal("0.7")
    assert desk.exposure().held(HL, "ETH") == Decimal("0.3")


async def hang(order: Order) -> OrderReport:
    await asyncio.Event().wait()
    return report_of(order)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (OutcomeUnknownError("502 from the gateway"), "502 from the gateway"),
        (TimeoutError(), "no answer in time"),
        (KeyError("oid"), "KeyError: 'oid'"),
        (hang, "no answer in time"),
    ],
)
async def test_execute_when_nothing_is_proven_then_unknown_and_settle_is_called(
    desk: TradingDesk, reply: Exception | Callable[[Order], Awaitable[OrderReport]], reason: str
) -> None:
    desk.hyperliquid.capabilities = replace(
        desk.hyperliquid.capabilities, request_timeout=timedelta(milliseconds=20)
    )
    desk.hyperliquid.replies = [reply]

    (message,) = await desk.execute()

    assert message.event == OrderUnknown(intent_id=INTENT_ID)
    assert desk.states() == ("UNKNOWN", "UNKNOWN", "EXECUTING", "PENDING")
    assert desk.order().reason == reason
    assert desk.exposure().reservations[INTENT_ID].quantity == 1
    assert breaker(desk).failures == 1
    assert desk.ostium.sent == []


async def test_execute_when_delivered_again_after_the_end_then_nothing_changes(
    desk: TradingDesk,
) -> None:
    await desk.execute()
    before = desk.store.contents()

    assert await desk.execute() == []
    assert desk.store.contents() == before
    assert len(desk.hyperliquid.sent) == 1


async def test_execute_when_delivered_again_while_at_the_wire_then_asked_for_never_resent(
    desk: TradingDesk,
) -> None:
    again: list[object] = []

    async def twin(order: Order) -> OrderReport:
        again.extend(message.event for message in await desk.execute())
        again.extend(await desk.execute())
        return report_of(order, fill_of(order))

    desk.hyperliquid.replies = [twin]
    await desk.execute()

    assert again == [OrderUnknown(intent_id=INTENT_ID)]
    assert len(desk.hyperliquid.sent) == 1
    assert desk.states() == ("FILLED", "FILLED", "EXECUTED", "EXECUTED")


async def test_execute_when_an_older_attempt_comes_again_then_nothing_is_sent(
    desk: TradingDesk,
) -> None:
    desk.hyperliquid.replies = [RejectedError("MARGIN", "too poor")]
    desk.ostium.replies = [OutcomeUnknownError("lost")]
    await desk.execute()
    await desk.execute(attempt=2)

    for attempt in (1, 2, 3):
        assert await desk.execute(attempt=attempt) == []
    assert (len(desk.hyperliquid.sent), len(desk.ostium.sent)) == (1, 1)


@pytest.mark.parametrize("attempt", [1, 3])
async def test_execute_when_another_attempt_than_the_next_comes_then_nothing_is_sent(
    desk: TradingDesk, attempt: int
) -> None:
    desk.hyperliquid.replies = [RejectedError("MARGIN", "too poor")]
    await desk.execute()
    before = desk.store.contents()

    assert await desk.execute(attempt=attempt) == []
    assert desk.store.contents() == before
    assert desk.ostium.sent == []


async def test_execute_when_a_later_attempt_comes_first_then_nothing_is_sent(
    desk: TradingDesk,
) -> None:
    assert await desk.execute(attempt=2) == []
    assert desk.hyperliquid.sent == []
    assert ORDER_INTENTS not in desk.store.contents()


async def test_execute_when_the_breaker_is_open_then_the_next_candidate(
    desk: TradingDesk,
) -> None:
    await open_breaker(desk, HL)

    (message,) = await desk.execute()

    assert message.event == OrderPlanned(plan=desk.plan, attempt=2)
    assert desk.order(1).status is OrderStatus.DENIED
    assert desk.intent().reason_code == "BREAKER_OPEN"
    await desk.execute(attempt=2)
    assert (len(desk.hyperliquid.sent), len(desk.ostium.sent)) == (0, 1)


async def test_execute_when_every_breaker_is_open_then_denied(desk: TradingDesk) -> None:
    await open_breaker(desk, HL)
    await open_breaker(desk, OSTIUM)
    await desk.execute()
    await desk.execute(attempt=2)

    assert desk.states() == ("DENIED", "DENIED", "DENIED", "DENIED")
    assert desk.signal().reason == "Ostium is paused by its circuit breaker"
    assert gross(notionals(desk.exposure())) == 0


async def test_execute_when_halted_between_write_ahead_and_wire_then_denied_and_not_sent(
    desk: TradingDesk,
) -> None:
    right_after(desk.store, ORDERS, lambda: desk.set_state(TradingState.HALTED))
    assert await desk.execute() == []

    assert desk.hyperliquid.sent == []
    assert desk.states() == ("DENIED", "DENIED", "DENIED", "DENIED")
    assert desk.signal().reason_code == "TRADING_HALTED"
    assert gross(notionals(desk.exposure())) == 0


async def test_execute_when_the_gate_refuses_a_probe_then_the_place_is_free_again(
    desk: TradingDesk,
) -> None:
    await open_breaker(desk, HL)
    desk.clock.advance(60)

    right_after(desk.store, ORDERS, lambda: desk.set_state(TradingState.HALTED))
    await desk.execute()

    assert desk.hyperliquid.sent == []
    assert (breaker(desk).status, breaker(desk).probe_id) == (BreakerStatus.HALF_OPEN, None)


async def test_execute_when_superseded_at_the_gate_then_not_sent_and_nothing_recorded(
    desk: TradingDesk,
) -> None:
    await open_breaker(desk, HL)
    desk.clock.advance(60)

    right_after(desk.store, ORDERS, desk.execute)
    assert await desk.execute() == []

    assert desk.hyperliquid.sent == []
    assert desk.states() == ("UNKNOWN", "UNKNOWN", "EXECUTING", "PENDING")
    assert breaker(desk).probe_id is None


async def test_execute_when_sending_would_outlast_the_order_then_denied(
    desk: TradingDesk,
) -> None:
    async def stall() -> None:
        desk.clock.advance(10.001)

    right_after(desk.store, ORDERS, stall)
    await desk.execute()

    assert desk.hyperliquid.sent == []
    assert desk.delivery().reason_code == "SIGNAL_EXPIRED"


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (TradingState.HALTED, "TRADING_HALTED"),
        (TradingState.REDUCING, "TRADING_STATE_REDUCING"),
        (None, "TRADING_HALTED"),
    ],
)
async def test_execute_when_trading_is_not_active_then_denied_before_anything_is_written(
    state: TradingState | None, code: str
) -> None:
    desk = await TradingDesk().open(state)

    assert await desk.execute() == []

    assert desk.hyperliquid.sent == []
    assert (desk.signal().status, desk.signal().reason_code) == ("DENIED", code)
    assert ORDERS not in desk.store.contents()
    assert EXPOSURES not in desk.store.contents()


async def test_execute_when_reducing_then_only_one_order_may_close_the_holding() -> None:
    plan = two_venue_plan(side=OrderSide.SELL, candidates=(candidate(HL, price="2985"),))
    desk = await TradingDesk(plan).open(TradingState.REDUCING)
    await desk.hold("1")
    reduced = desk.exposure().reserve(
        "int_other",
        Reservation(
            venue=HL,
            symbol="ETH",
            side=OrderSide.SELL,
            quantity=Decimal(1),
            price=Decimal(3000),
        ),
    )
    await desk.change(Ref(EXPOSURES, plan.deployment_id), reduced)

    await desk.execute()

    assert desk.hyperliquid.sent == []
    assert desk.delivery().reason_code == "TRADING_STATE_REDUCING"


async def test_execute_when_reducing_then_a_closing_order_goes_through() -> None:
    plan = two_venue_plan(side=OrderSide.SELL, candidates=(candidate(HL, price="2985"),))
    desk = await TradingDesk(plan).open(TradingState.REDUCING)
    await desk.hold("1")
    desk.hyperliquid.replies = [OutcomeUnknownError("lost")]

    await desk.execute()

    assert len(desk.hyperliquid.sent) == 1
    assert desk.states()[:2] == ("UNKNOWN", "UNKNOWN")
    assert desk.exposure().reservations[INTENT_ID].price == 3000


async def test_execute_when_the_plan_is_out_of_time_then_expired(desk: TradingDesk) -> None:
    desk.clock.advance(600)

    await desk.execute()

    assert desk.hyperliquid.sent == []
    assert (desk.signal().status, desk.signal().reason_code) == ("EXPIRED", "SIGNAL_EXPIRED")


async def test_execute_when_a_retry_is_out_of_time_then_the_reservation_is_released(
    desk: TradingDesk,
) -> None:
    desk.hyperliquid.replies = [RejectedError("MARGIN", "too poor")]
    await desk.execute()
    desk.clock.advance(600)

    assert await desk.execute(attempt=2) == []

    assert (desk.intent().status, desk.delivery().status) == ("DENIED", "EXPIRED")
    assert gross(notionals(desk.exposure())) == 0
    assert desk.ostium.sent == []
    assert desk.signal().status == "EXPIRED"


async def test_execute_when_the_exposure_limit_would_be_broken_then_denied(
    desk: TradingDesk,
) -> None:
    await desk.hold("6")

    await desk.execute()

    assert desk.hyperliquid.sent == []
    assert desk.delivery().reason_code == "EXPOSURE_EXCEEDS_MAX_PER_DEPLOYMENT"


async def test_execute_when_two_orders_race_for_the_last_of_the_limit_then_one_gets_it(
    desk: TradingDesk,
) -> None:
    """I09: another instance reserves between our check and our write-ahead."""

    meanwhile(desk.store, ORDERS, lambda: desk.hold("6"))
    await desk.execute()

    assert desk.hyperliquid.sent == []
    assert desk.delivery().reason_code == "EXPOSURE_EXCEEDS_MAX_PER_DEPLOYMENT"


async def test_execute_when_the_venue_is_not_connected_then_denied(desk: TradingDesk) -> None:
    del desk.venues[HL]

    await desk.execute()

    assert desk.delivery().reason_code == "NO_EXECUTION_CLIENT"
    assert desk.delivery().reason == "Hyperliquid is not connected here"


@pytest.mark.parametrize(
    "altered",
    [
        two_venue_plan(candidates=(candidate(HL, "1.0001"), candidate(OSTIUM))),
        two_venue_plan(candidates=(candidate(HL, price="3016"), candidate(OSTIUM))),
        two_venue_plan(side=OrderSide.SELL),
        two_venue_plan(expires_at=NOON + timedelta(hours=1)),
        two_venue_plan(slippage_max=Decimal("0.5")),
        two_venue_plan(deployment_id="dep_2"),
    ],
)
async def test_execute_when_the_plan_was_altered_then_refused_and_nothing_written(
    desk: TradingDesk, altered: object
) -> None:
    before = desk.store.contents()
    assert isinstance(altered, type(desk.plan))
    with pytest.raises(InvalidInputError) as caught:
        await desk.execute(plan=altered)

    assert caught.value.code == "PLAN_NOT_APPROVED"
    assert desk.store.contents() == before
    assert desk.hyperliquid.sent == []


async def test_execute_when_route_has_not_approved_it_then_refused(desk: TradingDesk) -> None:
    unrouted = replace(desk.delivery(), plan_hash=None)
    await desk.change(Ref("signal_deliveries_v3", unrouted.delivery_id), unrouted)
    with pytest.raises(InvalidInputError, match="the plan is not one that was approved"):
        await desk.execute()


async def test_execute_when_the_delivery_is_not_there_yet_then_delivered_again(
    desk: TradingDesk,
) -> None:
    await desk.store.commit([Delete(Ref("signal_deliveries_v3", desk.plan.delivery_id))])
    with pytest.raises(TransientError, match="not in signal_deliveries_v3 yet"):
        await desk.execute()


async def test_execute_when_every_write_ahead_conflicts_then_transient_and_not_sent(
    desk: TradingDesk,
) -> None:
    races = LosesRaces(desk.store, EXPOSURES, count=99)
    with pytest.raises(TransientError, match="is contended"):
        await desk.execute()

    assert races.lost == TRIES
    assert desk.hyperliquid.sent == []


async def test_execute_when_the_answer_to_the_write_ahead_is_lost_then_never_sent_twice(
    desk: TradingDesk,
) -> None:
    async def lose() -> None:
        raise TransientError("the answer was lost")

    right_after(desk.store, ORDERS, lose)
    with pytest.raises(TransientError):
        await desk.execute()
    (message,) = await desk.execute()

    assert message.event == OrderUnknown(intent_id=INTENT_ID)
    assert desk.hyperliquid.sent == []


async def test_execute_when_the_outcome_cannot_be_written_then_settle_still_finds_it(
    desk: TradingDesk,
) -> None:
    async def fill_then_break(order: Order) -> OrderReport:
        report = report_of(order, fill_of(order))
        desk.hyperliquid.answer = report

        async def down(operation: str, argument: object) -> None:
            if operation == "commit":
                desk.store.before = None
                raise TransientError("the store is down")

        desk.store.before = down
        return report

    desk.hyperliquid.replies = [fill_then_break]
    with pytest.raises(TransientError):
        await desk.execute()
    assert desk.states() == HOLD_ALL
    await desk.execute()
    await desk.settle(INTENT_ID)

    assert len(desk.hyperliquid.sent) == 1
    assert desk.states() == ("FILLED", "FILLED", "EXECUTED", "EXECUTED")


async def test_execute_when_the_venue_tells_one_trade_twice_then_it_is_one_fill(
    desk: TradingDesk,
) -> None:
    async def stutter(order: Order) -> OrderReport:
        fill = fill_of(order)
        return replace(report_of(order, fill, fill), filled_qty=order.quantity)

    desk.hyperliquid.replies = [stutter]
    await desk.execute()

    assert (desk.position().signed_qty, desk.position().fill_count) == (Decimal(1), 1)
    assert len(desk.rows(FILLS)) == 1


async def test_execute_when_more_fills_than_was_ordered_then_recorded_and_a_person_is_called(
    desk: TradingDesk,
) -> None:
    async def generous(order: Order) -> OrderReport:
        return report_of(order, fill_of(order, Decimal("1.5")))

    desk.hyperliquid.replies = [generous]
    await desk.execute()

    assert desk.position().signed_qty == Decimal("1.5")
    assert desk.exposure().held(HL, "ETH") == Decimal("1.5")
    assert desk.told()[0].startswith("RISK OVERFILL: more filled than was ordered.")


async def test_execute_when_a_v2_plan_fills_then_only_v2_collections_change() -> None:
    """V3-01, the other way round."""
    desk = await TradingDesk(two_venue_plan(book="v2")).open()
    stranger = create(Ref("signals_v3", "sig_9"), desk.signal())
    await desk.store.commit([stranger])
    before = {name: rows for name, rows in desk.store.contents().items() if "_v3" in name}

    await desk.execute()

    after = {name: rows for name, rows in desk.store.contents().items() if "_v3" in name}
    assert after == before
    assert desk.signal().status == "EXECUTED"
    assert desk.position().signed_qty == 1


async def test_execute_when_half_open_and_three_orders_fill_then_the_breaker_closes(
    desk: TradingDesk,
) -> None:
    await open_breaker(desk, HL)
    desk.clock.advance(60)
    await desk.execute()

    assert (breaker(desk).status, breaker(desk).successes) == (BreakerStatus.HALF_OPEN, 1)


async def test_execute_when_the_state_document_is_garbage_then_halted(desk: TradingDesk) -> None:
    found = desk.store.peek(PLATFORM)
    assert found is not None
    await desk.store.commit([Delete(PLATFORM)])
    await desk.store.commit([create(PLATFORM, desk.plan)])

    await desk.execute()

    assert desk.delivery().reason_code == "TRADING_HALTED"
