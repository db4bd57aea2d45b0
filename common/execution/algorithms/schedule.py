"""When how much of a parent order falls due: equal slices (TWAP), or by a volume profile (VWAP).

Slice k of n starts at `start + k * duration / n`. What is due up to slice k is the whole quantity's
share of the weights up to k, rounded down to lots, so that the schedule is never ahead of its
curve and the last slice makes the sum exact. A slice that comes to nothing, or to less than the
minimum, is merged into the next one; what is left at the end goes to the last one that there is.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from common.domain.money import ONE, ZERO, plain
from common.domain.parent_order import DURATION_MAX_S, SLICES_MAX, SliceTarget
from common.domain.position import EXACT
from common.errors import InvalidInputError

INVALID_SLICES = "INVALID_SLICES"
INVALID_DURATION = "INVALID_DURATION"
INVALID_QUANTITY = "INVALID_QUANTITY"
INVALID_WEIGHTS = "INVALID_WEIGHTS"
QUANTITY_NOT_ON_LOT = "QUANTITY_NOT_ON_LOT"


def twap_schedule(
    quantity: Decimal,
    *,
    start: datetime,
    duration_s: int,
    slices: int,
    lot: Decimal,
    min_quantity: Decimal = ZERO,
) -> tuple[SliceTarget, ...]:
    """`slices` equal parts of `quantity` (base units, whole lots) over `duration_s`.

    100 over 10 minutes in 10 slices are 10 each, at minutes 0 to 9.

    Raises:
        InvalidInputError: with one of this module's codes, and the argument's name as its place.
    """
    check_slices(slices)
    return _schedule(
        quantity,
        start=start,
        duration_s=duration_s,
        weights=(ONE,) * slices,
        lot=lot,
        min_quantity=min_quantity,
    )


def vwap_schedule(
    quantity: Decimal,
    *,
    start: datetime,
    duration_s: int,
    weights: Sequence[Decimal],
    lot: Decimal,
    min_quantity: Decimal = ZERO,
) -> tuple[SliceTarget, ...]:
    """A slice for each of the `weights` (>= 0, one at least above 0), in their proportion.

    100 by 30, 50 and 20 are 30, 50 and 20.

    Raises:
        InvalidInputError: as `twap_schedule`.
    """
    check_slices(len(weights))
    if not all(weight.is_finite() and weight >= 0 for weight in weights):
        raise InvalidInputError("must be finite and >= 0", code=INVALID_WEIGHTS, where="weights")
    if not any(weights):
        raise InvalidInputError("are all zero", code=INVALID_WEIGHTS, where="weights")
    return _schedule(
        quantity,
        start=start,
        duration_s=duration_s,
        weights=weights,
        lot=lot,
        min_quantity=min_quantity,
    )


def check_slices(slices: int) -> None:
    """Raises InvalidInputError: not within 1..SLICES_MAX."""
    if not 1 <= slices <= SLICES_MAX:
        raise InvalidInputError(
            f"must be 1 to {SLICES_MAX}, not {slices}", code=INVALID_SLICES, where="slices"
        )


def check_duration(duration_s: int) -> None:
    """Raises InvalidInputError: not within 1..DURATION_MAX_S seconds."""
    if not 1 <= duration_s <= DURATION_MAX_S:
        raise InvalidInputError(
            f"must be 1 to {DURATION_MAX_S} seconds, not {duration_s}",
            code=INVALID_DURATION,
            where="duration_s",
        )


def _schedule(
    quantity: Decimal,
    *,
    start: datetime,
    duration_s: int,
    weights: Sequence[Decimal],
    lot: Decimal,
    min_quantity: Decimal,
) -> tuple[SliceTarget, ...]:
    check_duration(duration_s)
    duration = timedelta(seconds=duration_s)
    total = _lots(quantity, lot, min_quantity)
    minimum = math.ceil(Fraction(min_quantity) / Fraction(lot))
    parts = _merged(_shares(total, weights), minimum)
    return tuple(
        SliceTarget(start + duration * slot / len(weights), EXACT.multiply(Decimal(lots), lot))
        for slot, lots in parts
    )


def _lots(quantity: Decimal, lot: Decimal, min_quantity: Decimal) -> int:
    for name, value in (("quantity", quantity), ("lot", lot)):
        if not value.is_finite() or value <= 0:
            raise InvalidInputError("must be above 0", code=INVALID_QUANTITY, where=name)
    if not min_quantity.is_finite() or min_quantity < 0:
        raise InvalidInputError("must be >= 0", code=INVALID_QUANTITY, where="min_quantity")
    count = Fraction(quantity) / Fraction(lot)
    if count.denominator != 1:
        raise InvalidInputError(
            f"{plain(quantity)} is not in whole lots of {plain(lot)}",
            code=QUANTITY_NOT_ON_LOT,
            where="quantity",
        )
    return count.numerator


def _shares(total: int, weights: Sequence[Decimal]) -> list[int]:
    """Lots of each slice; exact, for rounded weights could lose the last lot."""
    exact = [Fraction(weight) for weight in weights]
    whole = sum(exact)
    shares, due, weight_so_far = [], 0, Fraction(0)
    for weight in exact:
        weight_so_far += weight
        upto = math.floor(total * weight_so_far / whole)
        shares.append(upto - due)
        due = upto
    return shares


def _merged(shares: Sequence[int], minimum: int) -> list[tuple[int, int]]:
    """The slices that are left, each as its number and its lots, all of them >= `minimum` unless
    there is only one.
    """
    parts: list[tuple[int, int]] = []
    pending = 0
    for slot, lots in enumerate(shares):
        pending += lots
        if lots and pending >= minimum:
            parts.append((slot, pending))
            pending = 0
    if pending and parts:
        slot, lots = parts.pop()
        parts.append((slot, lots + pending))
    elif pending:
        parts.append((len(shares) - 1, pending))
    return parts
