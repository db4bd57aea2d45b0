"""The stored tables: read once in half a minute, decoded once for each version."""

from datetime import timedelta

from common.books import VENUE_MARKETS
from common.domain.instrument import InstrumentTable, Venue
from common.ports import Create, Delete, Ref, Update
from common.wire import to_document
from infra.local.clock import ManualClock
from infra.local.store.memory import MemoryStore
from infra.venues.instruments import StoredInstruments
from tests.builders import NOON, an_instrument_table

REF = Ref(VENUE_MARKETS, "HYPERLIQUID")


async def publish(store: MemoryStore, table: InstrumentTable) -> None:
    present = await store.get(REF)
    data = to_document(table)
    write = Create(REF, data) if present is None else Update(REF, data, present.version)
    await store.commit([write])


async def test_table_when_never_loaded_then_none_until_it_is() -> None:
    store = MemoryStore()
    tables = StoredInstruments(store, ManualClock(NOON))
    assert await tables.table(Venue.HYPERLIQUID) is None
    await publish(store, an_instrument_table())
    assert await tables.table(Venue.HYPERLIQUID) == an_instrument_table()


async def test_table_when_asked_again_then_read_after_half_a_minute_alone() -> None:
    reads: list[object] = []

    async def count(operation: str, argument: object) -> None:
        reads.append(argument)

    store, clock = MemoryStore(), ManualClock(NOON)
    await publish(store, an_instrument_table())
    tables = StoredInstruments(store, clock)
    store.before = count
    first = await tables.table(Venue.HYPERLIQUID)
    clock.advance_to(NOON + timedelta(seconds=29))
    assert await tables.table(Venue.HYPERLIQUID) is first
    assert len(reads) == 1
    clock.advance_to(NOON + timedelta(seconds=30))
    assert await tables.table(Venue.HYPERLIQUID) is first, "unchanged: not decoded again"
    assert len(reads) == 2


async def test_table_when_the_document_changed_then_the_new_one() -> None:
    store, clock = MemoryStore(), ManualClock(NOON)
    await publish(store, an_instrument_table())
    tables = StoredInstruments(store, clock)
    await tables.table(Venue.HYPERLIQUID)
    fresh = an_instrument_table(symbols=("SOL",))
    await publish(store, fresh)
    clock.advance_to(NOON + timedelta(minutes=1))
    assert await tables.table(Venue.HYPERLIQUID) == fresh


async def test_table_when_the_document_is_gone_then_none() -> None:
    store, clock = MemoryStore(), ManualClock(NOON)
    await publish(store, an_instrument_table())
    tables = StoredInstruments(store, clock)
    await tables.table(Venue.HYPERLIQUID)
    await store.commit([Delete(REF)])
    clock.advance_to(NOON + timedelta(minutes=1))
    assert await tables.table(Venue.HYPERLIQUID) is None
