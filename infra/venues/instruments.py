"""The venues' instrument tables as fetch_market last stored them, read fast."""

from datetime import datetime, timedelta

from common.books import VENUE_MARKETS
from common.domain.instrument import InstrumentTable, Venue
from common.ports import Clock, DocumentStore, Ref
from common.wire import from_document

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
        table = (
            known[2]
            if known is not None and unchanged
            else from_document(InstrumentTable, document.data)
        )
        self._tables[venue] = (now, document.version, table)
        return table
