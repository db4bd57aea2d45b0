"""Execute and settle over one order at once: what the slower one learns may prove nothing."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from common.books import BREAKERS, NOTIFICATIONS, ORDER_INTENTS, ORDERS, V3
from common.config import BreakerSettings
from common.documents import Stored, create
from common.domain.agent import Deployment, DeploymentStatus
from common.domain.events import NotificationRaised, OutboxMessage
from common.domain.order import IntentStatus, Order, OrderIntent, OrderReport, OrderStatus
from common.errors import OutcomeUnknownError, RejectedError, TransientError
from common.execution.outcome import from_report
from common.execution.recorder import Recorder
from common.ports import Ref
from functions.settle import attending
from functions.settle.resolving import Desk, attend
from tests.builders import DEPLOYMENT_ID, INTENT_ID, a_deployment
from tests.fakes.venue import fill_of, report_of, some_capabilities
from tests.unit.functions.trading_desk import HL, TradingDesk

PATIENCE = timedelta(minutes=11)


class Paused:
    """Stops the first call that it is put before, until it is let go."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.go = asyncio.Event()

    async def here(self) -> None:
        self.reached.set()
        await self.go.wait()


@pytest.fixture
async def desk() -> TradingDesk:
    """The first venue takes the same bytes at most once, so that settle may send them again."""
    desk = await TradingDesk().open()
    desk.hyperliquid.capabilities = replace(some_capabilities(HL), resends=True)
    return desk


async def _taken_unanswered(order: Order) -> OrderReport:
    raise OutcomeUnknownError("taken, and the answer was lost")


@pytest.mark.parametrize(
    "error",
    [
        TransientError("no connection"),
        RejectedError("REQUEST_QUOTA_EXHAUSTED", "too many requests"),
    ],
)
async def test_execute_when_settle_sent_its_bytes_meanwhile_then_its_own_failure_proves_nothing(
    desk: TradingDesk, error: Exception
) -> None:
    paused = Paused()

    async def slowly(order: Order) -> OrderReport:
        await paused.here()
        raise error

    desk.hyperliquid.replies = [slowly, _taken_unanswered]
    sender = asyncio.create_task(desk.execute())
    await paused.reached.wait()
    desk.clock.advance(6)
    await desk.settle()
    assert len(desk.hyperliquid.sent) == 2
    paused.go.set()
    await sender

    assert desk.intent().status is IntentStatus.UNKNOWN
    assert desk.ostium.sent == []
    desk.hyperliquid.answer = report_of(desk.order(), fill_of(desk.order()))
    await desk.settle()
    assert desk.states() == ("FILLED", "FILLED", "EXECUTED", "EXECUTED")


async def test_execute_when_settle_sent_its_bytes_and_the_breaker_opened_then_nowhere_else(
    desk: TradingDesk,
) -> None:
    desk.settings = replace(desk.settings, breaker=BreakerSettings(failures_to_open=1))
    paused = Paused()
    desk.hyperliquid.replies = [_taken_unanswered]
    reads = 0

    async def before(operation: str, argument: object) -> None:
        nonlocal reads
        if asyncio.current_task() is sender and argument == Ref(BREAKERS, HL):
            reads += 1
            if reads == 2:  # the first was asked before it was prepared
                await paused.here()

    desk.store.before = before
    sender = asyncio.create_task(desk.execute())
    await paused.reached.wait()
    desk.clock.advance(6)
    await desk.settle()
    assert len(desk.hyperliquid.sent) == 1
    paused.go.set()
    await sender

    assert desk.intent().status is IntentStatus.UNKNOWN
    assert not desk.order().status.is_terminal
    assert desk.ostium.sent == []


async def test_settle_when_the_sender_has_proven_the_failure_then_not_sent_again(
    desk: TradingDesk,
) -> None:
    desk.hyperliquid.replies = [OutcomeUnknownError("lost")]
    await desk.execute()
    desk.clock.advance(6)

    async def before(operation: str, argument: object) -> None:
        if operation == "commit" and any(
            each.ref.collection == ORDERS and each.data.get("sent_again")
            for each in argument  # type: ignore[attr-defined]  # of writes
        ):
            desk.store.before = None
            order = desk.order()
            await Recorder(desk.store, desk.clock, max_attempts=3).record(
                INTENT_ID,
                order.client_order_id,
                from_report(report_of(order, status=OrderStatus.REJECTED)),
            )

    desk.store.before = before
    await desk.settle()

    assert len(desk.hyperliquid.sent) == 1
    assert desk.order().status is OrderStatus.REJECTED


async def test_settle_when_the_query_began_before_absence_was_final_then_nothing_is_concluded(
    desk: TradingDesk,
) -> None:
    """An answer that took long is as old as its question; so is one that an instance slept over."""
    desk.hyperliquid.replies = [OutcomeUnknownError("lost")]
    await desk.execute()
    desk.clock.advance(21)
    ask: Callable[..., object] = desk.hyperliquid.query_order

    async def slowly(order: Order) -> OrderReport | None:
        desk.clock.advance(30)
        return None

    desk.hyperliquid.query_order = slowly  # type: ignore[method-assign]  # a slow answer
    await desk.settle()
    assert not desk.order().status.is_terminal

    desk.hyperliquid.query_order = ask  # type: ignore[assignment,method-assign]  # as it was
    await desk.settle()
    assert desk.order().status is OrderStatus.EXPIRED


