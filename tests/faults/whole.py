"""An order that goes whole, as `route` plans it: at the venue, else at one that always fills."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from common.books import MARKET_SNAPSHOTS, ORDER_INTENTS, V3
from common.documents import create
from common.domain.money import plain
from common.domain.order import IntentStatus, OrderIntent, OrderPlan, VenueCandidate
from common.domain.signal import Delivery, SignalStatus
from common.execution.plan import plan_hash
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord
from common.messages import attempt_message
from common.ports import Ref, Write
from infra.local.exchanges.faults import Fault
from tests.builders import (
    DELIVERY_ID,
    DEPLOYMENT_ID,
    INTENT_ID,
    NOON,
    SIGNAL_ID,
    a_delivery,
    a_deployment,
    a_plan,
    a_signal,
    a_signal_record,
    limits_document,
)
from tests.faults.books import books_broken, parked
from tests.faults.course import Course
from tests.faults.stand import Stand

LIFE = timedelta(minutes=10)


class Whole:
    """Fits `Errand`."""

    is_watched = False

    def fits(self, stand: Stand) -> bool:
        del stand
        return True

    async def begin(self, course: Course) -> None:
        stand = course.stand
        second = replace(
            stand.candidate,
            venue=course.fallback.venue,
            instrument_id=f"{stand.symbol}.{course.fallback.venue}",
        )
        await approve(course, (stand.candidate, second))

    def strike(self, stand: Stand, fault: Fault) -> bool:
        return stand.strike(fault)

    async def meanwhile(self, course: Course) -> None:
        """Nobody does anything."""

    def is_over(self, course: Course) -> bool:
        intent = intent_of(course)
        return intent is not None and (intent.status.is_terminal or bool(parked(course)))

    def word(self, course: Course) -> str:
        intent = intent_of(course)
        if intent is None:
            return "NOT SENT"
        word = intent.status.value
        return f"{word} elsewhere" if course.filled_elsewhere else word

    def broken(self, course: Course) -> Iterator[str]:
        stand = course.stand
        if intent_of(course) is None:
            delivery = course.find(Delivery, V3.deliveries, DELIVERY_ID)
            if delivery is None or not delivery.status.is_terminal:
                yield "nothing was sent, and the delivery has not ended"
            return
        if stand.filled() + course.filled_elsewhere > stand.candidate.quantity:
            elsewhere = plain(course.filled_elsewhere)
            yield f"DUPLICATE: {plain(stand.filled())} and {elsewhere} elsewhere"
        yield from books_broken(course)


def intent_of(course: Course) -> OrderIntent | None:
    return course.find(OrderIntent, ORDER_INTENTS, INTENT_ID)


async def approve(
    course: Course, candidates: tuple[VenueCandidate, ...], **changes: Any
) -> OrderPlan:
    """The plan is on its way to `execute`: its delivery, the signal's only one, is ROUTED."""
    stand, now = course.stand, course.stand.clock.now()
    plan = a_plan(
        symbol=stand.symbol,
        candidates=candidates,
        reference_price=stand.mark,
        created_at=now,
        expires_at=now + LIFE,
        **changes,
    )
    delivery = a_delivery(
        status=SignalStatus.ROUTED,
        intent_id=plan.intent_id,
        plan_hash=plan_hash(plan),
        expires_at=plan.expires_at,
    )
    await stand.store.commit([create(Ref(V3.deliveries, DELIVERY_ID), delivery), *ground(stand)])
    course.take([attempt_message(plan, 1, now=now)])
    return plan


def ground(stand: Stand) -> list[Write]:
    """What every order needs: a deployment, a signal, a price, limits, and trading ACTIVE."""
    expires_at = stand.clock.now() + LIFE
    signal = a_signal(symbol=stand.symbol, expires_at=expires_at)
    active = TradingStateRecord(
        state=TradingState.ACTIVE, epoch=1, reason="", changed_by="test", changed_at=NOON
    )
    deployment = a_deployment(enabled_venues=(stand.name,))
    return [
        create(Ref(V3.signals, SIGNAL_ID), a_signal_record(signal, deployments_expected=1)),
        create(Ref(V3.deployments, DEPLOYMENT_ID), deployment),
        create(Ref(MARKET_SNAPSHOTS, stand.symbol), stand.quote()),
        create(PLATFORM, active),
        limits_document(),
    ]


def is_filled(intent: OrderIntent | None) -> bool:
    return intent is not None and intent.status in {IntentStatus.FILLED, IntentStatus.PARTIAL}
