"""What every part of `monitor` works with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from common.books import MARKET_SNAPSHOTS
from common.config import Settings
from common.domain.instrument import Capabilities, Venue
from common.errors import InvalidInputError
from common.how.marks import mark_of
from common.ports import Clock, DocumentStore, Instruments, Ref


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
        """The symbol's mark, read once in a call of the function; None when there is no fresh
        one.

        Raises InvalidInputError: the snapshot cannot be read.
        """
        if symbol not in self._marks:
            self._marks[symbol] = await self._read_mark(symbol, now)
        return self._marks[symbol]

    async def _read_mark(self, symbol: str, now: datetime) -> Decimal | None:
        document = await self.store.get(Ref(MARKET_SNAPSHOTS, symbol))
        if document is None:
            return None
        found = mark_of(document)
        if found is None:
            detail = "its price cannot be read"
            raise InvalidInputError(detail, code="INVALID_DOCUMENT", where=symbol)
        stale = found.refusal(now=now, settings=self.settings.limits)
        return None if stale is not None else found.price
