"""A trading floor: a store, venues with ledgers, and all handlers of trading with a bus between."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from common.books import (
    AUDIT,
    EXPOSURES,
    FLATTENS,
    MARKET_SNAPSHOTS,
    NOTIFICATIONS,
    ORDER_INTENTS,
    ORDERS,
    OUTBOX,
    PARENT_ORDERS,
    POSITION_EXITS,
    VENUE_MARKETS,
    book_named,
)
from common.config import Settings
from common.documents import create
from common.domain.events import (
    CancelRequested,
    Event,
    FlattenRequested,
    KeySubmitted,
    NotificationRaised,
    OrderPlanned,
    OrderUnknown,
    OutboxMessage,
    ParentOrderDue,
    PositionChanged,
    Tick,
    TradingStateChanged,
)
from common.domain.exits import PositionExit
from common.domain.exposure import Exposure, Reservation
from common.domain.flatten import Flatten, FlattenStatus
from common.domain.instrument import (
    Capabilities,
    Instrument,
    InstrumentTable,
    OrderType,
    TimeInForce,
    Venue,
)
from common.domain.order import IntentStatus, Order, OrderIntent, OrderPlan, OrderStatus
from common.domain.parent_order import ParentOrder
from common.domain.position import Position
from common.domain.scope import PLATFORM_SCOPE, Scope
from common.domain.signal import Delivery, SignalRecord, SignalStatus
from common.errors import SapphireError
from common.execution.accounts import open_account
from common.execution.approval import approval_write
from common.execution.booking import account_ref, empty_position, position_ref
from common.execution.exposures import exposure_writes
from common.execution.parents import with_rest_reserved
from common.how.trading_state import TradingState, TradingStateRecord, state_ref
from common.messages import flatten_message
from common.outbox import outbox_write
from common.ports import Delete, Ref, Update, Write
from common.wire import decode_message, from_document, to_document
from functions.advance.handler import advance
from functions.execute.handler import execute
from functions.monitor.handler import monitor
from functions.settle.handler import SettleEvent, settle
from infra.local.store.memory import MemoryStore
from tests.builders import (
    DELIVERY_ID,
    DEPLOYMENT_ID,
    NOON,
    PARENT_ID,
    SIGNAL_ID,
    a_delivery,
    a_deployment,
    a_plan,
    a_signal_record,
    a_snapshot,
    a_tick,
    an_instrument,
    an_instrument_table,
    an_intent,
    an_order,
    limits_document,
)
from tests.fakes.clock import FakeClock
from tests.unit.functions.ledger_venue import LedgerVenue

T = TypeVar("T")
HL, OSTIUM = Venue.HYPERLIQUID, Venue.OSTIUM
_TO_SETTLE = (OrderUnknown, CancelRequested, TradingStateChanged, FlattenRequested)


class Floor:
    """ETH at 3000 on Hyperliquid and Ostium; one deployment, trading ACTIVE, nothing held."""

    def __init__(self, **settings: Any) -> None:
        self.store = MemoryStore()
        self.clock = FakeClock()
        self.settings = replace(Settings(), **settings)
        self.hyperliquid, self.ostium = LedgerVenue(HL), LedgerVenue(OSTIUM)
        self.venues = {HL: self.hyperliquid, OSTIUM: self.ostium}
        self.instruments = {
            (venue, symbol): an_instrument(symbol, venue)
            for venue in (HL, OSTIUM)
            for symbol in ("BTC", "ETH")
        }

    @property
    def capabilities(self) -> dict[Venue, Capabilities]:
        return {venue: adapter.capabilities for venue, adapter in self.venues.items()}

    async def open(self, *, paper: bool = True, book: str = "v3") -> "Floor":
        await self.store.commit(
            [
                create(
                    Ref(book_named(book).deployments, DEPLOYMENT_ID),
                    a_deployment(paper=paper, book=book),
                ),
                limits_document(self.settings.limits),
                *(create(Ref(VENUE_MARKETS, venue), self._table(venue)) for venue in self.venues),
            ]
        )
        await self.quote("3000")
        await self.set_state(TradingState.ACTIVE)
        return self

    # -- what is there ------------------------------------------------------------------------

    async def table(self, venue: Venue) -> InstrumentTable | None:
        """Fits `Instruments`."""
        return self._table(venue)

    def _table(self, venue: Venue) -> InstrumentTable:
        mine = [each for (place, _), each in self.instruments.items() if place is venue]
        return an_instrument_table(venue, instruments=tuple(mine))

    async def list_as(self, instrument: Instrument | None, *, venue: Venue = HL) -> None:
        """ETH there is `instrument` from now on; None: it is not listed any more."""
        self.instruments.pop((venue, "ETH"))
        if instrument is not None:
            self.instruments[venue, "ETH"] = instrument
        await self.change(Ref(VENUE_MARKETS, venue), self._table(venue))

    async def quote(self, price: str, *, symbol: str = "ETH", at: datetime | None = None) -> None:
        snapshot = a_snapshot(symbol, mark=Decimal(price), observed_at=at or self.clock.now())
        await self.change(Ref(MARKET_SNAPSHOTS, symbol), snapshot)

    async def set_state(
        self, state: TradingState, scope: Scope = PLATFORM_SCOPE, **changes: Any
    ) -> TradingStateRecord:
        ref = state_ref(scope)
        found = self.store.peek(ref)
        epoch = int(found.data["epoch"]) + 1 if found else 1
        record = TradingStateRecord(
            state=state, epoch=epoch, reason="", changed_by="test", changed_at=self.clock.now()
        )
        record = replace(record, **changes)
        await self.change(ref, record)
        return record

    async def change(self, ref: Ref, value: object) -> None:
        """Put `value` there, whatever is there now."""
        found = self.store.peek(ref)
        document = to_document(value)
        await self.store.commit(
            [Update(ref, document, found.version) if found else create(ref, value)]
        )

    async def hold(
        self,
        quantity: str,
        *,
        venue: Venue = HL,
        deployment_id: str = DEPLOYMENT_ID,
        theirs: str | None = None,
        price: str = "3000",
    ) -> Position:
        """Signed ETH in our books, and by the venue's word (`theirs` where that is another)."""
        signed, paid = Decimal(quantity), Decimal(price)
        deployment = a_deployment(deployment_id)
        empty = empty_position(deployment, venue, "ETH", now=NOON)
        position = replace(empty, signed_qty=signed, open_cost=abs(signed) * paid, fill_count=1)
        exposure = self.exposure(deployment_id).hold(
            venue=venue, symbol="ETH", signed_qty=signed, price=paid
        )
        account = replace(open_account(deployment, NOON), cash=Decimal(10_000) - signed * paid)
        await self.change(position_ref(position), position)
        await self.change(Ref(EXPOSURES, deployment_id), exposure)
        await self.change(account_ref(deployment_id), account)
        told = quantity if theirs is None else theirs
        if venue in self.venues:
            self.venues[venue].hold(deployment_id, told)
        return position

    async def rest(self, number: int = 1, **changes: Any) -> Order:
        """A limit order of ours that rests at its venue, reserved; `changes` are of its plan."""
        (order,) = await self.rest_many([number], **changes)
        return order

    async def rest_many(self, numbers: Iterable[int], **changes: Any) -> list[Order]:
        """One for each number, all of one account."""
        orders: list[Order] = []
        writes: list[Write] = []
        exposure = self.exposure(changes.get("deployment_id", DEPLOYMENT_ID))
        for number in numbers:
            paper = {"paper": self.settings.mode == "paper"}
            intent, order = _resting(number, **(paper | changes))
            exposure = exposure.reserve(order.intent_id, _reservation(intent.plan))
            writes += [
                create(Ref(ORDER_INTENTS, order.intent_id), intent),
                create(Ref(ORDERS, order.client_order_id), order),
                approval_write(intent.plan, "monitor", now=self.clock.now()),
            ]
            orders.append(order)
            if order.venue in self.venues:
                self.venues[order.venue].rest(order)
        await self.store.commit(writes)
        await self.change(Ref(EXPOSURES, exposure.deployment_id), exposure)
        return orders

    async def work(self, parent: ParentOrder) -> ParentOrder:
        """The parent order as `route` leaves it: reserved, and its delivery EXECUTING."""
        book = book_named(parent.book)
        delivery = a_delivery(
            status=SignalStatus.EXECUTING,
            intent_id=parent.parent_order_id,
            expires_at=parent.expires_at,
        )
        record = a_signal_record(deployments_expected=1)
        stored = self.exposure(parent.deployment_id)
        reserved = with_rest_reserved(stored, parent)
        writes = await exposure_writes(
            self.store, None, reserved, book=parent.book, agent_id=parent.agent_id
        )
        await self.store.commit(
            [
                create(Ref(PARENT_ORDERS, parent.parent_order_id), parent),
                create(Ref(book.deliveries, DELIVERY_ID), delivery),
                create(Ref(book.signals, SIGNAL_ID), record),
                *writes,
            ]
        )
        return parent

    async def begin_flatten(
        self, scope: Scope = PLATFORM_SCOPE, *, by_message: bool = True
    ) -> None:
        """As `request_flatten` of the api leaves it, its message in the outbox."""
        state = await self.set_state(TradingState.REDUCING, scope)
        flatten = Flatten(
            flatten_id="flt_1",
            scope=scope.key,
            reason="a drill",
            requested_by="ada",
            requested_at=self.clock.now(),
            epoch=state.epoch,
            status=FlattenStatus.CLOSING,
            updated_at=self.clock.now(),
        )
        message = flatten_message(flatten.flatten_id, "begin", now=self.clock.now())
        writes: list[Write] = [create(Ref(FLATTENS, flatten.flatten_id), flatten)]
        await self.store.commit([*writes, outbox_write(message)] if by_message else writes)

    # -- what happens -------------------------------------------------------------------------

    async def handle(
        self, event: Event | Tick, *, clock: FakeClock | None = None
    ) -> list[OutboxMessage]:
        """What the function that listens to it does with it; `clock`: of a slower instance."""
        match event:
            case OrderPlanned():
                ports = self._ports() | {"clock": clock or self.clock}
                return await execute(event, **ports, venues=self.venues)
            case ParentOrderDue():
                return await advance(event, **self._ports(), **self._market())
            case PositionChanged():
                return await monitor(event, **self._ports(), **self._market())
            case OrderUnknown() | CancelRequested() | TradingStateChanged() | FlattenRequested():
                return await self.settle(event)
            case _:
                assert isinstance(event, NotificationRaised | KeySubmitted), event
                return []

    def _ports(self) -> dict[str, Any]:
        return {"store": self.store, "clock": self.clock, "settings": self.settings}

    def _market(self) -> dict[str, Any]:
        return {"instruments": self, "capabilities": self.capabilities}

    async def settle(self, event: SettleEvent | None = None) -> list[OutboxMessage]:
        """A tick unless told otherwise."""
        return await settle(event or a_tick("settle"), **self._ports(), venues=self.venues)

    async def advance(self, parent_order_id: str | None = PARENT_ID) -> list[OutboxMessage]:
        """One parent order; None: a tick."""
        event = ParentOrderDue(parent_order_id=parent_order_id) if parent_order_id else None
        return await advance(event or a_tick("advance"), **self._ports(), **self._market())

    async def monitor(self, event: PositionChanged | None = None) -> list[OutboxMessage]:
        """A tick unless told otherwise."""
        return await monitor(event or a_tick("monitor"), **self._ports(), **self._market())

    async def drain(self, *, most: int = 2000) -> list[str]:
        """Deliver what the outbox holds and is due, until nothing is left; what failed stays.

        Returns the troubles.
        """
        troubles: list[str] = []
        for _ in range(most):
            due = [each for each in self.outbox() if each.message_id not in troubles]
            if not due:
                return troubles
            try:
                await self.handle(due[0].event)
            except SapphireError:
                troubles.append(due[0].message_id)
            else:
                await self.store.commit([Delete(Ref(OUTBOX, due[0].message_id))])
        raise AssertionError(f"never quiet: {[each.message_id for each in self.outbox()]}")

    def outbox(self) -> list[OutboxMessage]:
        """What is due by now."""
        found = [decode_message(row) for row in self.rows(OUTBOX).values()]
        now = self.clock.now()
        return [each for each in found if each.deliver_at is None or each.deliver_at <= now]

    async def lose(self, kind: type[Event]) -> int:
        """The messages of one kind that wait never come; how many there were."""
        found = [decode_message(row) for row in self.rows(OUTBOX).values()]
        lost = [each for each in found if isinstance(each.event, kind)]
        if lost:
            await self.store.commit([Delete(Ref(OUTBOX, each.message_id)) for each in lost])
        return len(lost)

    def pass_time(self, **span: float) -> None:
        self.clock.advance(timedelta(**span).total_seconds())

    # -- what there is to see -----------------------------------------------------------------

    def get(self, kind: type[T], collection: str, document_id: str) -> T:
        found = self.store.peek(Ref(collection, document_id))
        assert found is not None, f"{collection}/{document_id}"
        return from_document(kind, found.data)

    def rows(self, collection: str) -> dict[str, dict[str, Any]]:
        return self.store.contents().get(collection, {})

    def exposure(self, deployment_id: str = DEPLOYMENT_ID) -> Exposure:
        found = self.store.peek(Ref(EXPOSURES, deployment_id))
        return from_document(Exposure, found.data) if found else Exposure.empty(deployment_id)

    def parent(self, parent_order_id: str = PARENT_ID) -> ParentOrder:
        return self.get(ParentOrder, PARENT_ORDERS, parent_order_id)

    def delivery(self) -> Delivery:
        return self.get(Delivery, book_named("v3").deliveries, DELIVERY_ID)

    def signal(self) -> SignalRecord:
        return self.get(SignalRecord, book_named("v3").signals, SIGNAL_ID)

    def intents(self) -> list[OrderIntent]:
        return [from_document(OrderIntent, row) for row in self.rows(ORDER_INTENTS).values()]

    def exit_of(self, position_id: str) -> PositionExit:
        return self.get(PositionExit, POSITION_EXITS, position_id)

    def flatten(self) -> Flatten:
        return self.get(Flatten, FLATTENS, "flt_1")

    def told(self) -> list[str]:
        rows = self.rows(NOTIFICATIONS).values()
        return [f"{row['notification']['kind']} {row['notification']['text']}" for row in rows]

    def audited(self, action: str) -> list[dict[str, Any]]:
        return [row for row in self.rows(AUDIT).values() if row["action"] == action]


