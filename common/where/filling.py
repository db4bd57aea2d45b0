"""Water-filling: a quantity over venues of convex cost, at one marginal cost, in whole lots.

A quantity q costs `rate * q + bend * q^2` at a venue, so its marginal cost is
`rate + 2 * bend * q`. The total is cheapest when all venues that are at neither of their bounds
have the same marginal cost, the level (the Karush-Kuhn-Tucker condition of a separable convex cost
under one sum):

    q_i(level) = clamp((level - rate_i) / (2 * bend_i), low_i, high_i)

The sum of q_i grows with the level in straight pieces, so the level is found exactly, by walking
along the ends of the pieces.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_DOWN, Decimal

from common.domain.money import ZERO

_INFINITE = Decimal("Infinity")


@dataclass(frozen=True, slots=True)
class Bay:
    """What one venue may take: whole lots from `low` to `high`, which are whole lots themselves."""

    rate: Decimal  # quote currency for each base unit
    bend: Decimal  # quote currency for each base unit squared, > 0
    lot: Decimal  # base units, > 0
    low: Decimal
    high: Decimal

    def cost(self, quantity: Decimal) -> Decimal:
        return (self.rate + self.bend * quantity) * quantity

    def cost_of_next(self, quantity: Decimal) -> Decimal:
        """For each base unit of one more lot."""
        return self.rate + self.bend * (quantity + quantity + self.lot)


def fill(bays: Sequence[Bay], total: Decimal) -> list[Decimal]:
    """A quantity for each bay, `total` (>= the sum of the lows) together, or what they can hold.

    Bays of one lot size get the cheapest of all ways to share in lots. Of several lot sizes the
    coarsest is served first, with what the level gives to it rounded to the nearest lot, so that
    the finer ones take up the difference: the cheapest way, or close to it.
    """
    quantities = [ZERO] * len(bays)
    pending = list(range(len(bays)))
    for lot in sorted({bay.lot for bay in bays}, reverse=True):
        group = [place for place in pending if bays[place].lot == lot]
        pending = [place for place in pending if bays[place].lot != lot]
        mine, finer = [bays[place] for place in group], [bays[place] for place in pending]
        part = _part_of(mine, finer, total, lot)
        for place, quantity in zip(group, _in_lots(mine, part, lot), strict=True):
            quantities[place] = quantity
        total -= part
    return quantities


def _part_of(mine: Sequence[Bay], finer: Sequence[Bay], total: Decimal, lot: Decimal) -> Decimal:
    """How much of `total` goes to the bays of the coarsest lot, in whole lots of theirs."""
    most = min(_sum_high(mine), _floor(total - sum((bay.low for bay in finer), ZERO), lot))
    if not finer:
        return most
    ideal = sum(level_shares([*mine, *finer], total)[: len(mine)], ZERO)
    nearest = (ideal / lot).to_integral_value(ROUND_HALF_DOWN) * lot
    fillable = _floor(total, min(bay.lot for bay in finer))
    forced = -_floor(_sum_high(finer) - fillable, lot)  # what the finer ones have no room for
    return min(max(nearest, forced), most)


def _in_lots(bays: Sequence[Bay], total: Decimal, lot: Decimal) -> list[Decimal]:
    """The cheapest shares in lots: `total`, a whole number of lots, is given away exactly.

    From the level's shares, rounded down, the left-over lots go one by one to the smallest marginal
    cost. A lot then moves as long as that saves: rounding down can leave one where the last lot
    costs more than the next one elsewhere. Marginal costs only rise, so when no single move
    saves, nothing does.
    """
    shares = [
        max(bay.low, _floor(share, lot))
        for bay, share in zip(bays, level_shares(bays, total), strict=True)
    ]
    left = total - sum(shares, ZERO)
    while True:
        into, gain = _cheapest_next(bays, shares)
        out_of, saved = _dearest_last(bays, shares)
        if left == 0 and gain >= saved:
            return shares
        if left <= 0:
            shares[out_of] -= lot
            left += lot
        if left > 0:
            shares[into] += lot
            left -= lot


def level_shares(bays: Sequence[Bay], total: Decimal) -> list[Decimal]:
    """The shares at the level where they sum to `total`, without regard to lots."""
    level, doubled = _level(bays, total)
    return [
        min(max((level - bay.rate) / twice, bay.low), bay.high)
        for bay, twice in zip(bays, doubled, strict=True)
    ]


def _level(bays: Sequence[Bay], total: Decimal) -> tuple[Decimal, list[Decimal]]:
    """The marginal cost in common, and each bay's rise of it for a unit."""
    doubled = [bay.bend + bay.bend for bay in bays]
    ends: list[tuple[Decimal, Decimal]] = []
    for bay, twice in zip(bays, doubled, strict=True):
        width = 1 / twice
        ends.extend(((bay.rate + twice * bay.low, width), (bay.rate + twice * bay.high, -width)))
    ends.sort()
    filled = sum((bay.low for bay in bays), ZERO)
    level, width = ends[0][0], ZERO
    for end, change in ends:
        more = width * (end - level)
        if more and filled + more >= total:
            return level + (total - filled) / width, doubled
        filled, level, width = filled + more, end, width + change
    return level, doubled


def _cheapest_next(bays: Sequence[Bay], shares: Sequence[Decimal]) -> tuple[int, Decimal]:
    """Where one more lot costs least for each unit, and how much; infinite when all are full."""
    best, cost = 0, _INFINITE
    for place, (bay, share) in enumerate(zip(bays, shares, strict=True)):
        if share < bay.high:
            of_next = bay.cost_of_next(share)
            if of_next < cost:
                best, cost = place, of_next
    return best, cost


def _dearest_last(bays: Sequence[Bay], shares: Sequence[Decimal]) -> tuple[int, Decimal]:
    """Where the last lot costs most for each unit, and how much; below 0 when none can go."""
    worst, cost = 0, -_INFINITE
    for place, (bay, share) in enumerate(zip(bays, shares, strict=True)):
        if share > bay.low:
            of_last = bay.cost_of_next(share - bay.lot)
            if of_last >= cost:
                worst, cost = place, of_last
    return worst, cost


def _sum_high(bays: Sequence[Bay]) -> Decimal:
    return sum((bay.high for bay in bays), ZERO)


def _floor(value: Decimal, lot: Decimal) -> Decimal:
    """Whole lots, never above `value`; `//` is exact where a quotient could be rounded up."""
    count = value // lot
    if value < 0 and count * lot != value:
        count -= 1
    return count * lot
