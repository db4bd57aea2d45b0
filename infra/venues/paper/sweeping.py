"""Executes resting orders that the market has reached, whoever calls the venue next.

Each step of an order is one commit: the order, its place among the resting, its fills and its
position, by compare-and-set on all of them. So a step happens once, whether callers race or die,
and the next caller goes on where one died.
"""

from collections.abc import Awaitable, Callable, Sequence

from common.books import MARKET_SNAPSHOTS
from common.documents import every
from common.domain.instrument import Instrument, Venue
from common.errors import ConflictError, TransientError
from common.ports import Delete, Document, DocumentStore, Ref, Update, Where, Write
from common.wire import to_document
from infra.venues.paper.funding import Funding
from infra.venues.paper.judging import Moment, Step, ended, is_reached, moments, stepped
from infra.venues.paper.ledger import (
    PaperOrder,
    fill_writes,
    held,
    order_ref,
    position_ref,
    read_order,
    times_flat,
)
from infra.venues.paper.matching import read_market
from infra.venues.paper.profile import PaperProfile
from infra.venues.paper.resting import (
    PAPER_RESTING,
    PaperResting,
    is_due,
    place_of,
    read_resting,
    resting_ref,
    snapshot_key,
    sweep_ref,
    turn,
    unseen,
)

TRIES = 20  # each lost race means that something else of the account went through
GONE_WITH_POSITION = "its position was closed, and the venue cancels what could only reduce it"

InstrumentOf = Callable[[str], Awaitable[Instrument | None]]


class Sweeper:
    """Of one paper venue. Every method raises TransientError when the store does not answer."""

    def __init__(
        self,
        profile: PaperProfile,
        store: DocumentStore,
        funding: Funding,
        instrument_of: InstrumentOf,
    ) -> None:
        self._profile = profile
        self._venue: Venue = profile.capabilities.venue
        self._store = store
        self._funding = funding
        self._instrument_of = instrument_of

    async def sweep(self, symbol: str) -> bool:
        """Judge the symbol's resting orders by the snapshot in the store, unless that was done.

        Whether anything was judged.
        """
        refs = [Ref(MARKET_SNAPSHOTS, symbol), sweep_ref(self._venue, symbol)]
        judged = False
        for _ in range(TRIES):
            snapshot, sweep = await self._store.get_many(refs)
            if snapshot is None or sweep is None or not is_due(sweep, snapshot):
                return judged
            judged = True
            await self._judge(symbol, snapshot)
            await self._note(sweep, snapshot_key(snapshot))
        return judged  # orders keep coming in: the next call goes on

    async def _judge(self, symbol: str, snapshot: Document) -> None:
        market, instrument = read_market(snapshot), await self._instrument_of(symbol)
        if market is None or instrument is None:
            return
        here = Where("place", "==", place_of(self._venue, symbol))
        found = [read_resting(each) async for each in every(self._store, PAPER_RESTING, here)]
        waiting = {each.client_order_id: each for each in sorted(found, key=turn)}
        for moment in moments(market):
            for each in [one for one in waiting.values() if is_reached(one, moment)]:
                left = await self._execute(each, moment, instrument)
                if left is None:
                    del waiting[each.client_order_id]
                else:
                    waiting[each.client_order_id] = left

    async def _note(self, sweep: Document, key: str) -> None:
        """Note the sweep, unless another was noted or an order was counted that it did not see."""
        seen = sweep.data["sweeps"], unseen(sweep, key)
        current: Document | None = sweep
        for _ in range(TRIES):
            if current is None or (current.data["sweeps"], unseen(current, key)) != seen:
                return
            change = {"swept": key, "accepted": {}, "sweeps": current.data["sweeps"] + 1}
            if await self._written([Update(current.ref, change, current.version)]):
                return
            current = await self._store.get(sweep.ref)

    async def _execute(
        self, resting: PaperResting, moment: Moment, instrument: Instrument
    ) -> PaperResting | None:
        """One order's step, once; what rests of it afterwards, also where another took the step."""
        place = position_ref(self._venue, resting.account_id, resting.symbol)
        for _ in range(TRIES):
            watched, document, position = await self._read(resting, place)
            if watched is None or document is None:
                return None
            current, record = read_resting(watched), read_order(document)
            if not is_reached(current, moment):
                return current
            if await self._funding.accrue(position, instrument, until=moment.at):
                continue
            step = self._step(current, record, moment, instrument, position)
            if step is None:
                return current
            if await self._taken(record, step, (watched, document), position, moment):
                return step.resting
        raise TransientError(f"{self._venue}: {resting.client_order_id} lost {TRIES} races")

    def _step(
        self,
        resting: PaperResting,
        record: PaperOrder,
        moment: Moment,
        instrument: Instrument,
        position: Document | None,
    ) -> Step | None:
        if self._is_orphan(resting, position):
            return ended(record, GONE_WITH_POSITION)
        return stepped(resting, record, moment, instrument=instrument, signed=held(position))

    async def _taken(
        self,
        before: PaperOrder,
        step: Step,
        documents: tuple[Document, Document],
        position: Document | None,
        moment: Moment,
    ) -> bool:
        fills = step.record.fills[len(before.fills) :]
        return await self._written(
            [
                *step_writes(step, *documents),
                *fill_writes(before.order, fills, position, at=moment.at),
            ]
        )

    async def end_orphan(self, account_id: str, symbol: str, client_order_id: str) -> bool:
        """End a reduce-only order that the venue has canceled together with its position.

        Only where the profile says that the venue does that; whether the order is such a one.
        """
        if not self._profile.flat_cancels_reduce_only:
            return False
        refs = [
            resting_ref(self._venue, client_order_id),
            order_ref(self._venue, client_order_id),
            position_ref(self._venue, account_id, symbol),
        ]
        for _ in range(TRIES):
            watched, document, position = await self._store.get_many(refs)
            if watched is None or document is None:
                return False
            if not self._is_orphan(read_resting(watched), position):
                return False
            step = ended(read_order(document), GONE_WITH_POSITION)
            if await self._written(step_writes(step, watched, document)):
                return True
        raise TransientError(f"{self._venue}: {client_order_id} lost {TRIES} races")

    def _is_orphan(self, resting: PaperResting, position: Document | None) -> bool:
        closed_since = times_flat(position) > resting.times_flat
        return self._profile.flat_cancels_reduce_only and resting.reduce_only and closed_since

    async def _read(self, resting: PaperResting, place: Ref) -> list[Document | None]:
        return await self._store.get_many(
            [
                resting_ref(self._venue, resting.client_order_id),
                order_ref(self._venue, resting.client_order_id),
                place,
            ]
        )

    async def _written(self, writes: Sequence[Write]) -> bool:
        try:
            await self._store.commit(writes)
        except ConflictError:
            return False
        return True


def step_writes(step: Step, watched: Document, document: Document) -> list[Write]:
    """The order, and its place among the resting, as both were read."""
    order = Update(document.ref, to_document(step.record), document.version)
    if step.resting is None:
        return [order, Delete(watched.ref, watched.version)]
    return [order, Update(watched.ref, to_document(step.resting), watched.version)]
