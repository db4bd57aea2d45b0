"""Exits that rest at the venue: armed, armed anew, followed, escalated, and never left behind."""

from dataclasses import replace
from decimal import Decimal

import pytest

from common.domain.exit_rules import ExitRules
from common.domain.exits import ExitState
from common.domain.instrument import OrderType, TimeInForce
from common.domain.order import IntentStatus, OrderPurpose, OrderSide
from common.how.exits import ExitDecision, ExitOrder
from tests.unit.how.exit_desk import TICKED, ExitDesk, a_desk, some_rules

STOP, PROFIT, TRAIL = OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT, OrderPurpose.TRAILING_STOP
EMERGENCY = OrderPurpose.EMERGENCY
FIVE = some_rules(stop_loss="0.05")
BOTH = some_rules(stop_loss="0.05", take_profit="0.1")
PASSED, INVALID = "TRIGGER_ALREADY_PASSED", "TRIGGER_PRICE_INVALID"
STALE = None
ON_ITS_WAY = [IntentStatus.SENDING, IntentStatus.UNKNOWN, IntentStatus.RETRYING]


def armed(
    quantity: str = "1", rules: ExitRules = FIVE, mark: str = "100"
) -> tuple[ExitDesk, ExitOrder]:
    """A position whose stop the venue holds."""
    desk = a_desk(quantity)
    stop, *others = desk.call(mark, rules).place
    desk.works(stop, *others)
    desk.call(mark)
    return desk, stop


def the_order(decision: ExitDecision) -> ExitOrder:
    (order,) = decision.place
    return order


def triggers(desk: ExitDesk) -> list[tuple[OrderPurpose, Decimal, Decimal, bool]]:
    assert desk.known is not None
    return [
        (order.purpose, order.trigger_price, order.quantity, order.canceling)
        for order in desk.known.orders
    ]


# ------------------------------------------------------------------------------------ after entry


@pytest.mark.parametrize(
    ("quantity", "side", "of_stop", "of_profit"),
    [
        ("1", OrderSide.SELL, ("95", "90.25"), ("110", "109.45")),
        ("-1", OrderSide.BUY, ("105", "110.25"), ("90", "90.45")),
    ],
)
def test_decide_exit_when_opened_then_stop_and_profit_rest_over_the_whole(
    quantity: str, side: OrderSide, of_stop: tuple[str, str], of_profit: tuple[str, str]
) -> None:
    decision = a_desk(quantity).call("100", BOTH)
    stop, profit = decision.place

    assert decision.begun is None
    assert (stop.purpose, stop.order_type) == (STOP, OrderType.STOP_MARKET)
    assert (profit.purpose, profit.order_type) == (PROFIT, OrderType.MARKET_IF_TOUCHED)
    assert (stop.trigger_price, stop.price) == tuple(Decimal(text) for text in of_stop)
    assert (profit.trigger_price, profit.price) == tuple(Decimal(text) for text in of_profit)
    for order in decision.place:
        assert (order.side, order.quantity, order.reduce_only) == (side, Decimal(1), True)
        assert order.time_in_force is TimeInForce.GTC
    assert stop.intent_id != profit.intent_id


def test_decide_exit_when_both_stops_are_asked_for_then_the_tighter_one_rests() -> None:
    desk = a_desk()
    rules = some_rules(stop_loss="0.05", trailing_stop="0.08")
    first = the_order(desk.call("100", rules))
    assert (first.purpose, first.trigger_price) == (STOP, Decimal(95))
    desk.works(first)

    second = the_order(desk.call("110", after=60))

    assert (second.purpose, second.trigger_price) == (TRAIL, Decimal("101.20"))


@pytest.mark.parametrize(("quantity", "expected"), [("1", "95.01"), ("-1", "104.99")])
def test_decide_exit_when_a_stop_lies_between_ticks_then_it_is_never_further_off(
    quantity: str, expected: str
) -> None:
    order = the_order(a_desk(quantity).call("100", some_rules(stop_loss="0.04995")))
    assert order.trigger_price == Decimal(expected)


