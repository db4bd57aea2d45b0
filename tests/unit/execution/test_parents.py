"""What a parent order holds of the exposure: all of it, from its first moment to its last."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.events import ParentOrderDue
from common.domain.exposure import Exposure, Reservation
from common.domain.instrument import Venue
from common.domain.order import OrderSide
from common.domain.parent_order import OpenChild, ParentOrder, ParentStatus
from common.domain.signal import SignalStatus
from common.execution.parents import (
    PARENT_END,
    child_ended,
    filled_at,
    parent_end,
    with_rest_reserved,
)
from tests.builders import DEPLOYMENT_ID, NOON, PARENT_ID, a_child, a_parent

EMPTY = Exposure.empty(DEPLOYMENT_ID)
ENDS = [status for status in ParentStatus if status.is_terminal]


def a_reservation(quantity: str | Decimal, **changes: object) -> Reservation:
    reservation = Reservation(
        venue=Venue.HYPERLIQUID,
        symbol="ETH",
        side=OrderSide.BUY,
        quantity=Decimal(quantity),
        price=Decimal(3000),
    )
    return replace(reservation, **changes)  # type: ignore[arg-type]  # keywords of a test


def rest_of(exposure: Exposure) -> Reservation | None:
    return exposure.reservations.get(PARENT_ID)


def test_rest_when_nothing_is_sent_yet_then_all_of_it_is_reserved_and_at_no_venue() -> None:
    rest = rest_of(with_rest_reserved(EMPTY, a_parent()))

    assert rest == a_reservation("10", at_venue=False)


@pytest.mark.parametrize(
    ("arrival", "worst", "price"), [(2990, 3000, 3000), (3010, 3000, 3010), (3000, 3000, 3000)]
)
def test_rest_when_priced_then_by_the_worse_of_the_arrival_and_the_bound(
    arrival: int, worst: int, price: int
) -> None:
    first = replace(a_parent().candidates[0], price=Decimal(worst))
    parent = a_parent(arrival_price=Decimal(arrival), candidates=(first,))

    rest = rest_of(with_rest_reserved(EMPTY, parent))

    assert rest is not None
    assert rest.price == price


def test_rest_when_a_child_holds_its_part_then_the_parent_holds_the_others() -> None:
    parent = a_parent(open_children={"int_1": a_child("3")}, filled_qty=Decimal(2))
    held = EMPTY.reserve("int_1", a_reservation("3"))

    rest = rest_of(with_rest_reserved(held, parent))

    assert rest is not None
    assert rest.quantity == 5


def test_rest_when_a_child_is_not_written_ahead_yet_then_its_part_is_with_the_parent() -> None:
    parent = a_parent(open_children={"int_1": a_child("3")})

    rest = rest_of(with_rest_reserved(EMPTY, parent))

    assert rest is not None
    assert rest.quantity == 10


def test_rest_when_a_child_came_to_nothing_then_its_part_is_the_parents_again() -> None:
    before = with_rest_reserved(
        EMPTY.reserve("int_1", a_reservation("3")), a_parent(open_children={"int_1": a_child("3")})
    )

    after = with_rest_reserved(before.release("int_1"), a_parent())

    assert after == with_rest_reserved(EMPTY, a_parent())


@pytest.mark.parametrize("filled", ["10", "10.5"])
def test_rest_when_all_of_it_has_filled_or_more_then_nothing_is_held(filled: str) -> None:
    held = with_rest_reserved(EMPTY, a_parent())

    assert with_rest_reserved(held, a_parent(filled_qty=Decimal(filled))) == EMPTY


@pytest.mark.parametrize("status", ENDS)
def test_rest_when_the_parent_has_ended_then_it_holds_nothing_and_its_children_keep_theirs(
    status: ParentStatus,
) -> None:
    """A child that was given up may still fill."""
    parent = a_parent(open_children={"int_1": a_child("3")}, status=status)
    held = with_rest_reserved(EMPTY.reserve("int_1", a_reservation("3")), a_parent())

    after = with_rest_reserved(held, parent)

    assert after.reservations == {"int_1": a_reservation("3")}


def test_rest_when_others_have_reservations_then_they_are_left_alone() -> None:
    other = EMPTY.reserve("int_9", a_reservation("7")).reserve("par_9", a_reservation("8"))

    after = with_rest_reserved(other, a_parent())

    assert set(after.reservations) == {"int_9", "par_9", PARENT_ID}
    assert with_rest_reserved(after, a_parent(status=ParentStatus.CANCELED)) == other


@given(
    filled=st.integers(0, 10),
    children=st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=4),
)
def test_rest_when_anything_is_with_children_then_all_of_the_parent_is_reserved_once(
    filled: int, children: list[tuple[int, bool]]
) -> None:
    """filled + reserved >= quantity, and the parent's own part is never below zero."""
    opened = {
        f"int_{number}": OpenChild(slice_no=number, quantity=Decimal(size), spawned_at=NOON)
        for number, (size, _) in enumerate(children)
    }
    exposure = EMPTY
    for number, (size, written) in enumerate(children):
        if written:
            exposure = exposure.reserve(f"int_{number}", a_reservation(str(size)))
    parent: ParentOrder = a_parent(open_children=opened, filled_qty=Decimal(filled))

    after = with_rest_reserved(exposure, parent)

    rest = rest_of(after)
    assert rest is None or rest.quantity > 0
    reserved = sum(each.quantity for each in after.reservations.values())
    with_children = sum(each.quantity for each in exposure.reservations.values())
    assert reserved == max(Decimal(10 - filled), Decimal(with_children))
    assert with_rest_reserved(after, parent) == after


