"""What every part of `monitor` works with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from common.books import MARKET_SNAPSHOTS
from common.config import Settings
from common.domain.instrument import Capabilities, Venue
from common.errors import InvalidInputError
from common.how.marks import mark_of
from common.ports import Clock, Document, DocumentStore, Instruments, Ref


@dataclass(frozen=True, slots=True)
class Desk:
    store: DocumentStore
    clock: Clock
    settings: Settings
    instruments: Instruments
    capabilities: Mapping[Venue, Capabilities]
    _marks: dict[str, Decimal | None] = field(default_factory=dict)

    @property
    def on_paper(self) -> bool:
        return self.settings.mode == "paper"

    async def mark(self, symbol: str, now: datetime) -> Decimal | None:
        """The symbol's mark, read once a page of a tick; None when there is no fresh one.

        Raises InvalidInputError: the snapshot cannot be read.
        """
        return (await self.marks((symbol,), now)).get(symbol)

    async def marks(self, symbols: Iterable[str], now: datetime) -> dict[str, Decimal]:
        """Those of the symbols that have one, in one read.

        Raises InvalidInputError: a snapshot cannot be read.
        """
        asked = sorted(set(symbols))
        missing = [symbol for symbol in asked if symbol not in self._marks]
        refs = [Ref(MARKET_SNAPSHOTS, symbol) for symbol in missing]
        documents = await self.store.get_many(refs) if refs else []
        for symbol, document in zip(missing, documents, strict=True):
            self._marks[symbol] = self._mark_of(symbol, document, now)
        found = {symbol: self._marks[symbol] for symbol in asked}
        return {symbol: mark for symbol, mark in found.items() if mark is not None}

    def forget_marks(self) -> None:
        """A tick takes its time, and prices move."""
        self._marks.clear()

    def _mark_of(self, symbol: str, document: Document | None, now: datetime) -> Decimal | None:
        if document is None:
            return None
        found = mark_of(document)
        if found is None:
            detail = "its price cannot be read"
            raise InvalidInputError(detail, code="INVALID_DOCUMENT", where=symbol)
        stale = found.refusal(now=now, settings=self.settings.limits)
        return None if stale is not None else found.price
