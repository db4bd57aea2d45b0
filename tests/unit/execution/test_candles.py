"""The stored candles of a symbol's last hours, as they were kept."""

from datetime import timedelta

import pytest

from common.books import CANDLE_HOURS
from common.documents import create
from common.domain.market import HOUR_MS, Candle, CandleHour, candle_hour_id
from common.domain.moment import to_ms
from common.errors import InvalidInputError
from common.execution.candles import candles_of_hours, last_candles
from common.ports import Create, Ref
from infra.local.store.memory import MemoryStore
from tests.builders import NOON, some_candles

NOON_MS = to_ms(NOON)


async def a_store(*hours_back: int, symbol: str = "ETH", interval: str = "5m") -> MemoryStore:
    """Twelve candles in each of the hours that began so many hours before noon."""
    store = MemoryStore()
    for back in hours_back:
        begins = NOON - timedelta(hours=back)
        candles = some_candles(12, until=begins + timedelta(hours=1))
        hour = CandleHour(symbol=symbol, interval=interval, hour_ms=to_ms(begins), candles=candles)
        key = candle_hour_id(symbol, interval, to_ms(begins))
        await store.commit([create(Ref(CANDLE_HOURS, key), hour)])
    return store


def opens(candles: tuple[Candle, ...]) -> list[int]:
    """In minutes from noon."""
    return [(candle.open_time_ms - NOON_MS) // 60_000 for candle in candles]


async def test_last_candles_when_there_then_the_running_hour_and_those_before_oldest_first() -> (
    None
):
    store = await a_store(0, 1, 2, 3)
    now_ms = NOON_MS + 59 * 60_000

    assert opens(await last_candles(store, "ETH", "5m", now_ms=now_ms, hours=2)) == list(
        range(-120, 60, 5)
    )
    assert opens(await last_candles(store, "ETH", "5m", now_ms=now_ms, hours=0)) == list(
        range(0, 60, 5)
    )


@pytest.mark.parametrize(("minute", "first"), [(-1, -120), (0, -60), (59, -60), (60, 0)])
async def test_last_candles_when_the_hour_turns_then_so_does_what_is_the_running_one(
    minute: int, first: int
) -> None:
    store = await a_store(0, 1, 2, 3)

    found = await last_candles(store, "ETH", "5m", now_ms=NOON_MS + minute * 60_000, hours=1)

    assert opens(found)[0] == first


async def test_candles_of_hours_when_some_are_missing_then_those_that_there_are() -> None:
    store = await a_store(1, 3)
    hours = [NOON_MS - HOUR_MS * back for back in (3, 2, 1, 0)]

    found = await candles_of_hours(store, "ETH", "5m", hours)

    assert opens(found) == [*range(-180, -120, 5), *range(-60, 0, 5)]


async def test_candles_of_hours_when_asked_in_any_order_then_oldest_first() -> None:
    store = await a_store(0, 1)

    assert await candles_of_hours(store, "ETH", "5m", [NOON_MS, NOON_MS - HOUR_MS]) == (
        await candles_of_hours(store, "ETH", "5m", [NOON_MS - HOUR_MS, NOON_MS])
    )


@pytest.mark.parametrize(("symbol", "interval"), [("BTC", "5m"), ("ETH", "1m")])
async def test_candles_of_hours_when_of_another_symbol_or_interval_then_none(
    symbol: str, interval: str
) -> None:
    store = await a_store(0)

    assert await candles_of_hours(store, symbol, interval, [NOON_MS]) == ()


async def test_candles_of_hours_when_none_is_asked_for_then_none() -> None:
    assert await candles_of_hours(await a_store(0), "ETH", "5m", []) == ()


async def test_candles_of_hours_when_one_cannot_be_read_then_invalid_input() -> None:
    store = await a_store(1)
    place = Ref(CANDLE_HOURS, candle_hour_id("ETH", "5m", NOON_MS))
    await store.commit([Create(place, {"symbol": "ETH"})])

    with pytest.raises(InvalidInputError, match="CandleHour"):
        await candles_of_hours(store, "ETH", "5m", [NOON_MS - HOUR_MS, NOON_MS])
