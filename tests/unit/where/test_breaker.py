"""SW-07 and I08: the breaker's legal edges, its waiting time, its single probe, its generations."""

from datetime import datetime, timedelta

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from common.config import BreakerSettings
from common.where.breaker import (
    Breaker,
    BreakerStatus,
    Ticket,
    admit,
    closed,
    fail,
    release,
    succeed,
    would_admit,
)
from tests.builders import NOON

SETTINGS = BreakerSettings()
CLOSED, OPEN, HALF_OPEN = BreakerStatus.CLOSED, BreakerStatus.OPEN, BreakerStatus.HALF_OPEN
LEGAL = {(CLOSED, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, OPEN), (HALF_OPEN, CLOSED)}


def opened(now: datetime = NOON) -> Breaker:
    breaker = closed("GMX", now=now)
    for _ in range(SETTINGS.failures_to_open):
        breaker = failed(breaker, Ticket("GMX", 0, None), now)
    return breaker


def failed(breaker: Breaker, ticket: Ticket, now: datetime = NOON) -> Breaker:
    return fail(breaker, ticket, now=now, settings=SETTINGS, reason="timeout")


def probing(now: datetime = NOON) -> tuple[Breaker, Ticket, datetime]:
    later = now + SETTINGS.open_for
    breaker, ticket = admit(opened(now), "first", now=later, settings=SETTINGS)
    assert ticket is not None
    return breaker, ticket, later


def test_breaker_when_five_failures_in_a_row_then_open_and_not_before() -> None:
    breaker = closed("GMX", now=NOON)
    statuses = []
    for _ in range(5):
        breaker = failed(breaker, Ticket("GMX", 0, None))
        statuses.append(breaker.status)

    assert statuses == [CLOSED] * 4 + [OPEN]
    assert (breaker.generation, breaker.opened_at, breaker.reason) == (1, NOON, "timeout")


def test_breaker_when_a_success_comes_between_then_the_row_starts_anew() -> None:
    breaker = closed("GMX", now=NOON)
    ticket = Ticket("GMX", 0, None)
    for _ in range(4):
        breaker = failed(breaker, ticket)
    breaker = succeed(breaker, ticket, now=NOON, settings=SETTINGS)
    for _ in range(4):
        breaker = failed(breaker, ticket)

    assert breaker.status is CLOSED
    assert succeed(closed("GMX", now=NOON), ticket, now=NOON, settings=SETTINGS) == closed(
        "GMX", now=NOON
    )


def test_breaker_when_the_reason_is_long_then_it_is_cut() -> None:
    ticket = Ticket("GMX", 0, None)
    after = fail(closed("GMX", now=NOON), ticket, now=NOON, settings=SETTINGS, reason="x" * 900)
    assert after.reason == "x" * 200


@pytest.mark.parametrize(("seconds", "admitted"), [(0, False), (59.999, False), (60, True)])
def test_breaker_when_open_then_it_lets_one_through_after_a_minute(
    seconds: float, admitted: bool
) -> None:
    now = NOON + timedelta(seconds=seconds)

    breaker, ticket = admit(opened(), "probe", now=now, settings=SETTINGS)

    assert (ticket is not None) is admitted
    assert breaker.status is (HALF_OPEN if admitted else OPEN)


def test_breaker_when_half_open_then_a_second_request_waits_until_the_probe_is_lost() -> None:
    breaker, _, now = probing()

    assert admit(breaker, "second", now=now, settings=SETTINGS) == (breaker, None)
    lost = now + SETTINGS.probe_timeout
    taken, ticket = admit(breaker, "second", now=lost, settings=SETTINGS)

    assert ticket == Ticket("GMX", 1, "second")
    assert taken.probe_id == "second"


def test_breaker_when_three_probes_succeed_then_closed_and_clean() -> None:
    breaker, ticket, now = probing()
    for number in range(3):
        breaker = succeed(breaker, ticket, now=now, settings=SETTINGS)
        if number < 2:
            assert breaker.status is HALF_OPEN
            breaker, next_ticket = admit(breaker, f"p{number}", now=now, settings=SETTINGS)
            assert next_ticket is not None
            ticket = next_ticket

    assert (breaker.status, breaker.failures, breaker.successes) == (CLOSED, 0, 0)
    assert breaker.opened_at is None
    assert breaker.generation == 1


def test_breaker_when_the_probe_fails_then_open_for_another_whole_minute() -> None:
    breaker, ticket, now = probing()

    again = failed(breaker, ticket, now)

    assert (again.status, again.generation, again.opened_at) == (OPEN, 2, now)
    assert not would_admit(again, now=now + timedelta(seconds=59), settings=SETTINGS)


def test_breaker_when_a_success_is_followed_by_a_failed_probe_then_successes_start_anew() -> None:
    breaker, ticket, now = probing()
    breaker = succeed(breaker, ticket, now=now, settings=SETTINGS)
    breaker, second = admit(breaker, "second", now=now, settings=SETTINGS)
    assert second is not None
    breaker = failed(breaker, second, now)
    breaker, third = admit(breaker, "third", now=now + SETTINGS.open_for, settings=SETTINGS)

    assert third is not None
    assert breaker.successes == 0


