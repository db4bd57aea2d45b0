"""Our quantities beside the venue's: what differs, since when, and the fill that mends it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal, localcontext

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from common.domain.exposure import Exposure, Reservation
from common.domain.instrument import Venue
from common.domain.money import CASH_INCREMENT, plain
from common.domain.order import Fill, OrderSide
from common.domain.position import EXACT, Position, apply_fill
from common.execution.reconciliation import (
    EXTERNAL,
    Difference,
    Reconciliation,
    differences,
    mending_fill,
    quantities,
    stands,
)
from common.ports import VenueAccountState, VenuePosition
from tests.builders import DEPLOYMENT_ID, INTENT_ID, NOON, a_position
from tests.fakes.venue import some_capabilities

HL = Venue.HYPERLIQUID
LATER = NOON + timedelta(seconds=30)
EMPTY = Exposure.empty(DEPLOYMENT_ID)


def holding(**quantity_of: str) -> Exposure:
    exposure = EMPTY
    for symbol, quantity in quantity_of.items():
        exposure = exposure.hold(
            venue=HL, symbol=symbol, signed_qty=Decimal(quantity), price=Decimal(3000)
        )
    return exposure


def told(**quantity_of: str) -> dict[str, VenuePosition]:
    state = VenueAccountState(
        positions=tuple(
            VenuePosition(symbol=symbol, signed_qty=quantity)
            for symbol, quantity in quantity_of.items()
        )
    )
    return quantities(state)


def differs(ours: str, theirs: str, seen_at: object = NOON) -> Difference:
    return Difference(ours=Decimal(ours), theirs=Decimal(theirs), seen_at=seen_at)  # type: ignore[arg-type]  # a moment


def test_differences_when_all_agree_then_none() -> None:
    same = {"ETH": "1.0", "BTC": "-2"}
    assert differences(holding(ETH="1", BTC="-2"), HL, told(**same), {}, now=NOON) == {}


def test_differences_when_either_side_alone_has_it_then_the_other_is_flat() -> None:
    """The union of both sides: what the venue does not name is flat there, and so is ours."""
    exposure = holding(ETH="1", BTC="2").hold(
        venue="OSTIUM", symbol="XAU", signed_qty=Decimal(9), price=Decimal(1)
    )
    found = differences(exposure, HL, told(BTC="2", SOL="-3"), {}, now=NOON)

    assert found == {"ETH": differs("1", "0"), "SOL": differs("0", "-3")}


def test_differences_when_it_is_the_same_as_before_then_it_keeps_its_age() -> None:
    known = {"ETH": differs("1", "0"), "SOL": differs("0", "-3")}
    found = differences(holding(ETH="1"), HL, told(SOL="-4"), known, now=LATER)

    assert found == {"ETH": differs("1", "0"), "SOL": differs("0", "-4", LATER)}
    assert differences(holding(ETH="2"), HL, told(ETH="2"), known, now=LATER) == {}


@pytest.mark.parametrize(("venue", "left_out"), [("HYPERLIQUID", True), ("OSTIUM", False)])
def test_differences_when_an_order_is_under_way_there_then_left_alone(
    venue: str, left_out: bool
) -> None:
    exposure = holding(ETH="1").reserve(
        INTENT_ID,
        Reservation(
            venue=venue,
            symbol="ETH",
            side=OrderSide.BUY,
            quantity=Decimal(1),
            price=Decimal(3000),
        ),
    )
    found = differences(exposure, HL, told(ETH="2", BTC="1"), {}, now=NOON)

    assert ("ETH" not in found) is left_out
    assert "BTC" in found


@pytest.mark.parametrize(("age_s", "expected"), [(22, False), (23, False), (23.001, True)])
def test_stands_when_older_than_any_order_could_be_under_way_then_it_stands(
    age_s: float, expected: bool
) -> None:
    now = NOON + timedelta(seconds=age_s)
    assert stands(differs("1", "0"), some_capabilities(), now=now) is expected


def test_empty_when_nothing_was_seen_then_nothing_is_known() -> None:
    empty = Reconciliation.empty(DEPLOYMENT_ID, HL, now=NOON)
    assert (empty.differences, empty.external_orders, empty.checked_at) == ({}, (), NOON)


def mend(
    position: Position, theirs: str, *, average: str | None = None, mark: str = "3000"
) -> Fill:
    word = VenuePosition(symbol="ETH", signed_qty=theirs, avg_px=average)
    difference = differs(str(position.signed_qty), theirs)
    return mending_fill(
        position,
        difference,
        word if Decimal(theirs) else None,
        instrument_id="ETH-USD-PERP.HYPERLIQUID",
        mark=Decimal(mark),
        now=NOON,
    )


def long(quantity: str = "2", cost: str = "6000") -> Position:
    return a_position(signed_qty=Decimal(quantity), open_cost=Decimal(cost), fill_count=3)


@pytest.mark.parametrize(
    ("ours", "theirs", "average", "booked"),
    [
        (a_position(), "1", "2900", ("BUY", "1", "2900")),
        (a_position(), "-1", "2900", ("SELL", "1", "2900")),
        (a_position(), "1", None, ("BUY", "1", "3100")),
        (long(), "3", "3010", ("BUY", "1", "3030")),  # (3 x 3010 - 6000) / 1
        (long(), "1", "3010", ("SELL", "1", "3100")),  # less: no average tells what it was sold for
        (long(), "0", None, ("SELL", "2", "3100")),
        (long(), "-1", "2950", ("SELL", "3", "2950")),  # turned: closed and opened at the average
        (long("-2"), "-3", "3010", ("SELL", "1", "3030")),
        (long("-2"), "-1", "3010", ("BUY", "1", "3100")),
        (long(), "3", "1", ("BUY", "1", "3100")),  # an average that no price explains
        (long(), "3", "0", ("BUY", "1", "3100")),
        (long(), "3", "2000", ("BUY", "1", "3100")),  # the missing part would have cost nothing
    ],
)
def test_mending_fill_when_they_differ_then_ours_becomes_theirs(
    ours: Position,
    theirs: str,
    average: str | None,
    booked: tuple[str, str, str],
) -> None:
    fill = mend(ours, theirs, average=average, mark="3100")

    assert (fill.side.value, plain(fill.last_qty), plain(fill.last_px)) == booked
    assert fill.client_order_id == EXTERNAL
    assert fill.commission == 0
    assert apply_fill(ours, fill, now=NOON).signed_qty == Decimal(theirs)


def test_mending_fill_when_made_again_then_the_same_id_until_the_position_moves() -> None:
    """nautilus_trader#3878: a random id books the same difference at every restart."""
    first = mend(long(), "3", average="3010")
    again = replace(first, last_px=mend(long(), "3", average="3020").last_px)

    assert mend(long(), "3", average="3020", mark="9").trade_id == again.trade_id
    others = {
        mend(long(), "4").trade_id,
        mend(replace(long(), fill_count=4), "3").trade_id,
        mend(replace(long(), position_id="pos_2"), "3").trade_id,
    }
    assert len({first.trade_id, *others}) == 4


