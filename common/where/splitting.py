"""SW-10: one order over several venues at the least expected cost, by exact water-filling.

A notional n at a venue of taker fee `fee` and liquidity L costs, in quote currency,

    fee * n + k * n^2 / L        (k = 0.015)

the fee and a linear price impact: taking the whole of L moves the average price by k = 1.5 %.
Its marginal cost is fee + 2 * k * n / L. The sum is least where every venue that takes a share
strictly between its bounds has the same marginal cost, the level: n_i = L_i * (level - fee_i) / 2k.
When none is at a bound, sum n_i = N gives the level in closed form:

    level = (2 * k * N + sum(fee_i * L_i)) / sum(L_i)

For $100,000 over A ($500K, 0.10 %), B ($200K, 0.05 %), C ($1M, 0.15 %) the level is 0.0030, and
A takes $33,333, B $16,667, C $50,000. `filling` holds the general case: bounds and lots.

A venue's minimum makes its share 0 or at least the minimum, so which venues take part is searched:
branch and bound, where the cost without minimums is the bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal, localcontext

from common.domain.instrument import Venue
from common.domain.money import CASH_INCREMENT, ZERO, round_to
from common.errors import InvalidInputError
from common.where.filling import Bay, fill

IMPACT = Decimal("0.015")
"""k: the fraction by which taking all of a venue's liquidity moves the average price (SW-10)."""

VENUES_MAX = 10
_EXACT = Context(prec=100)  # a quantity may have 90 digits


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitVenue:
    """What one venue can take. Sizes in base units, liquidity and notional in quote currency."""

    venue: Venue
    liquidity: Decimal  # > 0
    fee: Decimal  # fraction of notional, >= 0
    lot: Decimal  # > 0
    min_quantity: Decimal = ZERO
    min_notional: Decimal = ZERO
    max_quantity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Share:
    venue: Venue
    quantity: Decimal  # base units, > 0, whole lots


@dataclass(frozen=True, slots=True)
class Split:
    """`shares` in the order of the venues asked, those without one left out."""

    shares: tuple[Share, ...]
    left_over: Decimal  # base units that no venue could take: below a lot, or beyond the maximums
    cost: Decimal  # expected, in quote currency, to 1e-12


@dataclass(frozen=True, slots=True)
class _Stall:
    """A venue in the search: `minimum` in lots; `settled` once its bay says whether it is in."""

    bay: Bay
    minimum: Decimal
    settled: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    left_over: Decimal
    cost: Decimal
    quantities: tuple[Decimal, ...]

    def beats(self, other: "_Plan") -> bool:
        """Filling more comes first, then costing less."""
        return (self.left_over, self.cost) < (other.left_over, other.cost)


def split(
    quantity: Decimal,
    price: Decimal,
    venues: Sequence[SplitVenue],
    impact: Decimal = IMPACT,
) -> Split:
    """Share `quantity` base units: as much of it as the venues take, and that at the least cost.

    Never more than `quantity`. With one lot size for all no other shares in lots cost less (ties
    go to the venue named first). With several the shares keep every limit, and the cost is the
    least or near it: an order of few coarse lots may cost more, one of thousands within 0.1 % of
    the least without lots.

    Raises:
        InvalidInputError: a price, impact, liquidity or lot that is not above 0, a negative
            quantity or fee, or more than `VENUES_MAX` venues.
    """
    _check(quantity, price, venues, impact)
    with localcontext(_EXACT):
        stalls = [_stall(venue, quantity, price, impact) for venue in venues]
        taking = [place for place, stall in enumerate(stalls) if stall is not None]
        best = _Search([stall for stall in stalls if stall is not None], quantity).best()
        shares = tuple(
            Share(venues[place].venue, share)
            for place, share in zip(taking, best.quantities, strict=True)
            if share
        )
        return Split(shares, best.left_over, round_to(best.cost, CASH_INCREMENT))


