"""SW-08 and SW-09: what each algorithm sends, and when; how a parent order ends."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from common.domain.identifiers import intent_id
from common.domain.instrument import OrderType, TimeInForce, Venue
from common.domain.order import OrderSide
from common.domain.parent_order import ExecAlgorithm, ParentOrder, ParentStatus
from common.execution.algorithms.fitting import MarketView, VenueView
from common.execution.algorithms.parent import canceling, paused, resumed
from common.execution.algorithms.step import Step
from common.how.denial import Denial
from common.how.limits import Refusal
from tests.builders import AGENT_ID, DEPLOYMENT_ID, NOON, SIGNAL_ID, some_candles
from tests.unit.execution.algorithms.desk import (
    EXACT_SLICES,
    SETTINGS,
    a_candidate,
    a_parent,
    a_view,
    abilities,
    at,
    filled,
    look,
    market,
    told,
)

TWAP, VWAP, LIMIT = ExecAlgorithm.TWAP, ExecAlgorithm.VWAP, ExecAlgorithm.LIMIT
ICEBERG, SNIPER = ExecAlgorithm.ICEBERG, ExecAlgorithm.SNIPER
HALTED = Refusal(Denial.TRADING_HALTED, "Trading is halted for the platform: drill")
FINE = market(size_increment=Decimal("0.001"), min_quantity=Decimal("0.001"))
RESTS = a_view(times="GTC IOC")


def sent(taken: Step) -> list[Decimal]:
    return [child.quantity for child in taken.children]


def ran(parent: ParentOrder, minutes: range, **changes: Any) -> tuple[ParentOrder, list[Decimal]]:
    """Ticks whose children all fill at once; what each has sent."""
    quantities = []
    for minute in minutes:
        taken = look(parent, minute, **changes)
        quantities.append(sum(sent(taken), Decimal(0)))
        parent = filled(parent, taken, minute) if taken.children else taken.parent
    return parent, quantities


# -- TWAP and VWAP -------------------------------------------------------------------------------


def test_twap_when_100_go_over_ten_minutes_then_10_each_at_minutes_0_to_9_and_filled() -> None:
    parent, quantities = ran(a_parent(TWAP), range(11))

    assert quantities == [10] * 10 + [0]
    assert (parent.status, parent.reason_code) == (ParentStatus.FILLED, "FILLED")
    assert [parent.filled_qty, parent.spawned, parent.ended_at] == [100, 10, at(10)]


def test_vwap_when_the_profile_is_30_50_20_then_so_are_the_children() -> None:
    candles = tuple(
        replace(candle, volume=Decimal((30, 50, 20)[number % 3]))
        for number, candle in enumerate(some_candles(24 * 60, interval="1m"))
    )
    parent = a_parent(VWAP, wish={"duration_s": 180, "slices": 3}, candles=candles)

    parent, quantities = ran(parent, range(4))

    assert quantities == [30, 50, 20, 0]
    assert parent.status is ParentStatus.FILLED


def test_twap_when_a_child_is_sent_then_it_is_bounded_named_and_open() -> None:
    taken = look(a_parent(TWAP), 0)
    (child,) = taken.children

    assert child.intent_id == intent_id(AGENT_ID, DEPLOYMENT_ID, SIGNAL_ID, 0, 1)
    assert [child.slice_no, child.quantity] == [1, 10]
    assert (child.order_type, child.time_in_force) == (OrderType.MARKET, TimeInForce.IOC)
    assert [(each.venue, each.quantity, each.price) for each in child.candidates] == [
        (Venue.HYPERLIQUID, Decimal(10), Decimal(3015))
    ]
    assert NOON < child.not_before <= NOON + SETTINGS.jitter_max_ms * (at(1) - NOON) / 60_000
    opened = taken.parent.open_children[child.intent_id]
    assert [opened.slice_no, opened.quantity, opened.spawned_at] == [1, 10, NOON]
    assert [taken.parent.spawned, taken.parent.unspawned_qty] == [1, 90]


def test_twap_when_children_are_sent_then_each_has_a_jitter_of_its_own() -> None:
    parent, delays = a_parent(TWAP), set()
    for minute in range(10):
        taken = look(parent, minute)
        delays.add(taken.children[0].not_before - at(minute))
        parent = filled(parent, taken, minute)

    assert len(delays) == 10


def test_step_when_repeated_on_what_it_left_then_nothing_more() -> None:
    once = look(a_parent(TWAP), 0)
    again = look(once.parent, 0)

    assert again.children == ()
    assert again.parent is once.parent


def test_step_when_redelivered_on_the_same_parent_then_the_same_child_fuzz_and_jitter() -> None:
    parent = a_parent(TWAP, instrument=FINE)
    view = a_view(instrument=FINE)

    assert look(parent, view=view, settings=SETTINGS) == look(parent, view=view, settings=SETTINGS)


def test_twap_when_a_sale_then_the_bound_is_below_and_rounded_up() -> None:
    taken = look(a_parent(TWAP, side=OrderSide.SELL), view=a_view("3000.003"))
    assert taken.children[0].candidates[0].price == Decimal("2985.01")


def test_twap_when_fuzzed_then_within_two_percent_and_the_sum_is_exact() -> None:
    parent = a_parent(TWAP, instrument=FINE)

    parent, quantities = ran(parent, range(10), view=a_view(instrument=FINE), settings=SETTINGS)

    assert sum(quantities) == 100
    assert len(set(quantities)) == 10
    assert Decimal("9.8") <= quantities[0] <= Decimal("10.2")
    drift = [sum(quantities[:place], Decimal(-10 * place)) for place in range(11)]
    assert all(abs(each) <= Decimal("0.4") for each in drift)


def test_twap_when_lots_are_too_coarse_for_the_fuzz_then_exact() -> None:
    _, quantities = ran(a_parent(TWAP), range(10), settings=SETTINGS)
    assert quantities == [10] * 10


@pytest.mark.parametrize(("late", "expected"), [(1, 20), (2, 20), (8, 20), (9, 100), (12, 100)])
def test_twap_when_ticks_were_missed_then_two_slices_at_most_until_the_last(
    late: int, expected: int
) -> None:
    assert sent(look(a_parent(TWAP), late)) == [expected]


def test_twap_when_behind_then_it_catches_up_tick_by_tick() -> None:
    _, quantities = ran(a_parent(TWAP), range(4, 10))
    assert quantities == [20, 20, 20, 20, 10, 10]


def test_twap_when_a_child_ends_within_the_tick_then_catching_up_waits_for_the_next_one() -> None:
    parent = filled(a_parent(TWAP), look(a_parent(TWAP), 5), 5.05)

    assert sent(look(parent, 5.05)) == []
    assert sent(look(parent, 6)) == [20]


def test_twap_when_slices_are_finer_than_ticks_then_those_of_a_tick_go_together() -> None:
    parent = a_parent(TWAP, wish={"duration_s": 300, "slices": 50})

    parent, quantities = ran(parent, range(6))

    assert quantities == [2, 20, 20, 20, 20, 18]
    assert parent.filled_qty == 100


def test_twap_when_a_child_fills_in_part_then_the_rest_goes_with_the_next_slice() -> None:
    taken = look(a_parent(TWAP), 0)
    parent = told(taken.parent, taken.children[0].intent_id, "4", 0.05)

    assert sent(look(parent, 0.05)) == []
    assert sent(look(parent, 1)) == [16]


def test_twap_when_a_child_is_unknown_then_it_counts_as_filled_and_the_next_slices_go_on() -> None:
    parent = look(a_parent(TWAP), 0).parent

    for minute in range(1, 10):
        taken = look(parent, minute)
        assert sent(taken) == [10]
        parent = filled(parent, taken, minute)

    assert [parent.filled_qty, parent.open_qty, parent.unspawned_qty] == [90, 10, 0]
    assert look(parent, 60).parent.status is ParentStatus.ACTIVE
    child = next(iter(parent.open_children))
    late = told(parent, child, "10", 61)
    assert look(late, 61).parent.status is ParentStatus.FILLED


def test_twap_when_a_child_stays_unresolved_then_the_parent_ends_without_it() -> None:
    taken = look(a_parent(TWAP), 0)
    child = taken.children[0].intent_id
    parent = told(taken.parent, child, ended=False, unresolved=True)
    parent, _ = ran(parent, range(1, 11))

    assert (parent.status, parent.reason_code) == (ParentStatus.PARTIAL, "CHILD_UNRESOLVED")
    assert parent.reason.endswith("90 of 100 is filled, and 10 may be")
    after = told(parent, child, "10", 99)
    assert [after.status, after.filled_qty] == [ParentStatus.FILLED, 100]


def test_twap_when_only_an_unresolved_child_was_sent_then_expired_and_no_second_sending() -> None:
    taken = look(a_parent(TWAP, wish={"slices": 1}), 0)
    parent = told(taken.parent, taken.children[0].intent_id, ended=False, unresolved=True)

    end = look(parent, 1)

    assert end.children == ()
    assert (end.parent.status, end.parent.reason_code) == (
        ParentStatus.EXPIRED,
        "CHILD_UNRESOLVED",
    )


def test_twap_when_nothing_fills_until_its_grace_is_over_then_expired_with_the_last_reason() -> (
    None
):
    parent = a_parent(TWAP)
    patient = replace(EXACT_SLICES, failures_max=99)
    for minute in range(13):
        taken = look(parent, minute, settings=patient)
        assert taken.parent.status is ParentStatus.ACTIVE
        parent = told(taken.parent, taken.children[0].intent_id, "0", minute)

    end = look(parent, 13, settings=patient).parent

    assert (end.status, end.reason_code) == (ParentStatus.EXPIRED, "OUT_OF_TIME")
    assert end.reason == (
        "Out of time: the last order came to nothing, no margin; 0 of 100 is filled"
    )


def test_twap_when_the_rest_fills_in_its_grace_then_filled() -> None:
    parent, _ = ran(a_parent(TWAP), range(9))
    taken = look(parent, 9)
    parent = told(taken.parent, taken.children[0].intent_id, "4", 9)

    parent, quantities = ran(parent, range(10, 12))

    assert quantities == [6, 0]
    assert parent.status is ParentStatus.FILLED


def test_twap_when_its_time_is_over_with_some_then_partial() -> None:
    parent, _ = ran(a_parent(TWAP), range(5))
    end = look(parent, 13).parent

    assert [end.status, end.reason_code, end.filled_qty] == [
        ParentStatus.PARTIAL,
        "OUT_OF_TIME",
        50,
    ]
    assert end.reason == "Out of time; 50 of 100 is filled"


def test_twap_when_its_time_is_over_and_a_child_is_open_then_it_waits_and_sends_nothing() -> None:
    parent = look(a_parent(TWAP), 0).parent

    taken = look(parent, 99)

    assert taken == Step(parent=parent)


def test_twap_when_the_mark_is_beyond_the_limit_price_then_it_waits() -> None:
    parent = a_parent(TWAP, wish={"limit_price": Decimal(2999)})

    assert look(parent, 0).children == ()
    taken = look(parent, 1, view=a_view("2999"))
    assert taken.children[0].candidates[0].price == 2999
    assert look(parent, 13).parent.reason == (
        "Out of time: the mark 3000 is beyond the price 2999; 0 of 100 is filled"
    )


def test_twap_when_the_bound_is_tighter_than_the_limit_price_then_the_bound() -> None:
    parent = a_parent(TWAP, wish={"limit_price": Decimal(9000)})
    assert look(parent, 0).children[0].candidates[0].price == 3015


# -- clocks, prices, venues ----------------------------------------------------------------------


def test_step_when_the_clock_goes_back_then_nothing_is_sent_twice() -> None:
    parent, _ = ran(a_parent(TWAP), range(6))

    for minute in (4, 0, -5, -100_000):
        taken = look(parent, minute)
        assert taken.children == ()
        assert taken.parent is parent
    assert sent(look(parent, 6)) == [10]


def test_step_when_the_clock_had_run_ahead_then_what_did_not_fill_is_not_held_up_for_long() -> None:
    taken = look(a_parent(TWAP), 5)
    parent = told(taken.parent, taken.children[0].intent_id, "0", 8.5)

    assert sent(look(parent, 6)) == [20]


@pytest.mark.parametrize("mark", [None, "0", "-1"])
def test_step_when_there_is_no_fresh_price_then_nothing_is_sent_and_it_still_ends(
    mark: str | None,
) -> None:
    view = a_view(mark)
    parent = a_parent(TWAP)

    assert look(parent, 1, view=view) == Step(parent=parent)
    assert look(parent, 13, view=view).parent.status is ParentStatus.EXPIRED


def test_step_when_out_of_time_without_a_price_then_it_says_so() -> None:
    assert look(a_parent(TWAP), 13, view=a_view(None)).parent.reason == (
        "Out of time, and there is no fresh price; 0 of 100 is filled"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"is_open": False},
        {"refusal": "delisted"},
        {"instrument_id": "ETH-USD-PERP.OTHER"},
        {"price_increment": Decimal(5000)},
        {"liquidity": Decimal(0)},
        {"max_notional": Decimal(1)},
    ],
)
def test_step_when_the_venue_cannot_be_traded_at_now_then_it_waits(changes: dict[str, Any]) -> None:
    parent = a_parent(TWAP)
    assert look(parent, 1, view=a_view(instrument=market(**changes))) == Step(parent=parent)


def test_step_when_the_venue_is_not_known_or_can_do_nothing_then_it_waits() -> None:
    parent = a_parent(TWAP)

    assert look(parent, view=MarketView(mark=Decimal(3000), venues={})).children == ()
    assert look(parent, view=a_view(types="STOP_MARKET")).children == ()


OSTIUM = market(
    Venue.OSTIUM,
    size_increment=Decimal("0.5"),
    min_quantity=Decimal("0.5"),
    price_increment=Decimal("0.5"),
)


def two_venues(first: Mapping[str, Any] | None = None, **second: Any) -> MarketView:
    other = VenueView(instrument=replace(OSTIUM, **second), capabilities=abilities(Venue.OSTIUM))
    shown = replace(FINE, **(first or {}))
    return a_view("3000.2", instrument=shown, more={Venue.OSTIUM: other})


def at_two_venues(quantity: str = "3.7", **changes: Any) -> ParentOrder:
    known: dict[str, Any] = {
        "wish": {"slices": 1},
        "instrument": FINE,
        "candidates": (a_candidate(quantity), a_candidate("3.5", Venue.OSTIUM)),
    }
    return a_parent(TWAP, quantity, **(known | changes))


def test_step_when_there_are_two_venues_then_each_has_its_own_lots_and_price() -> None:
    (child,) = look(at_two_venues(), view=two_venues()).children

    assert child.quantity == Decimal("3.7")
    assert [(each.venue, each.quantity, each.price) for each in child.candidates] == [
        (Venue.HYPERLIQUID, Decimal("3.7"), Decimal("3015.20")),
        (Venue.OSTIUM, Decimal("3.5"), Decimal("3015.0")),
    ]


def test_step_when_a_slice_goes_to_two_venues_then_none_has_more_than_the_slice() -> None:
    taken = look(at_two_venues("37", wish={"slices": 10}), view=two_venues())

    assert [each.quantity for each in taken.children[0].candidates] == [
        Decimal("3.7"),
        Decimal("3.5"),
    ]


def test_step_when_the_first_venue_is_closed_then_the_next_one_in_its_lots() -> None:
    (child,) = look(at_two_venues(), view=two_venues({"is_open": False})).children

    assert child.quantity == Decimal("3.5")
    assert [each.venue for each in child.candidates] == [Venue.OSTIUM]


def test_step_when_the_next_venue_would_refuse_the_size_then_it_is_left_out() -> None:
    view = two_venues(min_quantity=Decimal(50))
    (child,) = look(at_two_venues(), view=view).children

    assert [each.venue for each in child.candidates] == [Venue.HYPERLIQUID]


def test_step_when_the_first_venue_takes_no_less_then_the_next_one_does() -> None:
    view = two_venues({"min_quantity": Decimal(50)})
    (child,) = look(at_two_venues(), view=view).children

    assert [each.venue for each in child.candidates] == [Venue.OSTIUM]


def test_step_when_a_venue_has_little_room_then_the_child_is_cut_and_the_rest_follows() -> None:
    view = a_view(instrument=market(max_notional=Decimal(120_600)))
    parent = a_parent(TWAP, wish={"slices": 1})

    parent, quantities = ran(parent, range(3), view=view)

    assert quantities == [40, 40, 20]
    shallow = a_view(instrument=market(liquidity=Decimal(90_000)))
    assert sent(look(a_parent(TWAP, wish={"slices": 1}), view=shallow)) == [30]


# -- remainders ----------------------------------------------------------------------------------


def test_twap_when_a_slice_is_below_the_minimum_then_it_goes_with_the_next_one() -> None:
    parent = a_parent(TWAP)
    view = a_view(instrument=market(min_quantity=Decimal(15)))

    parent, quantities = ran(parent, range(10), view=view)

    assert quantities == [0, 20, 0, 20, 0, 20, 0, 20, 0, 20]


def test_twap_when_the_fuzz_would_go_below_the_minimum_then_without_it() -> None:
    instrument = replace(FINE, min_quantity=Decimal(10))
    parent = a_parent(TWAP, instrument=instrument)

    _, quantities = ran(parent, range(10), view=a_view(instrument=instrument), settings=SETTINGS)

    assert sum(quantities) == 100
    assert all(quantity == 0 or quantity >= 10 for quantity in quantities)


def test_step_when_a_slice_would_leave_too_little_then_it_takes_all() -> None:
    parent = a_parent(ICEBERG, "12", wish={"visible_quantity": Decimal(5)})
    view = a_view(instrument=market(min_quantity=Decimal(3)))

    parent, quantities = ran(parent, range(3), view=view)

    assert quantities == [5, 7, 0]
    assert parent.status is ParentStatus.FILLED


def test_step_when_what_is_left_is_too_little_for_any_venue_then_it_ends_and_says_so() -> None:
    parent = replace(a_parent(TWAP), filled_qty=Decimal(99))
    view = a_view(instrument=market(min_quantity=Decimal(2)))

    end = look(parent, 3, view=view).parent

    assert (end.status, end.reason_code) == (ParentStatus.PARTIAL, "REMAINDER_BELOW_MINIMUM")
    assert end.reason == (
        "No venue takes an order as small as the 1 that is left; 99 of 100 is filled"
    )


def test_step_when_nothing_has_filled_and_the_minimum_rose_above_it_then_rejected() -> None:
    view = a_view(instrument=market(min_quantity=Decimal(200)))
    assert look(a_parent(TWAP), view=view).parent.status is ParentStatus.REJECTED


def test_step_when_dust_is_left_but_a_child_is_open_then_its_end_is_waited_for() -> None:
    view = a_view(instrument=market(min_quantity=Decimal(2)))
    taken = look(replace(a_parent(TWAP), filled_qty=Decimal(90)), 9)
    parent = replace(taken.parent, filled_qty=Decimal(89))

    assert look(parent, 10, view=view) == Step(parent=parent)
    after = told(parent, taken.children[0].intent_id, "0", 10)
    assert sent(look(after, 11, view=view)) == [11]


def test_step_when_dust_is_left_and_a_venue_is_missing_then_it_waits_for_it() -> None:
    parent = at_two_venues()
    view = two_venues({"is_open": False}, min_quantity=Decimal(50))

    assert look(parent, view=view) == Step(parent=parent)


# -- ICEBERG -------------------------------------------------------------------------------------


def test_iceberg_when_5_of_100_are_visible_then_it_refreshes_exactly_as_filled() -> None:
    parent = a_parent(ICEBERG, wish={"visible_quantity": Decimal(5)})
    quantities = []
    for number in range(20):
        taken = look(parent, number / 100, view=RESTS, settings=SETTINGS)
        (child,) = taken.children
        assert (child.order_type, child.time_in_force) == (OrderType.LIMIT, TimeInForce.GTC)
        quantities.append(child.quantity)
        partly = told(taken.parent, child.intent_id, "2", number / 100, ended=False)
        assert look(partly, number / 100, view=RESTS, settings=SETTINGS) == Step(parent=partly)
        parent = told(partly, child.intent_id, "3", number / 100)

    assert quantities == [5] * 20
    assert look(parent, 1, view=RESTS).parent.status is ParentStatus.FILLED


def test_iceberg_when_the_user_does_not_say_then_a_fuzzed_twentieth() -> None:
    parent = a_parent(ICEBERG, instrument=FINE)

    (quantity,) = sent(look(parent, view=a_view(instrument=FINE), settings=SETTINGS))

    assert Decimal("4.9") <= quantity <= Decimal("5.1")
    assert quantity != 5


def test_iceberg_when_it_ends_on_less_than_a_tranche_then_the_rest() -> None:
    parent = a_parent(ICEBERG, "12", wish={"visible_quantity": Decimal(5)})
    _, quantities = ran(parent, range(4), view=RESTS)
    assert quantities == [5, 5, 2, 0]


def test_iceberg_when_nothing_rests_at_the_venue_then_in_slices_at_once() -> None:
    parent = a_parent(ICEBERG, wish={"visible_quantity": Decimal(5)})
    (child,) = look(parent).children
    assert (child.order_type, child.time_in_force) == (OrderType.LIMIT, TimeInForce.IOC)
    (child,) = look(parent, view=a_view(types="MARKET")).children
    assert (child.order_type, child.time_in_force) == (OrderType.MARKET, TimeInForce.IOC)


def test_iceberg_when_a_tranche_came_to_nothing_then_the_next_one_waits_for_the_tick() -> None:
    taken = look(a_parent(ICEBERG), view=RESTS)
    parent = told(taken.parent, taken.children[0].intent_id, "0", 0.01)

    assert look(parent, 0.01, view=RESTS).children == ()
    assert sent(look(parent, 1, view=RESTS)) == [5]


def test_iceberg_when_the_minimum_rose_above_the_visible_then_it_shows_the_minimum() -> None:
    parent = a_parent(ICEBERG, wish={"visible_quantity": Decimal(5)})
    view = a_view(instrument=market(min_quantity=Decimal(8)), times="GTC IOC")

    assert sent(look(parent, view=view)) == [8]


def test_iceberg_when_it_has_a_limit_price_then_it_rests_there() -> None:
    parent = a_parent(ICEBERG, wish={"limit_price": Decimal(2990)})
    assert look(parent, view=RESTS).children[0].candidates[0].price == 2990


# -- LIMIT and SNIPER ----------------------------------------------------------------------------


def test_limit_when_it_can_rest_then_one_child_over_all_whatever_the_mark() -> None:
    parent = a_parent(LIMIT, wish={"limit_price": Decimal(2990)})

    taken = look(parent, view=RESTS, settings=SETTINGS)

    (child,) = taken.children
    assert [child.quantity, child.candidates[0].price] == [100, 2990]
    assert (child.order_type, child.time_in_force) == (OrderType.LIMIT, TimeInForce.GTC)
    assert look(taken.parent, 30, view=RESTS) == Step(parent=taken.parent)
    expired = look(taken.parent, 60, view=RESTS)
    assert (expired.cancels, expired.parent) == ((child.intent_id,), taken.parent)
    ended = look(told(taken.parent, child.intent_id, "40", 60), 60, view=RESTS).parent
    assert (ended.status, ended.reason_code) == (ParentStatus.PARTIAL, "OUT_OF_TIME")


@pytest.mark.parametrize(
    ("side", "price", "far", "near"),
    [(OrderSide.BUY, 2990, "2990.01", "2990"), (OrderSide.SELL, 3010, "3009.99", "3010")],
)
@pytest.mark.parametrize("algorithm", [LIMIT, SNIPER])
def test_limit_and_sniper_when_nothing_rests_then_sent_once_the_mark_is_there(
    algorithm: ExecAlgorithm, side: OrderSide, price: int, far: str, near: str
) -> None:
    parent = a_parent(algorithm, side=side, wish={"limit_price": Decimal(price)})

    assert look(parent, 1, view=a_view(far)).children == ()
    (child,) = look(parent, 2, view=a_view(near), settings=SETTINGS).children
    assert [child.quantity, child.candidates[0].price] == [100, price]
    assert (child.order_type, child.time_in_force) == (OrderType.LIMIT, TimeInForce.IOC)


def test_sniper_when_orders_could_rest_then_still_nothing_before_the_price() -> None:
    parent = a_parent(SNIPER, wish={"limit_price": Decimal(2990)})

    assert look(parent, view=RESTS).children == ()
    (child,) = look(parent, view=a_view("2990", times="GTC IOC")).children
    assert child.time_in_force is TimeInForce.IOC


def test_sniper_when_the_price_holds_then_repeated_for_what_is_left_each_tick() -> None:
    view = a_view("2990")
    taken = look(a_parent(SNIPER, wish={"limit_price": Decimal(2990)}), view=view)
    parent = told(taken.parent, taken.children[0].intent_id, "30", 0.05)

    assert look(parent, 0.05, view=view).children == ()
    assert sent(look(parent, 1, view=view)) == [70]


def test_sniper_when_it_misses_at_its_own_price_then_it_goes_on_until_its_time_is_over() -> None:
    parent = a_parent(SNIPER, wish={"limit_price": Decimal(2990)})
    for minute in range(60):
        taken = look(parent, minute, view=a_view("2990"))
        assert len(taken.children) == 1
        child = taken.children[0].intent_id
        parent = told(taken.parent, child, "0", minute, code="NOT_FILLED_WITHIN_BOUND")

    assert look(parent, 60).parent.status is ParentStatus.EXPIRED


# -- holds and ends ------------------------------------------------------------------------------


def test_step_when_children_keep_coming_to_nothing_then_rejected_with_the_last_reason() -> None:
    parent = a_parent(TWAP)
    for minute in range(SETTINGS.failures_max):
        taken = look(parent, minute)
        parent = told(taken.parent, taken.children[0].intent_id, "0", minute)

    end = look(parent, 5).parent

    assert (end.status, end.reason_code) == (ParentStatus.REJECTED, "MARGIN")
    assert end.reason == (
        "5 orders in a row came to nothing, the last: no margin; 0 of 100 is filled"
    )


def test_step_when_our_own_limits_kept_refusing_then_denied() -> None:
    parent = replace(
        a_parent(TWAP), failures=5, reason_code="EXPOSURE_EXCEEDS_MAX_PER_DEPLOYMENT", reason="much"
    )
    assert look(parent).parent.status is ParentStatus.DENIED


def test_step_when_what_rested_was_canceled_then_that_is_no_refusal() -> None:
    parent = replace(a_parent(ICEBERG), failures=5, reason_code="CANCELED", reason="by hand")
    assert sent(look(parent, 1, view=RESTS)) == [5]


def test_step_when_some_had_filled_and_it_gives_up_then_partial() -> None:
    parent = replace(
        a_parent(TWAP), failures=5, reason_code="MARGIN", reason="no", filled_qty=Decimal(10)
    )
    assert look(parent).parent.status is ParentStatus.PARTIAL


def test_step_when_it_gives_up_with_a_child_open_then_it_waits_and_a_fill_revives_it() -> None:
    taken = look(a_parent(TWAP), 0)
    child = taken.children[0].intent_id
    parent = replace(taken.parent, failures=5, reason_code="MARGIN", reason="no")

    assert look(parent, 3) == Step(parent=parent)
    revived = told(parent, child, "10", 3)
    assert sent(look(revived, 4)) == [20]


def test_step_when_trading_is_halted_then_nothing_is_sent_and_resting_children_are_canceled() -> (
    None
):
    resting = look(a_parent(LIMIT, wish={"limit_price": Decimal(2990)}), view=RESTS).parent
    halted = a_view(times="GTC IOC", refusal=HALTED)

    assert look(a_parent(TWAP), view=halted).children == ()
    held = look(resting, 1, view=halted)
    assert held == Step(parent=resting, cancels=tuple(resting.open_children))
    again = told(resting, next(iter(resting.open_children)), "0", 1, code="CANCELED")
    assert sent(look(again, 2, view=RESTS)) == [100]


def test_step_when_halted_until_its_time_is_over_then_denied_or_partial() -> None:
    halted = a_view(refusal=HALTED)
    some = replace(a_parent(TWAP), filled_qty=Decimal(10))

    end = look(a_parent(TWAP), 13, view=halted).parent

    assert (end.status, end.reason_code) == (ParentStatus.DENIED, "TRADING_HALTED")
    assert end.reason == f"{HALTED.reason}; 0 of 100 is filled"
    assert look(some, 13, view=halted).parent.status is ParentStatus.PARTIAL


def test_step_when_halted_then_what_came_to_nothing_is_forgiven() -> None:
    parent = replace(a_parent(TWAP), failures=5, reason_code="TRADING_HALTED", reason="drill")

    held = look(parent, 1, view=a_view(refusal=HALTED)).parent

    assert (held.status, held.failures) == (ParentStatus.ACTIVE, 0)
    assert sent(look(held, 2)) == [20]


def test_step_when_paused_then_nothing_is_sent_and_resting_children_are_canceled() -> None:
    parent = look(a_parent(ICEBERG), view=RESTS).parent
    held = paused(parent, reason="by ann", now=at(1))

    assert look(held, 1, view=RESTS) == Step(parent=held, cancels=tuple(parent.open_children))
    slices = paused(look(a_parent(TWAP), 0).parent, reason="by ann", now=at(1))
    assert look(slices, 2) == Step(parent=slices)
    assert look(paused(a_parent(TWAP), reason="", now=at(1)), 13).parent.reason == (
        "Out of time while it was paused; 0 of 100 is filled"
    )


def test_step_when_resumed_then_it_catches_up_as_after_missed_ticks() -> None:
    parent, _ = ran(a_parent(TWAP), range(2))
    held = paused(parent, reason="", now=at(1.5))
    assert look(held, 3).children == ()
    back = resumed(held, reason="", now=at(4.5))

    _, quantities = ran(back, range(5, 11))

    assert quantities == [20, 20, 20, 10, 10, 0]


def test_step_when_canceling_then_it_ends_once_no_child_is_open() -> None:
    parent = look(a_parent(ICEBERG), view=RESTS).parent
    child = next(iter(parent.open_children))
    leaving = canceling(parent, code="CANCELED_BY_USER", reason="canceled by ann", now=at(1))

    assert look(leaving, 1, view=RESTS) == Step(parent=leaving, cancels=(child,))
    none = look(told(leaving, child, "0", 2), 2, view=RESTS).parent
    some = look(told(leaving, child, "2", 2), 2, view=RESTS).parent
    assert (none.status, none.reason_code) == (ParentStatus.CANCELED, "CANCELED_BY_USER")
    assert none.reason == "canceled by ann; 0 of 100 is filled"
    assert [some.status, some.filled_qty] == [ParentStatus.PARTIAL, 2]


def test_step_when_canceled_without_a_reason_then_it_still_ends_with_one() -> None:
    leaving = canceling(a_parent(TWAP), code="CANCELED_BY_USER", reason="", now=at(1))
    assert look(leaving, 1).parent.reason == "Canceled; 0 of 100 is filled"


def test_step_when_canceling_with_a_child_that_was_given_up_then_its_cancel_is_asked_for() -> None:
    parent = look(a_parent(LIMIT, wish={"limit_price": Decimal(2990)}), view=RESTS).parent
    child = next(iter(parent.open_children))
    given_up = told(parent, child, ended=False, unresolved=True)
    leaving = canceling(given_up, code="CANCELED_BY_USER", reason="by ann", now=at(1))

    end = look(leaving, 1, view=RESTS)

    assert end.cancels == (child,)
    assert end.parent.status is ParentStatus.CANCELED
    assert end.parent.reason == "by ann; 0 of 100 is filled, and 100 may be"


@pytest.mark.parametrize("status", [each for each in ParentStatus if each.is_terminal])
def test_step_when_it_has_ended_then_nothing(status: ParentStatus) -> None:
    parent = replace(a_parent(TWAP), status=status)
    assert look(parent, 5) == Step(parent=parent)


def test_step_when_a_venue_filled_too_much_then_filled_and_it_says_so() -> None:
    taken = look(a_parent(TWAP, "10", wish={"slices": 1}), 0)
    parent = told(taken.parent, taken.children[0].intent_id, "12")

    end = look(parent, 1).parent

    assert (end.status, end.reason_code) == (ParentStatus.FILLED, "OVERFILLED")
    assert end.reason == "Filled 12 of 10 ETH"


def test_step_when_more_is_open_than_is_left_then_what_rests_is_canceled() -> None:
    """An earlier tranche turned out to have filled too much, while the next one rests."""
    first = look(a_parent(ICEBERG, "10", wish={"visible_quantity": Decimal(5)}), view=RESTS)
    given_up = told(first.parent, first.children[0].intent_id, ended=False, unresolved=True)
    second = look(given_up, 1, view=RESTS)
    assert sent(second) == [5]
    late = told(second.parent, first.children[0].intent_id, "7", 2)

    held = look(late, 2, view=RESTS)

    assert late.unspawned_qty == -2
    assert held.children == ()
    assert held.cancels == (second.children[0].intent_id,)
    smaller = told(late, second.children[0].intent_id, "0", 3, code="CANCELED")
    assert sent(look(smaller, 4, view=RESTS)) == [3]
