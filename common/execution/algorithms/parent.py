"""A parent order from its making to its end: the pure moves, and what its children add to it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal, localcontext

from common.config import ExecutionSettings
from common.domain.exit_rules import ExitRules
from common.domain.identifiers import prefixed_id
from common.domain.instrument import Instrument
from common.domain.market import Candle
from common.domain.money import plain
from common.domain.order import OrderSide, VenueCandidate
from common.domain.parent_order import (
    ExecAlgorithm,
    ExecutionWish,
    ParentOrder,
    ParentStatus,
    SliceTarget,
)
from common.domain.position import EXACT
from common.domain.rounding import round_price, round_quantity
from common.errors import InvalidInputError
from common.execution.algorithms.fitting import smallest_order, worst_price
from common.execution.algorithms.profile import volume_profile
from common.execution.algorithms.schedule import twap_schedule, vwap_schedule
from common.execution.algorithms.selection import Choice
from common.execution.algorithms.wish import (
    SCHEDULED,
    check_wish,
    window_of,
)
from common.how.denial import Denial
from common.how.limits import Refusal

__all__ = [
    "PARENT_MOVES",
    "ParentRequest",
    "canceling",
    "check_wish",
    "new_parent",
    "parent_id",
    "paused",
    "resumed",
    "with_child_outcome",
]

MOVE_NOT_ALLOWED = "PARENT_MOVE_NOT_ALLOWED"
FILLED_LATE = "FILLED_LATE"

_ENDS = frozenset(status for status in ParentStatus if status.is_terminal)
_ACTIVE, _PAUSED, _CANCELING = ParentStatus.ACTIVE, ParentStatus.PAUSED, ParentStatus.CANCELING
_WITH_FILLS = frozenset({ParentStatus.PARTIAL, ParentStatus.FILLED})

PARENT_MOVES: dict[ParentStatus, frozenset[ParentStatus]] = {
    _ACTIVE: frozenset({_PAUSED, _CANCELING}) | _ENDS - {ParentStatus.CANCELED},
    _PAUSED: frozenset({_ACTIVE, _CANCELING}) | _ENDS - {ParentStatus.CANCELED},
    _CANCELING: _WITH_FILLS | {ParentStatus.CANCELED},
    # A child that was given up may turn out to have filled: the venue's word wins.
    ParentStatus.PARTIAL: frozenset({ParentStatus.FILLED}),
    ParentStatus.CANCELED: _WITH_FILLS,
    ParentStatus.EXPIRED: _WITH_FILLS,
    ParentStatus.REJECTED: _WITH_FILLS,
    ParentStatus.DENIED: _WITH_FILLS,
    ParentStatus.FILLED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentRequest:
    """What `route` has found out when an algorithm is to work an order, or one leg of it."""

    book: str
    agent_id: str
    deployment_id: str
    delivery_id: str
    signal_id: str
    leg: int
    symbol: str
    side: OrderSide
    choice: Choice  # not MARKET
    wish: ExecutionWish | None
    candidates: tuple[VenueCandidate, ...]  # at least one
    instrument: Instrument  # the first candidate's
    mark: Decimal  # > 0
    candles: tuple[Candle, ...] = ()  # for a VWAP: closed, oldest first, over a day back
    slippage_max: Decimal
    reduce_only: bool = False
    exits: ExitRules | None = None  # of the position that it opens
    policy_version: str
    paper: bool


def parent_id(agent_id: str, deployment_id: str, signal_id: str, leg: int) -> str:
    return prefixed_id("par", agent_id, deployment_id, signal_id, leg)


def new_parent(
    request: ParentRequest, *, settings: ExecutionSettings, now: datetime
) -> ParentOrder | Refusal:
    """The parent order, ACTIVE, with nothing sent yet; or why there can be none.

    A TWAP or VWAP begins now and has `finish_grace` after its window. A VWAP without a profile is a
    TWAP, and says why.

    Raises:
        InvalidInputError: the choice is MARKET, which needs no parent, or there is no candidate.
    """
    if request.choice.algorithm is ExecAlgorithm.MARKET or not request.candidates:
        raise InvalidInputError(
            "a parent order needs a candidate and an algorithm other than MARKET",
            where=request.delivery_id,
        )
    quantity = request.candidates[0].quantity
    wish = request.wish or ExecutionWish()
    try:
        check_wish(wish, quantity=quantity, chosen=request.choice.algorithm)
    except InvalidInputError as error:
        return _wish_refusal(error)
    with localcontext(EXACT):
        least = _smallest_child(request, wish)
        if isinstance(least, Refusal):
            return least
        worked = _schedule(request, wish, least, settings, now)
    return ParentOrder(
        parent_order_id=parent_id(
            request.agent_id, request.deployment_id, request.signal_id, request.leg
        ),
        exec_algorithm_id=worked.algorithm,
        book=request.book,
        agent_id=request.agent_id,
        deployment_id=request.deployment_id,
        delivery_id=request.delivery_id,
        signal_id=request.signal_id,
        leg=request.leg,
        symbol=request.symbol,
        side=request.side,
        candidates=request.candidates,
        quantity=quantity,
        limit_price=wish.limit_price,
        visible_quantity=wish.visible_quantity,
        schedule=worked.schedule,
        chosen_because=worked.because,
        arrival_price=request.mark,
        slippage_max=request.slippage_max,
        reduce_only=request.reduce_only,
        exits=request.exits,
        policy_version=request.policy_version,
        paper=request.paper,
        status=ParentStatus.ACTIVE,
        reason_code=ParentStatus.ACTIVE,
        reason="",
        created_at=now,
        expires_at=now + worked.lifetime,
        updated_at=now,
    )


def _wish_refusal(error: InvalidInputError) -> Refusal:
    words = f"The wished execution is not possible: {error.code}, {error}"
    return Refusal(Denial.EXECUTION_WISH_INVALID, words)


def _smallest_child(request: ParentRequest, wish: ExecutionWish) -> Decimal | Refusal:
    """The least that the first venue takes; a refusal when the order, or a slice, is below it."""
    instrument, buy = request.instrument, request.side is OrderSide.BUY
    quantity = request.candidates[0].quantity
    worst = worst_price(
        request.side, request.mark, slippage_max=request.slippage_max, limit_price=wish.limit_price
    )
    try:
        price = round_price(instrument, worst, buy=buy)
    except InvalidInputError as error:
        return Refusal(Denial.PRICE_OUTSIDE_COLLAR, error.message)
    least = smallest_order(instrument, price)
    told = f"{instrument.venue.label} takes no less than {plain(least)} {request.symbol}"
    if quantity < least:
        return Refusal(Denial.QUANTITY_ROUNDS_TO_ZERO, f"{told}; the order is {plain(quantity)}")
    visible = wish.visible_quantity
    if visible is not None and round_quantity(instrument, visible) < least:
        return Refusal(
            Denial.QUANTITY_ROUNDS_TO_ZERO, f"{told}; the visible quantity is {plain(visible)}"
        )
    return least


@dataclass(frozen=True, slots=True)
class _Worked:
    """How the order is to be worked, once it is known whether there is a profile."""

    algorithm: ExecAlgorithm
    schedule: tuple[SliceTarget, ...]
    because: str
    lifetime: timedelta


def _schedule(
    request: ParentRequest,
    wish: ExecutionWish,
    least: Decimal,
    settings: ExecutionSettings,
    now: datetime,
) -> _Worked:
    algorithm, because = request.choice.algorithm, request.choice.reason
    if algorithm not in SCHEDULED:
        rests = timedelta(seconds=wish.duration_s) if wish.duration_s else settings.rest_for
        return _Worked(algorithm, (), because, rests)
    window = window_of(wish, settings)
    lifetime = timedelta(seconds=window.duration_s) + settings.finish_grace
    quantity, lot = request.candidates[0].quantity, request.instrument.size_increment
    if algorithm is ExecAlgorithm.VWAP:
        profile = volume_profile(
            request.candles, start=now, duration_s=window.duration_s, slices=window.slices
        )
        if not isinstance(profile, str):
            weighted = vwap_schedule(
                quantity,
                start=now,
                duration_s=window.duration_s,
                weights=profile,
                lot=lot,
                min_quantity=least,
            )
            return _Worked(algorithm, weighted, because, lifetime)
        because = f"{because}; TWAP instead of VWAP: {profile}"
    equal = twap_schedule(
        quantity,
        start=now,
        duration_s=window.duration_s,
        slices=window.slices,
        lot=lot,
        min_quantity=least,
    )
    return _Worked(ExecAlgorithm.TWAP, equal, because, lifetime)


def paused(parent: ParentOrder, *, reason: str, now: datetime) -> ParentOrder:
    """Nothing more is sent until it is resumed; its time goes on. Once paused, it stays as it is.

    Raises:
        InvalidInputError: PARENT_MOVE_NOT_ALLOWED, it is being canceled or has ended.
    """
    if parent.status is _PAUSED:
        return parent
    return replace(_moved(parent, _PAUSED, reason, now), paused_at=now)


def resumed(parent: ParentOrder, *, reason: str, now: datetime) -> ParentOrder:
    """Its schedule is where it was: what was missed is caught up with, as after missed ticks.

    Raises:
        InvalidInputError: PARENT_MOVE_NOT_ALLOWED, it is being canceled or has ended.
    """
    if parent.status is _ACTIVE:
        return parent
    return replace(_moved(parent, _ACTIVE, reason, now), paused_at=None)


def canceling(parent: ParentOrder, *, code: str, reason: str, now: datetime) -> ParentOrder:
    """It ends, with `code` and `reason`, as soon as no child of it is open.

    Raises:
        InvalidInputError: PARENT_MOVE_NOT_ALLOWED, it has ended.
    """
    if parent.status is _CANCELING:
        return parent
    return replace(_moved(parent, _CANCELING, reason, now), reason_code=code)


def _moved(parent: ParentOrder, to: ParentStatus, reason: str, now: datetime) -> ParentOrder:
    if to not in PARENT_MOVES[parent.status]:
        raise InvalidInputError(
            f"a parent order that is {parent.status} cannot become {to}",
            code=MOVE_NOT_ALLOWED,
            where=parent.parent_order_id,
        )
    return replace(parent, status=to, reason_code=to, reason=reason, updated_at=now)


def with_child_outcome(
    parent: ParentOrder,
    intent_id: str,
    *,
    new_qty: Decimal,
    new_notional: Decimal,
    new_commission: Decimal,
    ended: bool,
    unresolved: bool,
    code: str,
    reason: str,
    now: datetime,
) -> ParentOrder:
    """The parent with what is new of one child: fills that were not told before, and its end.

    Exact. Fills count whenever they come: of a child that had ended, for a parent that has, whose
    end they may change to PARTIAL or FILLED, and when a venue fills more than it was asked for.
    It never ends a parent that is open: `step` does.

    Raises:
        InvalidInputError: a negative quantity or notional.
    """
    if new_qty < 0 or new_notional < 0:
        raise InvalidInputError("a fill cannot be below 0", where=intent_id)
    child = parent.open_children.get(intent_id)
    children, failures = parent.open_children, parent.failures
    last_code, last_reason = parent.reason_code, parent.reason
    with localcontext(EXACT):
        if child is not None:
            filled_qty = child.filled_qty + new_qty
            child = replace(child, filled_qty=filled_qty, unresolved=unresolved and not ended)
            children = {
                key: each for key, each in children.items() if key != intent_id or not ended
            }
            if not ended:
                children[intent_id] = child
            elif not filled_qty and parent.status is _ACTIVE:
                failures, last_code, last_reason = failures + 1, code, reason
        known = replace(
            parent,
            filled_qty=parent.filled_qty + new_qty,
            filled_notional=parent.filled_notional + new_notional,
            commissions=parent.commissions + new_commission,
            open_children=children,
            failures=0 if new_qty else failures,
            reason_code=last_code,
            reason=last_reason,
            updated_at=now,
        )
        return _filled_late(known, new_qty) if parent.status.is_terminal else known


def _filled_late(parent: ParentOrder, quantity: Decimal) -> ParentOrder:
    to = ParentStatus.FILLED if parent.filled_qty >= parent.quantity else ParentStatus.PARTIAL
    if not quantity or to not in PARENT_MOVES[parent.status]:
        return parent
    told = f"{plain(quantity)} was filled after it had ended"
    reason = f"{parent.reason}; {told}" if parent.reason else told
    return replace(parent, status=to, reason_code=FILLED_LATE, reason=reason)