def _resting(number: int, **changes: Any) -> tuple[OrderIntent, Order]:
    plan = a_plan(
        **{
            "intent_id": f"int_rest{number:04}",
            "delivery_id": "",
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.GTC,
            **changes,
        }
    )
    candidate = plan.candidates[0]
    order = an_order(
        client_order_id=f"0x{number:032x}",
        intent_id=plan.intent_id,
        account_id=plan.deployment_id,
        venue=candidate.venue,
        instrument_id=candidate.instrument_id,
        symbol=plan.symbol,
        side=plan.side,
        quantity=candidate.quantity,
        price=candidate.price,
        order_type=plan.order_type,
        time_in_force=plan.time_in_force,
        status=OrderStatus.ACCEPTED,
        venue_order_id=f"v-{number}",
        reduce_only=plan.reduce_only,
        trigger_price=plan.trigger_price,
    )
    intent = an_intent(
        plan,
        status=IntentStatus.WORKING,
        client_order_id=order.client_order_id,
        client_order_ids=(order.client_order_id,),
    )
    return intent, order


def _reservation(plan: OrderPlan) -> Reservation:
    candidate = plan.candidates[0]
    return Reservation(
        venue=candidate.venue,
        symbol=plan.symbol,
        side=plan.side,
        quantity=candidate.quantity,
        price=candidate.price,
        protective=plan.is_protective,
    )
