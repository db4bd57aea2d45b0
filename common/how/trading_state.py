"""ACTIVE, REDUCING, HALTED, for the platform and within it: persisted, obeyed before the wire."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from common.books import TRADING_STATE
from common.domain.moment import EPOCH, UtcDatetime
from common.domain.money import ZERO
from common.domain.order import OrderSide
from common.domain.scope import PLATFORM_SCOPE, Scope
from common.errors import InvalidInputError
from common.how.denial import Denial
from common.how.limits import Refusal
from common.ports import Document, DocumentStore, Ref
from common.wire import from_document

PLATFORM = Ref(TRADING_STATE, PLATFORM_SCOPE.key)
UNREADABLE = "its state cannot be read"
NOBODY = "nobody"


class TradingState(StrEnum):
    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"

    @property
    def severity(self) -> int:
        return ("ACTIVE", "REDUCING", "HALTED").index(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingStateRecord:
    """The document under `trading_state`, id = scope key.

    `epoch` grows with every change, so that a gate can tell that it read an older one.
    """

    state: TradingState
    epoch: int
    reason: str
    changed_by: str
    changed_at: UtcDatetime
    until: UtcDatetime | None = None  # ACTIVE again by itself from then on

    def at(self, now: datetime) -> TradingState:
        over = self.until is not None and now >= self.until
        return TradingState.ACTIVE if over else self.state


@dataclass(frozen=True, slots=True)
class Standing:
    """The state in force, and the scope that it comes from."""

    state: TradingState
    scope: Scope
    reason: str


def state_ref(scope: Scope) -> Ref:
    return Ref(TRADING_STATE, scope.key)


def record_of(document: Document) -> TradingStateRecord:
    """What cannot be read stands as the gate takes it: HALTED, by nobody, at its own epoch."""
    try:
        return from_document(TradingStateRecord, document.data)
    except InvalidInputError:
        epoch = document.data.get("epoch")
        return TradingStateRecord(
            state=TradingState.HALTED,
            epoch=epoch if type(epoch) is int else 0,
            reason=UNREADABLE,
            changed_by=NOBODY,
            changed_at=EPOCH,
        )


def standing(
    scopes: Sequence[Scope], documents: Sequence[Document | None], now: datetime
) -> Standing:
    """The gravest state of all scopes; of equals the widest scope's.

    The platform's must be there; what is there and cannot be read means HALTED.
    """
    worst: Standing | None = None
    for scope, document in zip(scopes, documents, strict=True):
        found = _of(scope, document, now)
        if worst is None or found.state.severity > worst.state.severity:
            worst = found
    return worst or Standing(TradingState.HALTED, PLATFORM_SCOPE, "no scope was asked")


def _of(scope: Scope, document: Document | None, now: datetime) -> Standing:
    if document is None:
        if scope == PLATFORM_SCOPE:
            return Standing(TradingState.HALTED, scope, "no state was ever set")
        return Standing(TradingState.ACTIVE, scope, "")
    try:
        record = from_document(TradingStateRecord, document.data)
    except InvalidInputError:
        return Standing(TradingState.HALTED, scope, UNREADABLE)
    return Standing(record.at(now), scope, record.reason)


def state_of(document: Document | None) -> TradingState:
    """The platform's own state as it was set. What is missing or cannot be read means HALTED."""
    if document is None:
        return TradingState.HALTED
    try:
        return from_document(TradingStateRecord, document.data).state
    except InvalidInputError:
        return TradingState.HALTED


async def read_state(store: DocumentStore) -> TradingState:
    return state_of(await store.get(PLATFORM))


async def read_standing(
    store: DocumentStore, scopes: Iterable[Scope], *, now: datetime
) -> Standing:
    """Raises TransientError: the store does not answer."""
    asked = tuple(scopes)
    return standing(asked, await store.get_many([state_ref(scope) for scope in asked]), now)


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
    found: Standing, *, side: OrderSide, quantity: Decimal, held: Decimal
) -> Refusal | None:
    """`state_denial` with its reason in words."""
    denial = state_denial(found.state, side=side, quantity=quantity, held=held)
    if denial is None:
        return None
    why = f": {found.reason}" if found.reason else ""
    return Refusal(denial, f"Trading is {found.state.lower()} for {found.scope.label}{why}")
