"""Orders and intents under reports that are late, repeated, out of order, or told in parts."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from common.domain.instrument import TimeInForce, Venue
from common.domain.money import ZERO
from common.domain.order import (
    ORDER_MOVES,
    Fill,
    IntentStatus,
    Order,
    OrderReport,
    OrderStatus,
    VenueCandidate,
)
from common.execution.attempts import intent_after, new_intent, new_order, next_intent, order_after
from common.execution.outcome import (
    Outcome,
    absent,
    denied,
    from_report,
    never_sent,
    rejected,
    unknown,
)
from common.how.denial import Denial
from common.how.limits import Refusal
from tests.builders import NOON, a_plan
from tests.fakes.venue import fill_of, report_of, some_capabilities

ATTEMPTS_MAX = 2
WHOLE = Decimal(1)
LATE = NOON + timedelta(minutes=10)
PLAN = a_plan(
    candidates=tuple(
        VenueCandidate(
            venue=venue, instrument_id=f"ETH.{venue}", quantity=WHOLE, price=Decimal(3015)
        )
        for venue in (Venue.HYPERLIQUID, Venue.OSTIUM)
    )
)
PROVEN_DEAD = {
    "gate": denied(Refusal(Denial.TRADING_HALTED, "no")),
    "breaker": denied(Refusal(Denial.BREAKER_OPEN, "no")),
    "not sent": never_sent("down"),
}
ANSWERABLE = {OrderStatus.SUBMITTED, OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED}
UNPROVEN = {IntentStatus.SENDING, IntentStatus.UNKNOWN, IntentStatus.WORKING}
OF_ORDER = {
    IntentStatus.UNKNOWN: {OrderStatus.UNKNOWN},
    IntentStatus.WORKING: {OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED},
    IntentStatus.FILLED: {OrderStatus.FILLED},
    IntentStatus.CANCELED: {OrderStatus.CANCELED},
    IntentStatus.EXPIRED: {OrderStatus.EXPIRED},
    IntentStatus.DENIED: {OrderStatus.DENIED},
}


@dataclass(slots=True)
class Truth:
    """What one order is at the venue; None: it has not come there (yet)."""

    status: OrderStatus | None = None
    can_come: bool = True
    fills: list[Fill] = field(default_factory=list)

    @property
    def filled(self) -> Decimal:
        return sum((fill.last_qty for fill in self.fills), ZERO)

    @property
    def is_open(self) -> bool:
        return self.status in {OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED}


class OrderMachine(RuleBasedStateMachine):
    @initialize(tif=st.sampled_from([TimeInForce.IOC, TimeInForce.GTC]))
    def begin(self, tif: TimeInForce) -> None:
        self.start(tif)

    def start(self, tif: TimeInForce) -> None:
        self.now = NOON
        self.plan = replace(PLAN, time_in_force=tif)
        self.orders: dict[str, Order] = {}
        self.truths: dict[str, Truth] = {}
        self.reports: list[OrderReport] = []
        self.booked: set[str] = set()
        order = self.write_ahead(1, 0)
        self.intent = new_intent(self.plan, order, candidate=0, now=self.now)

    def write_ahead(self, attempt: int, candidate: int) -> Order:
        order = new_order(
            self.plan, some_capabilities(), attempt=attempt, candidate=candidate, now=self.now
        )
        assert order.client_order_id not in self.orders
        self.orders[order.client_order_id] = order
        self.truths[order.client_order_id] = Truth()
        return order

    @property
    def order(self) -> Order:
        return self.orders[self.intent.client_order_id]

    @property
    def truth(self) -> Truth:
        return self.truths[self.intent.client_order_id]

    # --------------------------------------------------------------------------- at the venue

    @precondition(lambda self: self.truth.status is None and self.truth.can_come)
    @rule(fate=st.sampled_from([*["taken"] * 6, "refused", "lost", *PROVEN_DEAD]))
    def its_way_ends(self, fate: str) -> None:
        """At the venue, or before it: and then we have the proof."""
        if fate == "taken":
            self.truth.status = OrderStatus.ACCEPTED
        elif fate == "refused":
            self.truth.status = OrderStatus.REJECTED
        else:
            self.truth.can_come = False
            if fate != "lost" and self.order.status is OrderStatus.SUBMITTED:
                self.record(self.order.client_order_id, PROVEN_DEAD[fate])

    @precondition(lambda self: self.truth.is_open)
    @rule(tenths=st.integers(1, 10), ends=st.booleans())
    def venue_fills(self, tenths: int, ends: bool) -> None:
        self.fill(tenths)
        if self.truth.filled == self.order.quantity:
            self.truth.status = OrderStatus.FILLED
        else:
            self.truth.status = OrderStatus.CANCELED if ends else OrderStatus.PARTIALLY_FILLED

    def fill(self, tenths: int) -> None:
        left = self.order.quantity - self.truth.filled
        name = f"{self.order.client_order_id}-{len(self.truth.fills)}"
        self.truth.fills.append(fill_of(self.order, left * tenths / 10, trade_id=name))

    @precondition(lambda self: self.truth.is_open)
    @rule()
    def venue_cancels(self) -> None:
        self.truth.status = OrderStatus.CANCELED

    @precondition(lambda self: self.truth.status is OrderStatus.CANCELED)
    @rule(tenths=st.integers(1, 10))
    def fills_after_its_cancel(self, tenths: int) -> None:
        """The race of a cancel and a fill: the cancel was told first.

        An IOC that a venue calls canceled with nothing filled is dead for good: another attempt
        may follow it.
        """
        if self.truth.fills or self.plan.time_in_force is TimeInForce.GTC:
            self.fill(tenths)
            if self.truth.filled == self.order.quantity:
                self.truth.status = OrderStatus.FILLED

    @precondition(lambda self: self.truth.status not in {None, OrderStatus.REJECTED})
    @rule(hidden=st.sampled_from([0, 0, 0, 1, 2]), vague=st.booleans(), at_once=st.booleans())
    def venue_reports(self, hidden: int, vague: bool, at_once: bool) -> None:
        """To us, or into the mail. Of the newest fills it gives the count alone; and some venues
        call a part that has filled no more than accepted.
        """
        fills: Sequence[Fill] = self.truth.fills
        status = OrderStatus.ACCEPTED if vague and self.truth.is_open else self.truth.status
        report = report_of(self.order, *fills, status=status)
        told = fills[: max(len(fills) - hidden, 0)]
        self.reports.append(replace(report, fills=tuple(told)))
        if at_once:
            self.record(report.client_order_id, from_report(self.reports[-1]))

    # ------------------------------------------------------------------------- what we are told

    def record(self, order_id: str, outcome: Outcome) -> None:
        """As `Recorder.record` does it, without a store."""
        before, was = self.orders[order_id], self.intent
        fills = tuple(fill for fill in outcome.fills if fill.trade_id not in self.booked)
        after = order_after(before, outcome, fills, now=self.now)
        moves = after.status in ORDER_MOVES[before.status] and after.status is not before.status
        if not fills and not moves:
            return
        self.check_move(before, after, outcome, fills)
        self.booked |= {fill.trade_id for fill in fills}
        self.orders[order_id] = after
        quantity = sum((fill.last_qty for fill in fills), ZERO)
        if order_id != was.client_order_id:
            self.intent = replace(was, filled_qty=was.filled_qty + quantity)
            return
        self.intent, retry = intent_after(
            was, after, outcome, new_quantity=quantity, max_attempts=ATTEMPTS_MAX, now=self.now
        )
        assert (retry is not None) is (self.intent.status is IntentStatus.RETRYING)
        if retry is not None:
            assert after.status.is_terminal
            assert self.intent.filled_qty == 0
            assert retry.attempt == was.attempt + 1
            assert retry.attempt <= ATTEMPTS_MAX
            assert self.now < self.plan.expires_at
            assert was.status is not IntentStatus.UNRESOLVED
        if was.status.is_terminal:
            assert fills, "an ended intent moves for a late fill alone"

    def check_move(
        self, before: Order, after: Order, outcome: Outcome, fills: tuple[Fill, ...]
    ) -> None:
        """Along the graph. A late fill may add to what has ended, and never opens it again."""
        assert after.filled_qty >= before.filled_qty
        if before.status.is_terminal:
            assert fills
            assert after.status.is_terminal
        elif after.status.is_terminal:
            assert after.filled_qty >= outcome.filled_qty, "it ended, and not all was told"
        elif after.filled_qty:
            assert after.status is not OrderStatus.ACCEPTED
        stays = after.status is before.status
        assert stays or after.status in ORDER_MOVES[before.status]

    @precondition(lambda self: self.reports)
    @rule(data=st.data(), again=st.booleans())
    def report_comes(self, data: st.DataObject, again: bool) -> None:
        """Any that was sent, however long ago, and perhaps once more later."""
        number = data.draw(st.integers(0, len(self.reports) - 1))
        report = self.reports[number] if again else self.reports.pop(number)
        self.record(report.client_order_id, from_report(report))

    @precondition(lambda self: self.order.status in ANSWERABLE)
    @rule()
    def answer_is_lost(self) -> None:
        self.record(self.order.client_order_id, unknown("timeout"))

    @precondition(lambda self: self.truth.status is OrderStatus.REJECTED)
    @rule()
    def refusal_comes(self) -> None:
        self.record(self.order.client_order_id, rejected("INSUFFICIENT_MARGIN", "no"))

    @precondition(lambda self: not self.truth.can_come and not self.order.status.is_terminal)
    @rule()
    def its_time_is_over(self) -> None:
        self.record(self.order.client_order_id, absent("not there"))

    @precondition(lambda self: self.order.status is OrderStatus.EXPIRED)
    @rule(tenths=st.integers(1, 10))
    def it_came_after_all(self, tenths: int) -> None:
        """The venue read later than it ever should: its word still wins."""
        if self.intent.status is IntentStatus.EXPIRED and self.truth.status is None:
            self.fill(tenths)
            full = self.truth.filled == self.order.quantity
            self.truth.status = OrderStatus.FILLED if full else OrderStatus.CANCELED

    @precondition(lambda self: self.intent.status is IntentStatus.RETRYING)
    @rule()
    def next_attempt(self) -> None:
        assert not self.truth.fills
        order = self.write_ahead(self.intent.attempt + 1, self.intent.candidate)
        self.intent = next_intent(self.intent, order, now=self.now)

    @precondition(lambda self: not self.intent.status.is_terminal and self.now < LATE)
    @rule(minutes=st.sampled_from([1, 1, 6]), gives_up=st.booleans())
    def time_passes(self, minutes: int, gives_up: bool) -> None:
        """Until the plan is over; or until nobody is asked any more, and a person is called."""
        self.now += timedelta(minutes=minutes)
        if gives_up and self.intent.status in UNPROVEN:
            self.intent = replace(self.intent, status=IntentStatus.UNRESOLVED)

    @property
    def is_told(self) -> bool:
        settled = self.order.status is self.truth.status or self.truth.status is None
        told = self.order.filled_qty == self.truth.filled
        return self.intent.status.is_terminal and settled and told

    @precondition(lambda self: self.is_told and len(self.reports) < 2)
    @rule(tif=st.sampled_from([TimeInForce.IOC, TimeInForce.GTC]))
    def another_effect(self, tif: TimeInForce) -> None:
        self.start(tif)

    # --------------------------------------------------------------------------- at any moment

    @invariant()
    def filled_means_all(self) -> None:
        for order in self.orders.values():
            assert (order.status is OrderStatus.FILLED) is (order.filled_qty == order.quantity)
            assert 0 <= order.filled_qty <= self.truths[order.client_order_id].filled
        assert self.intent.filled_qty == sum(
            (order.filled_qty for order in self.orders.values()), ZERO
        )
        assert self.intent.filled_qty <= WHOLE

    @invariant()
    def intent_and_order_agree(self) -> None:
        status, order = self.intent.status, self.order
        assert order.status in OF_ORDER.get(status, set(OrderStatus))
        if status is IntentStatus.PARTIAL:
            assert ZERO < self.intent.filled_qty < WHOLE
        if status in {IntentStatus.REJECTED, IntentStatus.CANCELED, IntentStatus.DENIED}:
            assert self.intent.filled_qty == 0
        if status.is_terminal or status is IntentStatus.RETRYING:
            assert order.status.is_terminal
        ended = order.status.is_terminal
        assert not ended or status.is_terminal or status is IntentStatus.RETRYING

    @invariant()
    def one_attempt_lives(self) -> None:
        names = [name for name, truth in self.truths.items() if truth.is_open or truth.fills]
        assert set(names) <= {self.intent.client_order_id}

    def teardown(self) -> None:
        """Whatever was missed: the venue's whole word ends the order as it ended there."""
        if not hasattr(self, "intent") or self.truth.status in {None, OrderStatus.REJECTED}:
            return
        if self.truth.is_open:
            self.truth.status = OrderStatus.CANCELED
        report = report_of(self.order, *self.truth.fills, status=self.truth.status)
        self.record(self.order.client_order_id, from_report(report))
        assert self.order.status is self.truth.status
        assert self.order.filled_qty == self.truth.filled
        assert self.intent.status.is_terminal or self.intent.status is IntentStatus.RETRYING


OrderMachine.TestCase.settings = hypothesis_settings(
    max_examples=200, stateful_step_count=40, deadline=None
)
TestOrderMachine = OrderMachine.TestCase
