"""ACTIVE, REDUCING, HALTED: persisted, and obeyed right before the wire."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from common.books import TRADING_STATE
from common.domain.moment import UtcDatetime
from common.domain.money import ZERO
from common.domain.order import OrderSide
from common.errors import InvalidInputError
from common.how.denial import Denial
from common.how.limits import Refusal
from common.ports import Document, DocumentStore, Ref
from common.wire import from_document

PLATFORM = Ref(TRADING_STATE, "platform")


class TradingState(StrEnum):
    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingStateRecord:
    """`epoch` grows with every change, so that a gate can tell that it read an older one."""

    state: TradingState
    epoch: int
    reason: str
    changed_by: str
    changed_at: UtcDatetime


def state_of(document: Document | None) -> TradingState:
    """The state in force. What is missing or cannot be read means HALTED."""
    if document is None:
        return TradingState.HALTED
    try:
        return from_document(TradingStateRecord, document.data).state
    except InvalidInputError:
        return TradingState.HALTED


async def read_state(store: DocumentStore) -> TradingState:
    return state_of(await store.get(PLATFORM))


def state_denial(
    state: TradingState, *, side: OrderSide, quantity: Decimal, held: Decimal
) -> Denial | None:
    """Why `state` forbids this order, given the signed quantity held at its venue; None when it may
    go.
    """
    if state is TradingState.ACTIVE:
        return None
    if state is TradingState.HALTED:
        return Denial.TRADING_HALTED
    reduces = held * side.sign < ZERO and quantity <= abs(held)
    return None if reduces else Denial.TRADING_STATE_REDUCING


def state_refusal(
    state: TradingState, *, side: OrderSide, quantity: Decimal, held: Decimal
) -> Refusal | None:
    """`state_denial` with its reason in words."""
    denial = state_denial(state, side=side, quantity=quantity, held=held)
    return None if denial is None else Refusal(denial, f"Trading is {state.lower()}")
