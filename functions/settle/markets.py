"""How venues trade symbols, and what they cost: each read once in a step."""

import asyncio
from decimal import Decimal

from common.books import MARKET_SNAPSHOTS, VENUE_MARKETS
from common.domain.instrument import Instrument, InstrumentTable, Venue
from common.errors import InvalidInputError
from common.how.marks import mark_of
from common.ports import DocumentStore, Ref
from functions.settle.reading import read


class Markets:
    """What cannot be read is as good as absent, and is among `troubles` once."""

    def __init__(self, store: DocumentStore) -> None:
        self.troubles: list[Exception] = []
        self._store = store
        self._tables: dict[Venue, InstrumentTable | None] = {}
        self._marks: dict[str, Decimal | None] = {}
        self._reading = asyncio.Lock()

    async def instrument(self, venue: Venue, symbol: str) -> Instrument | None:
        async with self._reading:
            if venue not in self._tables:
                self._tables[venue] = await self._table(venue)
        table = self._tables[venue]
        return table.find(symbol) if table else None

    async def mark(self, symbol: str) -> Decimal | None:
        """The last one, however old: to get out, an old one must do."""
        async with self._reading:
            if symbol not in self._marks:
                self._marks[symbol] = await self._mark(symbol)
        return self._marks[symbol]

    async def _table(self, venue: Venue) -> InstrumentTable | None:
        document = await self._store.get(Ref(VENUE_MARKETS, venue))
        try:
            return read(InstrumentTable, document).value if document else None
        except InvalidInputError as error:
            self.troubles.append(error)
            return None

    async def _mark(self, symbol: str) -> Decimal | None:
        document = await self._store.get(Ref(MARKET_SNAPSHOTS, symbol))
        found = mark_of(document)
        if document is not None and found is None:
            detail = "its price cannot be read"
            self.troubles.append(InvalidInputError(detail, code="INVALID_DOCUMENT", where=symbol))
        return found.price if found else None
