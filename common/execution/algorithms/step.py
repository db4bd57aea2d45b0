"""One look at a parent order: what to send, what to cancel, or how it ends. Pure.

`advance` takes a step on each of its ticks and whenever a child has ended. What is with a child
that has not ended counts as filled, so that nothing is sent twice, whatever became of that child
and whatever the clock does: filled + open + sent now is never above the quantity.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, localcontext

from common.config import ExecutionSettings
from common.domain.identifiers import intent_id
from common.domain.instrument import OrderType, TimeInForce
from common.domain.order import VenueCandidate
from common.domain.parent_order import ExecAlgorithm, OpenChild, ParentOrder, ParentStatus
from common.domain.position import EXACT
from common.execution.algorithms.amount import TICK, Amount, in_lots, next_amount
from common.execution.algorithms.ending import below_minimum, end_of, ended, is_waiting
from common.execution.algorithms.fitting import (
    RESTING,
    MarketView,
    Offer,
    Terms,
    has_reached_limit,
    offers_of,
    on_terms,
    terms_of,
)
from common.execution.algorithms.protection import jitter

__all__ = ["MarketView", "SpawnedChild", "Step", "step"]

RETRY_AFTER = TICK / 6
"""What did not fill is tried again at the next tick, and not at once into the same empty book: a
step so soon after the parent changed is the one that its child's end has asked for.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnedChild:
    """A child to send. `candidates` are in order, with their own lots and worst prices."""

    intent_id: str
    slice_no: int
    quantity: Decimal  # base units, the most that any of its candidates has
    candidates: tuple[VenueCandidate, ...]  # at least one
    order_type: OrderType
    time_in_force: TimeInForce
    not_before: datetime  # the jitter: `advance` schedules it, nobody sleeps


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`parent` is what to store, with the children already open in it; the very same object when
    nothing of it has changed.
    """

    parent: ParentOrder
    children: tuple[SpawnedChild, ...] = ()
    cancels: tuple[str, ...] = ()  # intent ids; each step asks again until the child has ended


def step(
    parent: ParentOrder, view: MarketView, *, settings: ExecutionSettings, now: datetime
) -> Step:
    """At most one child, of what is due now; or what is to be canceled; or the end.

    It ends only when no child is open whose outcome will still be known, and then always: at
    `expires_at` and its children's own end at the latest.
    """
    if parent.status.is_terminal:
        return Step(parent=parent)
    with localcontext(EXACT):
        return _step(_forgiven(parent, view), view, settings, now)


def _step(
    parent: ParentOrder, view: MarketView, settings: ExecutionSettings, now: datetime
) -> Step:
    end = end_of(parent, view, settings=settings, now=now)
    if end is not None:
        last = parent if is_waiting(parent) else ended(parent, end, now=now)
        return Step(parent=last, cancels=_resting(parent))
    is_held = parent.status is ParentStatus.PAUSED or view.refusal is not None
    if is_held or parent.unspawned_qty < 0:
        return Step(parent=parent, cancels=_resting(parent))
    found = None if _has_one_already(parent) else _Market.of(parent, view)
    if found is None:
        return Step(parent=parent)
    if found.takes_none_of(parent):
        last = parent if is_waiting(parent) else ended(parent, below_minimum(parent), now=now)
        return Step(parent=last)
    child = _next_child(parent, found, settings, now)
    if child is None:
        return Step(parent=parent)
    return Step(parent=_with_child(parent, child, now), children=(child,))


def _forgiven(parent: ParentOrder, view: MarketView) -> ParentOrder:
    """Orders that came to nothing because trading was halted say nothing of the market."""
    return replace(parent, failures=0) if view.refusal is not None and parent.failures else parent


def _resting(parent: ParentOrder) -> tuple[str, ...]:
    """Children that could rest at a venue for good. One that was given up may do so, too."""
    return tuple(parent.open_children) if parent.exec_algorithm_id in RESTING else ()


def _has_one_already(parent: ParentOrder) -> bool:
    """Slices go out side by side; of everything else there is one child at a time."""
    return not parent.schedule and is_waiting(parent)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Market:
    """Where the next child can go at this moment, and on which terms."""

    mark: Decimal
    terms: Terms
    offers: tuple[Offer, ...]  # at least one
    is_whole: bool  # no venue of the parent's is missing just now

    @classmethod
    def of(cls, parent: ParentOrder, view: MarketView) -> "_Market | None":
        mark = view.mark
        if mark is None or mark <= 0:
            return None
        open_now = offers_of(parent, view, mark)
        if not open_now:
            return None
        terms = terms_of(parent.exec_algorithm_id, open_now[0].capabilities)
        offers = on_terms(open_now, terms)
        if not offers:
            return None
        return cls(
            mark=mark,
            terms=terms,
            offers=offers,
            is_whole=len(open_now) == len(parent.candidates),
        )

    def takes_none_of(self, parent: ParentOrder) -> bool:
        """Whether what is left is too little for every venue, and so will stay."""
        rest = parent.unspawned_qty
        too_little = all(offer.lots(rest) < offer.least for offer in self.offers)
        return self.is_whole and rest > 0 and too_little


def _next_child(
    parent: ParentOrder, found: _Market, settings: ExecutionSettings, now: datetime
) -> SpawnedChild | None:
    if not found.terms.rests and not has_reached_limit(parent, found.mark):
        return None
    amount = next_amount(parent, settings=settings, now=now)
    if amount is None or _is_too_soon(parent, now):
        return None
    slice_no = parent.spawned + 1
    child_id = intent_id(
        parent.agent_id, parent.deployment_id, parent.signal_id, parent.leg, slice_no
    )
    candidates = _candidates(parent, found, amount, child_id, settings)
    if not candidates:
        return None
    delay = jitter(child_id, min_ms=settings.jitter_min_ms, max_ms=settings.jitter_max_ms)
    return SpawnedChild(
        intent_id=child_id,
        slice_no=slice_no,
        quantity=candidates[0].quantity,
        candidates=candidates,
        order_type=found.terms.order_type,
        time_in_force=found.terms.time_in_force,
        not_before=now + delay,
    )


def _is_too_soon(parent: ParentOrder, now: datetime) -> bool:
    """Whether this would be a repetition within the same tick.

    A slice that has fallen due since the parent last changed is none, and neither is an iceberg's
    next tranche after one that filled. A clock that was set back does not hold it up for long.
    """
    if parent.spawned == 0:
        return False
    if parent.exec_algorithm_id is ExecAlgorithm.ICEBERG and not parent.failures:
        return False
    if any(parent.updated_at < target.at <= now for target in parent.schedule):
        return False
    return abs(now - parent.updated_at) < RETRY_AFTER


def _candidates(
    parent: ParentOrder, found: _Market, amount: Amount, seed: str, settings: ExecutionSettings
) -> tuple[VenueCandidate, ...]:
    """The first venue that takes the amount, in its lots, and those behind it, in theirs.

    An amount that is too small for a venue waits to become larger, if enough is left for that:
    crumbs are not carried to a venue that the order prefers less.
    """
    for place, offer in enumerate(found.offers):
        quantity = in_lots(amount, offer, rest=parent.unspawned_qty, seed=seed, settings=settings)
        first = offer.candidate(quantity) if quantity is not None else None
        if first is not None:
            others = (other.candidate(first.quantity) for other in found.offers[place + 1 :])
            return (first, *(other for other in others if other is not None))
        if quantity is None and offer.lots(parent.unspawned_qty) >= offer.least:
            return ()
    return ()


def _with_child(parent: ParentOrder, child: SpawnedChild, now: datetime) -> ParentOrder:
    opened = OpenChild(slice_no=child.slice_no, quantity=child.quantity, spawned_at=now)
    return replace(
        parent,
        spawned=child.slice_no,
        open_children={**parent.open_children, child.intent_id: opened},
        updated_at=now,
    )
