"""A venue on paper: the reference adapter, to copy for a new venue.

It checks an order as its venue would, fills it from the latest market snapshot, and keeps its own
ledger in the document store, so it outlives a kill -9 and all serverless instances share it.

Nobody is there when the market moves. What happened since the last call, late orders that came in
(intake.py), resting orders that the market has reached (sweeping.py), hours of funding
(funding.py), is made good by the next call that could see it, as if it had happened by itself.

Where it differs from the real venues: the same client order id always gets its first order
(Hyperliquid's answer to a repeated cloid is not documented; for Ostium and SPOT it stands for the
same signed bytes sent again, which a chain takes once, and for GMX for the same requestId). Ostium,
GMX and SPOT take an order whole or not at all; here an IOC may fill in part on each of them. There
is no margin and no liquidation, and no order of ours meets another. The minimum notional is judged
at the order's own price, and not at all for a reduce-only order.

| member          | every venue      | here                                                 |
|-----------------|------------------|------------------------------------------------------|
| load_instruments| required         | our own list, or the live table (profile.load)        |
| prepare         | required         | nothing to sign                                       |
| submit          | required, once   | ledger + fills + position in one commit               |
| query_order     | required         | by client order id                                    |
| query_position  | required         | the ledger's word                                     |
| query_account   | required         | the same, for all symbols, with the open orders       |
| query_funding   | required         | each full hour of a perpetual                         |
| cancel          | required         | what rests, or is still under way                     |
"""

from datetime import datetime, timedelta

