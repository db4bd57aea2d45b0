"""The request weight that all instances share."""

import asyncio
from collections.abc import Sequence

import pytest

from common.books import REQUEST_BUDGETS
from common.domain.instrument import Venue
from common.errors import RateLimitedError, TransientError
from common.ports import Query, Write
from infra.local.store.memory import MemoryStore
from infra.venues.budget import CHUNK, Purpose, RequestBudget
from tests.fakes.clock import FakeClock

PER_MINUTE = 1200
BUCKET = 240


class CountingStore(MemoryStore):
    """Counts commits, and does not answer while `is_down`."""

    commits = 0
    is_down = False

    async def commit(self, writes: Sequence[Write]) -> None:
        if self.is_down:
            raise TransientError("the store does not answer")
        self.commits += 1
        await super().commit(writes)


def budget(store: MemoryStore, clock: FakeClock) -> RequestBudget:
    return RequestBudget(store, clock, Venue.HYPERLIQUID, per_minute=PER_MINUTE)


async def spend_all(one: RequestBudget, weight: int, purpose: Purpose) -> int:
    """What could be taken at once before it was too much."""
    spent = 0
    while True:
        try:
            await one.take(weight, purpose)
        except RateLimitedError:
            return spent
        spent += weight


async def test_take_when_read_in_bulk_then_half_is_left_for_what_settles() -> None:
    store, clock = MemoryStore(), FakeClock()
    one = budget(store, clock)
    assert await spend_all(one, 20, Purpose.READ) == BUCKET // 2
    assert await spend_all(one, 2, Purpose.ORDER) == BUCKET // 4
    assert await spend_all(one, 2, Purpose.SETTLE) == BUCKET // 4
    with pytest.raises(RateLimitedError) as refusal:
        await one.take(2, Purpose.SETTLE)
    assert refusal.value.retry_after_s == pytest.approx(2 * 60 / 840, abs=1e-5)


async def test_take_when_the_named_wait_is_over_then_it_goes_through() -> None:
    store, clock = MemoryStore(), FakeClock()
    one = budget(store, clock)
    await spend_all(one, 20, Purpose.READ)
    with pytest.raises(RateLimitedError) as refusal:
        await one.take(20, Purpose.READ)
    wait = refusal.value.retry_after_s
    assert wait is not None
    clock.advance(wait * 0.9)
    with pytest.raises(RateLimitedError):
        await one.take(20, Purpose.READ)
    clock.advance(wait * 0.1 + 0.001)
    await one.take(20, Purpose.READ)


async def test_take_when_several_instances_then_one_budget() -> None:
    store, clock = MemoryStore(), FakeClock()
    instances = [budget(store, clock) for _ in range(8)]
    spent = await asyncio.gather(*(spend_all(one, 2, Purpose.SETTLE) for one in instances))
    assert sum(spent) == BUCKET


async def test_take_when_asked_for_an_hour_then_never_the_limit_in_any_minute() -> None:
    """Every request of three greedy instances, in each minute that begins with one."""
    store, clock = MemoryStore(), FakeClock()
    instances = [budget(store, clock) for _ in range(3)]
    sent: list[tuple[int, int]] = []
    for second in range(600):
        sent += [(second, await spend_all(one, 2, Purpose.SETTLE)) for one in instances]
        clock.advance(1)
    for start in range(540):
        in_minute = sum(weight for at, weight in sent if start <= at < start + 60)
        assert in_minute <= PER_MINUTE
    assert sum(weight for _, weight in sent) >= 600 * 14  # and nothing is wasted


async def test_take_when_leased_then_not_every_request_writes() -> None:
    store, clock = CountingStore(), FakeClock()
    one = budget(store, clock)
    for _ in range(CHUNK // 2):
        await one.take(2, Purpose.SETTLE)
    assert store.commits == 1
    await one.take(2, Purpose.SETTLE)
    assert store.commits == 2


async def test_take_when_the_lease_is_old_then_it_is_lost() -> None:
    """Else every instance could save some up and send it all in one minute."""
    store, clock = CountingStore(), FakeClock()
    one = budget(store, clock)
    await one.take(2, Purpose.SETTLE)
    clock.advance(5)
    await one.take(2, Purpose.SETTLE)
    assert store.commits == 2


async def test_take_when_leased_for_orders_then_reading_does_not_live_off_it() -> None:
    store, clock = MemoryStore(), FakeClock()
    one = budget(store, clock)
    assert await spend_all(one, 20, Purpose.READ) == BUCKET // 2
    await one.take(1, Purpose.ORDER)
    with pytest.raises(RateLimitedError):
        await one.take(1, Purpose.READ)


async def test_owe_when_an_answer_cost_more_then_it_is_paid_by_the_next_lease() -> None:
    store, clock = MemoryStore(), FakeClock()
    one = budget(store, clock)
    one.owe(100)
    assert await spend_all(one, 20, Purpose.SETTLE) == BUCKET - 100
    clock.advance(60)
    assert await spend_all(one, 20, Purpose.SETTLE) == BUCKET


async def test_drain_when_the_venue_says_enough_then_every_instance_waits() -> None:
    store, clock = MemoryStore(), FakeClock()
    one, other = budget(store, clock), budget(store, clock)
    await one.take(2, Purpose.SETTLE)
    await one.drain(7)
    for instance in (one, other):
        with pytest.raises(RateLimitedError) as refusal:
            await instance.take(2, Purpose.SETTLE)
        assert refusal.value.retry_after_s == pytest.approx(7 + 2 * 60 / 840, abs=0.1)
    clock.advance(7.2)
    await other.take(2, Purpose.SETTLE)


async def test_drain_when_already_waiting_longer_then_not_shortened() -> None:
    store, clock = MemoryStore(), FakeClock()
    one = budget(store, clock)
    await one.drain(30)
    await one.drain(1)
    clock.advance(29)
    with pytest.raises(RateLimitedError):
        await one.take(1, Purpose.SETTLE)


async def test_take_when_the_store_is_down_then_nothing_is_sent() -> None:
    store, clock = CountingStore(), FakeClock()
    store.is_down = True
    with pytest.raises(TransientError):
        await budget(store, clock).take(1, Purpose.ORDER)


async def test_take_when_used_then_one_small_document() -> None:
    store, clock = MemoryStore(), FakeClock()
    await budget(store, clock).take(CHUNK + 1, Purpose.SETTLE)
    page = await store.query(Query(REQUEST_BUDGETS))
    assert [document.ref.id for document in page.documents] == ["HYPERLIQUID"]
    assert set(page.documents[0].data) == {"full_at", "updated_at"}
