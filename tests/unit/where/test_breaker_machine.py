"""I08 with several instances at one breaker: stale copies, lost races, skewed clocks, zombies."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from common.config import BreakerSettings
from common.where.breaker import (
    Breaker,
    BreakerStatus,
    Ticket,
    admit,
    closed,
    fail,
    release,
    still_admits,
    succeed,
    would_admit,
)
from tests.builders import NOON

CLOSED, OPEN, HALF_OPEN = BreakerStatus.CLOSED, BreakerStatus.OPEN, BreakerStatus.HALF_OPEN
LEGAL = {(CLOSED, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, OPEN), (HALF_OPEN, CLOSED)}
Move = Callable[[Breaker], Breaker]


@dataclass(slots=True)
class Call:
    """One request of an instance: what it was let through with, and whether it went out."""

    ticket: Ticket
    sent: bool = False


class SharedBreakerMachine(RuleBasedStateMachine):
    """The breaker is a document; whoever changes it does so on the version that it read."""

    @initialize(failures=st.integers(1, 5), successes=st.integers(1, 3))
    def start(self, failures: int, successes: int) -> None:
        self.settings = BreakerSettings(failures_to_open=failures, successes_to_close=successes)
        self.now = NOON
        self.breaker = closed("GMX", now=NOON)
        self.calls: list[Call] = []
        self.number = 0
        self.opened_at: datetime | None = None
        self.row = 0  # good answers of this generation's probes, one after the other
        self.bad_row = 0  # bad answers in a row while CLOSED

    def swap(self, move: Move) -> None:
        """Compare-and-set: the move is always made on what is stored."""
        before, after = self.breaker, move(self.breaker)
        if after.status is not before.status:
            assert (before.status, after.status) in LEGAL
        opens = after.status is OPEN and before.status is not OPEN
        assert after.generation == before.generation + opens
        if opens:
            assert before.status is HALF_OPEN or self.bad_row >= self.settings.failures_to_open
            self.opened_at, self.row = self.now, 0
        if before.status is OPEN and after.status is HALF_OPEN:
            assert self.opened_at is not None
            assert self.now - self.opened_at >= timedelta(seconds=60)
            self.row = 0
        if before.status is HALF_OPEN and after.status is CLOSED:
            assert self.row >= self.settings.successes_to_close
        if after.status is not CLOSED:
            self.bad_row = 0
        self.breaker = after

    @rule(seconds=st.sampled_from([0.2, 5, 29, 30, 31, 59, 60, 61, -3]))
    def time_passes(self, seconds: float) -> None:
        """Backwards too: another instance's clock, or a corrected one."""
        self.now += timedelta(seconds=seconds)

    def ask(self) -> Call | None:
        self.number += 1
        name = f"r{self.number}"
        after, ticket = admit(self.breaker, name, now=self.now, settings=self.settings)
        assert (ticket is not None) is would_admit(
            self.breaker, now=self.now, settings=self.settings
        )
        if ticket is None:
            assert after == self.breaker
            return None
        self.swap(lambda _: after)
        call = Call(ticket)
        self.calls.append(call)
        return call

    @rule(goes=st.booleans())
    def one_asks(self, goes: bool) -> None:
        call = self.ask()
        if call is not None and goes:
            self.send(call)

    @rule()
    def two_ask_at_once(self) -> None:
        """Both read the same; the one that lost the race reads again before it goes."""
        half_open = self.breaker.status is not CLOSED
        first, second = self.ask(), self.ask()
        if half_open and first is not None:
            assert second is None, "two probes were let through"

    @precondition(lambda self: self.breaker.status is HALF_OPEN)
    @rule()
    def a_probe_is_not_heard_of(self) -> None:
        """Its place is free again after a while; it may still wake up."""
        self.now += self.settings.probe_timeout
        self.ask()

    @precondition(lambda self: self.breaker.status is CLOSED)
    @rule(probes=st.booleans())
    def the_venue_fails(self, probes: bool) -> None:
        while self.breaker.status is CLOSED:
            call = self.ask()
            assert call is not None
            self.calls.remove(call)
            self.answer(call, good=False)
        if probes:
            self.now += timedelta(seconds=60)
            assert self.ask() is not None

    @precondition(lambda self: self.breaker.status is not CLOSED)
    @rule()
    def the_venue_recovers(self) -> None:
        for _ in range(self.settings.successes_to_close):
            self.now += timedelta(minutes=2)
            call = self.ask()
            assert call is not None
            self.calls.remove(call)
            self.answer(call, good=True)
        assert self.breaker.status is CLOSED

    @precondition(lambda self: any(not call.sent for call in self.calls))
    @rule(data=st.data())
    def a_paused_one_goes_on(self, data: st.DataObject) -> None:
        """Long after it was let through; the last gate asks once more."""
        self.send(data.draw(st.sampled_from([call for call in self.calls if not call.sent])))

    def send(self, call: Call) -> None:
        if not still_admits(self.breaker, call.ticket):
            return
        assert self.breaker.status is not OPEN
        assert call.ticket.generation == self.breaker.generation
        if self.breaker.status is HALF_OPEN:
            assert self.breaker.probe_id == call.ticket.probe_id
        call.sent = True

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), good=st.booleans())
    def an_answer_comes(self, data: st.DataObject, good: bool) -> None:
        self.answer(self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1))), good=good)

    def answer(self, call: Call, *, good: bool) -> None:
        before, ticket = self.breaker, call.ticket
        probes = before.status is HALF_OPEN and before.probe_id == ticket.probe_id
        counts = ticket.generation == before.generation and (before.status is CLOSED or probes)
        if counts and before.status is CLOSED:
            self.bad_row = 0 if good else self.bad_row + 1
        if counts and probes:
            self.row = self.row + 1 if good else 0

        def move(breaker: Breaker) -> Breaker:
            if good:
                return succeed(breaker, ticket, now=self.now, settings=self.settings)
            return fail(breaker, ticket, now=self.now, settings=self.settings, reason="timeout")

        self.swap(move)
        if not counts:
            assert self.breaker == before, "a stale answer moved it"
        elif probes and not good:
            assert self.breaker.status is OPEN

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), told=st.booleans())
    def nothing_is_learned(self, data: st.DataObject, told: bool) -> None:
        """It was not sent and its place is given back; or its process died."""
        call = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        before = self.breaker
        if told:
            self.swap(lambda breaker: release(breaker, call.ticket, now=self.now))
        assert (self.breaker.status, self.breaker.successes, self.breaker.failures) == (
            before.status,
            before.successes,
            before.failures,
        )

    @invariant()
    def one_probe_at_a_time(self) -> None:
        if not hasattr(self, "breaker") or self.breaker.status is not HALF_OPEN:
            return
        sendable = [call for call in self.calls if still_admits(self.breaker, call.ticket)]
        assert len(sendable) <= 1

    @invariant()
    def none_goes_while_open(self) -> None:
        if hasattr(self, "breaker") and self.breaker.status is OPEN:
            assert not any(still_admits(self.breaker, call.ticket) for call in self.calls)
            assert self.breaker.opened_at == self.opened_at
            early = (self.opened_at or NOON) + timedelta(seconds=59)
            assert not would_admit(self.breaker, now=early, settings=self.settings)

    def teardown(self) -> None:
        """However it went: a venue that works again is traded at again."""
        if not hasattr(self, "breaker"):
            return
        self.now = max(self.now, NOON + timedelta(hours=1))
        if self.breaker.status is not CLOSED:
            self.the_venue_recovers()
        assert self.ask() is not None


SharedBreakerMachine.TestCase.settings = hypothesis_settings(
    max_examples=200, stateful_step_count=40, deadline=None
)
TestSharedBreakerMachine = SharedBreakerMachine.TestCase
