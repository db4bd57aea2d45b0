"""The worst case in one pass, place by place, and differences that add up exactly."""

from decimal import Decimal, getcontext, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.exposure import Exposure
from common.domain.order import OrderSide
from common.domain.position import EXACT
from common.how.worst_case import (
    AtRisk,
    added,
    at_risk,
    notional_at,
    notional_of,
    notionals,
    only_reduces,
    open_orders,
)
from tests.builders import DEPLOYMENT_ID
from tests.unit.how.risk_desk import BUY, GMX, HL, SELL, d, holding, reserved

VENUES, SYMBOLS = (HL, GMX), ("BTC", "ETH")
_amount = st.decimals("0.0001", "50", places=4)
_price = st.decimals("0.000001", "100000", places=6)
_place = st.tuples(st.sampled_from(VENUES), st.sampled_from(SYMBOLS))
_reservation = st.builds(
    lambda place, side, quantity, price, flags: reserved(
        side,
        quantity,
        venue=place[0].value,
        symbol=place[1],
        price=price,
        at_venue=flags[0],
        protective=flags[1],
    ),
    _place,
    st.sampled_from(OrderSide),
    _amount,
    _price,
    st.tuples(st.booleans(), st.booleans()),
)


@st.composite
def exposures(draw: st.DrawFn) -> Exposure:
    exposure = Exposure.empty(DEPLOYMENT_ID)
    for venue, symbol in draw(st.lists(_place, max_size=4)):
        signed = draw(_amount) * draw(st.sampled_from([1, -1]))
        exposure = exposure.hold(
            venue=venue.value, symbol=symbol, signed_qty=signed, price=draw(_price)
        )
    for number, reservation in enumerate(draw(st.lists(_reservation, max_size=6))):
        exposure = exposure.reserve(f"int_{number}", reservation)
    return exposure


@given(exposures())
def test_notionals_when_worked_out_in_one_pass_then_those_of_each_place(exposure: Exposure) -> None:
    worst = notionals(exposure)
    for venue in VENUES:
        for symbol in SYMBOLS:
            assert notional_at(exposure, venue, symbol) == worst.get(f"{venue}|{symbol}", 0)
    for symbol in SYMBOLS:
        assert notional_of(symbol, worst) == sum(
            notional_at(exposure, venue, symbol) for venue in VENUES
        )


@given(st.lists(exposures(), min_size=1, max_size=6), st.integers(2, 40))
def test_added_when_an_exposure_changes_step_by_step_then_the_steps_sum_to_the_end(
    steps: list[Exposure], precision: int
) -> None:
    """Whatever precision the caller works at: half of the sum is another process's."""
    sums: dict[str, AtRisk] = {}
    before = Exposure.empty(DEPLOYMENT_ID)
    for number, after in enumerate(steps):
        with localcontext() as context:
            context.prec = precision if number % 2 else getcontext().prec
            for venue, more in added(before, after).items():
                assert more != AtRisk()
                was = sums.get(venue, AtRisk())
                sums[venue] = AtRisk(
                    was.gross_cents + more.gross_cents, was.open_orders + more.open_orders
                )
        before = after
    left = {venue: each for venue, each in sums.items() if each != AtRisk()}
    with localcontext(EXACT):
        end = at_risk(before, notionals(before))
    assert left == {venue: each for venue, each in end.items() if each != AtRisk()}


def test_at_risk_when_there_are_fractions_of_a_cent_then_rounded_up_for_each_venue() -> None:
    exposure = (
        Exposure.empty(DEPLOYMENT_ID)
        .hold(venue=HL, symbol="BTC", signed_qty=d("-0.001"), price=d("0.001"))
        .hold(venue=HL, symbol="ETH", signed_qty=d("1"), price=d("2.010001"))
        .reserve("int_1", reserved(BUY, "0.5", venue=GMX, price=d("0.02")))
        .reserve("int_2", reserved(SELL, 1, venue=GMX, price=d("0.01"), at_venue=False))
    )
    found = at_risk(exposure, notionals(exposure))
    assert found == {HL: AtRisk(202, 0), GMX: AtRisk(2, 1)}
    assert open_orders(exposure) == 1


@pytest.mark.parametrize(
    ("side", "quantity", "held", "passes"),
    [(SELL, 2, "2", True), (SELL, "2.1", "2", False), (BUY, 1, "2", False), (BUY, 2, "-2", True)],
)
def test_only_reduces_when_no_more_than_what_is_held_is_closed(
    side: OrderSide, quantity: Any, held: str, passes: bool
) -> None:
    exposure = holding(ETH=held).reserve("int_1", reserved(side, quantity))
    found = only_reduces(
        exposure, "int_1", venue=HL, symbol="ETH", side=side, quantity=Decimal(str(quantity))
    )
    assert found is passes
