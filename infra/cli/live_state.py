"""What the live view shows, read anew twice a second at a cost that does not grow with history."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from common.books import BOOKS, BREAKERS, FILLS, book_named
from common.documents import every
from common.domain.decision import Decision
from common.domain.instrument import Venue
from common.domain.money import ZERO, parse_decimal
from common.domain.signal import SignalRecord
from common.how.trading_state import read_state
from common.ports import Query, Ref
from common.wire import from_document
from infra.bootstrap import Runtime
from infra.cli.decision_ids import decision_refs
from infra.cli.text import missing_prices
from infra.local.stack.figures import PositionFigures, position_figures
from infra.local.stack.observed_publisher import ObservedPublisher

SIGNALS_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveState:
    now: datetime
    trading_state: str
    marks: dict[str, Decimal]
    missing: str  # which prices are missing and why; empty when none is
    decisions: dict[str, Decision]  # the newest known, by symbol
    signals: tuple[SignalRecord, ...]  # newest first
    positions: tuple[PositionFigures, ...]
    capital: Decimal  # of every deployment
    breakers: dict[str, str]  # venue -> status
    fills: int
    cycles: int


class LiveReader:
    """Keeps the last decisions, so that a tick that is still being decided leaves no gap."""

    def __init__(self, runtime: Runtime, events: ObservedPublisher) -> None:
        self._runtime = runtime
        self._events = events
        self._decisions: dict[str, Decision] = {}

    async def read(self) -> LiveState:
        store = self._runtime.store
        await self._read_decisions()
        market = self._events.market
        return LiveState(
            now=self._runtime.clock.now(),
            trading_state=(await read_state(store)).value,
            marks={} if market is None else {item.symbol: item.mark for item in market.snapshots},
            missing="" if market is None else missing_prices(market.failed),
            decisions=dict(self._decisions),
            signals=await self._signals(),
            positions=await position_figures(store),
            capital=await self._capital(),
            breakers=await self._breakers(),
            fills=await store.count(Query(FILLS)),
            cycles=self._events.market_updates,
        )

    async def _read_decisions(self) -> None:
        market = self._events.market
        if market is None:
            return
        symbols = [item.symbol for item in market.snapshots]
        refs = decision_refs(self._runtime.settings.swarm.agent_id, market.tick_id, symbols)
        for document in await self._runtime.store.get_many(refs):
            if document is not None:
                decision = from_document(Decision, document.data)
                self._decisions[decision.symbol] = decision

    async def _signals(self) -> tuple[SignalRecord, ...]:
        newest = list(self._events.signals)[-SIGNALS_SHOWN:]
        refs = [Ref(book_named(event.book).signals, event.signal_id) for event in reversed(newest)]
        documents = await self._runtime.store.get_many(refs)
        return tuple(from_document(SignalRecord, item.data) for item in documents if item)

    async def _capital(self) -> Decimal:
        capital = ZERO
        for book in BOOKS.values():
            async for document in every(self._runtime.store, book.deployments):
                capital += parse_decimal(document.data["capital"])
        return capital

    async def _breakers(self) -> dict[str, str]:
        venues: tuple[Venue, ...] = self._runtime.settings.venues
        found = await self._runtime.store.get_many([Ref(BREAKERS, venue) for venue in venues])
        return {
            venue.label: "CLOSED" if document is None else str(document.data["status"])
            for venue, document in zip(venues, found, strict=True)
        }
