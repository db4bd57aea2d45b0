"""Orders: the intent (one wanted effect), its attempts at venues, and their legal moves."""

from dataclasses import dataclass
from enum import StrEnum

from common.domain.exit_rules import ExitRules
from common.domain.instrument import OrderType, TimeInForce, Venue
from common.domain.moment import UtcDatetime
from common.domain.money import ZERO, Money


class OrderSide(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        return 1 if self is OrderSide.BUY else -1


class OrderPurpose(StrEnum):
    """What an order is for. All but ENTRY close, are reduce-only, and come from `monitor`."""

    ENTRY = "ENTRY"  # a signal's own: it opens, adds, reverses or closes
    STOP_LOSS = "STOP_LOSS"
    TAKE_PROFIT = "TAKE_PROFIT"
    TRAILING_STOP = "TRAILING_STOP"
    TIME_LIMIT = "TIME_LIMIT"
    EMERGENCY = "EMERGENCY"  # a protective order that triggered and did not fill, or cannot rest
    FLATTEN = "FLATTEN"


class OrderStatus(StrEnum):
    """One order at one venue, in NautilusTrader's words, plus UNKNOWN: sent, and nothing proves
    what became of it.
    """

    SUBMITTED = "SUBMITTED"  # written ahead; on its way to the wire
    UNKNOWN = "UNKNOWN"
    ACCEPTED = "ACCEPTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"  # ended with a remainder; filled_qty may be > 0
    REJECTED = "REJECTED"  # the venue proves it refused
    EXPIRED = "EXPIRED"  # proven absent after its expiry: it never was, and never will be
    DENIED = "DENIED"  # our own last gate refused; nothing was sent

    @property
    def is_terminal(self) -> bool:
        return self in _ORDER_TERMINAL


_ORDER_TERMINAL = frozenset(
    {
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
        OrderStatus.REJECTED,
        OrderStatus.EXPIRED,
        OrderStatus.DENIED,
    }
)

ORDER_MOVES: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.SUBMITTED: frozenset(OrderStatus) - {OrderStatus.SUBMITTED},
    OrderStatus.UNKNOWN: frozenset(
        {
            OrderStatus.ACCEPTED,
            OrderStatus.PARTIALLY_FILLED,
            OrderStatus.FILLED,
            OrderStatus.CANCELED,
            OrderStatus.REJECTED,
            OrderStatus.EXPIRED,
        }
    ),
    OrderStatus.ACCEPTED: frozenset(
        {
            OrderStatus.PARTIALLY_FILLED,
            OrderStatus.FILLED,
            OrderStatus.CANCELED,
            OrderStatus.REJECTED,
        }
    ),
    OrderStatus.PARTIALLY_FILLED: frozenset(
        {OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED, OrderStatus.CANCELED}
    ),
    # A late fill may still arrive for an order that we held for ended: the venue's word wins.
    OrderStatus.CANCELED: frozenset({OrderStatus.CANCELED, OrderStatus.FILLED}),
    OrderStatus.EXPIRED: frozenset({OrderStatus.CANCELED, OrderStatus.FILLED}),
    OrderStatus.REJECTED: frozenset(),
    OrderStatus.FILLED: frozenset(),
    OrderStatus.DENIED: frozenset(),
}


class IntentStatus(StrEnum):
    """One wanted effect over all its attempts."""

    SENDING = "SENDING"  # an attempt is written ahead and may be at the wire
    UNKNOWN = "UNKNOWN"  # `settle` must ask the venue
    WORKING = "WORKING"  # the venue holds it
    RETRYING = "RETRYING"  # the last attempt is proven dead; the next may be written
    FILLED = "FILLED"
    PARTIAL = "PARTIAL"  # ended with some of the quantity
    REJECTED = "REJECTED"  # the venue proves it refused, or ended it with nothing filled
    CANCELED = "CANCELED"  # it rested, and ended with nothing filled before it was reached
    DENIED = "DENIED"
    EXPIRED = "EXPIRED"
    UNRESOLVED = "UNRESOLVED"  # a person must look; the reservation is kept

    @property
    def is_terminal(self) -> bool:
        return self in _INTENT_TERMINAL


