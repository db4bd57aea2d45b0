"""Why a parent order sends nothing more, ever, and the state that it ends in."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from common.config import ExecutionSettings
from common.domain.money import plain
from common.domain.order import OrderStatus
from common.domain.parent_order import ParentOrder, ParentStatus
from common.execution.algorithms.fitting import MarketView, has_reached_limit
from common.how.denial import Denial

NOT_FILLED_WITHIN_BOUND = "NOT_FILLED_WITHIN_BOUND"
"""The code of an order that ended unfilled at its price (common/execution/outcome.py)."""


class EndCode(StrEnum):
    FILLED = "FILLED"
    OVERFILLED = "OVERFILLED"  # a venue filled more than it was asked for
    OUT_OF_TIME = "OUT_OF_TIME"
    CHILD_UNRESOLVED = "CHILD_UNRESOLVED"  # all that is left is with orders that a person looks for
    REMAINDER_BELOW_MINIMUM = "REMAINDER_BELOW_MINIMUM"  # no venue takes so little


@dataclass(frozen=True, slots=True)
class End:
    status: ParentStatus  # where nothing has filled; else PARTIAL
    code: str
    reason: str


def end_of(
    parent: ParentOrder, view: MarketView, *, settings: ExecutionSettings, now: datetime
) -> End | None:
    """None while there is something to send or to wait for. Open children are still waited for."""
    if parent.filled_qty >= parent.quantity:
        return _filled(parent)
    if parent.status is ParentStatus.CANCELING:
        return End(ParentStatus.CANCELED, parent.reason_code, parent.reason or "Canceled")
    if now >= parent.expires_at:
        return _out_of_time(parent, view)
    if parent.failures >= settings.failures_max and not _only_missed(parent):
        refused = parent.reason_code in Denial.__members__
        status = ParentStatus.DENIED if refused else ParentStatus.REJECTED
        told = f"{parent.failures} orders in a row came to nothing, the last: {parent.reason}"
        return End(status, parent.reason_code, told)
    if parent.unspawned_qty <= 0 and not is_waiting(parent):
        told = "Nobody can tell yet what became of all that is left"
        return End(ParentStatus.EXPIRED, EndCode.CHILD_UNRESOLVED, told)
    return None


def below_minimum(parent: ParentOrder) -> End:
    return End(
        ParentStatus.REJECTED,
        EndCode.REMAINDER_BELOW_MINIMUM,
        f"No venue takes an order as small as the {plain(parent.unspawned_qty)} that is left",
    )


def is_waiting(parent: ParentOrder) -> bool:
    """Whether a child is open whose end will be known: not one that was given up."""
    return any(not child.unresolved for child in parent.open_children.values())


def ended(parent: ParentOrder, end: End, *, now: datetime) -> ParentOrder:
    status, reason = end.status, end.reason
    if status is not ParentStatus.FILLED:
        reason += f"; {plain(parent.filled_qty)} of {plain(parent.quantity)} is filled"
        if parent.filled_qty > 0:
            status = ParentStatus.PARTIAL
    if parent.open_qty > 0:
        reason += f", and {plain(parent.open_qty)} may be"
    return replace(
        parent, status=status, reason_code=end.code, reason=reason, ended_at=now, updated_at=now
    )


def _filled(parent: ParentOrder) -> End:
    told = f"Filled {plain(parent.filled_qty)} of {plain(parent.quantity)} {parent.symbol}"
    code = EndCode.OVERFILLED if parent.filled_qty > parent.quantity else EndCode.FILLED
    return End(ParentStatus.FILLED, code, told)


def _only_missed(parent: ParentOrder) -> bool:
    """Whether the last one was not refused: it rested until it was canceled, or it met nobody at
    the user's own price, where the market was not there yet.
    """
    missed = parent.limit_price is not None and parent.reason_code == NOT_FILLED_WITHIN_BOUND
    return missed or parent.reason_code == OrderStatus.CANCELED


def _out_of_time(parent: ParentOrder, view: MarketView) -> End:
    if view.refusal is not None:
        return End(ParentStatus.DENIED, view.refusal.code, view.refusal.reason)
    told = "Out of time"
    if parent.status is ParentStatus.PAUSED:
        told += " while it was paused"
    elif view.mark is None:
        told += ", and there is no fresh price"
    elif parent.limit_price is not None and not has_reached_limit(parent, view.mark):
        told += f": the mark {plain(view.mark)} is beyond the price {plain(parent.limit_price)}"
    elif parent.failures:
        told += f": the last order came to nothing, {parent.reason}"
    return End(ParentStatus.EXPIRED, EndCode.OUT_OF_TIME, told)
