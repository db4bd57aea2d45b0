"""From a signal's size to a quantity, what the policy makes of it, and the duplicate block."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config import LimitSettings
from common.domain.order import OrderSide
from common.domain.signal import SizeModel, SizeType
from common.how.denial import Denial
from common.how.duplicates import DuplicateGuard, check_duplicate, guard_ref
from common.how.policy import UNCHANGED, apply_policy
from common.how.sizing import target_quantity
from tests.builders import NOON, a_deployment, a_signal


@pytest.mark.parametrize(
    ("kind", "value", "quantity"),
    [
        (SizeType.PERCENTAGE, "10", "0.4"),
        (SizeType.PERCENTAGE, "100", "4"),
        (SizeType.FIXED, "500", "0.2"),
        (SizeType.QUANTITY, "0.7", "0.7"),
    ],
)
def test_target_quantity_when_sized_then_from_capital_and_price(
    kind: SizeType, value: str, quantity: str
) -> None:
    size = SizeModel(type=kind, value=Decimal(value))
    wanted = target_quantity(size, capital=Decimal(10_000), price=Decimal(2500))
    assert wanted == Decimal(quantity)


def test_policy_when_nothing_is_set_then_the_signals_own_size_under_a_named_version() -> None:
    verdict = apply_policy(a_signal(), a_deployment(), price=Decimal(2000))

    assert (verdict.quantity, verdict.version) == (Decimal("0.5"), UNCHANGED)


@given(
    value=st.decimals("0.01", "100", places=2),
    capital=st.decimals("1", "10000000", places=2),
    price=st.decimals("0.00001", "200000", places=5),
)
def test_target_quantity_when_a_percentage_then_never_more_than_the_capital(
    value: Decimal, capital: Decimal, price: Decimal
) -> None:
    size = SizeModel(type=SizeType.PERCENTAGE, value=value)
    quantity = target_quantity(size, capital=capital, price=price)
    assert quantity * price <= capital * (1 + Decimal("1e-20"))


LIMITS = LimitSettings()
LAST = DuplicateGuard(delivery_id="dlv_1", quantity=Decimal("0.5"), routed_at=NOON)


@pytest.mark.parametrize(
    ("last", "delivery_id", "quantity", "after_ms", "blocked"),
    [
        (None, "dlv_2", "0.5", 0, False),
        (LAST, "dlv_2", "0.5", 0, True),
        (LAST, "dlv_2", "0.5", 999, True),
        (LAST, "dlv_2", "0.5", 1000, False),
        (LAST, "dlv_2", "0.51", 10, False),
        (LAST, "dlv_1", "0.5", 10, False),
    ],
)
def test_check_duplicate_when_the_same_order_comes_within_the_window_then_blocked(
    last: DuplicateGuard | None, delivery_id: str, quantity: str, after_ms: int, blocked: bool
) -> None:
    now = NOON + timedelta(milliseconds=after_ms)
    candidate = DuplicateGuard(delivery_id=delivery_id, quantity=Decimal(quantity), routed_at=now)

    refusal = check_duplicate(last, candidate, symbol="ETH", now=now, limits=LIMITS)

    assert (refusal is not None) is blocked
    if refusal is not None:
        assert refusal.code is Denial.DUPLICATE_ORDER
        assert refusal.reason == f"ETH: the same order over 0.5 was routed {after_ms} ms ago"


def test_guard_ref_when_deployment_symbol_or_side_differ_then_another_guard() -> None:
    refs = {
        guard_ref(deployment, symbol, side).id
        for deployment in ("a", "b")
        for symbol in ("ETH", "BTC")
        for side in OrderSide
    }
    assert len(refs) == 8
    assert guard_ref("a", "ETH", OrderSide.BUY) == guard_ref("a", "ETH", OrderSide.BUY)
