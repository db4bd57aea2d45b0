"""Closed trades: from flat to flat, or through it, put together again from the fills."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, localcontext

from common.domain.money import ZERO
from common.domain.order import Fill, FillRecord, OrderPurpose
from common.domain.position import EXACT, Position
from common.domain.signal import PositionSide
from common.execution.reconciliation import EXTERNAL

SIGNAL_EXIT = "SIGNAL"
EXTERNAL_EXIT = "EXTERNAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrip:
    """One position's way from flat back to flat. Money in quote currency."""

    position_id: str
    book: str
    agent_id: str
    deployment_id: str
    venue: str
    symbol: str
    side: PositionSide
    exit_reason: str  # of its last fill: an OrderPurpose, SIGNAL_EXIT or EXTERNAL_EXIT
    realized_pnl: Decimal  # before commissions
    commissions: Decimal  # of all its fills; a crossing fill's wholly with the trip that it ends
    opened_at: datetime  # the venue's time of the first and the last fill
    closed_at: datetime

    @property
    def pnl(self) -> Decimal:
        """After commissions; funding is the account's, not a trade's."""
        return EXACT.subtract(self.realized_pnl, self.commissions)

    @property
    def held_for(self) -> timedelta:
        return max(self.closed_at - self.opened_at, timedelta(0))


@dataclass(slots=True)
class _Open:
    """What is held, and what came of it so far; `opened_at` None: opened before the fills."""

    quantity: Decimal = ZERO
    realized: Decimal = ZERO
    commissions: Decimal = ZERO
    opened_at: datetime | None = None


def held_before(fills: Iterable[FillRecord], positions: Iterable[Position]) -> dict[str, Decimal]:
    """Signed base quantity by position id before the first of `fills`.

    Worked out backwards from what `positions` hold. A fill that was booked after its position was
    read is in `fills` alone, and not in that quantity.
    """
    read = {position.position_id: position for position in positions}
    held = {key: position.signed_qty for key, position in read.items()}
    with localcontext(EXACT):
        for record in fills:
            position = read.get(record.position_id)
            if position is not None and record.recorded_at <= position.updated_at:
                held[record.position_id] -= _delta(record.fill)
    return held


def in_order(fills: Iterable[FillRecord]) -> list[FillRecord]:
    """As they were booked; those of one moment by their place in the position, and what of two
    positions was booked at one moment by the venue's time and number.
    """
    return sorted(
        fills,
        key=lambda record: (
            record.recorded_at,
            record.position_id,
            record.position_fill,
            record.fill.ts_event,
            len(record.fill.trade_id),
            record.fill.trade_id,
        ),
    )


def round_trips(
    fills: Sequence[FillRecord], held: Mapping[str, Decimal] | None = None
) -> tuple[RoundTrip, ...]:
    """Every trip that ended, in order of its end; `fills` oldest first.

    `held` says what positions held before the first fill (`held_before`); none: nothing. A trip
    that was open already then is left out: its beginning is not at hand.
    """
    positions = {key: _Open(quantity=quantity) for key, quantity in (held or {}).items()}
    trips = []
    with localcontext(EXACT):
        for record in fills:
            state = positions.setdefault(record.position_id, _Open())
            trip = _step(state, record)
            if trip is not None:
                trips.append(trip)
    return tuple(trips)


def _step(state: _Open, record: FillRecord) -> RoundTrip | None:
    before, fill = state.quantity, record.fill
    after = before + _delta(fill)
    if before == 0:
        if after != 0:
            _begin(state, record, after, record.realized_pnl, fill.commission)
        return None
    state.quantity = after
    state.realized += record.realized_pnl
    state.commissions += fill.commission
    if before * after > 0:
        return None
    trip = _ended(state, record, before) if state.opened_at is not None else None
    _begin(state, record, after, ZERO, ZERO)
    return trip


def _begin(
    state: _Open, record: FillRecord, quantity: Decimal, realized: Decimal, commissions: Decimal
) -> None:
    state.quantity = quantity
    state.realized = realized
    state.commissions = commissions
    state.opened_at = record.fill.ts_event


def _ended(state: _Open, record: FillRecord, before: Decimal) -> RoundTrip:
    fill = record.fill
    return RoundTrip(
        position_id=record.position_id,
        book=record.book,
        agent_id=record.agent_id,
        deployment_id=record.deployment_id,
        venue=fill.venue.value,
        symbol=fill.symbol,
        side=PositionSide.LONG if before > 0 else PositionSide.SHORT,
        exit_reason=exit_reason(record),
        realized_pnl=state.realized,
        commissions=state.commissions,
        opened_at=state.opened_at or fill.ts_event,
        closed_at=fill.ts_event,
    )


def exit_reason(record: FillRecord) -> str:
    if record.intent_id == EXTERNAL:
        return EXTERNAL_EXIT
    return SIGNAL_EXIT if record.purpose is OrderPurpose.ENTRY else record.purpose.value


def _delta(fill: Fill) -> Decimal:
    return fill.side.sign * (fill.last_qty - fill.base_withheld)
