"""Takes orders into a paper venue's ledger, also those that come in late, and takes them out."""

from collections.abc import Sequence
from datetime import datetime

from common.books import MARKET_SNAPSHOTS
from common.documents import every
from common.domain.order import Order, OrderReport, OrderStatus
from common.errors import ConflictError, OutcomeUnknownError, TransientError
from common.ports import Clock, Create, Delete, Document, DocumentStore, Ref, Where, Write
from common.wire import to_document
from infra.venues.paper.faults import FaultRule
from infra.venues.paper.funding import Funding
from infra.venues.paper.judging import ended
from infra.venues.paper.ledger import (
    PAPER_ARRIVALS,
    PaperArrival,
    PaperOrder,
    arrival_ref,
    order_ref,
    outcome,
    position_ref,
    read_arrival,
    read_order,
    record_writes,
)
from infra.venues.paper.matching import Decision, decide
from infra.venues.paper.profile import PaperProfile
from infra.venues.paper.resting import (
    UNSWEPT,
    counted,
    is_due,
    resting_ref,
    snapshot_key,
    sweep_ref,
)
from infra.venues.paper.sweeping import TRIES, InstrumentOf, Sweeper, step_writes


class Intake:
    """Of one paper venue."""

    def __init__(
        self,
        profile: PaperProfile,
        store: DocumentStore,
        clock: Clock,
        *,
        sweeper: Sweeper,
        funding: Funding,
        instrument_of: InstrumentOf,
    ) -> None:
        self._profile = profile
        self._venue = profile.capabilities.venue
        self._store = store
        self._clock = clock
        self._sweeper = sweeper
        self._funding = funding
        self._instrument_of = instrument_of

    async def take(
        self,
        order: Order,
        fault: FaultRule | None,
        due_at: datetime,
        arrival: Delete | None = None,
    ) -> PaperOrder:
        """The order's record: there already, or decided and written now.

        What stalls on our side arrives later than `due_at`, and may find the order expired; one
        that was held back on purpose (`arrival`) arrived when it was due, whoever notices. What
        the market did before goes before it.

        Raises:
            TransientError: it was not taken.
            OutcomeUnknownError: it may have been.
        """
        instrument = await self._instrument_of(order.symbol)
        swept = False
        for _ in range(TRIES):
            known, snapshot, position, sweep = await self._read(order)
            if known is not None:
                if arrival is not None:
                    await self._written(order, [arrival])
                return read_order(known)
            if is_due(sweep, snapshot) and not swept:
                swept = True
                await self._sweeper.sweep(order.symbol)
                continue
            at = due_at if arrival else max(due_at, self._clock.now())
            if await self._funding.accrue(position, instrument, until=at):
                continue
            decision = decide(
                order,
                self._profile,
                at=at,
                instrument=instrument,
                snapshot=snapshot,
                position=position,
                fault=fault,
            )
            writes = record_writes(decision.record, position)
            writes += _resting_writes(decision, snapshot, sweep)
            if await self._written(order, [*writes, arrival] if arrival else writes):
                return decision.record
        raise TransientError(f"{self._venue}: {order.client_order_id} lost {TRIES} races")

    async def hold_back(self, arrival: PaperArrival) -> None:
        """Raises OutcomeUnknownError: the store did not answer."""
        ref = arrival_ref(self._venue, arrival.order.client_order_id)
        try:
            await self._store.commit([Create(ref, to_document(arrival))])
        except ConflictError:
            return  # the same order is under way already
        except TransientError as error:
            raise OutcomeUnknownError(f"{self._venue}: {error}") from error

    async def let_in(self) -> None:
        """Take the late orders whose time has come, as if they came in by themselves.

        Raises TransientError: it is not known what became of one.
        """
        under_way = Where("venue", "==", self._venue.value)
        async for document in every(self._store, PAPER_ARRIVALS, under_way):
            arrival = read_arrival(document)
            if arrival.arrives_at <= self._clock.now():
                try:
                    await self.take(arrival.order, None, arrival.arrives_at, Delete(document.ref))
                except OutcomeUnknownError as error:  # of that order, not of what we were asked
                    raise TransientError(str(error)) from error

    async def stop(self, order: Order) -> OrderReport | None:
        """End what rests of the order, or the order under way; None where there is none.

        Raises TransientError: the store did not answer, so it may have been ended.
        """
        refs = [
            order_ref(self._venue, order.client_order_id),
            resting_ref(self._venue, order.client_order_id),
            arrival_ref(self._venue, order.client_order_id),
        ]
        for _ in range(TRIES):
            document, watched, under_way = await self._store.get_many(refs)
            if document is not None:
                record = read_order(document)
                if watched is None:
                    return record.report()
                step = ended(record, "canceled")
                record, writes = step.record, step_writes(step, watched, document)
            elif under_way is not None:
                now = self._clock.now()
                record = outcome(order, OrderStatus.CANCELED, at=now, reason="canceled under way")
                writes = [Delete(under_way.ref, under_way.version), *record_writes(record, None)]
            else:
                return None
            try:
                await self._store.commit(writes)
            except ConflictError:
                continue
            return record.report()
        raise TransientError(f"{self._venue}: {order.client_order_id} keeps changing")

    async def _read(self, order: Order) -> list[Document | None]:
        return await self._store.get_many(
            [
                order_ref(self._venue, order.client_order_id),
                Ref(MARKET_SNAPSHOTS, order.symbol),
                position_ref(self._venue, order.account_id, order.symbol),
                sweep_ref(self._venue, order.symbol),
            ]
        )

    async def _written(self, order: Order, writes: Sequence[Write]) -> bool:
        try:
            await self._store.commit(writes)
        except ConflictError:
            return False
        except TransientError as error:  # it may have been written
            raise OutcomeUnknownError(f"{self._venue}: {order.client_order_id}: {error}") from error
        return True


def _resting_writes(
    decision: Decision, snapshot: Document | None, sweep: Document | None
) -> list[Write]:
    resting = decision.resting
    if resting is None or snapshot is None:
        return []
    key = snapshot_key(snapshot) if decision.is_judged else UNSWEPT
    return [
        Create(resting_ref(resting.venue, resting.client_order_id), to_document(resting)),
        counted(resting.venue, resting.symbol, sweep, key),
    ]
