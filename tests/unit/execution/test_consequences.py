"""What follows from an order's outcome, for its parent, its exposure, and those who wait for it."""

from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

import pytest

from common.books import EXPOSURES, ORDER_INTENTS, ORDERS, PARENT_ORDERS
from common.documents import Stored
from common.domain.events import ParentOrderDue, PositionChanged
from common.domain.exposure import Exposure, Reservation
from common.domain.instrument import TimeInForce, Venue
from common.domain.order import ORDER_MOVES, IntentStatus, Order, OrderIntent, OrderStatus
from common.domain.parent_order import ParentOrder, ParentStatus
from common.execution.accounts import open_account
from common.execution.booking import Booking, fill_record
from common.execution.case import Case
from common.execution.consequences import (
    exposure_after,
    is_news,
    news_of,
    parent_after,
    reserve_what_is_open,
)
from common.ports import Ref
from tests.builders import (
    DEPLOYMENT_ID,
    INTENT_ID,
    NOON,
    PARENT_ID,
    a_child,
    a_deployment,
    a_fill,
    a_parent,
    a_plan,
    a_position,
    amounts,
    an_intent,
    an_order,
)

T = TypeVar("T")
HL = Venue.HYPERLIQUID
GTC = TimeInForce.GTC
EMPTY = Exposure.empty(DEPLOYMENT_ID)
MINE = Reservation(
    venue=HL,
    symbol="ETH",
    side=an_order().side,
    quantity=an_order().quantity,
    price=Decimal(3000),
)
RESERVED = EMPTY.reserve(INTENT_ID, MINE)
CHILD_PLAN = a_plan(parent_order_id=PARENT_ID)


def stored(collection: str, value: T) -> Stored[T]:
    return Stored(Ref(collection, "x"), value, "1")


def a_case(
    *,
    order: Order | None = None,
    intent: OrderIntent | None = None,
    exposure: Exposure = RESERVED,
    parent: ParentOrder | None = None,
) -> Case:
    return Case(
        intent=stored(ORDER_INTENTS, intent or an_intent()),
        order=stored(ORDERS, order or an_order()),
        exposure=stored(EXPOSURES, exposure),
        delivery=None,
        parent=stored(PARENT_ORDERS, parent) if parent else None,
        account=None,
    )


def a_child_case(**changes: object) -> Case:
    """Its parent is for 10 ETH, of which this child has 0.3333."""
    parent = a_parent(open_children={INTENT_ID: a_child("0.3333")}, spawned=1)
    case = a_case(intent=an_intent(CHILD_PLAN), parent=parent)
    return replace(case, **changes)  # type: ignore[arg-type]  # keywords of a test


def a_booking(signed_qty: str = "0.3333", fill_count: int = 1) -> Booking:
    position = a_position("pos_1", signed_qty=Decimal(signed_qty), fill_count=fill_count)
    account = open_account(a_deployment(), NOON)
    records = (fill_record(a_plan(), a_fill(), now=NOON),)
    return Booking(position, account, records, (), None, None)


# ---------------------------------------------------------------- what is news


@pytest.mark.parametrize("after", OrderStatus)
@pytest.mark.parametrize("before", OrderStatus)
def test_is_news_when_an_order_is_told_of_then_only_if_it_moves_on(
    before: OrderStatus, after: OrderStatus
) -> None:
    case = a_case(order=an_order(status=before))
    moves = after in ORDER_MOVES[before] and after is not before

    assert is_news(case, an_order(status=after)) is moves


@pytest.mark.parametrize("after", OrderStatus)
def test_is_news_when_a_resting_order_was_given_up_then_to_be_seen_again_is_news(
    after: OrderStatus,
) -> None:
    resting = an_order(status=OrderStatus.ACCEPTED, time_in_force=GTC)
    given_up = a_case(order=resting, intent=an_intent(status=IntentStatus.UNRESOLVED))
    waiting = a_case(order=resting, intent=an_intent(status=IntentStatus.WORKING))
    rests = after in {OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED}

    seen = is_news(given_up, replace(resting, status=after))

    assert seen is (rests or is_news(waiting, replace(resting, status=after)))