@pytest.mark.parametrize("status", ENDS)
def test_parent_end_when_it_ended_in_any_way_then_its_delivery_has_an_end_for_it(
    status: ParentStatus,
) -> None:
    parent = a_parent(status=status, reason_code="OUT_OF_TIME", reason="Out of time")

    end = parent_end(parent)

    assert end.status is PARENT_END[status]
    assert end.status.is_terminal
    assert (end.reason_code, end.reason, end.venue) == (
        "OUT_OF_TIME",
        "Out of time",
        Venue.HYPERLIQUID,
    )


def test_parent_end_when_words_are_compared_then_an_end_says_what_it_was() -> None:
    assert {status: PARENT_END[status] for status in ENDS} == {
        ParentStatus.FILLED: SignalStatus.EXECUTED,
        ParentStatus.PARTIAL: SignalStatus.PARTIAL,
        ParentStatus.CANCELED: SignalStatus.SKIPPED,
        ParentStatus.EXPIRED: SignalStatus.EXPIRED,
        ParentStatus.REJECTED: SignalStatus.FAILED,
        ParentStatus.DENIED: SignalStatus.DENIED,
    }


def test_parent_end_when_it_could_go_to_several_venues_then_none_is_named() -> None:
    first = a_parent().candidates[0]
    other = replace(first, venue=Venue.OSTIUM, instrument_id="ETH-USD-PERP.OSTIUM")

    end = parent_end(a_parent(status=ParentStatus.FILLED, candidates=(first, other)))

    assert end.venue is None


@pytest.mark.parametrize(
    ("venues", "named"),
    [
        ((), None),
        ((Venue.OSTIUM,), Venue.OSTIUM),
        ((Venue.OSTIUM, Venue.OSTIUM), Venue.OSTIUM),
        ((Venue.HYPERLIQUID, Venue.OSTIUM), "MULTI"),
    ],
)
def test_parent_end_when_it_filled_then_where_it_did_is_named(
    venues: tuple[Venue, ...], named: str | None
) -> None:
    first = a_parent().candidates[0]
    other = replace(first, venue=Venue.OSTIUM, instrument_id="ETH-USD-PERP.OSTIUM")
    parent = a_parent(status=ParentStatus.FILLED, candidates=(first, other))

    for venue in venues:
        parent = filled_at(parent, (venue,))

    assert parent.filled_at == tuple(dict.fromkeys(venues))
    assert parent_end(parent).venue == named


def test_child_ended_when_for_two_causes_then_two_messages_and_for_one_the_same() -> None:
    one = child_ended(a_parent(), "head-1", now=NOON)

    assert one.event == ParentOrderDue(parent_order_id=PARENT_ID)
    assert one == child_ended(a_parent(filled_qty=Decimal(3)), "head-1", now=NOON)
    assert one.message_id != child_ended(a_parent(), "head-2", now=NOON).message_id