from common.documents import every
from common.domain.instrument import Instrument, InstrumentTable
from common.domain.money import plain
from common.domain.order import Order, OrderReport, OrderStatus, SignedRequest
from common.errors import (
    InvalidInputError,
    OutcomeUnknownError,
    RejectedError,
    TransientError,
)
from common.execution.request import unsigned_request
from common.ports import (
    Clock,
    Document,
    DocumentStore,
    FundingPayment,
    VenueAccountState,
    VenueOpenOrder,
    VenuePosition,
    Where,
)
from infra.venues.instruments import StoredInstruments
from infra.venues.paper.faults import (
    FaultKind,
    FaultPlan,
    FaultRule,
    Faults,
    faults_ref,
    read_plan,
)
from infra.venues.paper.funding import Funding
from infra.venues.paper.intake import Intake
from infra.venues.paper.ledger import (
    PAPER_POSITIONS,
    PaperArrival,
    held,
    order_ref,
    position_ref,
    read_order,
)
from infra.venues.paper.profile import PaperProfile
from infra.venues.paper.resting import PAPER_RESTING, PaperResting, read_resting
from infra.venues.paper.sweeping import Sweeper

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
        self._funding = Funding(self.venue, store)
        self._sweeper = Sweeper(profile, store, self._funding, self._instrument)
        self._intake = Intake(
            profile,
            store,
            clock,
            sweeper=self._sweeper,
            funding=self._funding,
            instrument_of=self._instrument,
        )

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
        await self._intake.let_in()
        if fault is not None:
            await self._strike_before(order, fault, sent_at)
        record = await self._intake.take(order, fault, sent_at + self._profile.latency)
        if kind in _ANSWER_LOST:
            await self._time_out(order)
        if kind is FaultKind.SERVER_ERROR:
            raise OutcomeUnknownError(f"{self.venue} answered 503 to {order.client_order_id}")
        if record.status is OrderStatus.REJECTED:
            raise RejectedError(record.code, record.reason)
        return record.report()

    async def query_order(self, order: Order) -> OrderReport | None:
        asked_at = self._clock.now() + self._profile.latency
        await self._asked(order)
        document = await self._store.get(order_ref(self.venue, order.client_order_id))
        if document is None:
            return None
        record = read_order(document)
        return record.report() if record.visible_at <= asked_at else None

    async def query_position(self, *, account_id: str, symbol: str) -> VenuePosition | None:
        await self._asked_of_account()
        await self._sweeper.sweep(symbol)
        document = await self._store.get(position_ref(self.venue, account_id, symbol))
        if document is None or not held(document):
            return None
        return VenuePosition(symbol=symbol, signed_qty=document.data["signed_qty"])

    async def query_account(self, *, account_id: str) -> VenueAccountState:
        asked_at = self._clock.now() + self._profile.latency
        await self._asked_of_account()
        resting = await self._caught_up(account_id)
        return VenueAccountState(
            positions=tuple(
                VenuePosition(
                    symbol=document.data["symbol"], signed_qty=document.data["signed_qty"]
                )
                for document in await self._positions(account_id)
                if held(document)
            ),
            open_orders=tuple(_open_order(each) for each in resting if each.visible_at <= asked_at),
        )

    async def query_funding(
        self, *, account_id: str, since: datetime
    ) -> tuple[FundingPayment, ...]:
        """What is due by now is recorded first."""
        await self._asked_of_account()
        await self._caught_up(account_id)
        now = self._clock.now()
        for document in await self._positions(account_id):
            instrument = await self._instrument(document.data["symbol"])
            position: Document | None = document
            while await self._funding.accrue(position, instrument, until=now):
                position = await self._store.get(document.ref)
        positions = await self._positions(account_id)
        return await self._funding.payments(positions, since=since, now=now)

    async def cancel(self, order: Order) -> OrderReport | None:
        """Stop what rests, or is under way; of what has ended already, its report."""
        fault = await self._asked(order)
        kind = fault.kind if fault else None
        if kind is FaultKind.CANCEL_LOST:
            await self._give_up_cancel(order)
        report = await self._intake.stop(order)
        if kind is FaultKind.CANCEL_ANSWER_LOST:
            await self._give_up_cancel(order)
        return report

    # -- what goes wrong on request ---------------------------------------------------------------

    async def _plan(self) -> FaultPlan:
        return read_plan(await self._store.get(faults_ref(self.venue)))

    async def _fault(self, order: Order, now: datetime) -> FaultRule | None:
        fault = self._faults(order) if self._faults else None
        return fault or (await self._plan()).strikes(order, now)

    async def _strike_before(self, order: Order, fault: FaultRule, sent_at: datetime) -> None:
        """The faults that keep the order from being taken now."""
        if fault.kind is FaultKind.SERVER_ERROR and not fault.lands:
            raise OutcomeUnknownError(f"{self.venue} answered 503 to {order.client_order_id}")
        if fault.kind is FaultKind.LATE:
            arrives_at = sent_at + timedelta(seconds=float(fault.delay_s))
            await self._intake.hold_back(
                PaperArrival(venue=self.venue, order=order, arrives_at=arrives_at)
            )
            await self._time_out(order)
        if fault.kind is FaultKind.LOST_REQUEST:
            await self._time_out(order)

    async def _time_out(self, order: Order) -> None:
        await self._clock.sleep(self.capabilities.request_timeout.total_seconds())
        raise OutcomeUnknownError(f"{self.venue} did not answer about {order.client_order_id}")

    async def _give_up_cancel(self, order: Order) -> None:
        await self._clock.sleep(self.capabilities.request_timeout.total_seconds())
        raise TransientError(
            f"{self.venue} did not answer to the cancel of {order.client_order_id}"
        )

    # -- what the last call could not see ----------------------------------------------------------

    async def _asked(self, order: Order) -> FaultRule | None:
        """A call about `order` reaches the venue; by then, what was under way has come in, and the
        market has done what it did to the symbol's orders.
        """
        fault = await self._fault(order, self._clock.now())
        if fault is not None and fault.kind in {FaultKind.DOWN, FaultKind.QUERIES_DOWN}:
            raise TransientError(f"{self.venue} does not answer")
        await self._clock.sleep(self._profile.latency.total_seconds())
        await self._intake.let_in()
        await self._sweeper.sweep(order.symbol)
        await self._sweeper.end_orphan(order.account_id, order.symbol, order.client_order_id)
        return fault

    async def _asked_of_account(self) -> None:
        plan = await self._plan()
        if plan.cuts_queries(self._clock.now()):
            raise TransientError(f"{self.venue} does not answer")
        await self._intake.let_in()

    async def _caught_up(self, account_id: str) -> list[PaperResting]:
        """The account's open orders, once the market has done to them what it did."""
        resting = await self._resting(account_id)
        changed = False
        for symbol in sorted({each.symbol for each in resting}):
            changed |= await self._sweeper.sweep(symbol)
        for each in resting if self._profile.flat_cancels_reduce_only else ():
            changed |= await self._sweeper.end_orphan(account_id, each.symbol, each.client_order_id)
        return await self._resting(account_id) if changed else resting

    async def _resting(self, account_id: str) -> list[PaperResting]:
        mine = Where("account_id", "==", account_id)
        found = [read_resting(each) async for each in every(self._store, PAPER_RESTING, mine)]
        return [each for each in found if each.venue is self.venue]

    async def _positions(self, account_id: str) -> list[Document]:
        mine = Where("account_id", "==", account_id)
        found = [document async for document in every(self._store, PAPER_POSITIONS, mine)]
        return [document for document in found if document.data["venue"] == self.venue]

    async def _instrument(self, symbol: str) -> Instrument | None:
        """From the table that was last published; from our own list before there is one."""
        table = await self._stored.table(self.venue)
        return (table or self._profile.listed(self._clock.now())).find(symbol)


def _open_order(resting: PaperResting) -> VenueOpenOrder:
    return VenueOpenOrder(
        venue_order_id=resting.venue_order_id,
        client_order_id=resting.client_order_id,
        symbol=resting.symbol,
        side=resting.side,
        left_qty=plain(resting.left),
    )