def test_decide_exit_when_its_level_is_below_a_tick_then_it_rests_at_the_first() -> None:
    stop = the_order(a_desk("-1").call("100", some_rules(take_profit="0.99999")))
    assert stop.trigger_price == Decimal("0.01")


def test_decide_exit_when_the_stop_is_passed_already_then_nothing_rests_first() -> None:
    decision = a_desk().call("94", FIVE)
    assert (decision.begun, len(decision.place)) == (STOP, 1)


def test_decide_exit_when_nothing_changed_then_nothing_is_asked_for() -> None:
    desk, _ = armed(rules=BOTH)
    known = desk.known
    assert desk.call("99", after=60) == ExitDecision(exit=known)


# ----------------------------------------------------------------------------- following the mark


def test_decide_exit_when_the_mark_runs_then_the_trail_follows_by_steps_and_never_back() -> None:
    desk = a_desk()
    order = the_order(desk.call("100", some_rules(trailing_stop="0.1")))
    seen = []
    for mark in ("100", "101", "101.2", "92", "103", "140", "139", "133"):
        desk.works(order)
        decision = desk.call(mark, after=60)
        if decision.place:
            order = the_order(decision)
            seen.append((mark, order.trigger_price))

    assert seen == [("101.2", Decimal("91.08")), ("103", Decimal("92.70")), ("140", Decimal(126))]


def test_decide_exit_when_the_trail_moves_then_the_old_stop_stays_until_the_new_one_is_held() -> (
    None
):
    desk, old = armed(rules=some_rules(trailing_stop="0.05"))
    new = the_order(desk.call("120", after=60))
    for status in ON_ITS_WAY:
        desk.becomes(new, status)
        decision = desk.call("130", after=1)
        assert (decision.place, decision.cancel) == ((), ())

    desk.works(new)
    decision = desk.call("129", after=60)

    assert desk.canceled(decision) == {old.intent_id}
    assert the_order(decision).trigger_price == Decimal("123.50")


# -------------------------------------------------------------------------- the size, armed anew


@pytest.mark.parametrize("size", ["0.4", "2.5"])
def test_decide_exit_when_closed_in_part_or_added_to_then_armed_anew_and_never_bare(
    size: str,
) -> None:
    desk, old = armed(rules=BOTH)
    desk.turn(size)
    first = desk.call("100", after=1)
    stop, profit = first.place
    assert (stop.quantity, profit.quantity) == (Decimal(size), Decimal(size))
    assert first.cancel == ()

    desk.works(stop)
    second = desk.call("100", after=60)
    assert desk.canceled(second) == {old.intent_id}
    assert second.place == ()

    desk.works(profit)
    desk.becomes(old, IntentStatus.REJECTED, code="CANCELED")
    third = desk.call("100", after=60)
    assert len(third.cancel) == 1
    assert triggers(desk)[1:] == [
        (STOP, Decimal(95), Decimal(size), False),
        (PROFIT, Decimal(110), Decimal(size), False),
    ]


def test_decide_exit_when_a_cancel_is_not_heard_then_it_is_asked_for_again() -> None:
    desk, old = armed()
    desk.turn("2")
    desk.works(the_order(desk.call("100")))

    asked = [desk.canceled(desk.call("100", after=60)) for _ in range(3)]

    assert asked == [{old.intent_id}] * 3


def test_decide_exit_when_no_mark_is_known_then_the_size_is_armed_and_nothing_judged() -> None:
    desk, _ = armed()
    desk.turn("2")
    order = the_order(desk.call(STALE, after=60))
    assert (order.quantity, order.trigger_price) == (Decimal(2), Decimal(95))


def test_decide_exit_when_a_stop_fills_in_part_and_works_on_then_it_still_fits() -> None:
    desk, stop = armed()
    desk.becomes(stop, IntentStatus.WORKING, "0.4")
    decision = desk.call("100", after=1)
    assert (decision.place, decision.cancel) == ((), ())


