"""Takes the market of every symbol once a tick, and keeps the venues' instrument tables fresh."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

from common.books import (
    BOOKS,
    INDICATOR_STATES,
    MARKET_SNAPSHOTS,
    OUTBOX,
    PROCESSED_TICKS,
    VENUE_MARKETS,
    WATCHED_SYMBOLS,
)
from common.config import Settings
from common.domain.events import MarketUpdated, OutboxMessage, Tick
from common.domain.identifiers import indicator_state_id
from common.domain.instrument import InstrumentTable
from common.domain.market import INTERVAL_MS, Candle, MarketSnapshot, TopOfBook
from common.domain.moment import from_iso, iso, to_ms
from common.errors import ConflictError, InvalidInputError, SapphireError, TransientError
from common.execution.algorithms.selection import average_hourly_volume
from common.outbox import outbox_write
from common.ports import (
    Clock,
    Create,
    Document,
    DocumentStore,
    ExecutionVenue,
    MarketFeed,
    Query,
    Ref,
    Update,
    Venues,
    Write,
)
from common.wire import decode_message, to_document
from functions.fetch_market.candle_hours import keep_candles

TOPIC = "market-updated"
TAIL = 32
"""Candles of a warm symbol in the event; a stored snapshot further behind than this is cold."""
STORED_CANDLES = 3
FETCH_TIMEOUT_S = 20.0
INSTRUMENTS_AGE_MAX = timedelta(minutes=15)
TICK_KEPT = timedelta(days=1)
CLOCK_SKEW = timedelta(seconds=5)
PRICE_MAX = Decimal(10) ** 9  # USD a token: above it somebody counts in another unit
MARK_FROM_BOOK_MAX = Decimal("0.1")  # of the book's mid: an order would be sized by a wrong price
WATCHED_MAX = 50
HELD_MAX = 200  # positions of a book that are looked at, moved last first
COMMIT_ATTEMPTS = 3
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Taken:
    """What one tick got from the feed, by symbol."""

    snapshots: dict[str, MarketSnapshot] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


async def fetch_market(
    tick: Tick,
    *,
    store: DocumentStore,
    clock: Clock,
    settings: Settings,
    feed: MarketFeed,
    venues: Venues,
) -> list[OutboxMessage]:
    """Store the newest snapshot of each symbol and return the tick's one `MarketUpdated`.

    A symbol that fails is named in `failed` and stops no other; a tick is published even when all
    failed. Symbols under `watched_symbols` (document id = symbol) are stored, but not published:
    the swarm does not trade them. A tick delivered again has no second effect: its message is
    returned while the outbox still holds it, then nothing.

    Raises:
        TransientError: the store did not answer, or concurrent ticks kept winning.
    """
    message_id = f"market:{tick.tick_id}"
    marker = Ref(PROCESSED_TICKS, tick.tick_id)
    if await store.get(marker) is not None:
        return await _again(store, message_id)
    await _refresh_instruments(store, clock, venues)
    symbols = await _symbols(store, settings)
    for _ in range(COMMIT_ATTEMPTS):
        stored = dict(zip(symbols, await store.get_many(_refs(symbols)), strict=True))
        counts = await _counts(store, clock, settings, stored)
        taken = await _take(counts, clock=clock, settings=settings, feed=feed)
        message = _message(message_id, tick, taken, settings, clock)
        writes: list[Write] = [
            Create(marker, {"message_id": message_id}, expires_at=clock.now() + TICK_KEPT),
            outbox_write(message),
            *_snapshot_writes(stored, taken),
        ]
        try:
            await store.commit(writes)
        except ConflictError:
            if await store.get(marker) is not None:
                return await _again(store, message_id)
        else:
            await keep_candles(store, taken.snapshots.values(), stored, now=clock.now())
            return [message]
    raise TransientError(f"{tick.tick_id}: another tick kept writing the market snapshots")


async def _again(store: DocumentStore, message_id: str) -> list[OutboxMessage]:
    row = await store.get(Ref(OUTBOX, message_id))
    return [decode_message(row.data)] if row is not None else []


async def _symbols(store: DocumentStore, settings: Settings) -> list[str]:
    """Those that the swarm trades, the watched ones, asked for last first, and those held.

    What is held needs a mark for its P&L long after the watch on it has run out.
    """
    watched = await store.query(
        Query(WATCHED_SYMBOLS, order_by="until", descending=True, limit=WATCHED_MAX)
    )
    symbols = [*settings.swarm.symbols, *(item.ref.id for item in watched.documents)]
    for book in BOOKS.values():
        moved = await store.query(
            Query(book.positions, order_by="updated_at", descending=True, limit=HELD_MAX)
        )
        symbols += [
            item.data["symbol"] for item in moved.documents if item.data["signed_qty"] != "0"
        ]
    return list(dict.fromkeys(symbols))


def _refs(symbols: Sequence[str]) -> list[Ref]:
    return [Ref(MARKET_SNAPSHOTS, symbol) for symbol in symbols]


def _message(
    message_id: str, tick: Tick, taken: _Taken, settings: Settings, clock: Clock
) -> OutboxMessage:
    mine = settings.swarm.symbols
    event = MarketUpdated(
        tick_id=tick.tick_id,
        snapshots=tuple(taken.snapshots[symbol] for symbol in mine if symbol in taken.snapshots),
        failed={symbol: taken.failed[symbol] for symbol in mine if symbol in taken.failed},
    )
    return OutboxMessage(message_id=message_id, topic=TOPIC, event=event, occurred_at=clock.now())


async def _counts(
    store: DocumentStore,
    clock: Clock,
    settings: Settings,
    stored: dict[str, Document | None],
) -> dict[str, int]:
    """How many candles to ask for, by symbol: a tail where the readers are warm, else all."""
    swarm = settings.swarm
    states = await store.get_many(
        [
            Ref(INDICATOR_STATES, indicator_state_id(swarm.agent_id, symbol, swarm.interval))
            for symbol in stored
        ]
    )
    now_ms = to_ms(clock.now())
    tail = min(TAIL, swarm.history_candles)
    return {
        symbol: tail
        if symbol not in swarm.symbols or (state and _is_warm(former, swarm.interval, now_ms))
        else swarm.history_candles
        for (symbol, former), state in zip(stored.items(), states, strict=True)
    }


async def _take(
    counts: dict[str, int], *, clock: Clock, settings: Settings, feed: MarketFeed
) -> _Taken:
    results = await asyncio.gather(
        *(
            _snapshot(symbol, count, clock=clock, settings=settings, feed=feed)
            for symbol, count in counts.items()
        )
    )
    taken = _Taken()
    for symbol, result in zip(counts, results, strict=True):
        if isinstance(result, MarketSnapshot):
            taken.snapshots[symbol] = result
        else:
            taken.failed[symbol] = result
            _log.warning("no snapshot of %s: %s", symbol, result)
    return taken


async def _snapshot(
    symbol: str,
    count: int,
    *,
    clock: Clock,
    settings: Settings,
    feed: MarketFeed,
) -> MarketSnapshot | str:
    """The symbol's snapshot, or why there is none."""
    interval = settings.swarm.interval
    try:
        async with asyncio.timeout(FETCH_TIMEOUT_S):
            snapshot = await feed.snapshot(symbol, candles=count)
        _check(snapshot, symbol, interval, clock)
    except TimeoutError:
        return f"no answer within {FETCH_TIMEOUT_S:g} s"
    except SapphireError as error:
        return str(error)[:200]
    except ArithmeticError:
        return "a price or size is not a number"
    return snapshot


