"""OP-05: what may still go in each state, and that an unreadable state stops everything."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.books import TRADING_STATE
from common.domain.order import OrderSide
from common.how.denial import Denial
from common.how.trading_state import (
    PLATFORM,
    TradingState,
    TradingStateRecord,
    read_state,
    state_denial,
    state_of,
)
from common.ports import Create, Document
from common.wire import to_document
from infra.local.store.memory import MemoryStore
from tests.builders import NOON

BUY, SELL = OrderSide.BUY, OrderSide.SELL


def document_of(state: TradingState) -> dict[str, Any]:
    return to_document(
        TradingStateRecord(state=state, epoch=1, reason="", changed_by="cli", changed_at=NOON)
    )


@pytest.mark.parametrize("state", TradingState)
async def test_read_state_when_stored_then_that_state(state: TradingState) -> None:
    store = MemoryStore()
    await store.commit([Create(PLATFORM, document_of(state))])

    assert await read_state(store) is state


async def test_read_state_when_missing_then_halted() -> None:
    assert PLATFORM.collection == TRADING_STATE
    assert await read_state(MemoryStore()) is TradingState.HALTED


@pytest.mark.parametrize(
    "damage",
    [
        {"state": "ACTIV"},
        {"state": None},
        {"epoch": "one"},
        {"changed_at": "yesterday"},
        {"something_newer": 1},
    ],
)
def test_state_of_when_it_cannot_be_read_then_halted(damage: dict[str, Any]) -> None:
    data = {**document_of(TradingState.ACTIVE), **damage}
    assert state_of(Document(PLATFORM, data, "1")) is TradingState.HALTED
    assert state_of(Document(PLATFORM, {}, "1")) is TradingState.HALTED


@pytest.mark.parametrize(
    ("side", "quantity", "held", "passes"),
    [
        (SELL, "1", "2", True),
        (SELL, "2", "2", True),
        (SELL, "2.0001", "2", False),
        (BUY, "1", "2", False),
        (BUY, "1", "-2", True),
        (BUY, "2.0001", "-2", False),
        (SELL, "1", "-2", False),
        (BUY, "1", "0", False),
        (SELL, "1", "0", False),
    ],
)
def test_state_denial_when_reducing_then_only_what_makes_the_holding_smaller(
    side: OrderSide, quantity: str, held: str, passes: bool
) -> None:
    denial = state_denial(
        TradingState.REDUCING, side=side, quantity=Decimal(quantity), held=Decimal(held)
    )
    assert denial is (None if passes else Denial.TRADING_STATE_REDUCING)


amounts = st.decimals("-1000", "1000", places=4)


@given(
    side=st.sampled_from(OrderSide), quantity=st.decimals("0.0001", "1000", places=4), held=amounts
)
def test_state_denial_when_any_order_then_halted_stops_it_and_reducing_never_turns_a_holding(
    side: OrderSide, quantity: Decimal, held: Decimal
) -> None:
    def denial(state: TradingState) -> Denial | None:
        return state_denial(state, side=side, quantity=quantity, held=held)

    assert denial(TradingState.ACTIVE) is None
    assert denial(TradingState.HALTED) is Denial.TRADING_HALTED
    if denial(TradingState.REDUCING) is None:
        after = held + quantity * side.sign
        assert abs(after) < abs(held)
        assert after * held >= 0
