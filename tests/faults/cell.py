"""One venue, one fault: a plan goes its whole way, and the books are held to the venue's own."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from common.books import EXPOSURES, FILLS, NOTIFICATIONS, ORDER_INTENTS, V3
from common.config import Settings
from common.documents import create
from common.domain.events import OrderPlanned, OrderUnknown, OutboxMessage
from common.domain.exposure import Exposure
from common.domain.instrument import Venue
from common.domain.money import ZERO, plain
from common.domain.order import FillRecord, IntentStatus, Order, OrderIntent, OrderPlan, OrderReport
from common.domain.signal import SignalStatus
from common.errors import SapphireError
from common.execution.plan import plan_hash
from common.execution.reconciliation import EXTERNAL
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord
from common.ports import ExecutionVenue, Ref, VenueAccountState, VenuePosition
from common.wire import from_document
from functions.execute.handler import execute
from functions.settle.handler import settle
from infra.local.exchanges.faults import Fault
from tests.builders import (
    DELIVERY_ID,
    DEPLOYMENT_ID,
    NOON,
    SIGNAL_ID,
    a_delivery,
    a_deployment,
    a_plan,
    a_signal,
    a_signal_record,
    a_tick,
)
from tests.fakes.venue import FULL, ScriptedVenue, fill_of, report_of
from tests.faults.stand import MakeStand, Stand

STEP_S = 10
ROUNDS = 150
AFTERWARDS = 20  # rounds after the end, in which late orders may still come
DELIVERIES = 3  # of each message: a bus delivers at least once


_Event = OrderPlanned | OrderUnknown


@dataclass(frozen=True, slots=True)
class Verdict:
    """`word` says how it ended; `broken` what must not be."""

    word: str
    broken: tuple[str, ...]


async def judge(make: MakeStand, fault: Fault | None) -> Verdict | None:
    """None: the venue does not know this misfortune."""
    course = await begun(make, fault)
    if course is None:
        return None
    await course.run()
    return Verdict(_word(course), tuple(broken(course)))


async def begun(make: MakeStand, fault: Fault | None) -> "Course | None":
    """A course whose plan is approved. None: the venue does not know this misfortune."""
    stand = await make()
    if fault is not None and not stand.strike(fault):
        return None
    other = Venue.DRIFT if stand.name is not Venue.DRIFT else Venue.GMX
    return Course(stand, await _approved(stand, other), _Fallback(other, FULL))


class _Fallback(ScriptedVenue):
    """The next venue of the plan: it fills whatever comes, holds it, and tells it when asked."""

    async def query_order(self, order: Order) -> OrderReport | None:
        mine = (each for each in self.sent if each.client_order_id == order.client_order_id)
        return next((report_of(each, fill_of(each)) for each in mine), None)

    async def query_position(self, *, account_id: str, symbol: str) -> VenuePosition | None:
        held = (await self.query_account(account_id=account_id)).positions
        return next((position for position in held if position.symbol == symbol), None)

    async def query_account(self, *, account_id: str) -> VenueAccountState:
        held: dict[str, Decimal] = {}
        for order in self.sent:
            held[order.symbol] = held.get(order.symbol, ZERO) + order.quantity * order.side.sign
        return VenueAccountState(
            positions=tuple(
                VenuePosition(symbol=symbol, signed_qty=plain(quantity))
                for symbol, quantity in held.items()
            )
        )


async def _approved(stand: Stand, other: Venue) -> OrderPlan:
    """BUY at the venue, else at another that always fills."""
    second = replace(stand.candidate, venue=other, instrument_id=f"{stand.symbol}.{other}")
    now = stand.clock.now()
    plan = a_plan(
        symbol=stand.symbol,
        candidates=(stand.candidate, second),
        reference_price=stand.mark,
        created_at=now,
        expires_at=now + timedelta(minutes=10),
    )
    book = V3
    delivery = a_delivery(
        status=SignalStatus.ROUTED,
        intent_id=plan.intent_id,
        plan_hash=plan_hash(plan),
        expires_at=plan.expires_at,
    )
    signal = a_signal(symbol=stand.symbol, expires_at=plan.expires_at)
    active = TradingStateRecord(
        state=TradingState.ACTIVE, epoch=1, reason="", changed_by="test", changed_at=NOON
    )
    deployment = a_deployment(enabled_venues=(stand.name,))
    await stand.store.commit(
        [
            create(Ref(book.deliveries, DELIVERY_ID), delivery),
            create(Ref(book.signals, SIGNAL_ID), a_signal_record(signal, deployments_expected=1)),
            create(Ref(book.deployments, DEPLOYMENT_ID), deployment),
            create(PLATFORM, active),
        ]
    )
    return plan


class Course:
    """The messages of one plan, each delivered more than once, and the ticks of settle."""

    def __init__(self, stand: Stand, plan: OrderPlan, fallback: _Fallback) -> None:
        self.stand = stand
        self.plan = plan
        self.fallback = fallback
        self.redelivered = 0
        self._settings = Settings()
        self._venues: dict[Venue, ExecutionVenue] = {
            stand.name: stand.venue,
            fallback.venue: fallback,
        }
        self._queue: deque[OrderPlanned | OrderUnknown] = deque(
            [OrderPlanned(plan=plan, attempt=1)]
        )

    async def run(self, afterwards: int = AFTERWARDS) -> None:
        left = afterwards
        for _ in range(ROUNDS):
            await self._deliver()
            self.stand.clock.advance(STEP_S)
            self.stand.pass_time()
            self._take(await self._settle())
            ended = self.intent is not None and self.intent.status.is_terminal
            parked = self.intent is not None and self.intent.status is IntentStatus.UNRESOLVED
            left -= 1 if (ended or parked) and not self._queue else 0
            if not left:
                return

    def restart(self) -> None:
        """Another process takes over, with what is stored and what was not acknowledged."""
        self._venues[self.stand.name] = self.stand.reopen()

    async def _deliver(self) -> None:
        again: list[_Event] = []
        while self._queue:
            event = self._queue[0]  # it leaves the queue once it is handled: a process may die
            for _ in range(DELIVERIES):
                try:
                    self._take(await self._handle(event))
                except SapphireError:
                    self.redelivered += 1
                    again.append(event)
                    break
            self._queue.popleft()
        self._queue.extend(again)

    async def _handle(self, event: _Event) -> list[OutboxMessage]:
        ports = {
            "store": self.stand.store,
            "clock": self.stand.clock,
            "settings": self._settings,
            "venues": self._venues,
        }
        if isinstance(event, OrderPlanned):
            return await execute(event, **ports)  # type: ignore[arg-type]  # the ports by name
        return await settle(event, **ports)  # type: ignore[arg-type]  # the ports by name

    async def _settle(self) -> list[OutboxMessage]:
        try:
            return await settle(
                a_tick("settle"),
                store=self.stand.store,
                clock=self.stand.clock,
                settings=self._settings,
                venues=self._venues,
            )
        except SapphireError:
            return []

    def _take(self, messages: list[OutboxMessage]) -> None:
        self._queue.extend(
            message.event
            for message in messages
            if isinstance(message.event, OrderPlanned | OrderUnknown)
        )

    @property
    def intent(self) -> OrderIntent | None:
        found = self.stand.store.peek(Ref(ORDER_INTENTS, self.plan.intent_id))
        return from_document(OrderIntent, found.data) if found else None

    @property
    def recorded(self) -> list[FillRecord]:
        rows = self.stand.store.contents().get(FILLS, {}).values()
        return [from_document(FillRecord, row) for row in rows]

    @property
    def filled_elsewhere(self) -> Decimal:
        """As that venue has it, not as we have."""
        return sum((order.quantity for order in self.fallback.sent), ZERO)


def _word(course: Course) -> str:
    intent = course.intent
    if intent is None:
        return "NOT SENT"
    word = intent.status.value
    return f"{word} elsewhere" if course.filled_elsewhere else word


def broken(course: Course) -> Iterator[str]:
    intent, stand = course.intent, course.stand
    if intent is None:
        delivery = stand.store.peek(Ref(V3.deliveries, DELIVERY_ID))
        ended = delivery is not None and SignalStatus(delivery.data["status"]).is_terminal
        if not ended:
            yield "nothing was sent, and the delivery has not ended"
        return
    parked = intent.status is IntentStatus.UNRESOLVED
    if not intent.status.is_terminal and not parked:
        yield f"the intent is {intent.status}: {intent.reason}"
    if parked and not _told(course):
        yield "UNRESOLVED, and nobody was told"
    wanted = stand.candidate.quantity
    if stand.filled() + course.filled_elsewhere > wanted:
        yield f"DUPLICATE: {plain(stand.filled())} and {plain(course.filled_elsewhere)} elsewhere"
    here = [each for each in course.recorded if each.fill.venue is stand.name]
    if any(each.intent_id == EXTERNAL for each in here):
        yield "our own fill was booked as external"
    booked = sum((each.fill.last_qty * each.fill.side.sign for each in here), ZERO)
    if booked != stand.filled() and not parked:
        yield f"UNRECORDED: the venue filled {plain(stand.filled())}, we hold {plain(booked)}"
    found = stand.store.peek(Ref(EXPOSURES, DEPLOYMENT_ID))
    exposure = from_document(Exposure, found.data) if found else Exposure.empty(DEPLOYMENT_ID)
    withheld = sum((each.fill.base_withheld for each in here), ZERO)
    if exposure.held(stand.name, stand.symbol) != booked - withheld:
        yield "the exposure is not the sum of the fills"
    if bool(exposure.reservations) != parked:
        yield f"reservations: {sorted(exposure.reservations)}"


def _told(course: Course) -> bool:
    rows = course.stand.store.contents().get(NOTIFICATIONS, {}).values()
    return any(
        row["notification"]["kind"] == "RISK"
        and row["notification"]["subject_id"] == course.plan.intent_id
        for row in rows
    )
