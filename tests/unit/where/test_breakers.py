"""Breakers in the store: one probe among many askers, one alert for each change."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from common.books import BREAKERS, NOTIFICATIONS, OUTBOX
from common.config import BreakerSettings
from common.contention import TRIES
from common.domain.instrument import Venue
from common.errors import ConflictError, TransientError
from common.ports import Ref, Write
from common.where.breaker import BreakerStatus, Ticket
from common.where.breakers import Breakers
from infra.local.store.memory import MemoryStore
from tests.fakes.clock import FakeClock

SETTINGS = BreakerSettings()


class Desk:
    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = FakeClock()
        self.breakers = Breakers(self.store, self.clock, SETTINGS)

    async def fail(self, times: int, ticket: Ticket | None = None) -> None:
        for _ in range(times):
            await self.breakers.failed(ticket or Ticket("GMX", 0, None), "no answer")

    async def status(self) -> BreakerStatus:
        return (await self.breakers.read([Venue.GMX]))[Venue.GMX].status

    async def probe(self, name: str) -> Ticket:
        ticket = await self.breakers.admit(Venue.GMX, name)
        assert ticket is not None
        return ticket

    def alerts(self) -> list[str]:
        rows = self.store.contents().get(NOTIFICATIONS, {}).values()
        return sorted(row["notification"]["text"] for row in rows)

    def conflict_on_commit(self, times: int) -> None:
        left = [times]

        async def before(operation: str, argument: object) -> None:
            if operation == "commit" and left[0] > 0:
                left[0] -= 1
                raise ConflictError("taken", collection=BREAKERS, document_id="GMX")

        self.store.before = before


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_read_when_a_venue_never_failed_then_closed_and_nothing_stored(desk: Desk) -> None:
    found = await desk.breakers.read([Venue.GMX, Venue.OSTIUM])

    assert [breaker.status for breaker in found.values()] == [BreakerStatus.CLOSED] * 2
    assert await desk.breakers.admit(Venue.GMX, "r1") == Ticket("GMX", 0, None)
    assert desk.store.contents() == {}


async def test_failed_when_it_opens_then_one_alert_and_its_event_in_the_same_commit(
    desk: Desk,
) -> None:
    await desk.fail(7)

    assert await desk.status() is BreakerStatus.OPEN
    assert desk.alerts() == ["GMX: circuit breaker OPEN (no answer); other venues take its trades"]
    assert len(desk.store.contents()[OUTBOX]) == 1


async def test_admit_when_many_ask_for_the_half_open_place_then_exactly_one_gets_it(
    desk: Desk,
) -> None:
    await desk.fail(5)
    desk.clock.advance(60)

    tickets = await asyncio.gather(*(desk.breakers.admit(Venue.GMX, f"r{n}") for n in range(20)))

    assert sum(ticket is not None for ticket in tickets) == 1
    assert len(desk.alerts()) == 1  # half-open is nobody's news


async def test_succeeded_when_three_probes_did_then_closed_and_told(desk: Desk) -> None:
    await desk.fail(5)
    desk.clock.advance(60)
    for number in range(3):
        await desk.breakers.succeeded(await desk.probe(f"p{number}"))

    assert await desk.status() is BreakerStatus.CLOSED
    assert desk.alerts() == [
        "GMX: circuit breaker OPEN (no answer); other venues take its trades",
        "GMX: circuit breaker closed, trading there again",
    ]


async def test_failed_when_it_opens_again_then_it_is_told_again(desk: Desk) -> None:
    await desk.fail(5)
    desk.clock.advance(60)
    await desk.fail(1, await desk.probe("p1"))

    assert await desk.status() is BreakerStatus.OPEN
    assert len(desk.alerts()) == 2


async def test_release_when_the_leave_was_not_used_then_the_next_may_ask(desk: Desk) -> None:
    await desk.fail(5)
    desk.clock.advance(60)
    ticket = await desk.probe("p1")
    assert await desk.breakers.admit(Venue.GMX, "p2") is None

    await desk.breakers.release(ticket)

    assert await desk.breakers.admit(Venue.GMX, "p2") is not None


async def test_failed_when_another_writer_was_faster_then_it_counts_all_the_same(
    desk: Desk,
) -> None:
    await desk.fail(4)
    desk.conflict_on_commit(TRIES - 1)
    await desk.fail(1)

    assert await desk.status() is BreakerStatus.OPEN


async def test_failed_when_failures_come_side_by_side_then_none_is_lost(desk: Desk) -> None:
    await asyncio.gather(*(desk.fail(1) for _ in range(5)))

    assert await desk.status() is BreakerStatus.OPEN


async def test_failed_when_contended_for_ever_then_transient_error(desk: Desk) -> None:
    desk.conflict_on_commit(TRIES)
    with pytest.raises(TransientError, match="the breaker of GMX is contended"):
        await desk.fail(1)


async def test_admit_when_the_place_is_contended_for_ever_then_no_leave(desk: Desk) -> None:
    await desk.fail(5)
    desk.clock.advance(60)
    desk.conflict_on_commit(TRIES)

    assert await desk.breakers.admit(Venue.GMX, "p1") is None


async def test_swap_when_two_instances_hold_one_store_then_they_see_one_breaker(
    desk: Desk,
) -> None:
    commits: list[Sequence[Write]] = []

    async def after(operation: str, argument: Any) -> None:
        if operation == "commit":
            commits.append(argument)

    desk.store.after = after
    other = Breakers(desk.store, desk.clock, SETTINGS)
    await desk.fail(3)
    for _ in range(2):
        await other.failed(Ticket("GMX", 0, None), "refused")

    assert await desk.breakers.admit(Venue.GMX, "r") is None
    assert all(writes[0].ref == Ref(BREAKERS, "GMX") for writes in commits)
