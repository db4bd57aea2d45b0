"""What happens between a plan and its end: messages, each delivered more than once, and ticks."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from common.books import EXPOSURES, FILLS, NOTIFICATIONS, ORDER_INTENTS, OUTBOX
from common.config import Settings
from common.domain.events import (
    CancelRequested,
    NotificationRaised,
    OrderPlanned,
    OrderUnknown,
    OutboxMessage,
    ParentOrderDue,
    PositionChanged,
    Tick,
)
from common.domain.exposure import Exposure
from common.domain.instrument import InstrumentTable, Venue
from common.domain.money import ZERO, plain
from common.domain.order import FillRecord, Order, OrderIntent, OrderReport
from common.errors import SapphireError
from common.ports import ExecutionVenue, Ref, VenueAccountState, VenueOpenOrder, VenuePosition
from common.wire import decode_message, from_document
from functions.advance.handler import advance
from functions.execute.handler import execute
from functions.monitor.handler import monitor
from functions.settle.handler import settle
from infra.local.exchanges.faults import Fault, NoFaults
from tests.builders import DEPLOYMENT_ID, a_tick
from tests.fakes.venue import FULL, ScriptedVenue, fill_of, report_of
from tests.faults.stand import Stand

STEP_S = 10
FINE_ROUNDS = 20  # after so many, and once it is over, the steps are longer
STEP_LATER_S = 50
ROUNDS = 70
AFTERWARDS = 3  # rounds after the end, in which late orders may still come
DELIVERIES = 3  # of each message: a bus delivers at least once
ATTEMPTS_MAX = 10  # of a message that fails, a round apart; then it is a dead letter
WATCHED_EVERY = 3  # rounds: `monitor` and `advance`, which every message wakes as well

T = TypeVar("T")
_Event = OrderPlanned | OrderUnknown | CancelRequested | ParentOrderDue | PositionChanged


class Fallback(ScriptedVenue):
    """The next venue of a plan: it fills whatever comes, holds it, and tells it when asked."""

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


class Errand(Protocol):
    """What a course is about: one kind of order, and what must hold whatever the venue does."""

    is_watched: bool  # by `monitor` and `advance`; else `settle` alone looks after it

    def fits(self, stand: Stand) -> bool:
        """Whether its venue does such orders at all."""

    async def begin(self, course: "Course") -> None:
        """Everything up to the order in question, without any fault."""

    def strike(self, stand: Stand, fault: Fault) -> bool:
        """Have the fault meet that order. False: its venue does not know this misfortune."""

    async def meanwhile(self, course: "Course") -> None:
        """Before each round: what people and the market do."""

    def is_over(self, course: "Course") -> bool: ...

    def word(self, course: "Course") -> str:
        """How it ended."""

    def broken(self, course: "Course") -> Iterator[str]:
        """What must not be."""


class Course:
    """One store, one venue that may fail, and the next one."""

    def __init__(self, stand: Stand, errand: Errand) -> None:
        self.stand = stand
        self.errand = errand
        self.has_begun = False  # until then no position is watched
        self.fallback = Fallback(Venue.DRIFT if stand.name is not Venue.DRIFT else Venue.GMX, FULL)
        self.rounds = 0
        self.resting: tuple[VenueOpenOrder, ...] = ()  # at the end, by the venue's own word
        self._settings = Settings()
        self._venues: dict[Venue, ExecutionVenue] = {
            stand.name: stand.venue,
            self.fallback.venue: self.fallback,
        }
        self._queue: deque[OutboxMessage] = deque()
        self._early: list[OutboxMessage] = []
        self._handled: set[str] = set()
        self._failed: Counter[str] = Counter()

    async def table(self, venue: Venue) -> InstrumentTable | None:
        """Fits `Instruments`."""
        return self.stand.table if venue is self.stand.name else None

    # -- what happens --------------------------------------------------------------------------

    async def run(self, afterwards: int = AFTERWARDS) -> None:
        left = afterwards
        while self.rounds < ROUNDS and left:
            self.rounds += 1
            await self.errand.meanwhile(self)
            fine = left == afterwards and self.rounds <= FINE_ROUNDS
            await self.step(STEP_S if fine else STEP_LATER_S)
            left -= 1 if self.errand.is_over(self) and not self._is_busy() else 0
        if self.errand.is_watched:
            await self._look_at_what_rests()

    async def step(self, seconds: int = STEP_S) -> None:
        await self.deliver()
        self.stand.clock.advance(seconds)
        self.stand.pass_time()
        if self.errand.is_watched and self.rounds % WATCHED_EVERY == 0:
            for job in (monitor, advance):
                self.take(await self._ticked(job, job.__name__, self._market()))
        self.take(await self._ticked(settle, "settle", {"venues": self._venues}))

    def restart(self) -> None:
        """Another process takes over, with what is stored and what was not acknowledged.

        A course that is watched is also relayed: what the dead process could not publish any more.
        """
        self._venues[self.stand.name] = self.stand.reopen()
        if self.errand.is_watched:
            waiting = {each.message_id for each in (*self._queue, *self._early)}
            rows = self.stand.store.contents().get(OUTBOX, {}).values()
            known = self._handled | waiting
            told = [decode_message(row) for row in rows]
            self.take([each for each in told if each.message_id not in known])

    def take(self, messages: Sequence[OutboxMessage]) -> None:
        now = self.stand.clock.now()
        waiting = {each.message_id for each in (*self._queue, *self._early)}
        for message in messages:
            of_position = isinstance(message.event, PositionChanged)
            if isinstance(message.event, NotificationRaised) or message.message_id in waiting:
                continue
            if of_position and not self.errand.is_watched:
                continue
            early = message.deliver_at is not None and message.deliver_at > now
            held = early or (of_position and not self.has_begun)
            (self._early if held else self._queue).append(message)

    async def deliver(self) -> None:
        """All that is due; a message leaves the queue once it is handled: a process may die."""
        held, self._early = self._early, []
        self.take(held)
        again: list[OutboxMessage] = []
        while self._queue:
            message = self._queue[0]
            for _ in range(DELIVERIES):
                try:
                    self.take(await self._handle(message.event))
                except SapphireError:
                    self._failed[message.message_id] += 1
                    if self._failed[message.message_id] < ATTEMPTS_MAX:
                        again.append(message)
                    break
            else:
                self._handled.add(message.message_id)
            self._queue.popleft()
        self._queue.extend(again)

    def _is_busy(self) -> bool:
        """Whether a message waits that has not failed yet: others may fail to their end."""
        waiting = (*self._queue, *self._early)
        return any(not self._failed[each.message_id] for each in waiting)

    async def _handle(self, event: object) -> list[OutboxMessage]:
        assert isinstance(event, _Event), event
        match event:
            case OrderPlanned():
                return await execute(event, **self._ports(), venues=self._venues)
            case ParentOrderDue():
                return await advance(event, **self._ports(), **self._market())
            case PositionChanged():
                return await monitor(event, **self._ports(), **self._market())
            case OrderUnknown() | CancelRequested():
                return await settle(event, **self._ports(), venues=self._venues)

    async def _ticked(self, job: Any, name: str, more: dict[str, Any]) -> list[OutboxMessage]:
        tick: Tick = a_tick(name)
        try:
            done: list[OutboxMessage] = await job(tick, **self._ports(), **more)
        except SapphireError:
            return []
        return done

    def _ports(self) -> dict[str, Any]:
        return {
            "store": self.stand.store,
            "clock": self.stand.clock,
            "settings": self._settings,
        }

    def _market(self) -> dict[str, Any]:
        able = {self.stand.name: self.stand.venue.capabilities}
        return {"instruments": self, "capabilities": able}

    async def _look_at_what_rests(self) -> None:
        if self.stand.server is not None:
            self.stand.server.faults = NoFaults()
        state = await self.stand.venue.query_account(account_id=DEPLOYMENT_ID)
        self.resting = state.open_orders

    # -- what there is to see ------------------------------------------------------------------

    @property
    def intents(self) -> list[OrderIntent]:
        return self.all_of(OrderIntent, ORDER_INTENTS)

    @property
    def recorded(self) -> list[FillRecord]:
        return self.all_of(FillRecord, FILLS)

    @property
    def exposure(self) -> Exposure:
        return self.find(Exposure, EXPOSURES, DEPLOYMENT_ID) or Exposure.empty(DEPLOYMENT_ID)

    @property
    def filled_elsewhere(self) -> Decimal:
        """As that venue has it, not as we have."""
        return sum((order.quantity for order in self.fallback.sent), ZERO)

    def find(self, kind: type[T], collection: str, document_id: str) -> T | None:
        found = self.stand.store.peek(Ref(collection, document_id))
        return from_document(kind, found.data) if found else None

    def all_of(self, kind: type[T], collection: str) -> list[T]:
        rows = self.stand.store.contents().get(collection, {}).values()
        return [from_document(kind, row) for row in rows]

    def is_told_of(self, *subjects: str) -> bool:
        """Whether a person was called about one of them."""
        rows = self.stand.store.contents().get(NOTIFICATIONS, {}).values()
        told = [row["notification"] for row in rows]
        return any(each["kind"] == "RISK" and each["subject_id"] in subjects for each in told)