def test_decide_exit_when_a_stop_ended_in_part_and_the_price_is_back_then_the_rest_is_armed() -> (
    None
):
    desk, stop = armed()
    desk.becomes(stop, IntentStatus.PARTIAL, "0.4")
    order = the_order(desk.call("96", after=1))
    assert (order.purpose, order.quantity) == (STOP, Decimal("0.6"))
    assert order.order_type is OrderType.STOP_MARKET


def test_decide_exit_when_a_stop_ended_in_part_beyond_its_level_then_the_rest_goes_at_market() -> (
    None
):
    desk, stop = armed()
    desk.becomes(stop, IntentStatus.PARTIAL, "0.4")
    decision = desk.call("94", after=1)
    order = the_order(decision)
    assert (order.purpose, order.quantity) == (EMERGENCY, Decimal("0.6"))
    assert order.price == Decimal("93.06")
    assert len(decision.alerts) == 1


def test_decide_exit_when_the_position_grew_after_its_stop_filled_then_the_rest_is_a_stop_too() -> (
    None
):
    desk, stop = armed()
    desk.turn("3")
    desk.becomes(stop, IntentStatus.FILLED, "1")
    order = the_order(desk.call("94", after=1))
    assert (order.purpose, order.quantity, order.price) == (STOP, Decimal(2), Decimal("93.53"))


def test_decide_exit_when_a_venue_has_a_largest_order_then_it_is_armed_once() -> None:
    desk = a_desk(instrument=replace(TICKED, max_notional=Decimal(40)))
    stop, profit = desk.call("100", BOTH).place
    assert (stop.quantity, profit.quantity) == (Decimal("0.421"), Decimal("0.363"))
    desk.works(stop, profit)
    assert desk.call("100", after=60).place == ()


# ------------------------------------------------------------------------------------------- flat


def test_decide_exit_when_the_stop_filled_then_the_profit_is_an_orphan_until_it_has_ended() -> None:
    desk = a_desk()
    stop, profit = desk.call("100", BOTH).place
    desk.works(profit)
    desk.becomes(stop, IntentStatus.FILLED, "1")

    for _ in range(2):
        decision = desk.call("94", after=60)
        assert desk.canceled(decision) == {profit.intent_id}
        assert decision.exit is not None
        assert decision.exit.state is ExitState.EXITING
    desk.becomes(profit, IntentStatus.REJECTED, code="NOT_FILLED_WITHIN_BOUND")
    decision = desk.call("94", after=60)

    assert decision.cancel == ()
    assert decision.exit is not None
    assert decision.exit.state is ExitState.CLOSED


def test_decide_exit_when_flat_and_halted_then_orphans_are_canceled_all_the_same() -> None:
    desk, stop = armed()
    desk.turn("0")
    desk.halted = True
    assert desk.canceled(desk.call(STALE, after=1)) == {stop.intent_id}


def test_decide_exit_when_an_orphan_is_unresolved_then_not_closed_and_told_once() -> None:
    desk, stop = armed()
    desk.turn("0")
    desk.becomes(stop, IntentStatus.UNRESOLVED)

    first, second = desk.call("100", after=1), desk.call("100", after=60)

    assert [stop.intent_id in alert.text for alert in first.alerts] == [True]
    assert second.alerts == ()
    assert second.exit is not None
    assert second.exit.state is ExitState.EXITING


def test_decide_exit_when_it_reverses_then_the_new_side_is_armed_and_the_old_orders_go() -> None:
    desk, stop = armed(rules=BOTH)
    desk.turn("-2", "100")

    decision = desk.call("100", after=1)

    assert stop.intent_id in desk.canceled(decision)
    assert len(decision.cancel) == 2
    assert [(order.side, order.trigger_price, order.quantity) for order in decision.place] == [
        (OrderSide.BUY, Decimal(105), Decimal(2)),
        (OrderSide.BUY, Decimal(90), Decimal(2)),
    ]


