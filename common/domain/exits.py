"""How a position is to end: its rules, and what has been done to have them kept."""

from dataclasses import dataclass, field
from enum import StrEnum

from common.domain.exit_rules import ExitRules
from common.domain.instrument import Venue
from common.domain.moment import UtcDatetime
from common.domain.money import Money
from common.domain.order import OrderPurpose
from common.domain.signal import PositionSide


class ExitState(StrEnum):
    ARMED = "ARMED"  # watched, by resting orders or by `monitor`
    EXITING = "EXITING"  # a closing order is under way
    CLOSED = "CLOSED"  # flat, and no order of it rests


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectiveOrder:
    """A reduce-only order that rests at the venue, or is on its way there."""

    intent_id: str
    purpose: OrderPurpose
    trigger_price: Money
    quantity: Money
    canceling: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionExit:
    """The document under `position_exits`, id = position id; `monitor` alone writes it."""

    position_id: str
    book: str
    agent_id: str
    deployment_id: str
    venue: Venue
    symbol: str
    paper: bool
    rules: ExitRules
    rules_from_fill: int = 0  # of the position: the number of the fill whose order they are of
    state: ExitState
    side: PositionSide
    quantity: Money  # base units, > 0 while not CLOSED
    entry_price: Money
    best_price: Money  # the most favourable mark since it was opened
    opened_at: UtcDatetime
    generation: int = 0  # orders made for it so far: the next one's id follows from it
    orders: tuple[ProtectiveOrder, ...] = field(default=())
    exit_intent_id: str | None = None  # the closing order under way
    exit_purpose: OrderPurpose | None = None
    escalation: int = 0  # closing orders in a row that left something open
    triggered_at: UtcDatetime | None = None
    reason: str = ""
    updated_at: UtcDatetime
