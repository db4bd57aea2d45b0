"""What a decision about a position's end is made from, and what it asks for. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from common.domain.exits import PositionExit
from common.domain.instrument import Capabilities, Instrument, OrderType, TimeInForce
from common.domain.money import ZERO, Money
from common.domain.order import IntentStatus, OrderPurpose, OrderSide


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitSettings:
    """Fractions of a price unless they say otherwise."""

    trailing_step: Decimal = Decimal("0.1")  # of its distance: a stop is not moved for less
    slippage: Decimal = Decimal("0.005")  # of a closing order; doubled at each escalation
    slippage_max: Decimal = Decimal("0.05")  # ... up to this
    resting_slippage: Decimal = Decimal("0.05")  # of a resting stop: nobody widens it in time
    unfilled_after: timedelta = timedelta(seconds=60)  # triggered, and not filled: it escalates
    refusals_max: int = 2  # resting orders refused in a row; from then on we watch
    invalid_within: Decimal = Decimal("0.02")  # an "invalid" trigger so near the mark has passed


@dataclass(frozen=True, slots=True)
class SeenIntent:
    """What became of an exit order so far."""

    status: IntentStatus
    filled_qty: Money = ZERO
    reason_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitView:
    """The world at one moment.

    Read the intents before the position, so that the position holds all that they have filled. An
    intent that is missing is on its way to its venue; a plan that can no longer become an intent
    must be shown as DENIED or EXPIRED.
    """

    mark: Money | None  # None: stale
    instrument: Instrument | None  # None: the venue does not list it any more
    can_rest: bool
    intents: Mapping[str, SeenIntent]  # of every order of the known PositionExit, by intent id
    halted: bool = False  # nothing may be sent; cancels may
    paper: bool = True  # of the venues that are traded at

    def seen(self, intent_id: str) -> SeenIntent:
        return self.intents.get(intent_id) or SeenIntent(IntentStatus.SENDING)

    @property
    def obstacle(self) -> str:
        """Why no order can be sent at all, in words; empty when one can."""
        if self.halted:
            return "trading is halted"
        if self.instrument is None:
            return "the venue does not list it any more"
        if self.instrument.refusal is not None:
            return "it must not be traded there"
        return "" if self.instrument.is_open else "its market is closed"


def can_rest(capabilities: Capabilities) -> bool:
    """Whether stops and take profits can wait at the venue itself."""
    kinds = {OrderType.STOP_MARKET, OrderType.MARKET_IF_TOUCHED}
    return kinds <= capabilities.order_types and TimeInForce.GTC in capabilities.time_in_force


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitOrder:
    """An order to be planned, reduce-only: its intent id is never used for another content."""

    intent_id: str
    purpose: OrderPurpose
    order_type: OrderType
    side: OrderSide
    quantity: Money  # base units, whole lots, never above what is held
    trigger_price: Money | None  # on the venue's tick; None: at market, now
    price: Money  # the worst acceptable, on the venue's tick
    time_in_force: TimeInForce
    reduce_only: bool = True


@dataclass(frozen=True, slots=True)
class ExitCancel:
    """Asked for at every call until the order is known to have ended."""

    intent_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ExitAlert:
    """For people. `cause` is a pure function of what is told: tell each cause once."""

    cause: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitDecision:
    """`exit` is what is known from now on: the very object that was given when nothing changed,
    None when there is nothing to keep. It is written in one commit with the plans and cancels.
    """

    exit: PositionExit | None
    place: tuple[ExitOrder, ...] = field(default=())
    cancel: tuple[ExitCancel, ...] = field(default=())
    alerts: tuple[ExitAlert, ...] = field(default=())
    begun: OrderPurpose | None = None  # of the market exit among `place`