def test_decide_exit_when_flat_was_missed_then_the_old_orders_go_and_new_ones_come() -> None:
    desk, stop = armed()
    desk.turn("0")
    desk.now = desk.now.replace(minute=5)
    desk.turn("1", "200")

    decision = desk.call("200", some_rules(stop_loss="0.1"))

    assert desk.canceled(decision) == {stop.intent_id}
    assert the_order(decision).trigger_price == Decimal(180)


def test_decide_exit_when_rules_are_taken_away_then_their_orders_go() -> None:
    desk, stop = armed()
    decision = desk.call("100", ExitRules(), after=1)
    assert desk.canceled(decision) == {stop.intent_id}
    assert decision.exit is not None
    assert decision.exit.state is ExitState.ARMED
    desk.becomes(stop, IntentStatus.REJECTED)
    closed = desk.call("100", after=60).exit
    assert closed is not None
    assert closed.state is ExitState.CLOSED


def test_decide_exit_when_new_rules_move_the_stop_then_the_old_one_goes_once_it_is_held() -> None:
    desk, old = armed()
    new = the_order(desk.call("100", some_rules(stop_loss="0.2"), after=1))
    assert new.trigger_price == Decimal(80)
    desk.works(new)
    assert desk.canceled(desk.call("100", after=60)) == {old.intent_id}


def test_decide_exit_when_new_rules_are_passed_already_then_it_closes_at_once() -> None:
    desk, _ = armed()
    assert desk.call("97", some_rules(stop_loss="0.02"), after=1).begun is STOP


def test_decide_exit_when_only_dust_is_left_then_its_orders_go_and_it_is_told_once() -> None:
    desk, stop = armed()
    desk.turn("0.004")

    first, second = desk.call("100", after=1), desk.call("100", after=60)

    assert desk.canceled(first) == desk.canceled(second) == {stop.intent_id}
    assert (len(first.alerts), len(second.alerts)) == (1, 0)
    desk.becomes(stop, IntentStatus.REJECTED)
    closed = desk.call("100", after=60).exit
    assert closed is not None
    assert (closed.state, closed.orders) == (ExitState.CLOSED, ())
    assert desk.call("1", after=60) == ExitDecision(exit=closed)


def test_decide_exit_when_the_venue_calls_the_rest_too_small_then_its_orders_go_and_no_other() -> (
    None
):
    desk = a_desk("0.05")
    stop, profit = desk.call("100", BOTH).place
    desk.works(profit)
    desk.becomes(stop, IntentStatus.REJECTED, code=PASSED)
    desk.becomes(
        the_order(desk.call("95", after=60)), IntentStatus.REJECTED, code="NOTIONAL_BELOW_MINIMUM"
    )

    for mark in ("95", "94", "120"):
        decision = desk.call(mark, BOTH, after=60)
        assert (decision.place, desk.canceled(decision)) == ((), {profit.intent_id})
    desk.becomes(profit, IntentStatus.CANCELED)
    decision = desk.call("94", BOTH, after=60)
    assert decision.place == ()
    assert decision.exit is not None
    assert decision.exit.state is ExitState.CLOSED

    desk.turn("1", "100")
    assert len(desk.call("100", after=60).place) == 2


# ---------------------------------------------------------------------------------------- refused


def test_decide_exit_when_refused_twice_in_a_row_then_watched_from_here_and_told_once() -> None:
    desk = a_desk()
    decision = desk.call("100", FIVE)
    for _ in range(2):
        desk.becomes(the_order(decision), IntentStatus.REJECTED, code="TOO_MANY_OPEN_ORDERS")
        decision = desk.call("100", after=60)
    assert decision.place == ()
    assert ["TOO_MANY_OPEN_ORDERS" in alert.text for alert in decision.alerts] == [True]
    assert desk.call("100", after=60) == ExitDecision(exit=decision.exit)

    decision = desk.call("95", after=60)

    assert decision.begun is STOP
    assert the_order(decision).price == Decimal("94.53")
    assert desk.known is not None
    assert desk.known.orders == ()


