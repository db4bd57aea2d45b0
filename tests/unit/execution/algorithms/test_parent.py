"""The parent order: its making, its legal moves, and what its children add to it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.domain.identifiers import prefixed_id
from common.domain.instrument import Venue
from common.domain.order import OrderSide
from common.domain.parent_order import (
    ExecAlgorithm,
    ExecutionWish,
    OpenChild,
    ParentOrder,
    ParentStatus,
)
from common.errors import InvalidInputError
from common.execution.algorithms.parent import (
    PARENT_MOVES,
    canceling,
    new_parent,
    paused,
    resumed,
    with_child_outcome,
)
from common.how.denial import Denial
from common.how.limits import Refusal
from common.wire import from_document, to_document
from tests.builders import AGENT_ID, DEPLOYMENT_ID, NOON, SIGNAL_ID, some_candles
from tests.unit.execution.algorithms.desk import (
    SETTINGS,
    a_candidate,
    a_parent,
    a_request,
    at,
    market,
    told,
)

TWAP, VWAP, LIMIT = ExecAlgorithm.TWAP, ExecAlgorithm.VWAP, ExecAlgorithm.LIMIT
ICEBERG, SNIPER = ExecAlgorithm.ICEBERG, ExecAlgorithm.SNIPER
ACTIVE, PAUSED, CANCELING = ParentStatus.ACTIVE, ParentStatus.PAUSED, ParentStatus.CANCELING


def made(algorithm: ExecAlgorithm, **changes: Any) -> ParentOrder | Refusal:
    return new_parent(a_request(algorithm, **changes), settings=SETTINGS, now=NOON)


def with_children(parent: ParentOrder, *quantities: str) -> ParentOrder:
    """Children `int_1`, `int_2` ... are open."""
    opened = {
        f"int_{number}": OpenChild(slice_no=number, quantity=Decimal(quantity), spawned_at=NOON)
        for number, quantity in enumerate(quantities, 1)
    }
    return replace(parent, spawned=len(opened), open_children=opened)


def test_new_parent_when_twap_then_complete_with_its_schedule_and_its_time() -> None:
    parent = a_parent(TWAP, wish={"duration_s": 300, "slices": 5, "limit_price": Decimal(3010)})

    assert parent.parent_order_id == prefixed_id("par", AGENT_ID, DEPLOYMENT_ID, SIGNAL_ID, 0)
    assert [target.quantity for target in parent.schedule] == [20] * 5
    assert parent.schedule[0].at == NOON
    assert parent.expires_at == NOON + timedelta(seconds=300) + SETTINGS.finish_grace
    assert [parent.status, parent.quantity, parent.limit_price] == [ACTIVE, 100, 3010]
    assert [parent.arrival_price, parent.slippage_max] == [3000, Decimal("0.005")]
    assert parent.chosen_because == "the signal asks for it"
    assert [parent.spawned, parent.filled_qty, parent.open_children] == [0, 0, {}]


def test_new_parent_when_made_again_then_the_same_and_another_leg_has_another_id() -> None:
    assert made(TWAP) == made(TWAP)
    one, two = made(TWAP, leg=0), made(TWAP, leg=1)
    assert isinstance(one, ParentOrder)
    assert isinstance(two, ParentOrder)
    assert one.parent_order_id != two.parent_order_id


def test_new_parent_when_stored_then_it_reads_as_it_was() -> None:
    parent = with_children(a_parent(TWAP), "10", "10")
    assert from_document(ParentOrder, to_document(parent)) == parent


@pytest.mark.parametrize(
    ("algorithm", "wish", "lifetime"),
    [
        (ICEBERG, {}, SETTINGS.rest_for),
        (LIMIT, {"limit_price": Decimal(2990)}, SETTINGS.rest_for),
        (SNIPER, {"limit_price": Decimal(2990), "duration_s": 90}, timedelta(seconds=90)),
    ],
)
def test_new_parent_when_it_rests_then_as_long_as_wished_or_configured(
    algorithm: ExecAlgorithm, wish: dict[str, Any], lifetime: timedelta
) -> None:
    parent = a_parent(algorithm, wish=wish)

    assert parent.schedule == ()
    assert parent.expires_at == NOON + lifetime


def test_new_parent_when_vwap_has_candles_then_by_their_profile() -> None:
    day = [
        replace(candle, volume=Decimal((30, 50, 20)[number % 3]))
        for number, candle in enumerate(some_candles(24 * 12))
    ]
    parent = a_parent(VWAP, wish={"duration_s": 900, "slices": 3}, candles=tuple(day))

    assert parent.exec_algorithm_id is VWAP
    assert [target.quantity for target in parent.schedule] == [30, 50, 20]


def test_new_parent_when_vwap_has_no_profile_then_twap_and_the_reason() -> None:
    parent = a_parent(VWAP, candles=some_candles(200))

    assert parent.exec_algorithm_id is TWAP
    assert [target.quantity for target in parent.schedule] == [10] * 10
    assert parent.chosen_because.startswith(
        "the signal asks for it; TWAP instead of VWAP: no day before is covered"
    )


def test_new_parent_when_slices_would_be_below_the_minimum_then_merged() -> None:
    parent = a_parent(TWAP, instrument=market(min_notional=Decimal(60_000)))
    assert [target.quantity for target in parent.schedule] == [20] * 5


@pytest.mark.parametrize(
    ("algorithm", "changes", "code"),
    [
        (ICEBERG, {"wish": {"visible_quantity": Decimal(101)}}, Denial.EXECUTION_WISH_INVALID),
        (TWAP, {"wish": {"slices": 0}}, Denial.EXECUTION_WISH_INVALID),
        (LIMIT, {"wish": {}}, Denial.EXECUTION_WISH_INVALID),
        (
            TWAP,
            {"instrument": market(min_quantity=Decimal(101))},
            Denial.QUANTITY_ROUNDS_TO_ZERO,
        ),
        (
            LIMIT,
            {
                "wish": {"limit_price": Decimal("0.05")},
                "instrument": market(min_notional=Decimal(10)),
            },
            Denial.QUANTITY_ROUNDS_TO_ZERO,
        ),
        (
            ICEBERG,
            {
                "wish": {"visible_quantity": Decimal(5)},
                "instrument": market(min_quantity=Decimal(6)),
            },
            Denial.QUANTITY_ROUNDS_TO_ZERO,
        ),
        (TWAP, {"mark": Decimal("0.001")}, Denial.PRICE_OUTSIDE_COLLAR),
    ],
)
def test_new_parent_when_it_cannot_be_worked_then_refused_with_a_code(
    algorithm: ExecAlgorithm, changes: dict[str, Any], code: Denial
) -> None:
    wish = ExecutionWish(**changes["wish"]) if "wish" in changes else None

    refusal = made(algorithm, **{**changes, "wish": wish})

    assert isinstance(refusal, Refusal)
    assert refusal.code is code
    assert refusal.reason


def test_new_parent_when_market_or_nowhere_to_go_then_it_is_a_mistake() -> None:
    for request in (a_request(ExecAlgorithm.MARKET), a_request(TWAP, candidates=())):
        with pytest.raises(InvalidInputError):
            new_parent(request, settings=SETTINGS, now=NOON)


def test_new_parent_when_a_sale_then_the_minimum_is_judged_at_the_lower_price() -> None:
    """14 at 2985 is below 42,000; at 3015 it would not be."""
    parent = a_parent(
        TWAP,
        "28",
        side=OrderSide.SELL,
        wish={"slices": 2},
        instrument=market(min_notional=Decimal(42_000)),
        candidates=(a_candidate("28", Venue.HYPERLIQUID),),
    )
    assert [target.quantity for target in parent.schedule] == [28]


def moved(parent: ParentOrder, to: ParentStatus) -> ParentOrder:
    if to is PAUSED:
        return paused(parent, reason="paused by ann", now=at(1))
    if to is ACTIVE:
        return resumed(parent, reason="resumed by ann", now=at(1))
    return canceling(parent, code="CANCELED_BY_USER", reason="canceled by ann", now=at(1))


@pytest.mark.parametrize("to", [ACTIVE, PAUSED, CANCELING])
@pytest.mark.parametrize("status", list(ParentStatus))
def test_move_when_it_is_in_the_table_then_made_and_else_refused(
    status: ParentStatus, to: ParentStatus
) -> None:
    parent = replace(a_parent(), status=status)

    if status is to:
        assert moved(parent, to) is parent
    elif to in PARENT_MOVES[status]:
        after = moved(parent, to)
        assert (after.status, after.updated_at) == (to, at(1))
        assert after.reason.endswith("by ann")
    else:
        with pytest.raises(InvalidInputError) as refused:
            moved(parent, to)
        assert refused.value.code == "PARENT_MOVE_NOT_ALLOWED"
        assert refused.value.where == parent.parent_order_id


def test_moves_when_a_parent_has_ended_then_only_late_fills_move_it() -> None:
    for status, targets in PARENT_MOVES.items():
        if status.is_terminal:
            assert targets <= {ParentStatus.PARTIAL, ParentStatus.FILLED}
    assert PARENT_MOVES[ParentStatus.FILLED] == frozenset()
    assert set(PARENT_MOVES) == set(ParentStatus)


def test_pause_when_resumed_then_the_schedule_is_where_it_was() -> None:
    parent = a_parent()
    held = paused(parent, reason="", now=at(2))
    after = resumed(held, reason="", now=at(5))

    assert (held.paused_at, after.paused_at) == (at(2), None)
    assert (after.schedule, after.expires_at) == (parent.schedule, parent.expires_at)


def test_cancel_when_asked_then_its_code_is_kept_for_the_end() -> None:
    after = moved(a_parent(), CANCELING)
    assert (after.reason_code, after.reason) == ("CANCELED_BY_USER", "canceled by ann")


def test_outcome_when_a_child_fills_in_parts_then_exactly_what_is_new_is_added() -> None:
    parent = with_children(a_parent(), "10")
    first = told(parent, "int_1", "4", 1, ended=False)
    last = told(first, "int_1", "6", 2)

    assert [first.filled_qty, first.open_qty, first.unspawned_qty] == [4, 6, 90]
    assert [last.filled_qty, last.open_children] == [10, {}]
    assert [last.filled_notional, last.commissions, last.avg_px] == [30_000, 10, 3000]
    assert last.updated_at == at(2)


def test_outcome_when_digits_are_many_then_none_is_lost() -> None:
    quantity = Decimal("12345678901234567890.123456789012345678")
    parent = replace(with_children(a_parent(), "10"), filled_qty=quantity, filled_notional=quantity)

    after = told(parent, "int_1", "1e-18", new_notional=Decimal("1e-18"))

    assert after.filled_qty == Decimal("12345678901234567890.123456789012345679")
    assert after.filled_notional == after.filled_qty


def test_outcome_when_a_child_ends_short_then_the_rest_may_be_sent_again() -> None:
    after = told(with_children(a_parent(), "10"), "int_1", "4")
    assert [after.unspawned_qty, after.failures] == [96, 0]


def test_outcome_when_children_come_to_nothing_then_counted_until_one_fills() -> None:
    parent = with_children(a_parent(), "10", "10", "10")
    one = told(parent, "int_1")
    two = told(one, "int_2", reason="no margin at all")

    assert (two.failures, two.reason_code, two.reason) == (2, "MARGIN", "no margin at all")
    assert told(two, "int_3", "1").failures == 0


def test_outcome_when_a_part_had_filled_before_then_an_empty_end_is_no_failure() -> None:
    parent = told(with_children(a_parent(), "10"), "int_1", "4", ended=False)
    assert told(parent, "int_1").failures == 0


@pytest.mark.parametrize("status", [PAUSED, CANCELING])
def test_outcome_when_the_parent_is_held_then_a_canceled_child_is_no_failure(
    status: ParentStatus,
) -> None:
    parent = replace(with_children(a_parent(), "10"), status=status, reason="by ann")

    after = told(parent, "int_1")

    assert (after.failures, after.reason, after.open_children) == (0, "by ann", {})


def test_outcome_when_unresolved_then_marked_and_still_counted_as_filled() -> None:
    parent = with_children(a_parent(), "10")
    given_up = told(parent, "int_1", ended=False, unresolved=True)
    known = told(given_up, "int_1", "3", ended=False)

    assert given_up.open_children["int_1"].unresolved
    assert [given_up.open_qty, given_up.failures] == [10, 0]
    assert not known.open_children["int_1"].unresolved
    assert told(given_up, "int_1", "3", unresolved=True).open_children == {}


def test_outcome_when_a_child_had_ended_then_its_late_fill_counts_too() -> None:
    parent = told(with_children(a_parent(), "10"), "int_1", "4")
    after = told(parent, "int_1", "2")

    assert [after.filled_qty, after.open_qty] == [6, 0]
    assert told(after, "int_1").failures == 0


def test_outcome_when_a_venue_fills_too_much_then_recorded_as_it_is() -> None:
    after = told(with_children(a_parent(quantity="10"), "10"), "int_1", "12", ended=False)

    assert [after.filled_qty, after.open_qty, after.unspawned_qty] == [12, 0, -2]


@pytest.mark.parametrize(
    ("status", "late", "expected"),
    [
        (ParentStatus.EXPIRED, "4", ParentStatus.PARTIAL),
        (ParentStatus.EXPIRED, "100", ParentStatus.FILLED),
        (ParentStatus.CANCELED, "4", ParentStatus.PARTIAL),
        (ParentStatus.PARTIAL, "100", ParentStatus.FILLED),
        (ParentStatus.REJECTED, "4", ParentStatus.PARTIAL),
        (ParentStatus.DENIED, "100", ParentStatus.FILLED),
    ],
)
def test_outcome_when_a_parent_has_ended_then_late_fills_move_its_end(
    status: ParentStatus, late: str, expected: ParentStatus
) -> None:
    parent = replace(with_children(a_parent(), "100"), status=status, reason="Out of time")

    after = told(parent, "int_1", late)

    assert (after.status, after.reason_code) == (expected, "FILLED_LATE")
    assert after.reason == f"Out of time; {late} was filled after it had ended"
    assert after.filled_qty == Decimal(late)


def test_outcome_when_the_ended_parent_has_no_reason_then_the_late_fill_is_it() -> None:
    parent = replace(with_children(a_parent(), "100"), status=ParentStatus.EXPIRED)
    assert told(parent, "int_1", "4").reason == "4 was filled after it had ended"


def test_outcome_when_a_late_fill_changes_no_end_then_the_reason_stays() -> None:
    filled = replace(with_children(a_parent(), "10"), status=ParentStatus.FILLED, reason="all")
    partial = replace(with_children(a_parent(), "10"), status=ParentStatus.PARTIAL, reason="some")
    filled = replace(filled, filled_qty=Decimal(100))

    assert told(filled, "int_1", "4").reason == "all"
    assert told(filled, "int_1", "4").filled_qty == 104
    assert told(partial, "int_1", "4").reason == "some"


def test_outcome_when_a_given_up_child_proves_dead_then_the_end_stands() -> None:
    parent = replace(with_children(a_parent(), "10"), status=ParentStatus.EXPIRED, reason="why")

    after = told(parent, "int_1")

    assert (after.status, after.reason, after.open_children) == (ParentStatus.EXPIRED, "why", {})


@pytest.mark.parametrize("field", ["new_qty", "new_notional"])
def test_outcome_when_a_fill_is_negative_then_refused(field: str) -> None:
    parent = with_children(a_parent(), "10")
    with pytest.raises(InvalidInputError):
        told(parent, "int_1", "1", 0, **{field: Decimal(-1)})


def test_outcome_when_a_rebate_is_paid_then_the_commission_falls() -> None:
    after = with_child_outcome(
        with_children(a_parent(), "10"),
        "int_1",
        new_qty=Decimal(10),
        new_notional=Decimal(30_000),
        new_commission=Decimal(-3),
        ended=True,
        unresolved=False,
        code="FILLED",
        reason="",
        now=at(1),
    )
    assert after.commissions == -3