def _check(
    quantity: Decimal, price: Decimal, venues: Sequence[SplitVenue], impact: Decimal
) -> None:
    if quantity < 0 or price <= 0 or impact <= 0:
        raise InvalidInputError("a split needs a quantity >= 0, a price and an impact above 0")
    if len(venues) > VENUES_MAX:
        raise InvalidInputError(f"a split is over {VENUES_MAX} venues at most, not {len(venues)}")
    for venue in venues:
        if venue.liquidity <= 0 or venue.lot <= 0 or venue.fee < 0:
            raise InvalidInputError(
                "liquidity and lot must be above 0, the fee not below", where=venue.venue
            )


def _stall(venue: SplitVenue, quantity: Decimal, price: Decimal, impact: Decimal) -> _Stall | None:
    """None when not even its minimum fits into the order and its maximum."""
    lot = venue.lot
    by_notional = _lots_up(venue.min_notional, price * lot)
    minimum = max(_lots_up(venue.min_quantity, lot), by_notional) * lot
    most = quantity if venue.max_quantity is None else min(quantity, venue.max_quantity)
    high = most // lot * lot
    if high <= 0 or high < minimum:
        return None
    bay = Bay(
        rate=venue.fee * price,
        bend=impact * price * price / venue.liquidity,
        lot=lot,
        low=ZERO,
        high=high,
    )
    return _Stall(bay, minimum, settled=minimum <= lot)


def _lots_up(value: Decimal, lot: Decimal) -> Decimal:
    """The fewest whole lots that reach `value`."""
    count = value // lot
    return count if count * lot >= value else count + 1


class _Search:
    """Branch and bound over which venues take part.

    A venue that is no better than another in any respect takes part only if the other does too:
    else the other could take its share for no more. That keeps alike venues from being tried in
    every combination.
    """

    def __init__(self, stalls: Sequence[_Stall], quantity: Decimal) -> None:
        self._stalls = tuple(stalls)
        self._quantity = quantity
        self._best = _Plan(quantity, ZERO, (ZERO,) * len(stalls))

    def best(self) -> _Plan:
        self._visit(self._stalls)
        return self._best

    def _visit(self, stalls: tuple[_Stall, ...]) -> None:
        bays = [stall.bay for stall in stalls]
        if sum((bay.low for bay in bays), ZERO) > self._quantity:
            return
        quantities = fill(bays, self._quantity)
        plan = _Plan(
            self._quantity - sum(quantities, ZERO),
            sum((bay.cost(part) for bay, part in zip(bays, quantities, strict=True)), ZERO),
            tuple(quantities),
        )
        if not plan.beats(self._best):
            return
        between = [
            place
            for place, (stall, part) in enumerate(zip(stalls, quantities, strict=True))
            if not stall.settled and 0 < part < stall.minimum
        ]
        if not between:
            self._best = plan
            return
        place = max(between, key=lambda each: quantities[each])
        choices = [self._with(stalls, place), self._without(stalls, place)]
        if 2 * quantities[place] < stalls[place].minimum:
            choices.reverse()
        for choice in choices:
            self._visit(choice)

    def _with(self, stalls: tuple[_Stall, ...], place: int) -> tuple[_Stall, ...]:
        """`place` takes part, and every venue that is better."""
        return tuple(
            _settled(stall, stall.minimum, stall.bay.high)
            if not stall.settled and (each == place or self._is_better(each, place))
            else stall
            for each, stall in enumerate(stalls)
        )

    def _without(self, stalls: tuple[_Stall, ...], place: int) -> tuple[_Stall, ...]:
        """Neither `place` takes part, nor any venue than which it is better."""
        return tuple(
            _settled(stall, ZERO, ZERO)
            if not stall.settled and (each == place or self._is_better(place, each))
            else stall
            for each, stall in enumerate(stalls)
        )

    def _is_better(self, place: int, other: int) -> bool:
        """In no respect worse; of two alike the one named first, so that it is an order."""
        mine, its = self._stalls[place], self._stalls[other]
        if mine.bay.lot != its.bay.lot:
            return False
        here = (mine.bay.rate, mine.bay.bend, mine.minimum, -mine.bay.high)
        there = (its.bay.rate, its.bay.bend, its.minimum, -its.bay.high)
        if here == there:
            return place < other
        return all(one <= two for one, two in zip(here, there, strict=True))


def _settled(stall: _Stall, low: Decimal, high: Decimal) -> _Stall:
    return replace(stall, bay=replace(stall.bay, low=low, high=high), settled=True)
