"""The view for what is not a terminal: one aligned line for each event."""

from collections.abc import Callable
from datetime import datetime

from common.books import book_named
from common.domain.events import (
    Event,
    MarketUpdated,
    NotificationRaised,
    OrderPlanned,
    SignalCreated,
)
from common.domain.instrument import OrderType, Venue
from common.domain.order import OrderPlan, OrderSide
from common.domain.signal import PositionSide, SignalRecord
from common.ports import Ref
from common.text import price, quantity
from common.wire import from_document
from infra.bootstrap import Runtime
from infra.cli.text import clock_time, missing_prices


class PlainView:
    """Writes what the publisher sees, and how each signal ends."""

    def __init__(
        self, runtime: Runtime, write: Callable[[str], None], *, ticks_shown: bool
    ) -> None:
        self._runtime = runtime
        self._write = write
        self._ticks_shown = ticks_shown
        self._open: dict[str, Ref] = {}

    def on_event(self, event: Event) -> None:
        now = self._runtime.clock.now()
        if isinstance(event, MarketUpdated):
            if self._ticks_shown:
                self._line(now, "tick", _tick_text(event))
        elif isinstance(event, SignalCreated):
            self._open[event.signal_id] = Ref(book_named(event.book).signals, event.signal_id)
        elif isinstance(event, OrderPlanned):
            self._line(now, *_plan_text(event.plan))
        elif isinstance(event, NotificationRaised):
            notification = event.notification
            self._line(now, notification.kind.value.lower(), notification.text)

    async def refresh(self) -> None:
        """Tell of the signals that have ended since the last call, each at the time it was made.

        A replay at full speed is hours on by now: its clock would date them wrongly.
        """
        refs = list(self._open.values())
        for document in await self._runtime.store.get_many(refs):
            if document is None:
                continue
            record = from_document(SignalRecord, document.data)
            if record.status.is_terminal:
                del self._open[record.signal.signal_id]
                self._line(record.signal.created_at, "signal", _signal_text(record))

    def _line(self, at: datetime, kind: str, text: str) -> None:
        self._write(f"{clock_time(at)}  {kind:<8}  {' '.join(text.split())}")


def _tick_text(event: MarketUpdated) -> str:
    prices = "  ".join(f"{item.symbol} {price(item.mark)}" for item in event.snapshots)
    return f"{prices}  {missing_prices(event.failed)}".strip()


def _plan_text(plan: OrderPlan) -> tuple[str, str]:
    """Of which kind the line is, and what it says: what rests until a price comes is no trade."""
    first = plan.candidates[0]
    what = f"{plan.side.value} {quantity(first.quantity)} {plan.symbol}"
    venue = Venue(first.venue).label
    if plan.trigger_price is None:
        return "route", f"{what} -> {venue} near {price(plan.reference_price)}"
    is_stop = plan.order_type is OrderType.STOP_MARKET
    falls = is_stop is (plan.side is OrderSide.SELL)
    moves = f"if it {'falls' if falls else 'rises'} to {price(plan.trigger_price)}"
    return ("stop" if is_stop else "profit"), f"{what} at {venue} {moves}"


def _signal_text(record: SignalRecord) -> str:
    side = "BUY" if record.signal.side is PositionSide.LONG else "SELL"
    return (
        f"{record.signal.signal_id} {side} {record.signal.symbol} "
        f"{record.status.value} {record.reason_code}: {record.reason}"
    )