_INTENT_TERMINAL = frozenset(
    {
        IntentStatus.FILLED,
        IntentStatus.PARTIAL,
        IntentStatus.REJECTED,
        IntentStatus.CANCELED,
        IntentStatus.DENIED,
        IntentStatus.EXPIRED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueCandidate:
    """A venue that route found able to take the order, with the size rounded to its lots."""

    venue: Venue
    instrument_id: str
    quantity: Money  # base units, > 0
    price: Money  # the worst acceptable, on the venue's tick


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlan:
    """What route asks of execute. Candidates in order: the next one only after the last is proven
    dead.
    """

    intent_id: str
    book: str
    agent_id: str
    deployment_id: str
    delivery_id: str  # empty for an exit, which no signal waits for
    signal_id: str
    symbol: str
    side: OrderSide
    order_type: OrderType
    candidates: tuple[VenueCandidate, ...]
    reference_price: Money  # mark that the size was computed from
    slippage_max: Money  # fraction of the reference price
    policy_version: str
    created_at: UtcDatetime
    expires_at: UtcDatetime
    paper: bool = True  # whether it is for paper venues; the other kind never sees it
    time_in_force: TimeInForce = TimeInForce.IOC
    trigger_price: Money | None = None
    reduce_only: bool = False
    purpose: OrderPurpose = OrderPurpose.ENTRY
    position_id: str = ""  # that an exit closes
    parent_order_id: str = ""  # of a child; empty for an order that goes whole
    exec_algorithm_id: str = ""
    slice_no: int = 0  # of a child: 1, 2, ...
    exits: ExitRules | None = None  # how the position that it opens is to end

    @property
    def effect_id(self) -> str:
        """What its delivery waits for, and what its quantity is reserved under at first."""
        return self.parent_order_id or self.intent_id

    @property
    def is_protective(self) -> bool:
        """It rests at the venue until a price is reached, and only ever closes."""
        return self.trigger_price is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One attempt at one venue; the document under `orders`, id = client_order_id."""

    client_order_id: str
    intent_id: str
    attempt: int  # 1, 2, ...
    account_id: str  # the deployment
    venue: Venue
    instrument_id: str
    symbol: str
    side: OrderSide
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Money
    price: Money  # the worst acceptable
    nonce: int
    payload_hash: str  # of its request; empty when none could be prepared
    status: OrderStatus
    venue_order_id: str | None
    filled_qty: Money
    avg_px: Money | None
    reason: str
    submitted_at: UtcDatetime
    expires_at: UtcDatetime  # the venue must refuse it after this
    updated_at: UtcDatetime
    signer: str = ""  # address that signed it, in lower case
    request_key: str = ""  # what the venue knows it by: cloid, transaction hash, request id
    reduce_only: bool = False
    post_only: bool = False  # rest in the book or be refused
    trigger_price: Money | None = None
    sent_again: bool = False  # `settle` has sent its bytes too
    parent_order_id: str = ""
    exec_spawn_id: str = ""  # the order that an algorithm spawned it from
    exec_algorithm_id: str = ""
    settled_by_hand: bool = False  # a person said what it came to (common/execution/by_hand.py)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """What goes to the venue for one order, byte for byte, the first time and every further time.

    The document under `signed_requests`, id = client_order_id. Whoever holds it can send the order
    until it expires, and can sign nothing else: no part of a key is in it.
    """

    client_order_id: str
    signer: str
    nonce: int  # unique for the signer; a venue takes each at most once
    request_key: str
    body: str
    created_at: UtcDatetime
    expires_at: UtcDatetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """The document under `order_intents`. Its version is the lock of the whole chain for one
    effect.
    """

    plan: OrderPlan
    status: IntentStatus
    attempt: int
    candidate: int  # index in plan.candidates of the current attempt
    client_order_id: str
    client_order_ids: tuple[str, ...]  # every attempt so far
    filled_qty: Money
    reason_code: str
    reason: str
    queries: int  # how often settle has asked
    created_at: UtcDatetime
    updated_at: UtcDatetime
    audit_head: str = ""  # hash of the newest audit row of this effect
    cancel_wanted: bool = False  # nothing of it is sent any more, neither again nor anew


class LiquiditySide(StrEnum):
    MAKER = "MAKER"
    TAKER = "TAKER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution as the venue tells it; `trade_id` is the venue's and dedupes it."""

    trade_id: str
    client_order_id: str
    venue_order_id: str
    account_id: str
    venue: Venue
    instrument_id: str
    symbol: str
    side: OrderSide
    last_qty: Money
    last_px: Money
    commission: Money  # quote currency, positive is paid
    liquidity_side: LiquiditySide
    ts_event: UtcDatetime
    base_withheld: Money = ZERO  # base units of `last_qty` that were kept as (part of) commission


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRecord:
    """A fill with the intent and the position it belongs to; the document under `fills`."""

    fill: Fill
    book: str
    agent_id: str
    deployment_id: str
    signal_id: str
    intent_id: str
    position_id: str
    realized_pnl: Money
    recorded_at: UtcDatetime
    purpose: OrderPurpose = OrderPurpose.ENTRY
    parent_order_id: str = ""
    position_fill: int = 0  # its number among all fills of the position, from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """What a venue says of one order, with every fill of it that the venue knows."""

    client_order_id: str
    venue_order_id: str
    status: OrderStatus  # ACCEPTED, PARTIALLY_FILLED, FILLED, CANCELED or REJECTED
    filled_qty: Money
    fills: tuple[Fill, ...]
    reason: str