@pytest.mark.parametrize(
    "status",
    [IntentStatus.REJECTED, IntentStatus.DENIED, IntentStatus.EXPIRED, IntentStatus.CANCELED],
)
def test_decide_exit_when_refused_once_then_it_is_tried_again_and_a_held_one_ends_the_row(
    status: IntentStatus,
) -> None:
    desk = a_desk()
    order = the_order(desk.call("100", FIVE))
    for _ in range(3):
        desk.becomes(order, status, code="SOMETHING")
        order = the_order(desk.call("100", after=60))
        desk.works(order)
        assert desk.call("100", after=60).alerts == ()
        assert len(triggers(desk)) == 1


@pytest.mark.parametrize("code", ["NOT_SENT", "BREAKER_OPEN", "TRADING_HALTED"])
def test_decide_exit_when_it_never_reached_the_venue_then_that_is_no_refusal(code: str) -> None:
    desk = a_desk()
    order = the_order(desk.call("100", FIVE))
    for _ in range(4):
        desk.becomes(order, IntentStatus.DENIED, code=code)
        order = the_order(desk.call("100", after=60))
    assert triggers(desk) == [(STOP, Decimal(95), Decimal(1), False)]


def test_decide_exit_when_the_size_changes_after_two_refusals_then_it_is_tried_again() -> None:
    desk = a_desk()
    decision = desk.call("100", FIVE)
    for _ in range(2):
        desk.becomes(the_order(decision), IntentStatus.REJECTED, code="REDUCE_ONLY")
        decision = desk.call("100", after=60)
    desk.turn("0.5")

    assert the_order(desk.call("100", after=60)).quantity == Decimal("0.5")


def test_decide_exit_when_only_the_profit_is_refused_then_the_stop_rests_on() -> None:
    desk = a_desk()
    stop, profit = desk.call("100", BOTH).place
    desk.works(stop)
    for _ in range(2):
        desk.becomes(profit, IntentStatus.REJECTED, code="SOMETHING")
        profit = (desk.call("100", after=60).place or (profit,))[0]

    decision = desk.call("110", after=60)

    assert decision.begun is PROFIT
    assert decision.cancel == ()
    assert triggers(desk) == [(STOP, Decimal(95), Decimal(1), False)]


@pytest.mark.parametrize(("mark", "begun"), [("95.5", STOP), ("99", STOP), ("94", STOP)])
def test_decide_exit_when_the_venue_says_that_it_has_passed_then_closed_at_once(
    mark: str, begun: OrderPurpose
) -> None:
    desk = a_desk()
    desk.becomes(the_order(desk.call("100", FIVE)), IntentStatus.REJECTED, code=PASSED)
    decision = desk.call(mark, after=60)
    assert (decision.begun, the_order(decision).quantity) == (begun, Decimal(1))


def test_decide_exit_when_it_has_passed_and_no_mark_is_known_then_it_waits_for_one() -> None:
    desk = a_desk()
    desk.becomes(the_order(desk.call("100", FIVE)), IntentStatus.REJECTED, code=PASSED)
    waiting = desk.call(STALE, after=60)
    assert waiting.place == ()
    assert len(waiting.alerts) == 1
    assert desk.call("99", after=60).begun is STOP


@pytest.mark.parametrize(
    ("mark", "begun"), [("96.9", STOP), ("97", None), ("94", STOP), (STALE, None)]
)
def test_decide_exit_when_the_venue_calls_a_trigger_invalid_then_passed_only_near_the_mark(
    mark: str | None, begun: OrderPurpose | None
) -> None:
    desk = a_desk()
    desk.becomes(the_order(desk.call("100", FIVE)), IntentStatus.REJECTED, code=INVALID)
    decision = desk.call(mark, after=60)
    assert decision.begun is begun
    assert len(decision.place) == 1


def test_decide_exit_when_a_profit_has_passed_then_it_is_taken() -> None:
    desk = a_desk()
    stop, profit = desk.call("109", BOTH).place
    desk.works(stop)
    desk.becomes(profit, IntentStatus.REJECTED, code=PASSED)
    assert desk.call("109", after=60).begun is PROFIT