async def test_settle_when_unresolved_for_a_second_time_then_told_again_and_not_stuck(
    desk: TradingDesk,
) -> None:
    desk.hyperliquid.replies = [OutcomeUnknownError("lost")]
    desk.hyperliquid.answer = TransientError("down")
    await desk.execute()
    desk.clock.advance(PATIENCE.total_seconds())
    await desk.settle()
    assert desk.intent().status is IntentStatus.UNRESOLVED
    desk.hyperliquid.answer = report_of(desk.order(), status=OrderStatus.ACCEPTED)

    messages = await desk.settle()

    assert desk.order().status is OrderStatus.ACCEPTED
    assert desk.intent().status is IntentStatus.UNRESOLVED
    assert [type(each.event) for each in messages] == [NotificationRaised]
    assert len(_risks(desk)) == 2


async def test_recorder_when_a_dead_order_fills_while_the_next_is_under_way_then_a_person_is_told(
    desk: TradingDesk,
) -> None:
    """A true double: an attempt that was proven dead filled, and so does the one after it."""
    await desk.change(Ref(V3.deployments, DEPLOYMENT_ID), a_deployment(deployment_id=DEPLOYMENT_ID))
    desk.hyperliquid.replies = [RejectedError("MARGIN", "refused")]
    await desk.execute()
    desk.ostium.replies = [OutcomeUnknownError("lost")]
    await desk.execute(attempt=2)
    recorder = Recorder(desk.store, desk.clock, max_attempts=3)
    first, second = desk.order(1), desk.order(2)
    await recorder.record(
        INTENT_ID, first.client_order_id, from_report(report_of(first, fill_of(first)))
    )
    assert desk.intent().status is IntentStatus.UNKNOWN
    await recorder.record(
        INTENT_ID, second.client_order_id, from_report(report_of(second, fill_of(second)))
    )

    assert any(text.startswith("FILLED TWICE") for text in _risks(desk))
    assert desk.intent().filled_qty == 2
    deployment = desk.get(Deployment, V3.deployments, DEPLOYMENT_ID)
    assert deployment.status is DeploymentStatus.PAUSED


async def test_recorder_when_overfilled_again_after_a_person_resumed_then_recorded_and_frozen_again(
    desk: TradingDesk,
) -> None:
    place = Ref(V3.deployments, DEPLOYMENT_ID)
    await desk.change(place, a_deployment(deployment_id=DEPLOYMENT_ID))
    await desk.execute()
    recorder = Recorder(desk.store, desk.clock, max_attempts=3)
    order = desk.order()
    for number in range(2):
        more = fill_of(order, Decimal("0.5"), trade_id=f"more-{number}")
        await recorder.record(INTENT_ID, order.client_order_id, from_report(report_of(order, more)))
        deployment = desk.get(Deployment, V3.deployments, DEPLOYMENT_ID)
        assert deployment.status is DeploymentStatus.PAUSED
        await desk.change(place, replace(deployment, status=DeploymentStatus.ACTIVE))

    assert desk.order().filled_qty == 2


async def test_recorder_when_a_venue_tells_a_fill_beyond_all_measure_then_recorded_and_told(
    desk: TradingDesk,
) -> None:
    await desk.execute()
    order = desk.order()
    huge = replace(
        fill_of(order, trade_id="huge"), last_qty=Decimal("9" * 30), last_px=Decimal("9" * 30)
    )

    await Recorder(desk.store, desk.clock, max_attempts=3).record(
        INTENT_ID, order.client_order_id, from_report(report_of(order, huge))
    )

    assert any(text.startswith("OVERFILL") for text in _risks(desk))


async def test_settle_when_one_intent_has_a_defect_of_ours_then_the_others_are_still_settled(
    desk: TradingDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.hyperliquid.replies = [OutcomeUnknownError("lost")]
    await desk.execute()
    other = replace(desk.intent(), plan=replace(desk.plan, intent_id="int_0"))
    await desk.store.commit([create(Ref(ORDER_INTENTS, "int_0"), other)])
    desk.hyperliquid.answer = report_of(desk.order(), fill_of(desk.order()))

    async def defective(desk: Desk, stored: Stored[OrderIntent]) -> list[OutboxMessage]:
        if stored.ref.id == "int_0":
            raise ZeroDivisionError
        return await attend(desk, stored)

    monkeypatch.setattr(attending, "attend", defective)

    with pytest.raises(ZeroDivisionError):
        await desk.settle()

    assert desk.intent().status is IntentStatus.FILLED


def _risks(desk: TradingDesk) -> list[str]:
    rows = [row["notification"] for row in desk.rows(NOTIFICATIONS).values()]
    return [row["text"] for row in rows if row["kind"] == "RISK"]
