"""The duplicate block."""

from datetime import timedelta
from decimal import Decimal

import pytest

from common.config import LimitSettings
from common.domain.order import OrderSide
from common.how.denial import Denial
from common.how.duplicates import DuplicateGuard, check_duplicate, guard_ref
from tests.builders import NOON

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
