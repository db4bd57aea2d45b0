"""What an agent says of a symbol, and what the swarm makes of it."""

from dataclasses import dataclass
from enum import StrEnum

from common.domain.money import Money


class Action(StrEnum):
    BUY = "BUY"
    SELL = "SELL"
    HOLD = "HOLD"


class Stance(StrEnum):
    """How a vote counts: VOTED counts, ABSTAINED leaves the denominator, VETOED blocks opening."""

    VOTED = "VOTED"
    ABSTAINED = "ABSTAINED"
    VETOED = "VETOED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One agent's word. `confidence` is 0..1 with 4 decimals: the agent's own estimate, not
    calibrated.
    """

    agent: str
    stance: Stance
    action: Action
    confidence: Money
    reasons: tuple[str, ...]  # strongest first, at most 5


class Verdict(StrEnum):
    """ACT: above the upper threshold; HOLD: below the lower; UNDECIDED: between."""

    ACT = "ACT"
    HOLD = "HOLD"
    UNDECIDED = "UNDECIDED"
    VETOED = "VETOED"
    NO_VOTES = "NO_VOTES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """`score` = sum(confidence x weight, signed by direction) / sum(weight of those who voted),
    -1..1.
    """

    score: Money
    action: Action
    verdict: Verdict
    voters: tuple[str, ...]
    reason: str
