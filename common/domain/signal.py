"""Signals: venue-agnostic wishes to trade, and the state each one ends in."""

from dataclasses import dataclass
from enum import StrEnum

from common.domain.instrument import Venue
from common.domain.moment import UtcDatetime
from common.domain.money import Money
from common.domain.parent_order import ExecutionWish


class PositionSide(StrEnum):
    FLAT = "FLAT"
    LONG = "LONG"
    SHORT = "SHORT"


class SignalStatus(StrEnum):
    """PENDING -> ROUTED -> EXECUTING -> one of the terminal states."""

    PENDING = "PENDING"
    ROUTED = "ROUTED"
    EXECUTING = "EXECUTING"
    EXECUTED = "EXECUTED"
    PARTIAL = "PARTIAL"
    SKIPPED = "SKIPPED"
    DENIED = "DENIED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"

    @property
    def is_terminal(self) -> bool:
        return self not in _OPEN


_OPEN = frozenset({SignalStatus.PENDING, SignalStatus.ROUTED, SignalStatus.EXECUTING})


class SizeType(StrEnum):
    PERCENTAGE = "percentage"  # of the deployment's capital, 0 < value <= 100
    FIXED = "fixed"  # quote currency
    QUANTITY = "quantity"  # base units
    VOLATILITY = (
        "volatility"  # percent of the capital that one standard deviation of a day may cost
    )
    KELLY = "kelly"  # percent of the Kelly fraction that the agent's record gives, 0 < value <= 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeModel:
    type: SizeType
    value: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskModel:
    """Distances are fractions of the entry price given in percent, 2.5 = 2.5 %."""

    type: str  # trailing-stop, stop-loss
    stop: Money
    take_profit: Money | None = None
    time_limit_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    signal_id: str
    book: str
    agent_id: str
    symbol: str
    side: PositionSide  # LONG buys, SHORT sells
    size_model: SizeModel
    risk_model: RiskModel | None
    confidence: Money  # 0..1
    reasons: tuple[str, ...]
    source_tweets: tuple[str, ...] = ()
    source_research: tuple[str, ...] = ()
    decision_id: str | None = None
    venue: Venue = Venue.MULTI
    reference_price: Money | None  # mark when the signal was made
    created_at: UtcDatetime
    expires_at: UtcDatetime
    execution: ExecutionWish | None = None  # None: as the selection matrix says


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRecord:
    """A signal with what became of it; the document under `signals` or `signals_v3`."""

    signal: Signal
    status: SignalStatus
    reason_code: str
    reason: str
    deployments_expected: int | None  # None until fan_out has counted them
    outcomes: dict[str, int]  # deliveries that ended, by terminal SignalStatus
    final_venue: str | None
    routing_history: tuple[dict[str, object], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryLeg:
    """One venue's share of a delivery that was split; its own intent, plan and end.

    Where an algorithm works the share, `intent_id` is the parent order's id.
    """

    intent_id: str
    plan_hash: str
    status: SignalStatus
    reason_code: str
    reason: str
    venue: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One signal for one deployment: the unit that is routed, executed and ends in one state."""

    delivery_id: str
    book: str
    signal_id: str
    agent_id: str
    deployment_id: str
    status: SignalStatus
    reason_code: str
    reason: str
    venue: str | None
    intent_id: str | None  # or the id of the parent order that an algorithm works
    plan_hash: str | None  # of the OrderPlan that route made; execute takes no other
    created_at: UtcDatetime
    updated_at: UtcDatetime
    expires_at: UtcDatetime  # the signal's
    legs: tuple[DeliveryLeg, ...] = ()  # two or more when it was split over venues

    @property
    def intent_ids(self) -> tuple[str, ...]:
        if self.legs:
            return tuple(leg.intent_id for leg in self.legs)
        return (self.intent_id,) if self.intent_id else ()

    def leg(self, intent_id: str) -> DeliveryLeg | None:
        return next((leg for leg in self.legs if leg.intent_id == intent_id), None)
