"""One tick of the market: what is stored, what is published, and what a failure may stop."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

from common.books import (
    INDICATOR_STATES,
    MARKET_SNAPSHOTS,
    OUTBOX,
    PROCESSED_TICKS,
    V2,
    VENUE_MARKETS,
    WATCHED_SYMBOLS,
)
from common.config import Settings, SwarmSettings
from common.documents import create
from common.domain.events import MarketUpdated, OutboxMessage, Tick
from common.domain.instrument import InstrumentTable, Venue
from common.domain.market import MarketSnapshot
from common.domain.moment import iso
from common.errors import NotFoundError, SapphireError, TransientError
from common.ports import Create, Delete, ExecutionVenue, Ref
from common.wire import from_document, to_document
from functions.fetch_market import handler
from infra.local.store.memory import MemoryStore
from tests.builders import (
    NOON,
    a_book,
    a_position,
    a_snapshot,
    a_tick,
    an_instrument_table,
    some_candles,
)
from tests.fakes.clock import FakeClock

SYMBOLS = ("BTC", "ETH", "SOL")
SETTINGS = Settings(swarm=SwarmSettings(symbols=SYMBOLS, interval="5m", history_candles=100))


class ScriptedFeed:
    """Serves closed candles up to the clock; `script` changes or refuses a symbol."""

    label = "scripted"

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.asked: list[tuple[str, int]] = []
        self.script: dict[str, Exception | Callable[[MarketSnapshot], MarketSnapshot]] = {}

    async def snapshot(self, symbol: str, *, candles: int) -> MarketSnapshot:
        self.asked.append((symbol, candles))
        now = self.clock.now()
        closed = now - timedelta(seconds=now.timestamp() % 300)
        snapshot = a_snapshot(symbol, candles=some_candles(candles, until=closed), observed_at=now)
        step = self.script.get(symbol)
        if isinstance(step, Exception):
            raise step
        return step(snapshot) if step else snapshot


class ListingVenue:
    """An execution venue of which only the instruments matter here."""

    def __init__(self, venue: Venue, clock: FakeClock) -> None:
        self.venue = venue
        self.clock = clock
        self.loads = 0
        self.symbols: tuple[str, ...] = ("BTC", "ETH")
        self.error: SapphireError | None = None

    async def load_instruments(self) -> InstrumentTable:
        self.loads += 1
        if self.error:
            raise self.error
        return an_instrument_table(self.venue, self.symbols, refreshed_at=self.clock.now())


class Bench:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore()
        self.feed = ScriptedFeed(self.clock)
        self.hyperliquid = ListingVenue(Venue.HYPERLIQUID, self.clock)
        self.ostium = ListingVenue(Venue.OSTIUM, self.clock)

    async def tick(self, tick: Tick | None = None) -> list[OutboxMessage]:
        venues = {venue.venue: venue for venue in (self.hyperliquid, self.ostium)}
        return await handler.fetch_market(
            tick or a_tick(scheduled_at=self.clock.now()),
            store=self.store,
            clock=self.clock,
            settings=SETTINGS,
            feed=self.feed,
            venues=cast("Mapping[Venue, ExecutionVenue]", venues),
        )

    async def event(self, tick: Tick | None = None) -> MarketUpdated:
        (message,) = await self.tick(tick)
        assert isinstance(message.event, MarketUpdated)
        return message.event

    async def followed(self) -> None:
        """`decide` has read the first events of every symbol."""
        refs = [Ref(INDICATOR_STATES, f"swarm:{symbol}:5m") for symbol in SYMBOLS]
        await self.store.commit([Create(ref, {"state": "x"}) for ref in refs])

    async def stored(self, symbol: str) -> MarketSnapshot | None:
        document = await self.store.get(Ref(MARKET_SNAPSHOTS, symbol))
        return from_document(MarketSnapshot, document.data) if document else None


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_tick_when_all_is_well_then_stores_and_publishes_every_symbol(bench: Bench) -> None:
    (message,) = await bench.tick()

    event = message.event
    assert isinstance(event, MarketUpdated)
    assert message.topic == "market-updated"
    assert message.message_id == "market:fetch_market:20260115T120000"
    assert event.tick_id == "fetch_market:20260115T120000"
    assert [snapshot.symbol for snapshot in event.snapshots] == list(SYMBOLS)
    assert event.failed == {}
    assert await bench.store.get(Ref(OUTBOX, message.message_id)) is not None
    for snapshot in event.snapshots:
        assert len(snapshot.candles) == 100
        assert await bench.stored(snapshot.symbol) == replace(
            snapshot,
            candles=snapshot.candles[-3:],
            hourly_volume=Decimal(1200),  # twelve candles of 100
        )


async def test_tick_when_repeated_then_returns_the_message_until_it_is_published(
    bench: Bench,
) -> None:
    tick = a_tick()
    first = await bench.tick(tick)
    bench.clock.advance(600)
    before = await bench.stored("ETH")

    again = await bench.tick(tick)
    await bench.store.commit([Delete(Ref(OUTBOX, first[0].message_id))])
    published = await bench.tick(tick)

    assert again == first
    assert published == []
    assert await bench.stored("ETH") == before
    assert len(bench.feed.asked) == 3


async def test_tick_when_delivered_twice_at_once_then_has_one_effect(bench: Bench) -> None:
    both = await asyncio.gather(bench.tick(a_tick()), bench.tick(a_tick()))

    assert both[0] == both[1]


async def test_tick_when_symbols_fail_then_they_are_named_and_stop_no_other(bench: Bench) -> None:
    bench.feed.script = {
        "BTC": TransientError("the source is down"),
        "SOL": NotFoundError("no SOL here"),
    }

    event = await bench.event()

    assert [snapshot.symbol for snapshot in event.snapshots] == ["ETH"]
    assert event.failed == {"BTC": "the source is down", "SOL": "no SOL here"}
    assert await bench.stored("BTC") is None


async def test_tick_when_all_fail_then_is_published_all_the_same(bench: Bench) -> None:
    bench.feed.script = dict.fromkeys(SYMBOLS, TransientError("down"))

    event = await bench.event()

    assert event.snapshots == ()
    assert set(event.failed) == set(SYMBOLS)


async def test_tick_when_the_feed_hangs_then_gives_the_symbol_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "FETCH_TIMEOUT_S", 0.01)
    honest = bench.feed.snapshot

    async def snapshot(symbol: str, *, candles: int) -> MarketSnapshot:
        if symbol == "SOL":
            await asyncio.Event().wait()
        return await honest(symbol, candles=candles)

    monkeypatch.setattr(bench.feed, "snapshot", snapshot)

    assert (await bench.event()).failed == {"SOL": "no answer within 0.01 s"}


def with_candle(number: int, **changes: Any) -> Callable[[MarketSnapshot], MarketSnapshot]:
    def change(snapshot: MarketSnapshot) -> MarketSnapshot:
        candles = list(snapshot.candles)
        candles[number] = replace(candles[number], **changes)
        return replace(snapshot, candles=tuple(candles))

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: replace(s, book=a_book(ask=Decimal(2990))), "crossed"),
        (lambda s: replace(s, book=a_book(bid=s.book.ask)), "crossed"),
        (lambda s: replace(s, book=a_book(bid=Decimal(0))), "not above 0"),
        (lambda s: replace(s, book=a_book(bid_size=Decimal(-1))), "below 0"),
        (lambda s: replace(s, book=a_book(bid=Decimal("NaN"))), "not a number"),
        (lambda s: replace(s, mark=Decimal(0)), "mark"),
        (lambda s: replace(s, symbol="BTC"), "is of BTC"),
        (lambda s: replace(s, interval="1h"), "is of ETH at 1h"),
        (lambda s: replace(s, observed_at=NOON + timedelta(minutes=1)), "in the future"),
        (lambda s: replace(s, candles=()), "none that has closed"),
        (lambda s: replace(s, candles=s.candles[::-1]), "is followed by"),
        (lambda s: replace(s, candles=(s.candles[0], *s.candles[2:])), "is followed by"),
        (
            lambda s: replace(s, candles=some_candles(until=NOON + timedelta(minutes=5))),
            "newest has not closed",
        ),
        (with_candle(5, low=Decimal(0)), "no bar has"),
        (with_candle(5, high=Decimal(1)), "no bar has"),
        (with_candle(5, volume=Decimal(-1)), "volume is below 0"),
    ],
)
async def test_tick_when_a_snapshot_cannot_be_true_then_that_symbol_is_dropped(
    bench: Bench, change: Callable[[MarketSnapshot], MarketSnapshot], words: str
) -> None:
    bench.feed.script["ETH"] = change

    event = await bench.event()

    assert [snapshot.symbol for snapshot in event.snapshots] == ["BTC", "SOL"]
    assert words in event.failed["ETH"]
    assert await bench.stored("ETH") is None


async def test_tick_when_symbol_is_warm_then_a_tail_is_enough(bench: Bench) -> None:
    bench.clock.advance(1200)  # away from the bar that begins a window of 32
    await bench.tick()
    await bench.followed()
    bench.feed.asked.clear()
    bench.clock.advance(300)

    event = await bench.event()

    assert bench.feed.asked == [(symbol, 32) for symbol in SYMBOLS]
    assert {len(snapshot.candles) for snapshot in event.snapshots} == {32}


async def test_tick_when_nobody_has_followed_yet_then_gets_the_whole_history_again(
    bench: Bench,
) -> None:
    bench.clock.advance(1200)
    await bench.tick()
    bench.feed.asked.clear()
    bench.clock.advance(300)
    await bench.tick()

    assert {count for _, count in bench.feed.asked} == {100}


async def test_tick_when_symbol_was_away_for_long_then_gets_its_whole_history(
    bench: Bench,
) -> None:
    await bench.tick()
    await bench.followed()
    bench.feed.asked.clear()
    bench.clock.advance(33 * 300)
    await bench.tick()

    assert {count for _, count in bench.feed.asked} == {100}


async def test_tick_when_32_bars_have_passed_then_sent_the_whole_history_once(
    bench: Bench,
) -> None:
    await bench.tick()
    await bench.followed()
    bench.feed.asked.clear()
    for _ in range(32):
        bench.clock.advance(300)
        await bench.tick()

    counts = [count for symbol, count in bench.feed.asked if symbol == "ETH"]
    assert sorted(counts) == [32] * 31 + [100]


async def test_tick_when_a_later_one_was_stored_then_never_goes_back(bench: Bench) -> None:
    bench.clock.advance(120)
    await bench.tick()
    newest = await bench.stored("ETH")
    bench.feed.script["ETH"] = lambda s: replace(s, observed_at=NOON)
    bench.clock.advance(60)

    await bench.tick()

    assert await bench.stored("ETH") == newest


async def test_tick_when_another_tick_writes_meanwhile_then_reads_again(bench: Bench) -> None:
    await bench.tick()
    bench.clock.advance(60)
    mine = a_tick(scheduled_at=bench.clock.now())
    other = a_tick(scheduled_at=bench.clock.now() + timedelta(seconds=1))
    raced: list[object] = []

    async def race(operation: str, argument: object) -> None:
        if operation == "commit" and not raced:
            raced.append(argument)
            await bench.tick(other)

    bench.store.before = race

    (message,) = await bench.tick(mine)

    assert message.message_id == f"market:{mine.tick_id}"
    assert await bench.store.get(Ref(PROCESSED_TICKS, other.tick_id)) is not None


async def test_tick_when_others_keep_winning_then_is_redelivered(bench: Bench) -> None:
    await bench.tick()
    bench.clock.advance(60)
    racing = False

    async def race(operation: str, argument: object) -> None:
        nonlocal racing
        if operation == "commit" and not racing:
            racing = True
            bench.clock.advance(1)
            await bench.tick()
            racing = False

    bench.store.before = race

    with pytest.raises(TransientError, match="another tick kept writing"):
        await bench.tick()


async def test_tick_when_symbols_are_watched_then_stores_but_does_not_publish_them(
    bench: Bench,
) -> None:
    for symbol in ("XAU", "EUR"):
        watch = {"symbol": symbol, "until": "2026-01-15T13:00:00.000000Z"}
        await bench.store.commit([Create(Ref(WATCHED_SYMBOLS, symbol), watch)])
    bench.feed.script["EUR"] = NotFoundError("no EUR here")

    event = await bench.event()

    assert [snapshot.symbol for snapshot in event.snapshots] == list(SYMBOLS)
    assert event.failed == {}
    assert ("XAU", 32) in bench.feed.asked
    assert await bench.stored("XAU") is not None
    assert await bench.stored("EUR") is None


async def test_tick_when_a_symbol_is_held_then_its_mark_is_kept_fresh(bench: Bench) -> None:
    held = a_position("pos_held", symbol="XAU", signed_qty=Decimal(2))
    flat = a_position("pos_flat", symbol="EUR", signed_qty=Decimal(0), open_cost=Decimal(0))
    for position in (held, flat):
        await bench.store.commit([create(Ref(V2.positions, position.position_id), position)])

    event = await bench.event()

    assert [snapshot.symbol for snapshot in event.snapshots] == list(SYMBOLS)
    assert await bench.stored("XAU") is not None
    assert await bench.stored("EUR") is None


async def test_instruments_when_absent_or_old_then_are_loaded_else_left_alone(
    bench: Bench,
) -> None:
    for minutes, loads in ((0, 1), (15, 1), (1, 2)):
        bench.clock.advance(minutes * 60)
        await bench.tick()
        assert bench.hyperliquid.loads == bench.ostium.loads == loads

    document = await bench.store.get(Ref(VENUE_MARKETS, "OSTIUM"))
    assert document is not None
    table = from_document(InstrumentTable, document.data)
    assert table.find("ETH") is not None
    assert document.data["refreshed_at"] == iso(bench.clock.now())


@pytest.mark.parametrize("damage", ["error", "unforeseen", "empty", "other venue", "hangs"])
async def test_instruments_when_they_cannot_be_loaded_then_the_old_ones_stay(
    bench: Bench,
    damage: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await bench.tick()
    before = await bench.store.get(Ref(VENUE_MARKETS, "OSTIUM"))
    bench.clock.advance(1000)

    async def load() -> InstrumentTable:
        if damage == "error":
            raise TransientError("Ostium is down")
        if damage == "unforeseen":
            raise KeyError("pairs")
        if damage == "hangs":
            await asyncio.Event().wait()
        venue = Venue.GMX if damage == "other venue" else Venue.OSTIUM
        return an_instrument_table(venue, () if damage == "empty" else ("BTC",))

    monkeypatch.setattr(bench.ostium, "load_instruments", load)
    monkeypatch.setattr(handler, "FETCH_TIMEOUT_S", 0.05)
    with caplog.at_level(logging.WARNING):
        event = await bench.event()

    after = await bench.store.get(Ref(VENUE_MARKETS, "OSTIUM"))
    assert after == before
    assert len(event.snapshots) == 3
    assert "OSTIUM" in caplog.text
    hyperliquid = await bench.store.get(Ref(VENUE_MARKETS, "HYPERLIQUID"))
    assert hyperliquid is not None
    assert hyperliquid.data["refreshed_at"] == iso(bench.clock.now())


async def test_instruments_when_another_call_refreshed_them_then_its_word_stays(
    bench: Bench,
) -> None:
    theirs = to_document(an_instrument_table(Venue.OSTIUM, ("XAU",)))

    async def race(operation: str, argument: object) -> None:
        if operation == "commit":
            bench.store.before = None
            await bench.store.commit([Create(Ref(VENUE_MARKETS, "HYPERLIQUID"), theirs)])

    bench.store.before = race

    await bench.tick()

    document = await bench.store.get(Ref(VENUE_MARKETS, "HYPERLIQUID"))
    assert document is not None
    assert document.data == theirs