@pytest.mark.parametrize("status", ["open", "half-open"])
def test_breaker_when_a_result_left_under_an_older_generation_then_ignored(status: str) -> None:
    breaker = opened() if status == "open" else probing()[0]
    stale = Ticket("GMX", 0, None)

    assert succeed(breaker, stale, now=NOON, settings=SETTINGS) == breaker
    assert failed(breaker, stale) == breaker
    assert release(breaker, stale, now=NOON) == breaker


def test_breaker_when_a_lost_probe_reports_late_then_the_probe_under_way_stands() -> None:
    breaker, lost, now = probing()
    late = now + SETTINGS.probe_timeout
    breaker, _ = admit(breaker, "second", now=late, settings=SETTINGS)

    assert succeed(breaker, lost, now=late, settings=SETTINGS) == breaker
    assert failed(breaker, lost, late) == breaker
    assert release(breaker, lost, now=late) == breaker


def test_breaker_when_open_then_results_of_its_own_generation_do_not_move_it() -> None:
    breaker = opened()
    ticket = Ticket("GMX", breaker.generation, "ghost")

    assert succeed(breaker, ticket, now=NOON, settings=SETTINGS) == breaker
    assert failed(breaker, ticket) == breaker


def test_breaker_when_leave_is_given_back_then_the_place_is_free_and_nothing_learned() -> None:
    breaker, ticket, now = probing()

    freed = release(breaker, ticket, now=now)

    assert (freed.status, freed.probe_id, freed.successes) == (HALF_OPEN, None, 0)
    assert would_admit(freed, now=now, settings=SETTINGS)


class BreakerMachine(RuleBasedStateMachine):
    """Any order of requests, results, losses and waits, beside a model that counts by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.breaker = closed("GMX", now=NOON)
        self.flying: list[Ticket] = []
        self.numbers = 0
        self.opened_at: datetime | None = None
        self.probe: tuple[Ticket, datetime] | None = None
        self.successes = 0

    def move(self, after: Breaker) -> None:
        before = self.breaker
        if after.status is not before.status:
            assert (before.status, after.status) in LEGAL
        grew = after.generation - before.generation
        assert grew == (1 if after.status is OPEN and before.status is not OPEN else 0)
        if (before.status, after.status) == (HALF_OPEN, CLOSED):
            assert self.successes == SETTINGS.successes_to_close
        if after.status is OPEN and before.status is not OPEN:
            self.opened_at = self.now
        if after.status is not HALF_OPEN:
            self.probe, self.successes = None, 0
        self.breaker = after

    @rule(seconds=st.sampled_from([0.5, 5, 20, 30, 59, 60, 61]))
    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def ask(self) -> None:
        self.numbers += 1
        expected = would_admit(self.breaker, now=self.now, settings=SETTINGS)
        after, ticket = admit(self.breaker, f"r{self.numbers}", now=self.now, settings=SETTINGS)
        assert (ticket is not None) is expected
        if ticket is None:
            assert after == self.breaker
            return
        if self.breaker.status is OPEN:
            assert self.opened_at is not None
            assert self.now - self.opened_at >= timedelta(seconds=60)
        if self.probe is not None:
            assert self.now >= self.probe[1], "two probes under way"
        self.move(after)
        if after.status is HALF_OPEN:
            self.probe = (ticket, self.now + SETTINGS.probe_timeout)
        self.flying.append(ticket)

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), good=st.booleans())
    def answer(self, data: st.DataObject, good: bool) -> None:
        ticket = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        current = ticket.generation == self.breaker.generation
        is_probe = self.probe is not None and self.probe[0] == ticket
        before = self.breaker
        if good:
            after = succeed(before, ticket, now=self.now, settings=SETTINGS)
            self.successes += is_probe
        else:
            after = failed(before, ticket, self.now)
        if not current or (before.status is HALF_OPEN and not is_probe) or before.status is OPEN:
            assert after == before
        if is_probe:
            self.probe = None
        self.move(after)

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        ticket = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        after = release(self.breaker, ticket, now=self.now)
        assert (after.status, after.successes, after.failures) == (
            self.breaker.status,
            self.breaker.successes,
            self.breaker.failures,
        )
        if self.probe is not None and self.probe[0] == ticket:
            self.probe = None
            assert after.probe_id is None
        self.move(after)

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        """Its process died: no result ever comes."""
        self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))

    @invariant()
    def counts_agree(self) -> None:
        assert self.breaker.successes == (self.successes if self.breaker.status is HALF_OPEN else 0)
        expected = self.probe[0].probe_id if self.probe is not None else None
        assert self.breaker.probe_id == expected
        if self.breaker.status is CLOSED:
            assert self.breaker.failures < SETTINGS.failures_to_open

    @invariant()
    def never_stuck(self) -> None:
        later = self.now + timedelta(minutes=2)
        assert would_admit(self.breaker, now=later, settings=SETTINGS)


BreakerMachine.TestCase.settings = hypothesis_settings(
    max_examples=120, stateful_step_count=60, deadline=None
)
TestBreakerMachine = BreakerMachine.TestCase
