"""Parent orders: one wanted quantity that an execution algorithm works in child orders.

NautilusTrader's words: the algorithm is `exec_algorithm_id`, a child names the order that it was
spawned from in `exec_spawn_id`.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from common.domain.exit_rules import ExitRules
from common.domain.instrument import Venue
from common.domain.moment import UtcDatetime
from common.domain.money import ZERO, Money
from common.domain.order import OrderSide, VenueCandidate

SLICES_MAX = 500
DURATION_MAX_S = 86_400


class ExecAlgorithm(StrEnum):
    """SW-08. MARKET goes out at once and whole, and needs no parent."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"  # rests at its price until it fills or its time is over
    TWAP = "TWAP"  # equal slices over a window
    VWAP = "VWAP"  # slices by a volume profile
    ICEBERG = "ICEBERG"  # one visible slice at a time
    SNIPER = "SNIPER"  # waits for the market to reach its price


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionWish:
    """How a signal asks to be executed; what is None is chosen or configured."""

    algorithm: ExecAlgorithm | None = None  # None: the selection matrix
    limit_price: Money | None = None  # LIMIT, SNIPER: the price; sliced: the worst to accept
    duration_s: int | None = None  # 1..DURATION_MAX_S
    slices: int | None = None  # 1..SLICES_MAX
    visible_quantity: Money | None = None  # ICEBERG, base units


@dataclass(frozen=True, slots=True)
class SliceTarget:
    """From `at` on, `quantity` more of the parent should have been sent."""

    at: UtcDatetime
    quantity: Money  # base units, > 0, whole lots


class ParentStatus(StrEnum):
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    CANCELING = "CANCELING"  # ends once no child is open
    FILLED = "FILLED"
    PARTIAL = "PARTIAL"  # ended with some of the quantity
    CANCELED = "CANCELED"  # ended with nothing, because somebody said so
    EXPIRED = "EXPIRED"  # ended with nothing: out of time
    REJECTED = "REJECTED"  # ended with nothing: no venue took a child
    DENIED = "DENIED"  # ended with nothing: our own limits or the trading state

    @property
    def is_terminal(self) -> bool:
        return self not in OPEN_PARENTS


OPEN_PARENTS = frozenset({ParentStatus.ACTIVE, ParentStatus.PAUSED, ParentStatus.CANCELING})


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenChild:
    """A child order that has not ended: it may still fill all that it has left."""

    slice_no: int
    quantity: Money  # base units, as spawned
    filled_qty: Money = ZERO
    spawned_at: UtcDatetime
    unresolved: bool = False  # a person must look; it counts as filled, and is waited for no more

    @property
    def leaves_qty(self) -> Money:
        return max(self.quantity - self.filled_qty, ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentOrder:
    """The document under `parent_orders`. Children's outcomes are added in their own commits.

    Never: filled_qty + sum of the open children's leaves > quantity.
    """

    parent_order_id: str
    exec_algorithm_id: ExecAlgorithm
    book: str
    agent_id: str
    deployment_id: str
    delivery_id: str
    signal_id: str
    leg: int
    symbol: str
    side: OrderSide
    candidates: tuple[VenueCandidate, ...]  # in order; `quantity` is the whole parent's there
    quantity: Money  # base units, whole lots of the first candidate
    limit_price: Money | None
    visible_quantity: Money | None
    schedule: tuple[SliceTarget, ...]  # TWAP, VWAP: sums to `quantity`; empty else
    chosen_because: str  # by the signal, or by the selection matrix and with which figures
    arrival_price: Money  # mark when the parent was made
    slippage_max: Money  # fraction; bounds each child's price around the mark of its moment
    reduce_only: bool = False
    exits: ExitRules | None = None  # how the position that it opens is to end
    policy_version: str
    paper: bool
    status: ParentStatus
    reason_code: str
    reason: str
    filled_qty: Money = ZERO
    filled_notional: Money = ZERO  # quote currency, sum of fills' quantity x price
    commissions: Money = ZERO
    filled_at: tuple[Venue, ...] = ()  # each once, in the order in which fills became known
    spawned: int = 0  # children so far; the next one's slice_no is one more
    failures: int = 0  # children in a row that ended with nothing
    open_children: dict[str, OpenChild] = field(default_factory=dict)  # by intent id
    created_at: UtcDatetime
    expires_at: UtcDatetime  # no child is spawned from then on
    paused_at: UtcDatetime | None = None
    ended_at: UtcDatetime | None = None
    updated_at: UtcDatetime

    @property
    def open_qty(self) -> Money:
        """What is with children that may still fill it; UNRESOLVED ones included."""
        return sum((child.leaves_qty for child in self.open_children.values()), ZERO)

    @property
    def unspawned_qty(self) -> Money:
        """What no child has taken: base units that may still be sent."""
        return self.quantity - self.filled_qty - self.open_qty

    @property
    def avg_px(self) -> Money | None:
        return self.filled_notional / self.filled_qty if self.filled_qty else None