def _is_warm(stored: Document | None, interval: str, now_ms: int) -> bool:
    """Is a tail enough for whoever has followed the events?

    Once in every `TAIL` bars the whole history is sent all the same, so that a reader who lost
    events mends by itself.
    """
    if stored is None or stored.data["interval"] != interval:
        return False
    step = INTERVAL_MS[interval]
    newest_stored = int(stored.data["candles"][-1]["open_time_ms"]) // step
    newest_closed = now_ms // step - 1
    return newest_closed - newest_stored < TAIL and newest_closed // TAIL == newest_stored // TAIL


def _snapshot_writes(stored: dict[str, Document | None], taken: _Taken) -> list[Write]:
    writes: list[Write] = []
    for symbol, snapshot in taken.snapshots.items():
        former = stored[symbol]
        volume = average_hourly_volume(snapshot.candles, INTERVAL_MS[snapshot.interval])
        kept = snapshot.candles[-STORED_CANDLES:]
        data = to_document(replace(snapshot, candles=kept, hourly_volume=volume))
        if former is None:
            writes.append(Create(Ref(MARKET_SNAPSHOTS, symbol), data))
        elif from_iso(former.data["observed_at"]) <= snapshot.observed_at:
            writes.append(Update(former.ref, data, former.version))
    return writes