def test_decide_exit_when_it_was_refused_beyond_its_level_then_closed_as_an_emergency() -> None:
    desk, stop = armed()
    desk.becomes(stop, IntentStatus.REJECTED, code="NOT_FILLED_WITHIN_BOUND")
    decision = desk.call("94", after=60)
    assert decision.begun is EMERGENCY
    assert the_order(decision).price == Decimal("93.06")


def test_decide_exit_when_a_resting_order_is_unresolved_then_another_is_placed_and_told() -> None:
    desk = a_desk()
    first = the_order(desk.call("100", FIVE))
    desk.becomes(first, IntentStatus.UNRESOLVED)
    decision = desk.call("100", after=60)
    second = the_order(decision)
    assert [first.intent_id in alert.text for alert in decision.alerts] == [True]

    desk.works(second)
    assert desk.canceled(desk.call("100", after=60)) == {first.intent_id}


def test_decide_exit_when_two_are_unresolved_then_watched_from_here() -> None:
    desk = a_desk()
    for _ in range(2):
        desk.becomes(the_order(desk.call("100", FIVE, after=60)), IntentStatus.UNRESOLVED)
    assert desk.call("100", after=60).place == ()
    assert desk.call("95", after=60).begun is STOP


# ----------------------------------------------------------------------- triggered, and not filled


@pytest.mark.parametrize("status", [IntentStatus.WORKING, *ON_ITS_WAY])
def test_decide_exit_when_triggered_and_not_filled_in_time_then_canceled_and_closed_at_market(
    status: IntentStatus,
) -> None:
    desk = a_desk()
    stop = the_order(desk.call("100", FIVE))
    desk.becomes(stop, status)
    for seconds in (60, 30, 29):
        decision = desk.call("94", after=seconds)
        assert (decision.place, decision.cancel) == ((), ())

    decision = desk.call("94", after=1)

    order = the_order(decision)
    assert desk.canceled(decision) == {stop.intent_id}
    assert (order.purpose, order.order_type, order.quantity) == (
        EMERGENCY,
        OrderType.MARKET,
        Decimal(1),
    )
    assert order.price == Decimal("93.06")
    assert len(decision.alerts) == 1


def test_decide_exit_when_the_price_comes_back_in_time_then_the_grace_starts_anew() -> None:
    desk, _ = armed()
    desk.call("94", after=60)
    desk.call("96", after=50)
    assert desk.call("94", after=50).place == ()
    assert desk.call("94", after=59).place == ()
    assert desk.call("94", after=1).begun is EMERGENCY


def test_decide_exit_when_the_size_changes_beyond_the_level_then_nothing_is_placed_in_vain() -> (
    None
):
    desk, _ = armed()
    desk.call("94", after=1)
    desk.turn("2")
    decision = desk.call("94", after=30)
    assert (decision.place, decision.cancel) == ((), ())
    assert the_order(desk.call("94", after=30)).quantity == Decimal(2)


def test_decide_exit_when_refused_beyond_the_level_then_an_older_stop_is_left_where_it_is() -> None:
    desk, _ = armed(rules=some_rules(trailing_stop="0.1"))
    new = the_order(desk.call("120", after=60))
    desk.becomes(new, IntentStatus.REJECTED, code="SOMETHING")
    decision = desk.call("107", after=60)
    assert (decision.begun, decision.cancel) == (EMERGENCY, ())


def test_decide_exit_when_the_level_moved_off_a_triggered_order_then_it_is_armed_anew() -> None:
    desk, old = armed(rules=some_rules(take_profit="0.1"))
    desk.turn("2", "115")
    for _ in range(2):
        decision = desk.call("112", after=60)
        assert (decision.begun, decision.cancel) == (None, ())
    assert desk.known is not None
    assert [order.trigger_price for order in desk.known.orders] == [
        Decimal(110),
        Decimal("126.5"),
    ]
    assert old.trigger_price == 110


