"""A parent order: the fault meets its first child, or the cancel of one that rests."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from common.books import EXPOSURES, PARENT_ORDERS, V3
from common.documents import create
from common.domain.exposure import Exposure
from common.domain.instrument import price_bound
from common.domain.money import ZERO, plain
from common.domain.order import IntentStatus
from common.domain.parent_order import ExecAlgorithm, ParentOrder, ParentStatus, SliceTarget
from common.domain.rounding import round_price, round_quantity
from common.domain.signal import Delivery, SignalRecord, SignalStatus
from common.execution.parents import with_rest_reserved
from common.messages import parent_message
from common.ports import Ref
from functions.api.parents import move_parent
from infra.local.exchanges.faults import Fault
from tests.builders import DELIVERY_ID, DEPLOYMENT_ID, PARENT_ID, SIGNAL_ID, a_delivery, a_parent
from tests.faults.books import books_broken, parked
from tests.faults.course import Course
from tests.faults.stand import Stand
from tests.faults.whole import ground

SLICE = timedelta(minutes=1)
GRACE = timedelta(minutes=3)
BELOW = Decimal("0.03")  # of the mark: no market comes there, and the collar allows it
BEGINS_WITHIN = 12  # rounds


class Child:
    """Fits `Errand`: two slices a minute apart; the fault meets the first order of them."""

    is_watched = True

    def fits(self, stand: Stand) -> bool:
        del stand
        return True

    async def begin(self, course: Course) -> None:
        stand = course.stand
        now, whole = stand.clock.now(), stand.candidate.quantity
        first = round_quantity(stand.instrument, whole / 2)
        await _work(
            course,
            exec_algorithm_id=ExecAlgorithm.TWAP,
            limit_price=None,
            schedule=(SliceTarget(now, first), SliceTarget(now + SLICE, whole - first)),
            expires_at=now + SLICE + GRACE,
        )

    def strike(self, stand: Stand, fault: Fault) -> bool:
        return stand.strike(fault)

    async def meanwhile(self, course: Course) -> None:
        """Nobody does anything."""

    def is_over(self, course: Course) -> bool:
        return _parent(course).status.is_terminal

    def word(self, course: Course) -> str:
        return "UNRESOLVED" if parked(course) else _parent(course).status.value

    def broken(self, course: Course) -> Iterator[str]:
        filled, parent = course.stand.filled(), _parent(course)
        if filled > parent.quantity:
            yield f"DUPLICATE: {plain(filled)} of {plain(parent.quantity)}"
        yield from _parent_broken(course)


class Cancel:
    """Fits `Errand`: an order rests below the market, a person cancels its parent, and the fault
    meets the venue's cancel.
    """

    is_watched = True

    def __init__(self) -> None:
        self._is_asked = False

    def fits(self, stand: Stand) -> bool:
        return stand.strike_cancel is not None

    async def begin(self, course: Course) -> None:
        stand = course.stand
        wanted = price_bound(stand.mark, buy=False, slippage=BELOW)
        price = round_price(stand.instrument, wanted, buy=True)
        await _work(
            course,
            exec_algorithm_id=ExecAlgorithm.LIMIT,
            limit_price=price,
            candidates=(replace(stand.candidate, price=price),),
            expires_at=stand.clock.now() + timedelta(hours=1),
        )
        for _ in range(BEGINS_WITHIN):
            await course.step()
            if any(each.status is IntentStatus.WORKING for each in course.intents):
                return
        raise AssertionError(f"nothing rests at {stand.name}: {course.intents}")

    def strike(self, stand: Stand, fault: Fault) -> bool:
        assert stand.strike_cancel is not None
        return stand.strike_cancel(fault)

    async def meanwhile(self, course: Course) -> None:
        if self._is_asked:
            return
        stand = course.stand
        _, messages = await move_parent(
            PARENT_ID, "cancel", reason="a test", by="Ada", store=stand.store, clock=stand.clock
        )
        self._is_asked = True
        course.take(messages)

    def is_over(self, course: Course) -> bool:
        return _parent(course).status.is_terminal

    def word(self, course: Course) -> str:
        return "UNRESOLVED" if parked(course) else _parent(course).status.value

    def broken(self, course: Course) -> Iterator[str]:
        parent = _parent(course)
        if course.stand.filled():
            yield f"FILLED: {plain(course.stand.filled())} of an order below the market"
        if parent.status.is_terminal and parent.status is not ParentStatus.CANCELED:
            yield f"it was canceled, and is {parent.status}"
        yield from _parent_broken(course)


async def _work(course: Course, **changes: Any) -> None:
    """The parent as `route` leaves it: reserved whole, and its delivery EXECUTING."""
    stand, now = course.stand, course.stand.clock.now()
    known: dict[str, Any] = {
        "symbol": stand.symbol,
        "candidates": (stand.candidate,),
        "quantity": stand.candidate.quantity,
        "arrival_price": stand.mark,
        "created_at": now,
        "updated_at": now,
    }
    parent = a_parent(**(known | changes))
    delivery = a_delivery(
        status=SignalStatus.EXECUTING, intent_id=PARENT_ID, expires_at=parent.expires_at
    )
    reserved = with_rest_reserved(Exposure.empty(DEPLOYMENT_ID), parent)
    await stand.store.commit(
        [
            create(Ref(PARENT_ORDERS, PARENT_ID), parent),
            create(Ref(V3.deliveries, DELIVERY_ID), delivery),
            create(Ref(EXPOSURES, DEPLOYMENT_ID), reserved),
            *ground(stand),
        ]
    )
    course.take([parent_message(PARENT_ID, "begin", now=now)])


def _parent(course: Course) -> ParentOrder:
    found = course.find(ParentOrder, PARENT_ORDERS, PARENT_ID)
    assert found is not None
    return found


def _parent_broken(course: Course) -> Iterator[str]:
    parent = _parent(course)
    if not parent.status.is_terminal:
        yield f"the parent is {parent.status}: {parent.reason}"
    of_children = sum((each.filled_qty for each in course.intents), ZERO)
    recorded = sum((each.fill.last_qty for each in course.recorded), ZERO)
    if not parent.filled_qty == of_children == recorded:
        sums = f"{plain(of_children)} by its children, {plain(recorded)} on record"
        yield f"the parent has {plain(parent.filled_qty)}, {sums}"
    if set(parent.open_children) != {each.plan.intent_id for each in parked(course)}:
        yield f"children are open: {sorted(parent.open_children)}"
    delivery = course.find(Delivery, V3.deliveries, DELIVERY_ID)
    signal = course.find(SignalRecord, V3.signals, SIGNAL_ID)
    assert delivery is not None
    assert signal is not None
    if not (delivery.status.is_terminal and signal.status.is_terminal):
        yield f"the delivery is {delivery.status}, the signal {signal.status}"
    yield from books_broken(course)
