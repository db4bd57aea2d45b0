"""A venue for exit orders that rests, triggers, part-fills, refuses, and loses what it is told."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from common.domain.instrument import OrderType
from common.domain.money import ZERO
from common.domain.order import IntentStatus, OrderSide
from common.how.exits import ExitOrder, SeenIntent

OPEN_AT_VENUE = frozenset({IntentStatus.WORKING, IntentStatus.UNKNOWN})


class Mood(StrEnum):
    """How the venue, and the way to it, treat an order."""

    GOOD = "GOOD"
    PART = "PART"  # fills half, and the rest has ended
    NOTHING = "NOTHING"  # fills nothing, and has ended
    STUCK = "STUCK"  # rests on, and fills nothing
    REFUSED = "REFUSED"
    DENIED = "DENIED"  # by our own last gate
    LOST = "LOST"  # the request never came, and nobody knows
    UNHEARD = "UNHEARD"  # it came, and nobody knows


@dataclass(slots=True)
class Sent:
    """One order with its intent's status, and what the venue knows better."""

    order: ExitOrder
    status: IntentStatus = IntentStatus.SENDING
    filled: Decimal = ZERO
    code: str = ""
    is_there: bool = False  # it rests, whatever we know of it
    truth: Decimal = ZERO  # filled at the venue

    @property
    def left(self) -> Decimal:
        return self.order.quantity - self.truth

    @property
    def seen(self) -> SeenIntent:
        return SeenIntent(self.status, self.filled, self.code)


@dataclass(slots=True)
class ExitVenue:
    """`net` is what the account holds there, signed; reduce-only is obeyed."""

    net: Decimal = ZERO
    mark: Decimal = Decimal(100)
    hangs: bool = False  # executes nothing that rests
    sent: dict[str, Sent] = field(default_factory=dict)

    def is_through(self, order: ExitOrder) -> bool:
        if order.trigger_price is None:
            return True
        falls = (order.side is OrderSide.SELL) == (order.order_type is OrderType.STOP_MARKET)
        return self.mark <= order.trigger_price if falls else self.mark >= order.trigger_price

    def arrives(self, sent: Sent, mood: Mood) -> None:
        """The order's first way to the venue; what came of it stands in `sent`."""
        if mood is Mood.DENIED:
            sent.status, sent.code = IntentStatus.DENIED, "BREAKER_OPEN"
        elif mood is Mood.REFUSED:
            sent.status, sent.code = IntentStatus.REJECTED, "TOO_MANY_OPEN_ORDERS"
        elif mood is Mood.LOST:
            sent.status = IntentStatus.UNKNOWN
        elif sent.order.trigger_price is not None and self.is_through(sent.order):
            sent.status, sent.code = IntentStatus.REJECTED, "TRIGGER_ALREADY_PASSED"
        elif sent.order.trigger_price is not None or mood is Mood.STUCK:
            sent.is_there = True
            sent.status = IntentStatus.UNKNOWN if mood is Mood.UNHEARD else IntentStatus.WORKING
        else:
            sent.status = IntentStatus.UNKNOWN if mood is Mood.UNHEARD else IntentStatus.WORKING
            self.executes(sent, mood)

    def executes(self, sent: Sent, mood: Mood) -> None:
        """At market, as far as the mood and reduce-only let it; then it is gone from the venue."""
        closes = self.net * sent.order.side.sign < 0
        most = min(sent.left, abs(self.net)) if closes else ZERO
        share = {Mood.PART: Decimal("0.5"), Mood.NOTHING: ZERO}.get(mood, Decimal(1))
        quantity = (most * share / Decimal("0.001")).to_integral_value() * Decimal("0.001")
        quantity = min(quantity, most)
        sent.truth += quantity
        self.net += quantity * sent.order.side.sign
        sent.is_there = False

    def resting(self) -> list[Sent]:
        return [sent for sent in self.sent.values() if sent.is_there]