def test_mending_fill_when_a_token_costs_next_to_nothing_then_its_price_keeps_its_digits() -> None:
    tiny = Decimal("0.0000000001234567")
    ours = a_position(signed_qty=Decimal(10**9), open_cost=tiny * 10**9)
    fill = mend(ours, str(2 * 10**9), average=str(tiny), mark="0.0000000002")

    assert fill.last_px == tiny


signed = st.decimals(min_value=-1000, max_value=1000, places=5)
prices = st.one_of(
    st.decimals(min_value="0.01", max_value=90_000, places=4),
    st.decimals(min_value="0.00000001", max_value="0.001", places=12),
)


@given(ours=signed, theirs=signed, opened=prices, average=st.one_of(st.none(), prices), mark=prices)
def test_mending_fill_when_any_two_differ_then_quantity_and_average_are_the_venues(
    ours: Decimal, theirs: Decimal, opened: Decimal, average: Decimal | None, mark: Decimal
) -> None:
    """Quantity always; the average within 0.01 % wherever one price can make it so."""
    assume(ours != theirs)
    position = a_position(signed_qty=ours, open_cost=abs(ours) * opened)
    fill = mend(position, str(theirs), average=str(average) if average else None, mark=str(mark))
    after = apply_fill(position, fill, now=NOON)

    assert after.signed_qty == theirs
    assert fill.last_qty > 0
    assert fill.last_px > 0
    if theirs == 0 or average is None:
        assert fill.last_px == mark
        return
    same_side = ours * theirs > 0
    reduced = same_side and abs(theirs) < abs(ours)
    explained = not same_side or average * abs(theirs) > position.open_cost
    if not reduced and explained:
        assert abs(after.avg_px_open - average) <= average * Decimal("0.0001")
    if reduced:
        assert abs(after.open_cost - opened * abs(theirs)) <= CASH_INCREMENT
    with localcontext(EXACT):
        cash = -fill.side.sign * fill.last_qty * fill.last_px
        before = position.unrealized_pnl(mark)
        gain = after.realized_pnl + after.unrealized_pnl(mark) - before
        assert gain == cash + (theirs - ours) * mark
