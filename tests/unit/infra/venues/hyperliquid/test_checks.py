"""What is refused before anything is signed; the venue's rules run in the integration tests."""

from dataclasses import replace
from decimal import Decimal

import pytest

from common.domain.instrument import OrderType
from common.errors import RejectedError
from infra.venues.hyperliquid.capabilities import CAPABILITIES, LIVE
from infra.venues.hyperliquid.checks import check
from infra.venues.hyperliquid.parse import perpetual
from tests.builders import NOON, an_order

ETH = perpetual("ETH", 4)


def test_check_when_closed_or_of_a_type_that_is_not_there_then_rejected() -> None:
    with pytest.raises(RejectedError, match="MARKET_CLOSED"):
        check(an_order(), replace(ETH, is_open=False), LIVE, NOON)
    stop = an_order(order_type=OrderType.STOP_MARKET, trigger_price=Decimal(2900))
    check(stop, ETH, LIVE, NOON)
    with pytest.raises(RejectedError, match="ORDER_TYPE_NOT_SUPPORTED"):
        check(stop, ETH, CAPABILITIES, NOON)


def test_check_when_it_only_reduces_then_it_may_be_below_the_minimum_value() -> None:
    small = an_order(quantity=Decimal("0.001"))
    with pytest.raises(RejectedError, match="NOTIONAL_BELOW_MINIMUM"):
        check(small, ETH, LIVE, NOON)
    check(replace(small, reduce_only=True), ETH, LIVE, NOON)
    with pytest.raises(RejectedError, match="QUANTITY_NOT_ON_LOT"):
        check(replace(small, reduce_only=True, quantity=Decimal("0.00015")), ETH, LIVE, NOON)
