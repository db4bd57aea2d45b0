"""From a size model to a quantity.

What shapes a size, in this order: its model (here), the policy's risk modifier, the policy's
largest order (policy.py), the limits, and the venue's lots, to which the router rounds down. Each
step keeps a size or makes it smaller; one that comes to nothing is denied.
"""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Context, Decimal

from common.domain.money import ZERO
from common.domain.signal import SizeModel, SizeType
from common.how.denial import Denial
from common.how.kelly import TrackRecord, kelly_fraction
from common.how.limits import Refusal

KELLY_SHARE_MAX = Decimal("0.25")
"""Of the capital, however good the record: p and b are estimates, and outcomes are not binary."""

DOWN = Context(prec=28, rounding=ROUND_DOWN)
"""Sizes are never rounded up, not even in the last digit."""

_WIDE = Context(prec=100)
_FIGURES = 8
_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Target:
    quantity: Decimal  # base units, > 0
    words: str  # how it came about, for people


@dataclass(frozen=True, slots=True)
class _Stake:
    notional: Decimal  # quote currency
    words: str


def target_quantity(
    size: SizeModel,
    *,
    capital: Decimal,
    price: Decimal,
    volatility_day: Decimal | None,
    record: TrackRecord,
    starter: Decimal,
) -> Target | Refusal:
    """Base units before the policy, the limits and lots; `price` > 0 in quote currency.

    - percentage: of the deployment's capital, so that its size does not drift with open profit.
    - fixed: a notional. quantity: base units.
    - volatility: a notional that moves by `value` percent of the capital when the price moves by
      one standard deviation of a day, capital x value / 100 / volatility_day, and at most the
      capital. `volatility_day` is a fraction, 0.04 = 4 %.
    - kelly: `value` percent of f of the capital, at most `KELLY_SHARE_MAX`. f is
      `kelly_fraction(record)`, whose formula and sources stand there. While the record has fewer
      than `PRIOR_TRIPS` trips, f = `starter`, a configured fraction: Kelly's rule says what to
      stake on a known edge, and the first trips are what it becomes known by.

    Refused: SIZE_NEEDS_VOLATILITY where it is not known or 0, which says that the price stood
    still, not that it will; KELLY_NO_EDGE; QUANTITY_ROUNDS_TO_ZERO.
    """
    if size.type is SizeType.QUANTITY:
        target = Target(size.value, f"a quantity of {figure(size.value)}")
    else:
        stake = _stake(size, capital, volatility_day, (record, starter))
        if isinstance(stake, Refusal):
            return stake
        quantity = quantity_at(stake.notional, price)
        target = Target(quantity, f"{stake.words} at {figure(price)} is {figure(quantity)}")
    if target.quantity > ZERO:
        return target
    return Refusal(Denial.QUANTITY_ROUNDS_TO_ZERO, f"Nothing to trade: {target.words}")


def quantity_at(notional: Decimal, price: Decimal) -> Decimal:
    """Base units that cost `notional` at most."""
    return DOWN.divide(notional, price)


def figure(value: Decimal) -> str:
    """For people, never more than it is: 10,000, 0.33333333."""
    step = Decimal(1).scaleb(min(0, value.adjusted() - _FIGURES + 1))
    text = format(value.quantize(step, rounding=ROUND_DOWN, context=_WIDE), ",f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(fraction: Decimal) -> str:
    """0.025 as `2.5 %`."""
    return f"{figure(DOWN.multiply(fraction, _HUNDRED))} %"


def _stake(
    size: SizeModel,
    capital: Decimal,
    volatility_day: Decimal | None,
    measured: tuple[TrackRecord, Decimal],
) -> _Stake | Refusal:
    match size.type:
        case SizeType.VOLATILITY:
            return _by_volatility(size.value, capital, volatility_day)
        case SizeType.KELLY:
            return _by_kelly(size.value, capital, *measured)
        case SizeType.PERCENTAGE:
            share = _percent_of(capital, size.value)
            return _Stake(share, f"{figure(size.value)} % of {figure(capital)}")
    return _Stake(size.value, figure(size.value))


def _by_volatility(
    value: Decimal, capital: Decimal, volatility_day: Decimal | None
) -> _Stake | Refusal:
    if volatility_day is None or volatility_day <= ZERO:
        known = "not known" if volatility_day is None else "0 so far"
        detail = f"The size follows the volatility of a day, which is {known}"
        return Refusal(Denial.SIZE_NEEDS_VOLATILITY, detail)
    wanted = DOWN.divide(_percent_of(capital, value), volatility_day)
    notional = min(wanted, capital)
    words = f"{figure(value)} % of {figure(capital)} for {percent(volatility_day)} in a day"
    whole = ", the whole capital" if wanted > capital else ""
    return _Stake(notional, f"{words}: {figure(notional)}{whole}")


def _by_kelly(
    value: Decimal, capital: Decimal, record: TrackRecord, starter: Decimal
) -> _Stake | Refusal:
    measured = f"{record.won} of {record.trips} trips won" if record.trips else "no trip so far"
    starts = record.is_sound and record.is_short
    best = starter if starts else kelly_fraction(record)
    if record.problem:
        return Refusal(Denial.KELLY_NO_EDGE, f"The record shows no edge: {record.problem}")
    if best <= ZERO:
        return Refusal(Denial.KELLY_NO_EDGE, f"The record shows no edge: {measured}")
    wanted = _percent_of(best, value)
    share = min(wanted, KELLY_SHARE_MAX)
    cap = ", the most" if wanted > KELLY_SHARE_MAX else ""
    whose = "the starter's" if starts else "Kelly's"
    words = f"{figure(value)} % of {whose} {percent(best)} ({measured})"
    return _Stake(
        DOWN.multiply(capital, share), f"{words}: {percent(share)}{cap} of {figure(capital)}"
    )


def _percent_of(whole: Decimal, value: Decimal) -> Decimal:
    return DOWN.divide(DOWN.multiply(whole, value), _HUNDRED)
