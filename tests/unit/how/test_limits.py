"""How old a price may be."""

from datetime import timedelta

import pytest

from common.config import LimitSettings
from common.how.denial import Denial
from common.how.limits import check_price_age
from tests.builders import NOON, a_snapshot

LIMITS = LimitSettings()


@pytest.mark.parametrize(("interval", "allowed_s"), [("1m", 240), ("5m", 480), ("1h", 3780)])
def test_price_age_when_one_interval_and_the_grace_have_passed_then_stale(
    interval: str, allowed_s: int
) -> None:
    snapshot = a_snapshot(interval=interval)
    edge = NOON + timedelta(seconds=allowed_s)

    assert check_price_age(snapshot, now=edge, limits=LIMITS) is None
    refusal = check_price_age(snapshot, now=edge + timedelta(seconds=1), limits=LIMITS)

    assert refusal is not None
    assert refusal.code is Denial.PRICE_STALE
    assert refusal.reason == (
        f"the price of ETH is {allowed_s + 1} s old, at most {allowed_s} s is allowed"
    )


def test_price_age_when_the_price_is_of_the_future_then_stale_as_well() -> None:
    snapshot = a_snapshot()
    edge = NOON - timedelta(minutes=8)

    assert check_price_age(snapshot, now=edge, limits=LIMITS) is None
    refusal = check_price_age(snapshot, now=edge - timedelta(seconds=1), limits=LIMITS)

    assert refusal is not None
    assert refusal.code is Denial.PRICE_STALE
    assert refusal.reason == (
        "the price of ETH is 481 s ahead of the clock, at most 480 s is allowed"
    )
