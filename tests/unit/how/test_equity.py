"""The one comparison of the limits on losses, to the last digit and at any precision."""

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.how.equity import has_lost

amounts = st.decimals("-1000000", "1000000", places=12)


@pytest.mark.parametrize(
    ("now_at", "lost"), [("9000.000000000001", False), ("9000", True), ("-5", True)]
)
def test_has_lost_when_the_share_is_reached_then_it_is(now_at: str, lost: bool) -> None:
    assert has_lost(Decimal("0.1"), of=Decimal(10_000), now_at=Decimal(now_at)) is lost


@pytest.mark.parametrize("base", ["0", "-1"])
def test_has_lost_when_there_was_nothing_then_no_share_of_it_is_lost(base: str) -> None:
    assert not has_lost(Decimal("0.1"), of=Decimal(base), now_at=Decimal(-100))


@given(
    share=st.decimals("0.0001", "1", places=20),
    base=st.decimals("0.000001", "1000000", places=12),
    now_at=amounts,
    precision=st.integers(1, 40),
)
def test_has_lost_when_compared_at_any_precision_then_exact(
    share: Decimal, base: Decimal, now_at: Decimal, precision: int
) -> None:
    with localcontext() as context:
        context.prec = precision
        found = has_lost(share, of=base, now_at=now_at)

    assert found is (Fraction(base) - Fraction(now_at) >= Fraction(share) * Fraction(base))
