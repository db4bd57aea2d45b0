"""Exits that we watch: on the mark, by the clock, again until nothing is left."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.domain.exit_rules import ExitRules
from common.domain.exits import ExitState
from common.domain.identifiers import intent_id
from common.domain.instrument import OrderType, TimeInForce, Venue
from common.domain.order import IntentStatus, OrderPurpose, OrderSide
from common.domain.signal import PositionSide
from common.how.exit_draft import closing_quantity, worst_price
from common.how.exits import ExitDecision, ExitOrder, can_rest
from common.wire import from_document, to_document
from tests.builders import AGENT_ID, DEPLOYMENT_ID, NOON, an_instrument
from tests.fakes.venue import some_capabilities
from tests.unit.how.exit_desk import TICKED, ExitDesk, a_desk, held, some_rules

STOP, PROFIT, TRAIL = OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT, OrderPurpose.TRAILING_STOP
FIVE = some_rules(stop_loss="0.05")
STALE = None


def watched(quantity: str = "1", **changes: Any) -> ExitDesk:
    return a_desk(quantity, can_rest=False, **changes)


def the_exit(decision: ExitDecision) -> ExitOrder:
    (order,) = decision.place
    assert order.order_type is OrderType.MARKET
    return order


def test_can_rest_when_both_triggers_and_gtc_are_there_then_true() -> None:
    all_of_it = replace(
        some_capabilities(),
        order_types=frozenset(OrderType),
        time_in_force=frozenset(TimeInForce),
    )
    assert can_rest(all_of_it)
    for kind in (OrderType.STOP_MARKET, OrderType.MARKET_IF_TOUCHED):
        assert not can_rest(replace(all_of_it, order_types=frozenset(OrderType) - {kind}))
    assert not can_rest(replace(all_of_it, time_in_force=frozenset({TimeInForce.IOC})))


@pytest.mark.parametrize("rules", [None, ExitRules()])
def test_decide_exit_when_there_never_were_rules_then_nothing_is_kept(
    rules: ExitRules | None,
) -> None:
    assert watched().decide("1", rules) == ExitDecision(exit=None)


def test_decide_exit_when_flat_from_the_start_then_nothing_is_kept() -> None:
    assert watched("0").decide("100", FIVE) == ExitDecision(exit=None)


@pytest.mark.parametrize(
    ("quantity", "rules", "mark", "purpose"),
    [
        ("1", {"stop_loss": "0.05"}, "95", STOP),
        ("1", {"stop_loss": "0.05"}, "95.01", None),
        ("-1", {"stop_loss": "0.05"}, "105", STOP),
        ("-1", {"stop_loss": "0.05"}, "104.99", None),
        ("1", {"take_profit": "0.1"}, "110", PROFIT),
        ("1", {"take_profit": "0.1"}, "109.99", None),
        ("-1", {"take_profit": "0.1"}, "90", PROFIT),
        ("-1", {"take_profit": "0.1"}, "90.01", None),
        ("1", {"trailing_stop": "0.02"}, "98", TRAIL),
        ("-1", {"trailing_stop": "0.02"}, "102", TRAIL),
        ("1", {"stop_loss": "0.02", "trailing_stop": "0.03"}, "97.5", STOP),
        ("1", {"stop_loss": "0.03", "trailing_stop": "0.02"}, "97.5", TRAIL),
        ("1", {"stop_loss": "1", "take_profit": "3"}, "0.01", None),
        ("-1", {"take_profit": "1"}, "0.01", None),
    ],
)
def test_decide_exit_when_a_level_is_reached_then_all_is_closed_at_market(
    quantity: str, rules: dict[str, Any], mark: str, purpose: OrderPurpose | None
) -> None:
    desk = watched(quantity)
    decision = desk.call(mark, some_rules(**rules))

    assert decision.begun is purpose
    if purpose is None:
        assert decision.place == ()
        return
    order, sells = the_exit(decision), quantity == "1"
    assert (order.purpose, order.reduce_only) == (purpose, True)
    assert order.side is (OrderSide.SELL if sells else OrderSide.BUY)
    assert (order.quantity, order.trigger_price) == (Decimal(1), None)
    assert order.time_in_force is TimeInForce.IOC
    bound = Decimal(mark) * Decimal("0.995" if sells else "1.005")
    assert abs(order.price - bound) < Decimal("0.01")
    assert order.price >= bound if sells else order.price <= bound
    assert desk.known is not None
    assert (desk.known.state, desk.known.exit_intent_id) == (ExitState.EXITING, order.intent_id)


def test_decide_exit_when_the_best_mark_is_kept_then_the_trail_follows_it_between_calls() -> None:
    desk = watched()
    desk.call("100", some_rules(trailing_stop="0.02"))
    for mark in ("120", "118", "119"):
        assert desk.call(mark).place == ()
    assert desk.known is not None
    assert desk.known.best_price == 120

    assert desk.call("117.6").begun is TRAIL


def test_decide_exit_when_short_then_the_best_mark_is_the_lowest() -> None:
    desk = watched("-1")
    desk.call("90", some_rules(trailing_stop="0.1"))
    assert desk.call("98.99").place == ()
    assert desk.call("99").begun is TRAIL


def test_decide_exit_when_the_time_is_over_then_it_closes() -> None:
    desk = watched()
    assert desk.call("100", some_rules(time_limit_s=3600), after=3599.9).place == ()
    assert desk.call("100", after=0.1).begun is OrderPurpose.TIME_LIMIT


def test_decide_exit_when_loss_and_time_are_due_at_once_then_the_loss_is_the_reason() -> None:
    desk = watched()
    rules = some_rules(stop_loss="0.05", take_profit="0.1", time_limit_s=1)
    assert desk.call("90", rules, after=10).begun is STOP


def test_decide_exit_when_repeated_or_thrown_away_then_the_same_again() -> None:
    desk = watched()
    desk.call("100", FIVE)

    assert desk.decide("94") == desk.decide("94")
    order = the_exit(desk.call("94"))

    assert order.intent_id == intent_id(AGENT_ID, DEPLOYMENT_ID, "exit:pos_1", 0, 1)


def test_decide_exit_when_nothing_changed_then_the_known_one_is_given_back() -> None:
    desk = watched()
    before = desk.call("100", FIVE).exit

    assert desk.call("99", after=60).exit is before
    moved = desk.call("101", after=60).exit
    assert moved is not None
    assert moved.updated_at == NOON + timedelta(seconds=120)


def test_decide_exit_when_stored_then_it_reads_back() -> None:
    desk = a_desk()
    desk.call("100", some_rules(stop_loss="0.05", take_profit="0.1"))
    known = desk.known

    assert known is not None
    assert from_document(type(known), to_document(known)) == known


@pytest.mark.parametrize(
    "status",
    [None, IntentStatus.SENDING, IntentStatus.UNKNOWN, IntentStatus.RETRYING, IntentStatus.WORKING],
)
def test_decide_exit_when_one_is_under_way_then_no_second_one(status: IntentStatus | None) -> None:
    desk = watched()
    order = the_exit(desk.call("94", FIVE))
    if status is not None:
        desk.becomes(order, status)

    again = desk.call("90", after=30)

    assert (again.place, again.cancel, again.alerts) == ((), (), ())


def test_decide_exit_when_it_works_for_too_long_then_it_is_canceled_and_begun_again() -> None:
    desk = watched()
    order = the_exit(desk.call("94", FIVE))
    desk.works(order)

    assert desk.canceled(desk.call("94", after=60)) == {order.intent_id}
    desk.becomes(order, IntentStatus.REJECTED, code="NOT_FILLED_WITHIN_BOUND")
    again = the_exit(desk.call("94", after=1))

    assert (again.purpose, again.price) == (STOP, Decimal("93.06"))


def test_decide_exit_when_it_ended_with_something_left_then_again_with_a_wider_bound() -> None:
    desk = watched()
    order = the_exit(desk.call("90", FIVE))
    bounds = []
    for number in range(5):
        desk.becomes(order, IntentStatus.PARTIAL, "0.1", "PARTIALLY_FILLED")
        decision = desk.call("90", after=60)
        order = the_exit(decision)
        bounds.append(order.price)
        assert order.quantity == 1 - Decimal("0.1") * (number + 1)
        (alert,) = decision.alerts
        assert "still open" in alert.text

    assert [1 - bound / 90 for bound in bounds] == [
        Decimal(text) for text in ("0.01", "0.02", "0.04", "0.05", "0.05")
    ]
    assert len(set(desk.placed)) == 6


def test_decide_exit_when_the_price_recovers_after_it_began_then_it_goes_on() -> None:
    desk = watched()
    order = the_exit(desk.call("94", FIVE))
    desk.becomes(order, IntentStatus.EXPIRED, code="NOT_ACCEPTED_BEFORE_EXPIRY")

    assert desk.call("120", after=60).begun is STOP


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (IntentStatus.DENIED, "BREAKER_OPEN"),
        (IntentStatus.DENIED, "LIMITS_MISSING"),
        (IntentStatus.REJECTED, "NOT_SENT"),
        (IntentStatus.REJECTED, "REDUCE_ONLY"),
    ],
)
def test_decide_exit_when_it_was_never_tried_at_the_market_then_again_within_the_same_bound(
    status: IntentStatus, code: str
) -> None:
    desk = watched()
    first = the_exit(desk.call("94", FIVE))
    desk.becomes(first, status, code=code)

    decision = desk.call("94", after=60)

    assert the_exit(decision).price == first.price
    assert [code in alert.text for alert in decision.alerts] == [True]


def test_decide_exit_when_unresolved_then_told_once_and_not_repeated() -> None:
    desk = watched()
    order = the_exit(desk.call("94", FIVE))
    desk.becomes(order, IntentStatus.UNRESOLVED)

    first, second = desk.call("80", after=60), desk.call("70", after=60)

    assert (first.place, second.place) == ((), ())
    assert [order.intent_id in alert.text for alert in first.alerts] == [True]
    assert second.alerts == ()


def test_decide_exit_when_unresolved_and_settled_by_hand_then_it_goes_on() -> None:
    desk = watched()
    order = the_exit(desk.call("94", FIVE))
    desk.becomes(order, IntentStatus.UNRESOLVED)
    desk.call("94", after=60)
    desk.becomes(order, IntentStatus.REJECTED, code="BY_HAND")

    assert desk.call("94", after=60).begun is STOP


def test_decide_exit_when_it_filled_then_closed_and_the_next_position_has_other_ids() -> None:
    desk = watched()
    first = the_exit(desk.call("94", FIVE))
    desk.becomes(first, IntentStatus.FILLED, "1")

    closed = desk.call("94", after=1).exit

    assert closed is not None
    assert (closed.state, closed.side, closed.quantity) == (
        ExitState.CLOSED,
        PositionSide.FLAT,
        Decimal(0),
    )
    assert desk.call("94", after=60).exit is closed
    desk.turn("2", "50")
    assert desk.call("50", after=60).exit is not None
    assert the_exit(desk.call("47", FIVE)).intent_id != first.intent_id


def test_decide_exit_when_flat_was_seen_then_the_old_rules_are_over() -> None:
    desk = watched()
    desk.call("100", FIVE)
    desk.turn("0")
    desk.call("100")
    desk.turn("1", "200")

    decision = desk.call("1", after=1)

    assert decision.place == ()
    assert decision.exit is not None
    assert decision.exit.state is ExitState.CLOSED
    assert desk.call("1", after=1).exit is decision.exit


def test_decide_exit_when_the_closed_part_was_filled_and_more_was_added_then_judged_anew() -> None:
    desk = watched()
    order = the_exit(desk.call("94", FIVE))
    desk.turn("3", "92")
    desk.becomes(order, IntentStatus.FILLED, "1")

    decision = desk.call("92", after=1)

    assert decision.place == ()
    assert decision.exit is not None
    assert (decision.exit.state, decision.exit.escalation) == (ExitState.ARMED, 0)
    assert decision.exit.entry_price == 92


def test_decide_exit_when_rules_come_with_a_later_entry_then_they_replace_the_old_ones() -> None:
    desk = watched()
    desk.call("100", FIVE)
    desk.turn("2", "100")
    desk.call("100", some_rules(stop_loss="0.2"))

    assert desk.call("90").place == ()
    assert desk.call("80").begun is STOP


def test_decide_exit_when_rules_are_taken_away_then_nothing_is_watched_any_more() -> None:
    desk = watched()
    desk.call("100", FIVE)

    decision = desk.call("50", ExitRules())

    assert decision.place == ()
    assert decision.exit is not None
    assert decision.exit.state is ExitState.CLOSED


def test_decide_exit_when_the_position_reverses_then_the_other_side_is_watched() -> None:
    desk = watched()
    desk.call("130", FIVE)
    desk.turn("-2", "100")

    assert desk.call("95", after=1).place == ()
    assert desk.known is not None
    assert (desk.known.side, desk.known.best_price) == (PositionSide.SHORT, Decimal(95))
    order = the_exit(desk.call("105"))

    assert (order.side, order.quantity) == (OrderSide.BUY, Decimal(2))


def test_decide_exit_when_it_reverses_while_exiting_then_the_old_exit_is_canceled() -> None:
    desk = watched()
    old = the_exit(desk.call("94", FIVE))
    desk.becomes(old, IntentStatus.UNKNOWN)
    desk.turn("-1", "100")

    decision = desk.call("110", after=1)

    assert desk.canceled(decision) == {old.intent_id}
    assert the_exit(decision).side is OrderSide.BUY
    assert the_exit(decision).price == Decimal("110.55")


def test_decide_exit_when_flat_while_an_exit_is_unknown_then_closed_only_once_it_ended() -> None:
    desk = watched()
    order = the_exit(desk.call("94", FIVE))
    desk.becomes(order, IntentStatus.UNKNOWN)
    desk.turn("0")

    waiting = desk.call("94", after=1)
    assert desk.canceled(waiting) == desk.canceled(desk.call("94", after=60)) == {order.intent_id}
    assert waiting.exit is not None
    assert waiting.exit.state is ExitState.EXITING
    desk.becomes(order, IntentStatus.EXPIRED)
    closed = desk.call("94", after=60).exit

    assert closed is not None
    assert (closed.state, closed.orders) == (ExitState.CLOSED, ())


@pytest.mark.parametrize(
    ("changes", "mark", "words"),
    [
        ({"halted": True}, "94", "halted"),
        ({"instrument": None}, "94", "does not list"),
        ({"instrument": replace(TICKED, is_open=False)}, "94", "closed"),
        ({"instrument": replace(TICKED, refusal="split")}, "94", "must not be traded"),
        ({}, STALE, "no fresh price"),
    ],
)
def test_decide_exit_when_it_cannot_be_sent_then_told_once_and_sent_when_it_can(
    changes: dict[str, object], mark: str | None, words: str
) -> None:
    desk = watched()
    desk.call("100", some_rules(stop_loss="0.05", time_limit_s=60))
    instrument = desk.instrument
    for name, value in changes.items():
        setattr(desk, name, value)

    first, second = desk.call(mark, after=60), desk.call(mark, after=60)

    assert (first.place, second.place) == ((), ())
    assert [words in alert.text for alert in first.alerts] == [True]
    assert second.alerts == ()
    desk.halted, desk.instrument = False, instrument
    decision = desk.call("94", after=60)
    assert decision.begun is STOP
    assert decision.exit is not None
    assert decision.exit.reason == ""


def test_decide_exit_when_due_and_blocked_then_the_cause_names_position_and_reason() -> None:
    desk = watched(halted=True)
    (alert,) = desk.call("94", FIVE).alerts

    assert alert.cause == (
        "exit:pos_1:2026-01-15T12:00:00.000000Z:BLOCKED:STOP_LOSS:trading-is-halted"
    )
    assert alert.text.startswith("ETH at Hyperliquid: its stop loss is due")


def test_decide_exit_when_halted_in_the_middle_of_an_exit_then_it_is_taken_up_again() -> None:
    desk = watched()
    order = the_exit(desk.call("94", FIVE))
    desk.becomes(order, IntentStatus.PARTIAL, "0.4")
    desk.halted = True
    halted = desk.call("94", after=1)
    assert halted.place == ()
    assert halted.exit is not None
    assert (halted.exit.state, halted.exit.escalation) == (ExitState.EXITING, 1)
    assert desk.call("94", after=60).exit is halted.exit

    desk.halted = False
    again = the_exit(desk.call("120", after=60))

    assert (again.quantity, again.price) == (Decimal("0.6"), Decimal("118.80"))


def test_decide_exit_when_the_price_comes_back_before_the_halt_ends_then_nothing_is_due() -> None:
    desk = watched(halted=True)
    desk.call("94", FIVE)
    desk.halted = False

    decision = desk.call("99", after=60)

    assert decision.place == ()
    assert decision.exit is not None
    assert (decision.exit.reason, decision.exit.triggered_at) == ("", None)


@pytest.mark.parametrize("left", ["0.009", "0.0005"])
def test_decide_exit_when_only_dust_is_left_then_told_once_and_let_be(left: str) -> None:
    desk = watched()
    order = the_exit(desk.call("94", FIVE))
    desk.becomes(order, IntentStatus.PARTIAL, str(1 - Decimal(left)))

    decision = desk.call("94", after=1)

    assert decision.place == ()
    assert [left in alert.text for alert in decision.alerts] == [True]
    assert decision.exit is not None
    assert (decision.exit.state, decision.exit.quantity) == (ExitState.CLOSED, Decimal(left))
    for _ in range(3):
        assert desk.call("10", after=60) == ExitDecision(exit=decision.exit)


def test_decide_exit_when_dust_is_left_while_an_exit_is_unproven_then_it_is_waited_for() -> None:
    desk = watched()
    order = the_exit(desk.call("94", FIVE))
    desk.becomes(order, IntentStatus.UNRESOLVED)
    desk.turn("0.004")

    waiting = desk.call("94", after=60)

    assert desk.canceled(waiting) == {order.intent_id}
    assert len(waiting.alerts) == 2
    assert waiting.exit is not None
    assert (waiting.exit.state, waiting.exit.exit_intent_id) == (
        ExitState.EXITING,
        order.intent_id,
    )
    desk.becomes(order, IntentStatus.EXPIRED)
    closed = desk.call("94", after=60).exit
    assert closed is not None
    assert (closed.state, closed.exit_purpose) == (ExitState.CLOSED, None)


def test_decide_exit_when_dust_grows_again_then_it_is_watched_by_the_same_rules() -> None:
    desk = watched("0.009")
    assert desk.call("94", FIVE).exit is not None
    desk.turn("1", "100")

    assert desk.call("100", after=60).place == ()
    assert desk.call("94", after=60).begun is STOP


@pytest.mark.parametrize("code", ["QUANTITY_BELOW_MINIMUM", "NOTIONAL_BELOW_MINIMUM"])
def test_decide_exit_when_the_venue_says_that_it_is_too_small_then_it_is_dust(code: str) -> None:
    desk = watched("0.05")
    order = the_exit(desk.call("94", FIVE))
    desk.becomes(order, IntentStatus.REJECTED, code=code)

    decision = desk.call("94", after=60)

    assert decision.place == ()
    assert decision.exit is not None
    assert decision.exit.state is ExitState.CLOSED
    assert desk.call("94", after=60) == ExitDecision(exit=decision.exit)


def test_decide_exit_when_it_is_more_than_one_order_may_be_then_in_parts_within_one_bound() -> None:
    desk = watched(instrument=replace(TICKED, max_notional=Decimal(40)))
    parts = []
    decision = desk.call("94", FIVE)
    while decision.place:
        order = the_exit(decision)
        assert order.price == Decimal("93.53")
        parts.append(order.quantity)
        desk.becomes(order, IntentStatus.FILLED, str(order.quantity))
        decision = desk.call("94", after=1)

    assert parts == [Decimal("0.425"), Decimal("0.425"), Decimal("0.150")]
    assert decision.exit is not None
    assert decision.exit.state is ExitState.CLOSED


def test_decide_exit_when_a_holding_is_not_whole_lots_then_rounded_down() -> None:
    desk = ExitDesk(held("0.12345"), can_rest=False)
    assert the_exit(desk.call("94", FIVE)).quantity == Decimal("0.123")


def test_closing_quantity_when_the_venue_takes_less_than_its_own_minimum_then_all_is_asked() -> (
    None
):
    odd = replace(TICKED, max_notional=Decimal("0.5"))
    assert closing_quantity(odd, Decimal(1), Decimal(100)) == Decimal(1)


@pytest.mark.parametrize(
    ("reference", "buy", "expected"),
    [
        ("94", False, "93.53"),
        ("94", True, "94.47"),
        ("0.05", False, "0.05"),  # a tick is 20 %: where it trades now, and no looser
        ("0.05", True, "0.05"),
        ("0.055", False, "0.05"),
        ("0.055", True, "0.06"),
        ("0.004", True, "0.01"),
        ("0.004", False, "0.01"),
    ],
)
def test_worst_price_when_on_a_tick_then_within_the_slippage_or_where_the_market_is(
    reference: str, buy: bool, expected: str
) -> None:
    price = worst_price(TICKED, Decimal(reference), buy=buy, slippage=Decimal("0.005"))
    assert price == Decimal(expected)


def test_worst_price_when_significant_figures_rule_then_on_their_grid() -> None:
    figures = an_instrument("BTC", Venue.HYPERLIQUID)
    price = worst_price(figures, Decimal("97123"), buy=False, slippage=Decimal("0.005"))
    assert price == Decimal(96638)
