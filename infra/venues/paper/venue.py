"""A venue on paper: the reference adapter, to copy for a new venue.

It checks an order as its venue would, fills it from the latest market snapshot, and keeps its own
ledger in the document store, so it outlives a kill -9 and all serverless instances share it.

Where it differs from the real venues: the same client order id always gets its first outcome
(Hyperliquid's answer to a repeated cloid is not documented; for Ostium and SPOT it stands for the
same signed bytes sent again, which a chain takes once, and for GMX for the same requestId). Ostium,
GMX and SPOT take an order whole or not at all; here an IOC may fill in part on each of them. There
is no margin, no liquidation, and no order rests in a book. The minimum notional is judged at the
order's own price.

| member          | every venue      | here                                                 |
|-----------------|------------------|------------------------------------------------------|
| load_instruments| required         | our own list, or the live table (profile.load)        |
| prepare         | required         | nothing to sign                                       |
| submit          | required, once   | ledger + fills + position in one commit               |
| query_order     | required         | by client order id                                    |
| query_position  | required         | the ledger's word                                     |
| query_account   | required         | the same, for all symbols; nothing rests in a book    |
| cancel          | required         | only an order still under way can be stopped          |
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from common.books import MARKET_SNAPSHOTS
from common.documents import every
from common.domain.instrument import Instrument, InstrumentTable
from common.domain.order import Order, OrderReport, OrderStatus, SignedRequest
from common.errors import (
    ConflictError,
    InvalidInputError,
    OutcomeUnknownError,
    RejectedError,
    TransientError,
)
from common.execution.request import unsigned_request
from common.ports import (
    Clock,
    Create,
    Delete,
    DocumentStore,
    Ref,
    VenueAccountState,
    VenuePosition,
    Where,
    Write,
)
from common.wire import to_document
from infra.venues.instruments import StoredInstruments
from infra.venues.paper.faults import (
    FaultKind,
    FaultPlan,
    FaultRule,
    Faults,
    faults_ref,
    read_plan,
)
from infra.venues.paper.ledger import (
    PAPER_ARRIVALS,
    PAPER_POSITIONS,
    PaperArrival,
    PaperOrder,
    arrival_ref,
    held,
    order_ref,
    outcome,
    position_ref,
    read_arrival,
    read_order,
    record_writes,
)
from infra.venues.paper.matching import decide
from infra.venues.paper.profile import PaperProfile

_TRIES = 20  # each lost race means that another order of the account went through
_ANSWER_LOST = {FaultKind.LOST_ANSWER, FaultKind.READ_LAG}


class PaperVenue:
    """Fits `ExecutionVenue`."""

    def __init__(
        self,
        profile: PaperProfile,
        store: DocumentStore,
        clock: Clock,
        *,
        faults: Faults | None = None,
    ) -> None:
        self.venue = profile.capabilities.venue
        self.capabilities = profile.capabilities
        self._profile = profile
        self._store = store
        self._clock = clock
        self._faults = faults
        self._stored = StoredInstruments(store, clock)

    async def load_instruments(self) -> InstrumentTable:
        """Our own list, or the live table.

        Raises:
            TransientError: the live venue did not answer; RateLimitedError with its wait.
            InvalidInputError: its answer is not usable.
        """
        now = self._clock.now()
        if self._profile.load is not None:
            return await self._profile.load(now)
        return self._profile.listed(now)

    async def prepare(self, order: Order) -> SignedRequest:
        return unsigned_request(order, now=self._clock.now())

    async def submit(self, order: Order, request: SignedRequest | None = None) -> OrderReport:  # noqa: ARG002 - nothing is signed on paper
        """Take the order once; ExecutionVenue says what the errors prove.

        Raises also InvalidInputError (an order for another venue) and ConfigurationError (a fault
        plan that does not read); then the order was not taken.
        """
        if order.venue != self.venue:
            raise InvalidInputError(f"the order is for {order.venue}", where=self.venue)
        sent_at = self._clock.now()
        fault = await self._fault(order, sent_at)
        kind = fault.kind if fault else None
        if kind is FaultKind.DOWN:
            raise TransientError(f"{self.venue} refused the connection")
        await self._clock.sleep(self._profile.latency.total_seconds())
        await self._take_arrivals()
        if fault is not None:
            await self._strike_before(order, fault, sent_at)
        record = await self._take(order, fault, sent_at + self._profile.latency)
        if kind in _ANSWER_LOST:
            await self._time_out(order)
        if kind is FaultKind.SERVER_ERROR:
            raise OutcomeUnknownError(f"{self.venue} answered 503 to {order.client_order_id}")
        if record.status is OrderStatus.REJECTED:
            raise RejectedError(record.code, record.reason)
        return record.report()

    async def query_order(self, order: Order) -> OrderReport | None:
        asked_at = await self._asked(order)
        document = await self._store.get(order_ref(self.venue, order.client_order_id))
        if document is None:
            return None
        record = read_order(document)
        return record.report() if record.visible_at <= asked_at else None

    async def query_position(self, *, account_id: str, symbol: str) -> VenuePosition | None:
        plan = await self._plan()
        if plan.cuts_queries(self._clock.now()):
            raise TransientError(f"{self.venue} does not answer")
        await self._take_arrivals()
        document = await self._store.get(position_ref(self.venue, account_id, symbol))
        if document is None or not held(document):
            return None
        return VenuePosition(symbol=symbol, signed_qty=document.data["signed_qty"])

    async def query_account(self, *, account_id: str) -> VenueAccountState:
        plan = await self._plan()
        if plan.cuts_queries(self._clock.now()):
            raise TransientError(f"{self.venue} does not answer")
        await self._take_arrivals()
        mine = Where("account_id", "==", account_id)
        positions = [
            VenuePosition(symbol=document.data["symbol"], signed_qty=document.data["signed_qty"])
            async for document in every(self._store, PAPER_POSITIONS, mine)
            if document.data["venue"] == self.venue and held(document)
        ]
        return VenueAccountState(positions=tuple(positions))

    async def cancel(self, order: Order) -> OrderReport | None:
        """Stop an order still under way; one that arrived has ended, and its report is returned."""
        await self._asked(order)
        refs = [
            order_ref(self.venue, order.client_order_id),
            arrival_ref(self.venue, order.client_order_id),
        ]
        for _ in range(_TRIES):
            document, under_way = await self._store.get_many(refs)
            if document is not None:
                return read_order(document).report()
            if under_way is None:
                return None
            now = self._clock.now()
            record = outcome(order, OrderStatus.CANCELED, at=now, reason="canceled under way")
            writes = [Delete(under_way.ref, under_way.version), *record_writes(record, None)]
            if await self._written(order, writes):
                return record.report()
        raise TransientError(f"{self.venue}: {order.client_order_id} keeps changing")

    # -- what goes wrong on request ---------------------------------------------------------------

    async def _plan(self) -> FaultPlan:
        return read_plan(await self._store.get(faults_ref(self.venue)))

    async def _fault(self, order: Order, now: datetime) -> FaultRule | None:
        fault = self._faults(order) if self._faults else None
        return fault or (await self._plan()).strikes(order, now)

    async def _asked(self, order: Order) -> datetime:
        """When a query about `order` reaches the venue; what was under way has arrived by then."""
        now = self._clock.now()
        fault = await self._fault(order, now)
        if fault is not None and fault.kind in {FaultKind.DOWN, FaultKind.QUERIES_DOWN}:
            raise TransientError(f"{self.venue} does not answer")
        await self._clock.sleep(self._profile.latency.total_seconds())
        await self._take_arrivals()
        return now + self._profile.latency

    async def _strike_before(self, order: Order, fault: FaultRule, sent_at: datetime) -> None:
        """The faults that keep the order from being taken now."""
        if fault.kind is FaultKind.SERVER_ERROR and not fault.lands:
            raise OutcomeUnknownError(f"{self.venue} answered 503 to {order.client_order_id}")
        if fault.kind is FaultKind.LATE:
            arrives_at = sent_at + timedelta(seconds=float(fault.delay_s))
            await self._hold_back(
                PaperArrival(venue=self.venue, order=order, arrives_at=arrives_at)
            )
            await self._time_out(order)
        if fault.kind is FaultKind.LOST_REQUEST:
            await self._time_out(order)

    async def _time_out(self, order: Order) -> None:
        await self._clock.sleep(self.capabilities.request_timeout.total_seconds())
        raise OutcomeUnknownError(f"{self.venue} did not answer about {order.client_order_id}")

    async def _hold_back(self, arrival: PaperArrival) -> None:
        ref = arrival_ref(self.venue, arrival.order.client_order_id)
        try:
            await self._store.commit([Create(ref, to_document(arrival))])
        except ConflictError:
            return  # the same order is under way already
        except TransientError as error:
            raise OutcomeUnknownError(f"{self.venue}: {error}") from error

    async def _take_arrivals(self) -> None:
        """Take the late orders whose time has come, as if they came in by themselves."""
        under_way = Where("venue", "==", self.venue.value)
        async for document in every(self._store, PAPER_ARRIVALS, under_way):
            arrival = read_arrival(document)
            if arrival.arrives_at <= self._clock.now():
                try:
                    await self._take(arrival.order, None, arrival.arrives_at, Delete(document.ref))
                except OutcomeUnknownError as error:  # of that order, not of what we were asked
                    raise TransientError(str(error)) from error

    # -- taking an order --------------------------------------------------------------------------

    async def _take(
        self,
        order: Order,
        fault: FaultRule | None,
        due_at: datetime,
        arrival: Delete | None = None,
    ) -> PaperOrder:
        """The first outcome of the order: on record already, or decided and recorded now.

        What stalls on our side arrives later than `due_at`, and may find the order expired; one
        that was held back on purpose (`arrival`) arrived when it was due, whoever notices.
        """
        instrument = await self._instrument(order.symbol)
        refs = [
            order_ref(self.venue, order.client_order_id),
            Ref(MARKET_SNAPSHOTS, order.symbol),
            position_ref(self.venue, order.account_id, order.symbol),
        ]
        for _ in range(_TRIES):
            known, snapshot, position = await self._store.get_many(refs)
            if known is not None:
                if arrival is not None:
                    await self._written(order, [arrival])
                return read_order(known)
            at = due_at if arrival else max(due_at, self._clock.now())
            record = decide(
                order,
                self._profile,
                at=at,
                instrument=instrument,
                snapshot=snapshot,
                held=held(position),
                fault=fault,
            )
            writes = record_writes(record, position)
            if await self._written(order, [*writes, arrival] if arrival else writes):
                return record
        raise TransientError(f"{self.venue}: {order.client_order_id} lost {_TRIES} races")

    async def _written(self, order: Order, writes: Sequence[Write]) -> bool:
        try:
            await self._store.commit(writes)
        except ConflictError:
            return False
        except TransientError as error:  # it may have been written
            raise OutcomeUnknownError(f"{self.venue}: {order.client_order_id}: {error}") from error
        return True

    async def _instrument(self, symbol: str) -> Instrument | None:
        """From the table that was last published; from our own list before there is one."""
        table = await self._stored.table(self.venue)
        return (table or self._profile.listed(self._clock.now())).find(symbol)
