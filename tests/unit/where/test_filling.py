"""Water-filling, where the arithmetic itself is short of digits."""

from decimal import Context, Decimal, localcontext

from hypothesis import example, given
from hypothesis import strategies as st

from common.where.filling import Bay, fill, level_shares

BAYS = st.lists(
    st.builds(
        Bay,
        rate=st.integers(1, 999).map(Decimal),
        bend=st.integers(1, 90).map(lambda number: Decimal(number) / 1000),
        lot=st.just(Decimal(1)),
        low=st.just(Decimal(0)),
        high=st.integers(1, 60).map(Decimal),
    ),
    min_size=2,
    max_size=4,
)
STEEP = Bay(Decimal(651), Decimal("0.03"), Decimal(1), Decimal(0), Decimal(32))
FLAT = Bay(Decimal(521), Decimal("0.005"), Decimal(1), Decimal(0), Decimal(32))


@given(bays=BAYS, total=st.integers(0, 240).map(Decimal))
@example(bays=[STEEP, FLAT], total=Decimal(32))
def test_fill_when_the_level_is_inexact_then_still_never_more_than_the_total(
    bays: list[Bay], total: Decimal
) -> None:
    with localcontext(Context(prec=4)):
        quantities = fill(bays, total)

    assert sum(quantities) == min(total, sum(bay.high for bay in bays))
    assert all(0 <= part <= bay.high for part, bay in zip(quantities, bays, strict=True))


def test_fill_when_four_digits_are_too_few_for_the_level_then_a_lot_is_taken_back() -> None:
    with localcontext(Context(prec=4)):
        rounded = level_shares([STEEP, FLAT], Decimal(32))
        assert sum(rounded) > 32, "the example must overshoot"

        assert fill([STEEP, FLAT], Decimal(32)) == [Decimal(0), Decimal(32)]


def test_level_shares_when_the_total_is_beyond_all_bays_then_each_is_full() -> None:
    assert level_shares([STEEP, FLAT], Decimal(65)) == [Decimal(32), Decimal(32)]
