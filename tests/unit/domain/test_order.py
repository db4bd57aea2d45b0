"""Orders and intents under any evidence: legal moves, no fill lost, no second effect."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from common.documents import Stored
from common.domain.exposure import Exposure
from common.domain.instrument import TimeInForce, Venue
from common.domain.order import (
    ORDER_MOVES,
    Fill,
    IntentStatus,
    Order,
    OrderIntent,
    OrderSide,
    OrderStatus,
    VenueCandidate,
)
from common.execution.attempts import (
    intent_after,
    new_order,
    next_intent,
    order_after,
    retry_after,
)
from common.execution.case import Case
from common.execution.consequences import is_news
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
from common.ports import Ref
from tests.builders import NOON, a_plan, a_report, an_intent, an_order
from tests.fakes.venue import fill_of, report_of, some_capabilities


def _case(intent: OrderIntent, order: Order) -> Case:
    """As it is read before a commit; of an order that went whole."""
    exposure = Exposure.empty(order.account_id)
    return Case(
        intent=Stored(Ref("order_intents", intent.plan.intent_id), intent, "1"),
        order=Stored(Ref("orders", order.client_order_id), order, "1"),
        exposure=Stored(Ref("exposures", order.account_id), exposure, "1"),
        delivery=None,
        parent=None,
        account=None,
    )


TERMINAL = {
    OrderStatus.FILLED,
    OrderStatus.CANCELED,
    OrderStatus.REJECTED,
    OrderStatus.EXPIRED,
    OrderStatus.DENIED,
}
PLAN = a_plan(
    candidates=tuple(
        VenueCandidate(
            venue=venue, instrument_id=f"ETH.{venue}", quantity=Decimal(1), price=Decimal(3015)
        )
        for venue in (Venue.HYPERLIQUID, Venue.OSTIUM)
    )
)


def test_side_when_asked_then_its_sign() -> None:
    assert (OrderSide.BUY.sign, OrderSide.SELL.sign) == (1, -1)


def test_order_moves_when_listed_then_every_state_has_its_row_and_finals_stay_final() -> None:
    assert set(ORDER_MOVES) == set(OrderStatus)
    assert {status for status in OrderStatus if status.is_terminal} == TERMINAL
    for final in (OrderStatus.FILLED, OrderStatus.REJECTED, OrderStatus.DENIED):
        assert ORDER_MOVES[final] == frozenset()
    assert all(OrderStatus.SUBMITTED not in moves for moves in ORDER_MOVES.values())
    assert all(
        OrderStatus.DENIED not in moves
        for status, moves in ORDER_MOVES.items()
        if status is not OrderStatus.SUBMITTED
    )


def test_intent_status_when_unresolved_then_it_is_open_for_late_news() -> None:
    still_open = {status.value for status in IntentStatus if not status.is_terminal}
    assert still_open == {"SENDING", "UNKNOWN", "WORKING", "RETRYING", "UNRESOLVED"}


@pytest.mark.parametrize(
    ("told", "filled", "status"),
    [
        (OrderStatus.CANCELED, "0", OrderStatus.CANCELED),
        (OrderStatus.CANCELED, "1", OrderStatus.UNKNOWN),
        (OrderStatus.REJECTED, "1", OrderStatus.UNKNOWN),
        (OrderStatus.FILLED, "1", OrderStatus.UNKNOWN),
        (OrderStatus.ACCEPTED, "0", OrderStatus.ACCEPTED),
        (OrderStatus.PARTIALLY_FILLED, "0.5", OrderStatus.PARTIALLY_FILLED),
    ],
)
def test_order_after_when_the_venue_says_more_filled_than_it_tells_then_it_is_not_dead(
    told: OrderStatus, filled: str, status: OrderStatus
) -> None:
    order = an_order(quantity=Decimal(1))
    report = replace(report_of(order, status=told), filled_qty=Decimal(filled))

    after = order_after(order, from_report(report), (), now=NOON)

    assert after.status is status


def test_order_after_when_some_of_a_canceled_order_is_not_told_then_partially_filled() -> None:
    order = an_order(quantity=Decimal(1))
    fill = fill_of(order, Decimal("0.3"))
    report = replace(report_of(order, fill, status=OrderStatus.CANCELED), filled_qty=Decimal("0.5"))

    after = order_after(order, from_report(report), (fill,), now=NOON)

    assert after.status is OrderStatus.PARTIALLY_FILLED


def test_order_after_when_filled_in_parts_then_the_average_is_weighted() -> None:
    order = an_order(quantity=Decimal(3))
    fills = (
        replace(fill_of(order, Decimal(1), trade_id="a"), last_px=Decimal(10)),
        replace(fill_of(order, Decimal(2), trade_id="b"), last_px=Decimal(13)),
    )
    once = order_after(order, unknown("lost"), fills[:1], now=NOON)
    after = order_after(once, from_report(report_of(order, *fills)), fills[1:], now=NOON)

    assert (once.status, after.status) == (OrderStatus.UNKNOWN, OrderStatus.FILLED)
    assert (after.filled_qty, after.avg_px, after.venue_order_id) == (Decimal(3), Decimal(12), "77")


def test_order_after_when_accepted_with_a_fill_then_partially_filled() -> None:
    order = an_order(quantity=Decimal(1))
    fill = fill_of(order, Decimal("0.4"))
    outcome = from_report(report_of(order, fill, status=OrderStatus.ACCEPTED))

    assert order_after(order, outcome, (fill,), now=NOON).status is OrderStatus.PARTIALLY_FILLED


def test_from_report_when_canceled_unfilled_then_the_code_says_so() -> None:
    order = an_order()
    assert from_report(report_of(order)).code == "NOT_FILLED_WITHIN_BOUND"
    assert from_report(report_of(order, fill_of(order, Decimal("0.1")))).code == "CANCELED"
    assert from_report(a_report()).code == "FILLED"


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (from_report(report_of(an_order())), "CANCELED"),
        (Outcome(status=OrderStatus.CANCELED, code="BY_HAND", reason="seen"), "BY_HAND"),
    ],
    ids=["by the venue", "by hand"],
)
def test_intent_after_when_what_rested_was_canceled_unfilled_then_it_missed_no_bound(
    outcome: Outcome, code: str
) -> None:
    order = order_after(an_order(time_in_force=TimeInForce.GTC), outcome, (), now=NOON)
    intent, retry = intent_after(
        an_intent(PLAN), order, outcome, new_quantity=Decimal(0), max_attempts=3, now=NOON
    )
    assert (intent.status, intent.reason_code, retry) == (IntentStatus.CANCELED, code, None)


BREAKER = denied(Refusal(Denial.BREAKER_OPEN, "paused"))
HALTED = denied(Refusal(Denial.TRADING_HALTED, "halted"))


@pytest.mark.parametrize(
    ("outcome", "expected", "candidate"),
    [
        (rejected("MARGIN", "no"), IntentStatus.RETRYING, 1),
        (never_sent("refused connection"), IntentStatus.RETRYING, 1),
        (BREAKER, IntentStatus.RETRYING, 1),
        (from_report(report_of(an_order())), IntentStatus.RETRYING, 1),
        (absent("not there"), IntentStatus.RETRYING, 0),
        (HALTED, IntentStatus.DENIED, 0),
        (unknown("timeout"), IntentStatus.UNKNOWN, 0),
    ],
)
def test_intent_after_when_an_attempt_ends_then_what_may_follow(
    outcome: Outcome, expected: IntentStatus, candidate: int
) -> None:
    order = order_after(an_order(), outcome, (), now=NOON)

    intent, retry = intent_after(
        an_intent(PLAN), order, outcome, new_quantity=Decimal(0), max_attempts=3, now=NOON
    )

    assert (intent.status, intent.candidate) == (expected, candidate)
    assert (retry is not None) is (expected is IntentStatus.RETRYING)
    assert (intent.reason_code, intent.reason) == (outcome.code, outcome.reason)


@pytest.mark.parametrize(
    "changes",
    [
        {"attempt": 3},
        {"candidate": 1},
        {"filled_qty": Decimal("0.1")},
        {"status": IntentStatus.UNRESOLVED},
        {"plan": replace(PLAN, expires_at=NOON)},
    ],
)
def test_intent_after_when_there_is_no_further_chance_then_it_ends(
    changes: dict[str, object],
) -> None:
    outcome = rejected("MARGIN", "no")
    order = order_after(an_order(), outcome, (), now=NOON)
    before = replace(an_intent(PLAN), **changes)  # type: ignore[arg-type]  # each a field of it

    intent, retry = intent_after(
        before, order, outcome, new_quantity=Decimal(0), max_attempts=3, now=NOON
    )

    assert retry is None
    assert retry_after(before, outcome, max_attempts=3, now=NOON) is None
    partly = before.filled_qty > 0
    assert intent.status is (IntentStatus.PARTIAL if partly else IntentStatus.REJECTED)


def test_new_order_when_made_twice_then_the_same_and_the_payload_tells_a_change() -> None:
    capabilities = some_capabilities()
    one, two = (new_order(PLAN, capabilities, attempt=1, candidate=0, now=NOON) for _ in range(2))
    altered = replace(
        PLAN, candidates=(replace(PLAN.candidates[0], quantity=Decimal("1.1")), PLAN.candidates[1])
    )
    other = new_order(altered, capabilities, attempt=1, candidate=0, now=NOON)

    assert one == two
    assert one.expires_at == NOON + timedelta(seconds=15)
    assert len(one.client_order_id) == 34
    assert other.client_order_id == one.client_order_id
    assert other.payload_hash != one.payload_hash


class OrderMachine(RuleBasedStateMachine):
    """One intent, two venues; the venue's ledger is the truth, its news come late and repeated."""

    @initialize()
    def start(self) -> None:
        self.now = NOON
        self.intent = an_intent(PLAN)
        self.orders: dict[str, Order] = {}
        self.truth: dict[str, list[Fill]] = {}
        self.recorded: list[str] = []
        self.attempt(1)

    def attempt(self, number: int) -> None:
        order = new_order(
            PLAN,
            some_capabilities(),
            attempt=number,
            candidate=self.intent.candidate,
            now=self.now,
        )
        assert order.client_order_id not in self.orders
        self.intent = (
            replace(self.intent, client_order_id=order.client_order_id)
            if number == 1
            else next_intent(self.intent, order, now=self.now)
        )
        self.orders[order.client_order_id] = order
        self.truth[order.client_order_id] = []

    def record(self, outcome: Outcome) -> None:
        """What `Recorder.record` does, without a store."""
        before = self.orders[self.intent.client_order_id]
        fills = tuple(fill for fill in outcome.fills if fill.trade_id not in self.recorded)
        after = order_after(before, outcome, fills, now=self.now)
        if not fills and not is_news(_case(self.intent, before), after):
            return
        if after.status is not before.status:
            legal = after.status in ORDER_MOVES[before.status]
            assert legal or fills, f"{before.status} -> {after.status}"
        self.recorded += [fill.trade_id for fill in fills]
        quantity = sum((fill.last_qty for fill in fills), Decimal(0))
        was = self.intent
        self.intent, retry = intent_after(
            was, after, outcome, new_quantity=quantity, max_attempts=3, now=self.now
        )
        if was.status is IntentStatus.FILLED:
            assert self.intent.status is IntentStatus.FILLED
        if retry is not None:
            assert self.intent.filled_qty == 0
            assert after.status.is_terminal
            assert retry.attempt == was.attempt + 1
        self.orders[after.client_order_id] = after

    @property
    def order(self) -> Order:
        return self.orders[self.intent.client_order_id]

    def is_open(self) -> bool:
        return not self.order.status.is_terminal

    @precondition(is_open)
    @rule(share=st.integers(1, 10))
    def venue_fills(self, share: int) -> None:
        """At the venue only; nobody here knows it yet."""
        known = self.truth[self.order.client_order_id]
        left = self.order.quantity - sum((fill.last_qty for fill in known), Decimal(0))
        if left > 0:
            trade = f"{self.order.client_order_id}-{len(known)}"
            known.append(fill_of(self.order, left * share / 10, trade_id=trade))

    @rule(
        status=st.sampled_from(
            [OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED, OrderStatus.CANCELED]
        ),
        tells=st.booleans(),
    )
    def venue_reports(self, status: OrderStatus, tells: bool) -> None:
        """The status with all fills, or with the count of them alone (a lagging fills endpoint)."""
        fills: Sequence[Fill] = self.truth[self.order.client_order_id]
        report = report_of(self.order, *fills, status=status)
        if report.filled_qty >= self.order.quantity:
            report = replace(report, status=OrderStatus.FILLED)
        self.record(from_report(report if tells else replace(report, fills=())))

    @rule()
    def answer_lost(self) -> None:
        self.record(unknown("timeout"))

    @precondition(lambda self: not self.truth[self.order.client_order_id])
    @rule(outcome=st.sampled_from([rejected("MARGIN", "no"), never_sent("down"), absent("gone")]))
    def proven_dead(self, outcome: Outcome) -> None:
        self.record(outcome)

    @precondition(lambda self: self.order.status is OrderStatus.SUBMITTED)
    @rule(outcome=st.sampled_from([HALTED, BREAKER]))
    def gate_refuses(self, outcome: Outcome) -> None:
        if not self.truth[self.order.client_order_id]:
            self.record(outcome)

    @precondition(lambda self: self.intent.status is IntentStatus.RETRYING)
    @rule()
    def next_attempt(self) -> None:
        self.attempt(self.intent.attempt + 1)

    @invariant()
    def no_second_effect(self) -> None:
        """I01: at most one attempt lives or has filled, and never more than was wanted."""
        live = [
            name
            for name, order in self.orders.items()
            if not order.status.is_terminal or self.truth[name]
        ]
        assert len(live) <= 1
        assert self.intent.filled_qty <= Decimal(1)

    @invariant()
    def fills_agree(self) -> None:
        told = sum((order.filled_qty for order in self.orders.values()), Decimal(0))
        assert told == self.intent.filled_qty
        assert len(self.recorded) == len(set(self.recorded))

    def teardown(self) -> None:
        """However it went: what filled at the venue can still be recorded, to the last fill."""
        if not hasattr(self, "intent"):
            return
        fills = self.truth[self.order.client_order_id]
        status = self.order.status
        if fills:
            assert status not in {
                OrderStatus.REJECTED,
                OrderStatus.EXPIRED,
                OrderStatus.DENIED,
            }, "given up although it filled"
            self.record(from_report(report_of(self.order, *fills)))
            assert set(self.recorded) == {fill.trade_id for fill in fills}


OrderMachine.TestCase.settings = hypothesis_settings(
    max_examples=120, stateful_step_count=30, deadline=None
)
TestOrderMachine = OrderMachine.TestCase
