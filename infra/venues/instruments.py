"""The venues' instrument tables: kept in the store, refreshed from the venues, read fast."""

from datetime import datetime, timedelta

from common.books import VENUE_MARKETS
from common.domain.instrument import InstrumentTable, Venue
from common.errors import ConflictError, InvalidInputError
from common.ports import Clock, Create, Document, DocumentStore, ExecutionVenue, Ref, Update
from common.wire import from_document, to_document

REREAD_AFTER = timedelta(seconds=30)


class StoredInstruments:
    """Fits `Instruments`.

    A table is read again after `REREAD_AFTER` of the clock's time, and decoded again only when
    its document has changed; between two reads it costs a dictionary look-up.
    """

    def __init__(self, store: DocumentStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._tables: dict[Venue, tuple[datetime, str, InstrumentTable]] = {}

    async def table(self, venue: Venue) -> InstrumentTable | None:
        now = self._clock.now()
        known = self._tables.get(venue)
        if known is not None and now - known[0] < REREAD_AFTER:
            return known[2]
        document = await self._store.get(Ref(VENUE_MARKETS, venue))
        if document is None:
            self._tables.pop(venue, None)
            return None
        unchanged = known is not None and known[1] == document.version
        table = known[2] if known is not None and unchanged else read_table(document)
        self._tables[venue] = (now, document.version, table)
        return table


def read_table(document: Document) -> InstrumentTable:
    return from_document(InstrumentTable, document.data)


async def refresh_instruments(
    venue: ExecutionVenue, store: DocumentStore, clock: Clock, max_age: timedelta
) -> InstrumentTable:
    """The venue's table, no older than `max_age`: the stored one, or a new one that is then stored.

    Whatever is raised, the stored table stays as it was.

    Raises:
        TransientError: the venue or the store did not answer.
        InvalidInputError: the venue's answer is not usable, or lists nothing.
    """
    ref = Ref(VENUE_MARKETS, venue.venue)
    present = await store.get(ref)
    if present is not None:
        stored = read_table(present)
        if clock.now() - stored.refreshed_at <= max_age:
            return stored
    table = await venue.load_instruments()
    if not table.instruments or table.venue != venue.venue:
        raise InvalidInputError(
            f"{len(table.instruments)} instruments of {table.venue}; the stored table stays",
            code="INSTRUMENTS_UNUSABLE",
            where=f"{VENUE_MARKETS}/{venue.venue}",
        )
    data = to_document(table)
    write = Create(ref, data) if present is None else Update(ref, data, present.version)
    try:
        await store.commit([write])
    except ConflictError:
        return await _of_the_winner(store, ref, table)
    return table


async def _of_the_winner(store: DocumentStore, ref: Ref, ours: InstrumentTable) -> InstrumentTable:
    """Another instance refreshed at the same moment; its table is as good."""
    document = await store.get(ref)
    return ours if document is None else read_table(document)