def test_decide_exit_when_a_held_stop_was_canceled_by_others_then_it_is_placed_again() -> None:
    desk, stop = armed()
    desk.becomes(stop, IntentStatus.CANCELED)
    again = the_order(desk.call("100", after=60))
    assert (again.trigger_price, again.order_type) == (Decimal(95), OrderType.STOP_MARKET)


def test_decide_exit_when_a_profit_is_triggered_and_not_filled_then_it_escalates_too() -> None:
    desk, stop = armed(rules=BOTH)
    desk.call("110", after=1)
    decision = desk.call("110", after=60)
    assert decision.begun is EMERGENCY
    assert len(decision.cancel) == 1
    assert stop.intent_id not in desk.canceled(decision)


def test_decide_exit_when_an_emergency_leaves_something_then_wider_each_time_and_told() -> None:
    desk, _ = armed()
    desk.call("94", after=1)
    decision = desk.call("94", after=60)
    bounds, causes = [], set()
    for _ in range(3):
        order = the_order(decision)
        bounds.append(order.price)
        causes |= {alert.cause for alert in decision.alerts}
        desk.becomes(order, IntentStatus.REJECTED, code="NOT_FILLED_WITHIN_BOUND")
        decision = desk.call("94", after=60)
    assert bounds == [Decimal(text) for text in ("93.06", "92.12", "90.24")]
    assert len(causes) == 3


def test_decide_exit_when_halted_then_the_resting_stop_stays_and_nothing_is_placed() -> None:
    desk, _ = armed()
    desk.halted = True
    desk.turn("2")
    resized = desk.call("100", after=60)
    desk.call("94", after=60)
    due = desk.call("94", after=60)

    for decision in (resized, due):
        assert (decision.place, decision.cancel) == ((), ())
    assert ["halted" in alert.text for alert in due.alerts] == [True]


def test_decide_exit_when_the_time_is_over_then_closed_and_the_resting_orders_follow() -> None:
    desk, stop = armed(rules=some_rules(stop_loss="0.05", time_limit_s=600))
    decision = desk.call("100", after=600)
    assert (decision.begun, decision.cancel) == (OrderPurpose.TIME_LIMIT, ())
    desk.becomes(the_order(decision), IntentStatus.FILLED, "1")
    assert desk.canceled(desk.call("100", after=1)) == {stop.intent_id}


def test_decide_exit_when_an_exit_is_under_way_then_nothing_is_armed_for_its_part() -> None:
    desk, stop = armed(rules=some_rules(stop_loss="0.05", time_limit_s=600))
    exit_order = the_order(desk.call("100", after=600))
    desk.becomes(exit_order, IntentStatus.WORKING, "0.4")
    decision = desk.call("100", after=1)
    assert (decision.place, decision.cancel) == ((), ())
    assert triggers(desk) == [(STOP, Decimal(95), Decimal(1), False)]
    assert stop.quantity == 1


def test_decide_exit_when_an_exit_is_unresolved_then_what_rests_is_still_armed() -> None:
    desk, _ = armed(rules=some_rules(stop_loss="0.05", time_limit_s=600))
    exit_order = the_order(desk.call("100", after=600))
    desk.becomes(exit_order, IntentStatus.UNRESOLVED)
    desk.turn("2")
    order = the_order(desk.call("100", after=60))
    assert (order.order_type, order.quantity) == (OrderType.STOP_MARKET, Decimal(2))


def test_decide_exit_when_the_venue_lists_it_no_more_then_nothing_is_armed_or_moved() -> None:
    desk, _ = armed(rules=some_rules(trailing_stop="0.05"))
    desk.instrument = None
    desk.turn("2")
    decision = desk.call("150", after=60)
    assert (decision.place, decision.cancel) == ((), ())


def test_decide_exit_when_the_venue_can_hold_no_orders_any_more_then_what_rests_stays() -> None:
    desk, _ = armed()
    desk.can_rest = False
    decision = desk.call("96", after=60)
    assert (decision.place, decision.cancel) == ((), ())
