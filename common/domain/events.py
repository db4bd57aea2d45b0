"""Messages between functions. Frozen; fields are added, never changed; ids are business ids."""

from dataclasses import dataclass, field

from common.domain.instrument import Venue
from common.domain.market import MarketSnapshot
from common.domain.moment import UtcDatetime
from common.domain.notification import Notification
from common.domain.order import OrderPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A scheduled moment. `tick_id` = job + scheduled time, so a repeated delivery is the same
    tick.
    """

    job: str
    scheduled_at: UtcDatetime

    @property
    def tick_id(self) -> str:
        return f"{self.job}:{self.scheduled_at:%Y%m%dT%H%M%S}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketUpdated:
    """The symbols' snapshots of one tick, whole: `decide` reads no market state that a later tick
    could change.
    """

    tick_id: str
    snapshots: tuple[MarketSnapshot, ...]
    failed: dict[str, str]  # symbol -> why it has no snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalCreated:
    """`cursor` continues the fan-out after a page of deployments; None starts it."""

    book: str
    signal_id: str
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSignal:
    book: str
    delivery_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlanned:
    """`attempt` > 1 only after the one before it is proven dead."""

    plan: OrderPlan
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUnknown:
    intent_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySubmitted:
    """A venue key lies in the secret store, unread; carries nothing of it."""

    book: str
    deployment_id: str
    venue: Venue


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentOrderDue:
    """Something of a parent order may be sent now: it is new, or a child of it has ended."""

    parent_order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionChanged:
    """A fill has changed a position. The exit rules of its order, `intent_id`, hold from that fill
    on, unless a later fill's do.
    """

    book: str
    position_id: str
    intent_id: str
    fill_count: int  # of the position, with this fill


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """An open order is not wanted any more. What it has filled until then stays filled."""

    intent_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingStateChanged:
    """Trading was halted or reduced within `scope`: entries that rest there are to be canceled."""

    scope: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlattenRequested:
    flatten_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationRaised:
    notification: Notification


Event = (
    MarketUpdated
    | SignalCreated
    | DeploymentSignal
    | OrderPlanned
    | OrderUnknown
    | KeySubmitted
    | ParentOrderDue
    | PositionChanged
    | CancelRequested
    | TradingStateChanged
    | FlattenRequested
    | NotificationRaised
)

EVENT_VERSION = 1
EVENT_TYPES: dict[str, type[Event]] = {
    event.__name__: event
    for event in (
        MarketUpdated,
        SignalCreated,
        DeploymentSignal,
        OrderPlanned,
        OrderUnknown,
        KeySubmitted,
        ParentOrderDue,
        PositionChanged,
        CancelRequested,
        TradingStateChanged,
        FlattenRequested,
        NotificationRaised,
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMessage:
    """An event waiting to be published: written in the commit that caused it, deleted once
    published.
    """

    message_id: str  # business id: the same cause gives the same id
    topic: str
    event: Event
    occurred_at: UtcDatetime
    deliver_at: UtcDatetime | None = None  # not before; None: at once
    trace: dict[str, str] | None = field(default=None, compare=False)  # common/trace.py; None: open
