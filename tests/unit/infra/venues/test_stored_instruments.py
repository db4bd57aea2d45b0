"""The tables in the store: refreshed by compare-and-set, never lost to a failure, read warm."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from common.books import VENUE_MARKETS
from common.config import Settings
from common.domain.instrument import InstrumentTable, Venue
from common.errors import InvalidInputError, TransientError
from common.ports import Create, Ref, Update
from common.wire import to_document
from infra.local.clock import ManualClock
from infra.local.memory_store import MemoryStore
from infra.venues.instruments import StoredInstruments, read_table, refresh_instruments
from infra.venues.paper.profile import PaperProfile
from infra.venues.paper.venue import PaperVenue
from infra.venues.registry import paper_profile
from tests.builders import NOON, an_instrument_table

REF = Ref(VENUE_MARKETS, "HYPERLIQUID")
HOUR = timedelta(hours=1)


@dataclass
class Desk:
    """A venue whose live table is whatever `answer` gives."""

    store: MemoryStore
    clock: ManualClock
    answer: Callable[[], InstrumentTable]
    loads: int = 0

    def venue(self) -> PaperVenue:
        async def load(_now: object) -> InstrumentTable:
            self.loads += 1
            return replace(self.answer(), refreshed_at=self.clock.now())

        profile: PaperProfile = paper_profile(Venue.HYPERLIQUID, Settings())
        return PaperVenue(replace(profile, load=load), self.store, self.clock)

    async def refresh(self) -> InstrumentTable:
        return await refresh_instruments(self.venue(), self.store, self.clock, HOUR)

    async def stored(self) -> InstrumentTable | None:
        document = await self.store.get(REF)
        return read_table(document) if document else None


@pytest.fixture
def desk() -> Desk:
    return Desk(MemoryStore(), ManualClock(NOON), an_instrument_table)


def down() -> InstrumentTable:
    raise TransientError("the venue does not answer")


async def test_refresh_when_there_is_none_then_stored(desk: Desk) -> None:
    table = await desk.refresh()
    assert await desk.stored() == table
    assert table.pair_count == 2


async def test_refresh_when_young_enough_then_the_venue_is_not_asked(desk: Desk) -> None:
    await desk.refresh()
    desk.clock.advance_to(NOON + HOUR)
    await desk.refresh()
    assert desk.loads == 1


async def test_refresh_when_old_then_replaced(desk: Desk) -> None:
    await desk.refresh()
    desk.clock.advance_to(NOON + HOUR + timedelta(seconds=1))
    desk.answer = lambda: an_instrument_table(symbols=("BTC", "ETH", "SOL"))
    assert (await desk.refresh()).pair_count == 3
    stored = await desk.stored()
    assert stored is not None
    assert stored.find("SOL") is not None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (down, TransientError),
        (lambda: an_instrument_table(symbols=()), InvalidInputError),
        (lambda: an_instrument_table(venue=Venue.GMX), InvalidInputError),
    ],
)
async def test_refresh_when_it_fails_then_the_old_table_stays(
    desk: Desk, answer: Callable[[], InstrumentTable], error: type[Exception]
) -> None:
    old = await desk.refresh()
    desk.clock.advance_to(NOON + 2 * HOUR)
    desk.answer = answer
    with pytest.raises(error):
        await desk.refresh()
    assert await desk.stored() == old


@pytest.mark.parametrize("stored_before", [True, False])
async def test_refresh_when_another_wins_the_race_then_its_table(
    desk: Desk, stored_before: bool
) -> None:
    if stored_before:
        await desk.refresh()
        desk.clock.advance_to(NOON + 2 * HOUR)
    theirs = an_instrument_table(symbols=("BTC",), refreshed_at=desk.clock.now())

    async def overtake(operation: str, argument: object) -> None:
        if operation != "commit":
            return
        desk.store.before = None
        present = await desk.store.get(REF)
        data = to_document(theirs)
        write = Create(REF, data) if present is None else Update(REF, data, present.version)
        await desk.store.commit([write])

    desk.store.before = overtake
    assert await desk.refresh() == theirs
    assert await desk.stored() == theirs


async def test_table_when_never_loaded_then_none(desk: Desk) -> None:
    assert await StoredInstruments(desk.store, desk.clock).table(Venue.HYPERLIQUID) is None


async def test_table_when_asked_again_then_read_after_half_a_minute_alone(desk: Desk) -> None:
    reads: list[object] = []

    async def count(operation: str, argument: object) -> None:
        reads.append(argument)

    await desk.refresh()
    tables = StoredInstruments(desk.store, desk.clock)
    desk.store.before = count
    first = await tables.table(Venue.HYPERLIQUID)
    desk.clock.advance_to(NOON + timedelta(seconds=29))
    assert await tables.table(Venue.HYPERLIQUID) is first
    assert len(reads) == 1
    desk.clock.advance_to(NOON + timedelta(seconds=30))
    assert await tables.table(Venue.HYPERLIQUID) is first, "unchanged: not decoded again"
    assert len(reads) == 2


async def test_table_when_the_document_changed_then_the_new_one(desk: Desk) -> None:
    await desk.refresh()
    tables = StoredInstruments(desk.store, desk.clock)
    await tables.table(Venue.HYPERLIQUID)
    desk.clock.advance_to(NOON + 2 * HOUR)
    desk.answer = lambda: an_instrument_table(symbols=("SOL",))
    fresh = await desk.refresh()
    assert await tables.table(Venue.HYPERLIQUID) == fresh