def _check(snapshot: MarketSnapshot, symbol: str, interval: str, clock: Clock) -> None:
    """Raises InvalidInputError when the snapshot cannot be true, whatever the feed is."""
    if snapshot.symbol != symbol or snapshot.interval != interval:
        raise InvalidInputError(f"is of {snapshot.symbol} at {snapshot.interval}", where=symbol)
    if snapshot.mark <= 0:
        raise InvalidInputError("is not above 0", where="mark")
    if snapshot.observed_at > clock.now() + CLOCK_SKEW:
        raise InvalidInputError(
            f"{iso(snapshot.observed_at)} is in the future", where="observed_at"
        )
    _check_book(snapshot.book)
    _check_mark(snapshot)
    _check_candles(snapshot.candles, INTERVAL_MS[interval], to_ms(clock.now()))


def _check_book(book: TopOfBook) -> None:
    if min(book.bid, book.ask) <= 0 or min(book.bid_size, book.ask_size) < 0:
        raise InvalidInputError("a price is not above 0, or a size is below 0", where="book")
    if book.bid >= book.ask:
        raise InvalidInputError(f"crossed: bid {book.bid}, ask {book.ask}", where="book")


def _check_mark(snapshot: MarketSnapshot) -> None:
    """Two prices of one source that do not agree: nobody knows which of them is wrong."""
    mark, mid = snapshot.mark, snapshot.book.mid
    if max(mark, mid) > PRICE_MAX:
        raise InvalidInputError(f"over {PRICE_MAX:f}, which no token costs", where="mark")
    if abs(mark - mid) > MARK_FROM_BOOK_MAX * mid:
        raise InvalidInputError(f"{mark:f} is far from the book's {mid:f}", where="mark")


def _check_candles(candles: Sequence[Candle], step: int, now_ms: int) -> None:
    if not candles:
        raise InvalidInputError("there is none that has closed", where="candles")
    for older, newer in pairwise(candles):
        if newer.open_time_ms - older.open_time_ms != step:
            raise InvalidInputError(
                f"{older.open_time_ms} is followed by {newer.open_time_ms}", where="candles"
            )
    if candles[-1].open_time_ms + step > now_ms:
        raise InvalidInputError("the newest has not closed", where="candles")
    for candle in candles:
        body = (candle.open, candle.close)
        if not Decimal(0) < candle.low <= min(body) <= max(body) <= candle.high:
            raise InvalidInputError(f"no bar has the prices of {candle}"[:120], where="candles")
        if candle.volume < 0:
            raise InvalidInputError("a volume is below 0", where="candles")


async def _refresh_instruments(store: DocumentStore, clock: Clock, venues: Venues) -> None:
    """Load the tables that are absent or over 15 minutes old; what fails keeps the old one."""
    refs = [Ref(VENUE_MARKETS, venue.value) for venue in venues]
    former = dict(zip(venues.values(), await store.get_many(refs), strict=True))
    due = {venue: document for venue, document in former.items() if _is_due(document, clock)}
    tables = await asyncio.gather(*(_table(venue) for venue in due))
    for (venue, document), table in zip(due.items(), tables, strict=True):
        if table is not None:
            await _store_table(store, venue, document, table)


def _is_due(document: Document | None, clock: Clock) -> bool:
    if document is None:
        return True
    return clock.now() - from_iso(document.data["refreshed_at"]) > INSTRUMENTS_AGE_MAX


async def _table(venue: ExecutionVenue) -> InstrumentTable | None:
    try:
        async with asyncio.timeout(FETCH_TIMEOUT_S):
            table = await venue.load_instruments()
    except TimeoutError:
        _log.warning("%s: no instruments within %g s", venue.venue, FETCH_TIMEOUT_S)
        return None
    except SapphireError as error:
        _log.warning("%s: no instruments: %s", venue.venue, error)
        return None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        # An answer that its adapter did not foresee keeps no other venue from the market.
        _log.exception("%s: its instruments could not be read", venue.venue)
        return None
    if table.venue is not venue.venue or not table.instruments:
        _log.warning("%s: its instruments are of %s or none", venue.venue, table.venue)
        return None
    return table


async def _store_table(
    store: DocumentStore, venue: ExecutionVenue, former: Document | None, table: InstrumentTable
) -> None:
    data = to_document(table)
    ref = Ref(VENUE_MARKETS, venue.venue.value)
    write: Write = Create(ref, data) if former is None else Update(ref, data, former.version)
    try:
        await store.commit([write])
    except ConflictError:
        _log.info("%s: its instruments were refreshed by another call", venue.venue)