def test_is_news_when_an_older_order_of_a_given_up_intent_rests_then_it_is_none() -> None:
    """Only the intent's own order brings it back."""
    resting = an_order(status=OrderStatus.ACCEPTED, time_in_force=GTC)
    intent = an_intent(status=IntentStatus.UNRESOLVED, client_order_id="0xlater")

    assert not is_news(a_case(order=resting, intent=intent), resting)


def test_is_news_when_what_was_to_fill_at_once_is_seen_to_rest_then_a_person_keeps_it() -> None:
    order = an_order(status=OrderStatus.ACCEPTED)
    intent = an_intent(status=IntentStatus.UNRESOLVED)

    assert not is_news(a_case(order=order, intent=intent), order)


# ---------------------------------------------------------------- the parent


def test_parent_after_when_it_has_none_then_none() -> None:
    assert parent_after(a_case(), an_intent(status=IntentStatus.FILLED), (), NOON) is None


@pytest.mark.parametrize(
    "status", [IntentStatus.UNKNOWN, IntentStatus.WORKING, IntentStatus.RETRYING]
)
def test_parent_after_when_nothing_has_filled_or_ended_then_it_stays_as_it_is(
    status: IntentStatus,
) -> None:
    case = a_child_case()
    assert case.parent is not None

    after = parent_after(case, an_intent(CHILD_PLAN, status=status), (), NOON)

    assert after is case.parent.value


def test_parent_after_when_a_part_fills_then_it_counts_and_the_child_stays_open() -> None:
    fill = a_fill(last_qty=Decimal("0.1"), last_px=Decimal(3001), commission=Decimal("0.2"))
    intent = an_intent(CHILD_PLAN, status=IntentStatus.WORKING)

    after = parent_after(a_child_case(), intent, (fill,), NOON)

    assert after is not None
    assert (after.filled_qty, after.filled_notional, after.commissions) == amounts(
        "0.1", "300.1", "0.2"
    )
    assert after.open_children[INTENT_ID].leaves_qty == Decimal("0.2333")
    assert after.open_qty + after.filled_qty + after.unspawned_qty == 10


def test_parent_after_when_it_fills_beyond_28_digits_then_exact() -> None:
    fill = a_fill(last_qty=Decimal("0.00000000000000001"), last_px=Decimal("60000.00000000001"))

    after = parent_after(
        a_child_case(), an_intent(CHILD_PLAN, status=IntentStatus.WORKING), (fill,), NOON
    )

    assert after is not None
    assert after.filled_notional == Decimal("6.000000000000001E-13")


@pytest.mark.parametrize("status", [status for status in IntentStatus if status.is_terminal])
def test_parent_after_when_the_child_has_ended_then_it_is_open_no_more(
    status: IntentStatus,
) -> None:
    intent = an_intent(CHILD_PLAN, status=status, reason_code="MARGIN", reason="no margin")

    after = parent_after(a_child_case(), intent, (), NOON)

    assert after is not None
    assert after.open_children == {}
    assert (after.failures, after.reason_code, after.reason) == (1, "MARGIN", "no margin")
    assert after.unspawned_qty == 10


def test_parent_after_when_nobody_can_tell_then_the_child_counts_as_filled() -> None:
    """And is waited for no more."""
    intent = an_intent(CHILD_PLAN, status=IntentStatus.UNRESOLVED)

    after = parent_after(a_child_case(), intent, (), NOON)

    assert after is not None
    assert after.open_children[INTENT_ID].unresolved
    assert after.unspawned_qty == Decimal("9.6667")


def test_parent_after_when_a_fill_comes_after_its_end_then_the_end_is_another() -> None:
    parent = a_parent(status=ParentStatus.EXPIRED, quantity=Decimal("0.3333"))
    case = a_case(intent=an_intent(CHILD_PLAN), parent=parent)

    after = parent_after(case, an_intent(CHILD_PLAN, status=IntentStatus.FILLED), (a_fill(),), NOON)

    assert after is not None
    assert (after.status, after.reason_code) == (ParentStatus.FILLED, "FILLED_LATE")


# ---------------------------------------------------------------- what is reserved


def test_reservation_when_there_is_none_then_none_is_made() -> None:
    intent = an_intent(status=IntentStatus.WORKING)

    assert reserve_what_is_open(EMPTY, intent, an_order()) is EMPTY


