"""A decision about a position's end while it is being made; it lives for one call."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from common.domain.exits import PositionExit, ProtectiveOrder
from common.domain.identifiers import intent_id
from common.domain.instrument import Instrument, OrderType, TimeInForce, price_bound
from common.domain.moment import iso
from common.domain.order import IntentStatus, OrderPurpose, OrderSide
from common.domain.position import EXACT
from common.domain.rounding import price_step, round_price, round_quantity
from common.domain.signal import PositionSide
from common.how.exit_decision import (
    ExitAlert,
    ExitCancel,
    ExitDecision,
    ExitOrder,
    ExitSettings,
    ExitView,
)


@dataclass(slots=True, kw_only=True)
class ExitDraft:
    known: PositionExit | None  # as it was read
    told: tuple[str, ...]  # alerts that still stand from earlier calls
    after: PositionExit
    resized: bool  # what is held is not what the orders were made for
    view: ExitView
    settings: ExitSettings
    now: datetime
    place: list[ExitOrder] = field(default_factory=list)
    cancels: list[ExitCancel] = field(default_factory=list)
    alerts: list[ExitAlert] = field(default_factory=list)
    standing: list[str] = field(default_factory=list)
    begun: OrderPurpose | None = None

    @property
    def closing_side(self) -> OrderSide:
        return OrderSide.SELL if self.after.side is PositionSide.LONG else OrderSide.BUY

    def status(self, order: ProtectiveOrder) -> IntentStatus:
        return self.view.seen(order.intent_id).status

    def tell(self, code: str, text: str) -> None:
        """Tell people what is so, once for as long as it stays so."""
        self.standing.append(text)
        if text not in self.told:
            self.alert(code, text)

    def alert(self, code: str, text: str) -> None:
        known = self.after
        cause = f"exit:{known.position_id}:{iso(known.opened_at)}:{code}"
        self.alerts.append(ExitAlert(cause, f"{known.symbol} at {known.venue.label}: {text}"))

    def cancel(self, order: ProtectiveOrder, reason: str) -> None:
        """Not wanted any more; asked for again at every call until it has ended."""
        kept = [replace(o, canceling=True) if o == order else o for o in self.after.orders]
        self.after = replace(self.after, orders=tuple(kept))
        self.cancels.append(ExitCancel(order.intent_id, reason))

    def send(
        self, instrument: Instrument, purpose: OrderPurpose, kind: OrderType, *, price: Decimal
    ) -> str:
        """Place an order over all that is held, and return its intent id.

        At market `price` is the mark; else the trigger, already on the tick.
        """
        known, buy = self.after, self.closing_side is OrderSide.BUY
        resting = kind is not OrderType.MARKET
        worst = worst_price(instrument, price, buy=buy, slippage=self.slippage(kind))
        generation = known.generation + 1
        name = intent_id(
            known.agent_id, known.deployment_id, f"exit:{known.position_id}", 0, generation
        )
        self.after = replace(known, generation=generation)
        self.place.append(
            ExitOrder(
                intent_id=name,
                purpose=purpose,
                order_type=kind,
                side=self.closing_side,
                quantity=closing_quantity(instrument, known.quantity, max(price, worst)),
                trigger_price=price if resting else None,
                price=worst,
                time_in_force=TimeInForce.GTC if resting else TimeInForce.IOC,
            )
        )
        return name

    def slippage(self, kind: OrderType) -> Decimal:
        """How far from its trigger, or from the mark, an order of `kind` may fill; a fraction."""
        settings = self.settings
        if kind is OrderType.STOP_MARKET:
            return settings.resting_slippage
        doubled = settings.slippage
        for _ in range(self.after.escalation if kind is OrderType.MARKET else 0):
            if doubled >= settings.slippage_max:
                break
            doubled *= 2
        return min(doubled, settings.slippage_max)

    def finish(self) -> ExitDecision:
        after = replace(self.after, reason="\n".join(self.standing))
        known = self.known
        unchanged = known is not None and replace(after, updated_at=known.updated_at) == known
        return ExitDecision(
            exit=known if unchanged else replace(after, updated_at=self.now),
            place=tuple(self.place),
            cancel=tuple(self.cancels),
            alerts=tuple(self.alerts),
            begun=self.begun,
        )


def worst_price(
    instrument: Instrument, reference: Decimal, *, buy: bool, slippage: Decimal
) -> Decimal:
    """The bound of a closing order on its tick, no looser than `slippage` from `reference`.

    Where one tick is more than the slippage, the tick that `reference` itself trades at: an order
    that cannot fill closes nothing.
    """
    lowest = price_step(instrument, reference)
    bound = price_bound(reference, buy=buy, slippage=slippage)
    rounded = round_price(instrument, max(bound, lowest), buy=buy)
    beside = round_price(instrument, max(reference, lowest), buy=not buy)
    return max(rounded, beside) if buy else min(rounded, beside)


def closing_quantity(instrument: Instrument, held: Decimal, price: Decimal) -> Decimal:
    """Whole lots of what is held, at most what the venue takes in one order at `price`."""
    whole = round_quantity(instrument, held)
    if instrument.max_notional is None:
        return whole
    most = round_quantity(instrument, EXACT.divide(instrument.max_notional, price))
    return min(whole, most) if most >= instrument.min_quantity else whole
