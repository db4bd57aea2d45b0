"""The hard limits, their codes, and what they must never block."""

from datetime import timedelta
from decimal import Decimal

import pytest

from common.config import LimitSettings
from common.domain.exposure import Exposure, Reservation
from common.domain.order import OrderSide
from common.how.denial import Denial
from common.how.limits import check_exposure, check_notional, check_price_age
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


def test_notional_when_above_the_maximum_then_denied_with_both_figures() -> None:
    price = Decimal(2500)
    assert check_notional("ETH", quantity=Decimal(10), price=price, limits=LIMITS) is None
    refusal = check_notional("ETH", quantity=Decimal("10.001"), price=price, limits=LIMITS)

    assert refusal is not None
    assert refusal.code is Denial.NOTIONAL_EXCEEDS_MAX_PER_ORDER
    assert refusal.reason == "ETH: notional=25002.5 max=25000"


def order(side: OrderSide, quantity: str, price: str = "3000") -> Reservation:
    return Reservation(
        venue="GMX", symbol="ETH", side=side, quantity=Decimal(quantity), price=Decimal(price)
    )


def holding(quantity: str, price: str = "3000") -> Exposure:
    return Exposure.empty("dep_1").hold(
        venue="GMX", symbol="ETH", signed_qty=Decimal(quantity), price=Decimal(price)
    )


BUY, SELL = OrderSide.BUY, OrderSide.SELL


@pytest.mark.parametrize(
    ("exposure", "wanted", "allowed"),
    [
        (Exposure.empty("dep_1"), order(BUY, "6.6666"), True),
        (Exposure.empty("dep_1"), order(BUY, "6.6667"), False),
        (holding("6"), order(BUY, "0.6666"), True),
        (holding("6"), order(BUY, "0.6667"), False),
        (holding("10"), order(SELL, "4"), True),
        (holding("10"), order(SELL, "20"), True),
        (holding("10"), order(SELL, "20.1"), False),
        (holding("-10"), order(BUY, "10"), True),
        (holding("6.6"), order(SELL, "1", "3100"), True),
        (holding("-6.6"), order(BUY, "1", "3100"), True),
        (holding("6.6"), order(BUY, "0.0001", "3100"), False),
    ],
)
def test_exposure_when_it_would_grow_past_the_maximum_then_denied_but_reducing_always_passes(
    exposure: Exposure, wanted: Reservation, allowed: bool
) -> None:
    refusal = check_exposure(exposure, "int_1", wanted, LIMITS)

    assert (refusal is None) is allowed
    if refusal is not None:
        assert refusal.code is Denial.EXPOSURE_EXCEEDS_MAX_PER_DEPLOYMENT
        assert refusal.reason.startswith("ETH: exposure=")
        assert refusal.reason.endswith(" max=20000")


def test_exposure_when_an_outcome_is_unknown_then_it_counts_as_filled() -> None:
    unknown = Exposure.empty("dep_1").reserve("int_0", order(BUY, "6"))

    refusal = check_exposure(unknown, "int_1", order(BUY, "1"), LIMITS)

    assert refusal is not None
    assert refusal.reason == "ETH: exposure=21000 max=20000"


def test_exposure_when_the_same_intent_tries_again_then_it_counts_once() -> None:
    first_try = Exposure.empty("dep_1").reserve("int_1", order(BUY, "6"))

    assert check_exposure(first_try, "int_1", order(BUY, "6"), LIMITS) is None


def test_exposure_when_the_limit_was_lowered_meanwhile_then_a_further_try_still_goes() -> None:
    first_try = Exposure.empty("dep_1").reserve("int_1", order(BUY, "7"))

    assert check_exposure(first_try, "int_1", order(BUY, "7"), LIMITS) is None
    assert check_exposure(first_try, "int_1", order(BUY, "7.1"), LIMITS) is not None
