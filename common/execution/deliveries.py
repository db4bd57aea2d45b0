"""A delivery's course: whole, or in legs of which each ends for itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from common.documents import Stored
from common.domain.signal import Delivery, DeliveryLeg, SignalStatus
from common.execution.signals import FILLED, delivery_ends, place_of
from common.ports import DocumentStore, Write


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How one intent, or a delivery that never had one, ended."""

    status: SignalStatus
    reason_code: str
    reason: str
    venue: str | None  # MULTI: filled at several; None: the one that it was routed to
    adds_venue: bool = False  # `venue` is of all that it has filled, not of one order alone


def approved_hash(delivery: Delivery, intent_id: str) -> str | None:
    """The hash of the plan that route made for this intent; None when it made none."""
    leg = delivery.leg(intent_id)
    if leg is not None:
        return leg.plan_hash
    return delivery.plan_hash if delivery.intent_id == intent_id else None


def awaits_first_attempt(delivery: Delivery, intent_id: str) -> bool:
    leg = delivery.leg(intent_id)
    return (leg.status if leg else delivery.status) is SignalStatus.ROUTED


def executing(delivery: Delivery, intent_id: str, *, now: datetime) -> Delivery:
    return replace(
        delivery,
        status=SignalStatus.EXECUTING,
        legs=tuple(
            replace(leg, status=SignalStatus.EXECUTING) if leg.intent_id == intent_id else leg
            for leg in delivery.legs
        ),
        updated_at=now,
    )


async def intent_ends(
    store: DocumentStore,
    stored: Stored[Delivery],
    intent_id: str,
    end: End,
    *,
    now: datetime,
) -> list[Write]:
    """The writes that end this intent's part of the delivery, and the delivery with its last part.

    None when nothing changes. A part that had ended may end otherwise: a fill came late.
    """
    delivery = stored.value
    leg = delivery.leg(intent_id)
    if leg is None:
        if delivery.status is end.status and not _moves(delivery.venue, end):
            return []
        return await delivery_ends(store, stored, _ended(delivery, end, now))
    if leg.status is end.status and not _moves(leg.venue, end):
        return []
    ended_leg = replace(
        leg,
        status=end.status,
        reason_code=end.reason_code,
        reason=end.reason,
        venue=end.venue or leg.venue,
    )
    legs = tuple(ended_leg if each.intent_id == intent_id else each for each in delivery.legs)
    known = replace(delivery, legs=legs, updated_at=now)
    if not all(each.status.is_terminal for each in legs):
        return [stored.update(known)]
    return await delivery_ends(store, stored, _ended(known, _together(legs), now))


def _moves(venue: str | None, end: End) -> bool:
    """Whether what had ended as it does now has filled elsewhere, too."""
    return end.adds_venue and end.venue is not None and end.venue != venue


def _ended(delivery: Delivery, end: End, now: datetime) -> Delivery:
    return replace(
        delivery,
        status=end.status,
        reason_code=end.reason_code,
        reason=end.reason,
        venue=end.venue or delivery.venue,
        updated_at=now,
    )


_WORST_FIRST = (
    SignalStatus.FAILED,
    SignalStatus.EXPIRED,
    SignalStatus.DENIED,
    SignalStatus.SKIPPED,
)


def _together(legs: Sequence[DeliveryLeg]) -> End:
    """EXECUTED when every leg was, PARTIAL when any filled, else the gravest end of all."""
    statuses = {leg.status for leg in legs}
    if statuses == {SignalStatus.EXECUTED}:
        status = SignalStatus.EXECUTED
    elif statuses & {SignalStatus.EXECUTED, SignalStatus.PARTIAL}:
        status = SignalStatus.PARTIAL
    else:
        status = next(each for each in _WORST_FIRST if each in statuses)
    telling = next((leg for leg in legs if leg.status is status), None)
    telling = telling or next(leg for leg in legs if leg.status is not SignalStatus.EXECUTED)
    filled = place_of(leg.venue for leg in legs if leg.venue and leg.status in FILLED)
    return End(
        status=status,
        reason_code="SPLIT_FILLED" if status is SignalStatus.EXECUTED else telling.reason_code,
        reason="; ".join(leg.reason for leg in legs if leg.reason),
        venue=filled or telling.venue,
    )
