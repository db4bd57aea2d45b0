"""How much of a parent order its next child should have, and in which lots of a venue."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from common.config import ExecutionSettings
from common.domain.money import ZERO
from common.domain.parent_order import ExecAlgorithm, ParentOrder
from common.execution.algorithms.fitting import Offer
from common.execution.algorithms.protection import fuzzed

TICK = timedelta(minutes=1)
"""How often `advance` looks at a parent (design.md, Functions); finer slices fall due together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Base units, > 0, not yet in lots."""

    wanted: Decimal
    most: Decimal  # with the fuzz
    is_hidden: bool = False  # fuzzed
    may_grow: bool = False  # to the least that the venue takes


def next_amount(
    parent: ParentOrder, *, settings: ExecutionSettings, now: datetime
) -> Amount | None:
    """None: nothing is due. Never more than what no child has taken."""
    rest = parent.unspawned_qty
    if rest <= 0:
        return None
    if parent.schedule:
        return _due(parent, rest, settings, now)
    if parent.exec_algorithm_id is ExecAlgorithm.ICEBERG:
        return _tranche(parent, rest, settings)
    return Amount(wanted=rest, most=rest)


def _due(
    parent: ParentOrder, rest: Decimal, settings: ExecutionSettings, now: datetime
) -> Amount | None:
    """The slices up to now, less what children have filled or hold.

    What was missed is caught up with by `catch_up_slices` times the regular slice at most, until
    the last slice, which takes all that is left. What the fuzz has left of a slice goes with the
    next one: by itself it would tell how large the slice was meant to be.
    """
    if now >= parent.schedule[-1].at:
        return Amount(wanted=rest, most=rest)
    due = sum((target.quantity for target in parent.schedule if target.at <= now), ZERO)
    owed = due - parent.filled_qty - parent.open_qty
    if owed <= 0:
        return None
    largest = _regular(parent, now) * settings.catch_up_slices
    if owed <= largest * settings.fuzz:
        return None
    most = min(largest, rest)
    return Amount(wanted=min(owed, most), most=most, is_hidden=True)


def _regular(parent: ParentOrder, now: datetime) -> Decimal:
    """What a tick on time would send: its slice, or all slices of its minute; the mean at least."""
    past = [target for target in parent.schedule if target.at <= now]
    of_this_tick = sum((target.quantity for target in past if target.at > now - TICK), ZERO)
    return max(past[-1].quantity, of_this_tick, parent.quantity / len(parent.schedule))


def _tranche(parent: ParentOrder, rest: Decimal, settings: ExecutionSettings) -> Amount:
    """A visible quantity that the user gave is kept to the unit; our own choice is fuzzed."""
    visible = parent.visible_quantity
    if visible is not None:
        return Amount(wanted=min(visible, rest), most=rest, may_grow=True)
    chosen = min(parent.quantity * settings.visible_fraction, rest)
    return Amount(wanted=chosen, most=rest, is_hidden=True, may_grow=True)


def in_lots(
    amount: Amount, offer: Offer, *, rest: Decimal, seed: str, settings: ExecutionSettings
) -> Decimal | None:
    """The amount as the venue takes it; None: it is below the venue's least.

    A remainder that the venue would not take by itself is added at once.
    """
    quantity, all_left = offer.lots(amount.wanted), offer.lots(rest)
    if quantity < offer.least:
        if not amount.may_grow or all_left < offer.least:
            return None
        quantity = offer.least
    if all_left - quantity < offer.least:
        return all_left
    if not amount.is_hidden:
        return quantity
    most = min(amount.most, all_left)
    hidden = offer.lots(fuzzed(quantity, seed=seed, fraction=settings.fuzz, most=most))
    too_little = max(quantity * (1 - settings.fuzz), offer.least)
    if hidden < too_little or all_left - hidden < offer.least:
        return quantity  # lots are too coarse for the fuzz, or the rest would be too small
    return hidden
