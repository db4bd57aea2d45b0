"""What a person reads of an order's outcome."""

from dataclasses import replace
from decimal import Decimal

import pytest

from common.domain.notification import NotificationKind
from common.domain.order import IntentStatus, OrderPurpose, OrderStatus
from common.execution.plan import plan_hash
from common.execution.telling import tell
from tests.builders import NOON, a_fill, a_plan, an_intent, an_order

FILLED = an_order(status=OrderStatus.FILLED, filled_qty=Decimal("0.3333"))


@pytest.mark.parametrize(
    ("price", "text"),
    [
        ("3001.5", "at 3,001.50, 1,000.40 USD"),
        ("999.99", "at 999.99, 333.30 USD"),
        ("0.000012345678", "at 0.0000123457, 0.00 USD"),
        ("12.3456", "at 12.3456, 4.11 USD"),
    ],
)
def test_tell_when_filled_then_price_size_and_fee_as_people_read_them(
    price: str, text: str
) -> None:
    fill = a_fill(last_px=Decimal(price))

    told = tell(an_intent(), an_intent(status=IntentStatus.FILLED), FILLED, (fill,), now=NOON)

    assert told is not None
    assert told.kind is NotificationKind.TRADE
    assert told.text == f"BUY 0.3333 ETH on Hyperliquid {text}, fee 0.45 (swarm)"


@pytest.mark.parametrize(
    ("purpose", "words"),
    [
        (OrderPurpose.ENTRY, "(swarm)"),
        (OrderPurpose.STOP_LOSS, "(swarm) (stop loss)"),
        (OrderPurpose.TAKE_PROFIT, "(swarm) (take profit)"),
    ],
)
def test_tell_when_an_exit_fills_then_what_it_was_for(purpose: OrderPurpose, words: str) -> None:
    intent = an_intent(a_plan(purpose=purpose))
    told = tell(intent, intent, FILLED, (a_fill(),), now=NOON)
    assert told is not None
    assert told.text.endswith(f"fee 0.45 {words}")


def test_tell_when_the_numbers_are_large_then_thousands_are_separated() -> None:
    order = an_order(
        quantity=Decimal(2_500_000),
        filled_qty=Decimal(1_250_000),
        status=OrderStatus.PARTIALLY_FILLED,
    )
    fill = a_fill(last_qty=Decimal(1_250_000), last_px=Decimal("0.01"))
    told = tell(an_intent(), an_intent(), order, (fill,), now=NOON)
    assert told is not None
    assert "BUY 1,250,000 of 2,500,000 ETH on Hyperliquid at 0.01, 12,500.00 USD" in told.text


def test_tell_when_filled_in_two_then_one_message_with_the_average() -> None:
    fills = (
        a_fill("a", last_qty=Decimal(1), last_px=Decimal(10)),
        a_fill("b", last_qty=Decimal(3), last_px=Decimal(14)),
    )
    order = an_order(
        quantity=Decimal(5), filled_qty=Decimal(4), status=OrderStatus.PARTIALLY_FILLED
    )

    told = tell(an_intent(), an_intent(), order, fills, now=NOON)

    assert told is not None
    assert told.text == "BUY 4 of 5 ETH on Hyperliquid at 13, 52.00 USD, fee 0.90 (swarm)"


@pytest.mark.parametrize("status", [IntentStatus.EXPIRED, IntentStatus.UNRESOLVED])
def test_tell_when_a_fill_comes_after_the_end_then_a_risk(status: IntentStatus) -> None:
    told = tell(an_intent(status=status), an_intent(), FILLED, (a_fill(),), now=NOON)

    assert told is not None
    assert told.kind is NotificationKind.RISK
    assert told.text.startswith("LATE FILL: the order was held for ended. BUY")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (IntentStatus.REJECTED, "rejected: why"),
        (IntentStatus.EXPIRED, "never reached the venue: why"),
        (IntentStatus.UNRESOLVED, "UNRESOLVED: check the venue by hand: why"),
    ],
)
def test_tell_when_it_ends_without_a_fill_then_a_risk_once(
    status: IntentStatus, words: str
) -> None:
    after = an_intent(status=status, reason="why")

    told = tell(an_intent(), after, an_order(), (), now=NOON)

    assert told is not None
    assert told.text == f"BUY 0.3333 ETH on Hyperliquid {words}"
    assert tell(after, after, an_order(), (), now=NOON) is None
    coded = tell(an_intent(), replace(after, reason="", reason_code="X"), an_order(), (), now=NOON)
    assert coded is not None
    assert coded.text.endswith(": X")


@pytest.mark.parametrize(
    "status", [IntentStatus.DENIED, IntentStatus.RETRYING, IntentStatus.UNKNOWN]
)
def test_tell_when_nobody_must_know_then_nothing(status: IntentStatus) -> None:
    assert tell(an_intent(), an_intent(status=status), an_order(), (), now=NOON) is None


def test_tell_when_told_twice_then_it_is_the_same_notification() -> None:
    one, two = (tell(an_intent(), an_intent(), FILLED, (a_fill(),), now=NOON) for _ in range(2))
    other = tell(an_intent(), an_intent(), FILLED, (a_fill("trade-2"),), now=NOON)

    assert one == two
    assert one is not None
    assert other is not None
    assert one.notification_id != other.notification_id


def test_plan_hash_when_anything_in_it_changes_then_another() -> None:
    plan = a_plan()
    bigger = replace(plan.candidates[0], quantity=Decimal("0.33330001"))

    assert plan_hash(plan) == plan_hash(a_plan())
    altered = [
        replace(plan, candidates=(bigger,)),
        replace(plan, delivery_id="dlv_x"),
        replace(plan, candidates=()),
        replace(plan, reference_price=Decimal(3001)),
    ]
    assert len({plan_hash(plan), *map(plan_hash, altered)}) == 5
    same_value = replace(plan, reference_price=Decimal("3000.00"))
    assert plan_hash(same_value) == plan_hash(plan)
