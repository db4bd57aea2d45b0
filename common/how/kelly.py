"""How much to stake on a measured edge: Kelly's fraction, shrunk while the record is short."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Context, Decimal

from common.domain.money import ZERO

PRIOR_TRIPS = 20
"""The strength of the prior belief that there is no edge: a record of as many trips counts half,
and one of fewer is not asked at all.
"""

_HALF = PRIOR_TRIPS // 2
_EXACT = Context(prec=400)  # products of figures of up to 90 digits each
_DOWN = Context(prec=28, rounding=ROUND_DOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackRecord:
    """An agent's round trips as the accounts of all its deployments measured them, after
    commissions; a larger deployment's trips weigh more.
    """

    trips: int = 0
    won: int = 0
    gains: Decimal = ZERO  # quote currency, sum of the won ones, >= 0
    losses: Decimal = ZERO  # sum of the others, <= 0
    problem: str = ""  # why nothing can be said of it

    @property
    def is_sound(self) -> bool:
        counted = 0 <= self.won <= self.trips and self.gains >= ZERO >= self.losses
        return counted and not self.problem

    @property
    def is_short(self) -> bool:
        """Whether it says too little to stake by."""
        return self.trips < PRIOR_TRIPS


def kelly_fraction(record: TrackRecord) -> Decimal:
    """The share of the capital to stake, 0 <= f < 1, rounded down; 0 where there is no edge.

    f* = p - (1 - p) / b makes the capital's logarithm grow fastest, with p the chance to win and b
    the mean gain over the mean loss (J. L. Kelly, A New Interpretation of Information Rate, 1956;
    E. O. Thorp, The Kelly Criterion in Blackjack, Sports Betting, and the Stock Market, 2006).

    Staking more than f* loses growth and gains risk, and a short record flatters. So `PRIOR_TRIPS`
    = 2c imagined trips are added to the n measured ones, half of them won, each of the measured
    ones' mean size m = (gains + losses) / n, losses taken positive:

        p = (won + c) / (n + 2c)        the mean of a Beta(c, c) prior's posterior
        b = ((gains + c m) / (won + c)) / ((losses + c m) / (n - won + c))

    which draws p to 1/2 and b to 1. Put in, that is one fraction, and computed as one:

        f* = (won + c) n (gains - losses) / ((n + 2c) ((n + c) gains + c losses))

    A stake is the notional. A trip that loses less than all of it was staked too low, never too
    high. A record that contradicts itself has no edge.
    """
    gains, losses = record.gains, record.losses.copy_abs()
    if not record.is_sound or gains <= losses:
        return ZERO
    count = record.trips
    edge = _EXACT.multiply((record.won + _HALF) * count, _EXACT.subtract(gains, losses))
    spread = _EXACT.add(_EXACT.multiply(count + _HALF, gains), _EXACT.multiply(_HALF, losses))
    return _DOWN.divide(edge, _EXACT.multiply(count + PRIOR_TRIPS, spread))
