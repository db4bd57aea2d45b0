"""The history of candles: every candle in its hour, once, whoever wrote it and whoever died."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.books import CANDLE_HOURS, MARKET_SNAPSHOTS
from common.domain.market import HOUR_MS, Candle, CandleHour, MarketSnapshot, candle_hour_id
from common.domain.moment import to_ms
from common.errors import InvalidInputError, TransientError
from common.ports import Create, Document, Ref
from common.wire import from_document, to_document
from functions.fetch_market import candle_hours
from functions.fetch_market.candle_hours import KEPT, keep_candles
from infra.local.store.memory import MemoryStore
from tests.builders import NOON, a_snapshot, some_candles
from tests.unit.functions.mishaps import Died, LosesRaces, Mortal, meanwhile

NOON_MS = to_ms(NOON)


def at(minutes: int, count: int = 12, symbol: str = "ETH") -> MarketSnapshot:
    """The `count` newest candles that have closed so many minutes after noon."""
    until = NOON + timedelta(minutes=minutes)
    return a_snapshot(symbol, candles=some_candles(count, until=until), observed_at=until)


def stored(snapshot: MarketSnapshot) -> Document:
    """As `fetch_market` keeps it: with its last three candles."""
    kept = replace(snapshot, candles=snapshot.candles[-3:])
    return Document(Ref(MARKET_SNAPSHOTS, snapshot.symbol), to_document(kept), "1")


async def keep(
    store: MemoryStore,
    *snapshots: MarketSnapshot,
    former: Mapping[str, Document | None] | None = None,
    now: datetime = NOON,
) -> None:
    await keep_candles(store, snapshots, former or {}, now=now)


def hours(store: MemoryStore, symbol: str = "ETH") -> dict[int, CandleHour]:
    """By hours from noon."""
    rows = store.contents().get(CANDLE_HOURS, {}).values()
    found = [from_document(CandleHour, row) for row in rows]
    return {(hour.hour_ms - NOON_MS) // HOUR_MS: hour for hour in found if hour.symbol == symbol}


def minutes(store: MemoryStore, symbol: str = "ETH") -> list[int]:
    """When each candle opened, from noon on."""
    candles = [each for hour in hours(store, symbol).values() for each in hour.candles]
    return sorted((each.open_time_ms - NOON_MS) // 60_000 for each in candles)


async def test_keep_when_a_symbol_is_new_then_all_of_its_candles_each_in_its_hour() -> None:
    store = MemoryStore()

    await keep(store, at(30, count=20))

    found = hours(store)
    assert sorted(found) == [-2, -1, 0]
    assert [len(found[hour].candles) for hour in (-2, -1, 0)] == [2, 12, 6]
    assert minutes(store) == list(range(-70, 30, 5))
    assert all(
        hour.candles == tuple(sorted(hour.candles, key=lambda each: each.open_time_ms))
        for hour in found.values()
    )
    assert found[0].interval == "5m"
    assert set(store.contents()[CANDLE_HOURS]) == {
        candle_hour_id("ETH", "5m", NOON_MS + HOUR_MS * back) for back in (-2, -1, 0)
    }


async def test_keep_when_written_then_it_is_dropped_after_two_weeks() -> None:
    store = MemoryStore()
    expiries: list[datetime | None] = []

    async def listen(operation: str, argument: object) -> None:
        if operation == "commit":
            assert isinstance(argument, list)
            expiries.extend(write.expires_at for write in argument)

    store.before = listen
    await keep(store, at(0))

    assert set(expiries) == {NOON + KEPT}


async def test_keep_when_the_next_tick_comes_then_only_what_is_new_is_added() -> None:
    store = MemoryStore()
    await keep(store, at(0))
    before = hours(store)

    await keep(store, at(5), former={"ETH": stored(at(0))})

    assert hours(store)[-1] == before[-1]
    assert minutes(store) == list(range(-60, 5, 5))


async def test_keep_when_no_candle_has_closed_since_then_nothing_is_written() -> None:
    store = MemoryStore()
    await keep(store, at(0))
    commits: list[object] = []

    async def listen(operation: str, argument: object) -> None:
        if operation == "commit":
            commits.append(argument)

    store.before = listen
    await keep(store, at(0), former={"ETH": stored(at(0))})
    await keep(store, at(0))

    assert commits == []


async def test_keep_when_there_is_no_snapshot_then_nothing() -> None:
    store = MemoryStore()

    await keep(store)

    assert CANDLE_HOURS not in store.contents()


@pytest.mark.parametrize("former", ["another-interval", "no-candles"])
async def test_keep_when_the_former_snapshot_says_nothing_then_all_candles_are_looked_at(
    former: str,
) -> None:
    store = MemoryStore()
    known = a_snapshot(interval="1m") if former == "another-interval" else a_snapshot(candles=())

    await keep(store, at(0), former={"ETH": stored(known)})

    assert len(minutes(store)) == 12


async def test_keep_when_several_symbols_then_each_its_own() -> None:
    store = MemoryStore()

    await keep(store, at(5), at(0, symbol="BTC"), former={"ETH": stored(at(0)), "BTC": None})

    assert minutes(store) == [-15, -10, -5, 0]  # the former's own, should they be missing
    assert minutes(store, "BTC") == list(range(-60, 0, 5))


async def test_keep_when_a_candle_is_told_otherwise_later_then_the_first_word_stands() -> None:
    """A closed candle does not change; a feed that says so is not believed."""
    store = MemoryStore()
    await keep(store, at(0))
    before = hours(store)
    told = at(0)
    first = replace(told.candles[0], volume=Decimal(7))

    await keep(store, replace(told, candles=(first, *told.candles[1:])))

    assert hours(store) == before


async def test_keep_when_there_are_more_hours_than_a_commit_holds_then_part_by_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(candle_hours, "WRITES_AT_ONCE", 2)
    store = MemoryStore()

    await keep(store, at(0, count=12 * 5))

    assert len(minutes(store)) == 60


# ---------------------------------------------------------------- races, crashes, the unreadable


async def test_keep_when_a_race_is_lost_then_the_next_tick_makes_it_good() -> None:
    """Its snapshot still carries them."""
    store = MemoryStore()
    await keep(store, at(0))
    LosesRaces(store, CANDLE_HOURS)
    await keep(store, at(5), former={"ETH": stored(at(0))})
    assert minutes(store)[-1] == -5

    await keep(store, at(10), former={"ETH": stored(at(5))})

    assert minutes(store) == list(range(-60, 10, 5))


async def test_keep_when_it_died_before_it_wrote_them_then_the_next_tick_makes_it_good() -> None:
    """The snapshot was stored; its candles were not."""
    store = MemoryStore()
    await keep(store, at(0))

    await keep(store, at(10), former={"ETH": stored(at(5))})

    assert minutes(store) == list(range(-60, 10, 5))


async def test_keep_when_two_ticks_write_one_hour_then_no_candle_is_lost() -> None:
    store = MemoryStore()
    await keep(store, at(5))

    async def other() -> None:
        await keep(store, at(10), former={"ETH": stored(at(5))})

    meanwhile(store, CANDLE_HOURS, other)
    await keep(store, at(10), former={"ETH": stored(at(5))})
    await keep(store, at(15), former={"ETH": stored(at(10))})

    assert minutes(store)[-3:] == [0, 5, 10]


async def test_keep_when_one_part_loses_its_race_then_the_others_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(candle_hours, "WRITES_AT_ONCE", 1)
    store = MemoryStore()
    LosesRaces(store, CANDLE_HOURS)

    await keep(store, at(0), at(0, symbol="BTC"))

    assert len(hours(store)) + len(hours(store, "BTC")) == 1


async def test_keep_when_the_store_does_not_answer_then_transient() -> None:
    store = MemoryStore()

    async def down(operation: str, argument: object) -> None:
        raise TransientError("the store is down")

    store.before = down
    with pytest.raises(TransientError):
        await keep(store, at(0))


async def test_keep_when_an_hour_cannot_be_read_then_invalid_input() -> None:
    store = MemoryStore()
    place = Ref(CANDLE_HOURS, candle_hour_id("ETH", "5m", NOON_MS - HOUR_MS))
    await store.commit([Create(place, {"symbol": "ETH"})])

    with pytest.raises(InvalidInputError, match="CandleHour"):
        await keep(store, at(0))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_keep_when_it_dies_at_any_call_then_called_again_all_is_there(after: bool) -> None:
    whole = at(30, count=20)
    counted = MemoryStore()
    mortal = Mortal(counted)
    await keep(counted, whole)
    for number in range(1, mortal.calls + 1):
        store = MemoryStore()
        mortal = Mortal(store)
        mortal.doom(number, after=after)
        with pytest.raises(Died):
            await keep(store, whole)
        mortal.revive()
        await keep(store, whole)

        assert store.contents() == counted.contents(), number


@given(closes=st.lists(st.integers(1, 40), min_size=1, max_size=6))
async def test_keep_when_ticks_come_at_any_distance_then_every_candle_that_was_told_is_there(
    closes: list[int],
) -> None:
    """Once, in order, in the hour that it opened in."""
    store = MemoryStore()
    former: Document | None = None
    told: dict[int, Candle] = {}
    minute = 0
    for more in closes:
        minute += more * 5
        snapshot = at(minute, count=32)
        await keep(store, snapshot, former={"ETH": former})
        former = stored(snapshot)
        told |= {candle.open_time_ms: candle for candle in snapshot.candles}

    found = [candle for _, hour in sorted(hours(store).items()) for candle in hour.candles]
    assert [candle.open_time_ms for candle in found] == sorted(told)
    for hour in hours(store).values():
        assert all(0 <= each.open_time_ms - hour.hour_ms < HOUR_MS for each in hour.candles)
