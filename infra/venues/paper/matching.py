"""What a paper venue makes of an order that comes in: refused with a code, filled as far as its
bound goes, or taken to rest.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from common.domain.instrument import Instrument
from common.domain.market import INTERVAL_MS, MarketSnapshot
from common.domain.moment import from_ms
from common.domain.money import ZERO, plain
from common.domain.order import Fill, Order, OrderStatus
from common.domain.rounding import round_quantity
from common.errors import InvalidInputError
from common.ports import Document
from common.wire import from_document
from infra.venues.paper.faults import FaultKind, FaultRule
from infra.venues.paper.fills import executions
from infra.venues.paper.ledger import PaperOrder, fills_of, held, outcome, times_flat
from infra.venues.paper.profile import PaperProfile
from infra.venues.paper.refusals import Refusal, refusal, refusal_at_market
from infra.venues.paper.resting import (
    TRIGGERED_TYPES,
    PaperResting,
    place_of,
    rests,
    room_to_reduce,
)


@dataclass(frozen=True, slots=True)
class Decision:
    """An order's record, and where it is open still, what must be watched of it."""

    record: PaperOrder
    resting: PaperResting | None = None
    is_judged: bool = True  # False: a candle of the snapshot opened after it was accepted


def decide(
    order: Order,
    profile: PaperProfile,
    *,
    at: datetime,
    instrument: Instrument | None,
    snapshot: Document | None,
    position: Document | None,
    fault: FaultRule | None,
) -> Decision:
    """The order's outcome when it reaches the venue at `at`. Pure."""
    kind = fault.kind if fault else None
    market = read_market(snapshot)
    wrong = refusal(
        order, profile.capabilities, at=at, instrument=instrument, signed=held(position)
    )
    if fault is not None and kind is FaultKind.REJECTED:
        wrong = fault.code, "refused because the fault plan says so"
    wrong = wrong or _no_price(market, profile, at)
    if wrong is None and market is not None and instrument is not None:
        wrong = refusal_at_market(order, instrument, market)
    if wrong is not None or instrument is None or market is None:
        code, reason = wrong or ("NO_PRICE", "no market")
        return Decision(outcome(order, OrderStatus.REJECTED, at=at, code=code, reason=reason))
    fillable = order.quantity
    if fault is not None and kind is FaultKind.PART_FILLED:
        fillable = round_quantity(instrument, order.quantity * fault.fraction)
    fills: tuple[Fill, ...] = ()
    if order.order_type not in TRIGGERED_TYPES:
        room = room_to_reduce(order, held(position)) if order.reduce_only else order.quantity
        parts = executions(order, instrument, market, min(fillable, room))
        fills = fills_of(order, instrument, parts, at=at)
    lag = fault.delay_s if fault is not None and kind is FaultKind.READ_LAG else ZERO
    taken = _Taken(order, fills, fillable, at, at + timedelta(seconds=float(lag)))
    return taken.decision(market, position)


@dataclass(frozen=True, slots=True)
class _Taken:
    """An order that was not refused, with what filled at once."""

    order: Order
    fills: tuple[Fill, ...]
    fillable: Decimal
    at: datetime
    visible_at: datetime

    @property
    def filled(self) -> Decimal:
        return sum((fill.last_qty for fill in self.fills), ZERO)

    def decision(self, market: MarketSnapshot, position: Document | None) -> Decision:
        order, filled = self.order, self.filled
        if filled == order.quantity:
            return Decision(self._record(OrderStatus.FILLED))
        cut = order.reduce_only and filled and filled >= room_to_reduce(order, held(position))
        if not rests(order) or cut:
            return Decision(self._record(OrderStatus.CANCELED, why_part(order, filled)))
        status = OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.ACCEPTED
        record = self._record(status)
        opened = (from_ms(candle.open_time_ms) for candle in market.candles)
        is_judged = all(moment < self.at for moment in opened)
        return Decision(record, self._resting(record, market, position), is_judged)

    def _record(self, status: OrderStatus, reason: str = "") -> PaperOrder:
        return outcome(
            self.order,
            status,
            at=self.at,
            reason=reason,
            fills=self.fills,
            visible_at=self.visible_at,
        )

    def _resting(
        self, record: PaperOrder, market: MarketSnapshot, position: Document | None
    ) -> PaperResting:
        order, filled = self.order, self.filled
        return PaperResting(
            place=place_of(order.venue, order.symbol),
            venue=order.venue,
            account_id=order.account_id,
            symbol=order.symbol,
            client_order_id=order.client_order_id,
            venue_order_id=record.venue_order_id,
            side=order.side,
            order_type=order.order_type,
            price=order.price,
            trigger_price=order.trigger_price,
            reduce_only=order.reduce_only,
            left=order.quantity - filled,
            fillable=self.fillable - filled,
            times_flat=times_flat(position),
            accepted_at=self.at,
            visible_at=self.visible_at,
            bars_from=self.at,
            seen_at=max(self.at, market.observed_at),
        )


def why_part(order: Order, filled: Decimal) -> str:
    return f"filled {plain(filled)} of {plain(order.quantity)} within {plain(order.price)}"


def read_market(snapshot: Document | None) -> MarketSnapshot | None:
    """None also for a snapshot that does not read: there is no price to be had from it."""
    if snapshot is None:
        return None
    try:
        return from_document(MarketSnapshot, snapshot.data)
    except InvalidInputError:
        return None


def _no_price(market: MarketSnapshot | None, profile: PaperProfile, at: datetime) -> Refusal | None:
    if market is None:
        return "NO_PRICE", "there is no market snapshot"
    limit = profile.snapshot_age_max + timedelta(milliseconds=INTERVAL_MS.get(market.interval, 0))
    age = at - market.observed_at
    if age > limit:
        return "NO_PRICE", f"the market snapshot is {int(age.total_seconds())} s old"
    return None