@pytest.mark.parametrize("status", IntentStatus)
def test_reservation_when_its_intent_goes_on_then_what_may_still_fill_and_after_it_nothing(
    status: IntentStatus,
) -> None:
    """UNKNOWN and UNRESOLVED count as filled: they are held."""
    order = an_order(filled_qty=Decimal("0.1"))

    after = reserve_what_is_open(RESERVED, an_intent(status=status), order)

    if status.is_terminal:
        assert after == EMPTY
    else:
        assert after.reservations[INTENT_ID] == replace(MINE, quantity=Decimal("0.2333"))


def test_reservation_when_more_fills_than_was_ordered_then_never_below_zero() -> None:
    order = an_order(filled_qty=Decimal(2))

    after = reserve_what_is_open(RESERVED, an_intent(status=IntentStatus.WORKING), order)

    assert after.reservations[INTENT_ID].quantity == 0


def test_reservation_when_an_earlier_order_speaks_then_the_open_one_keeps_its_own() -> None:
    earlier = an_order(client_order_id="0xearlier", filled_qty=Decimal("0.1"))

    after = reserve_what_is_open(RESERVED, an_intent(status=IntentStatus.UNKNOWN), earlier)

    assert after is RESERVED


@pytest.mark.parametrize("filled", [True, False])
def test_exposure_after_when_a_child_moves_on_then_child_and_parent_hold_all_of_it(
    filled: bool,
) -> None:
    case = a_child_case()
    assert case.parent is not None
    fills = (a_fill(),) if filled else ()
    status = IntentStatus.FILLED if filled else IntentStatus.REJECTED
    intent = an_intent(CHILD_PLAN, status=status)
    parent = parent_after(case, intent, fills, NOON)

    after = exposure_after(case, intent, an_order(), a_booking() if filled else None, parent)

    held = Decimal("0.3333") if filled else Decimal(0)
    assert after.held(HL, "ETH") == held
    assert set(after.reservations) == {PARENT_ID}
    assert after.reservations[PARENT_ID].quantity == 10 - held


def test_exposure_after_when_there_is_nothing_new_then_the_same() -> None:
    intent = an_intent(status=IntentStatus.UNKNOWN)

    assert exposure_after(a_case(), intent, an_order(), None, None) == RESERVED


# ---------------------------------------------------------------- who is told


def test_news_of_when_nothing_filled_or_ended_then_nobody_is_told() -> None:
    intent = an_intent(CHILD_PLAN, status=IntentStatus.WORKING)

    assert news_of(a_child_case(), intent, None, NOON) == []
    assert news_of(a_case(), an_intent(status=IntentStatus.FILLED), None, NOON) == []


def test_news_of_when_a_position_has_changed_then_monitor_hears_of_it_and_by_which_order() -> None:
    (message,) = news_of(a_case(), an_intent(status=IntentStatus.WORKING), a_booking(), NOON)

    assert message.event == PositionChanged(
        book="v3", position_id="pos_1", intent_id=INTENT_ID, fill_count=1
    )
    assert message.topic == "position-changed"
    (later,) = news_of(
        a_case(), an_intent(status=IntentStatus.WORKING), a_booking(fill_count=2), NOON
    )
    assert later.message_id != message.message_id


@pytest.mark.parametrize(
    "status", [*(each for each in IntentStatus if each.is_terminal), IntentStatus.UNRESOLVED]
)
def test_news_of_when_a_child_has_ended_or_was_given_up_then_its_parent_looks_at_once(
    status: IntentStatus,
) -> None:
    intent = an_intent(CHILD_PLAN, status=status, audit_head="head-1")

    (message,) = news_of(a_child_case(), intent, None, NOON)

    assert message.event == ParentOrderDue(parent_order_id=PARENT_ID)
    (again,) = news_of(a_child_case(), replace(intent, audit_head="head-2"), None, NOON)
    assert again.message_id != message.message_id


def test_news_of_when_a_child_fills_and_ends_then_both_are_told() -> None:
    intent = an_intent(CHILD_PLAN, status=IntentStatus.FILLED)

    messages = news_of(a_child_case(), intent, a_booking(), NOON)

    assert [type(each.event) for each in messages] == [PositionChanged, ParentOrderDue]
