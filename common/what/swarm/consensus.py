"""Votes into one verdict (SW-04), in Decimal."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from common.domain.money import ZERO, plain
from common.domain.vote import Action, Consensus, Stance, Verdict, Vote
from common.errors import ConfigurationError

SCORE_STEP = Decimal("0.000001")
_DIRECTION = {Action.BUY: 1, Action.SELL: -1, Action.HOLD: 0}


def consensus(
    votes: Sequence[Vote],
    *,
    weights: Mapping[str, Decimal],
    threshold_act: Decimal,
    threshold_hold: Decimal,
) -> Consensus:
    """score = sum(confidence x weight x direction) / sum(weight), over those who voted.

    The score is rounded to 6 decimals before it meets the thresholds, so that the record explains
    its verdict. Strictly above `threshold_act` acts, strictly below `threshold_hold` holds; both
    thresholds themselves lie between and are undecided.

    Raises:
        ConfigurationError: a voter has no weight, a weight is below 0, or the thresholds are not
            0 <= hold <= act < 1.
    """
    if not 0 <= threshold_hold <= threshold_act < 1:
        raise ConfigurationError(
            "swarm thresholds must be 0 <= hold <= act < 1, "
            f"not hold {threshold_hold} and act {threshold_act}"
        )
    voted = [vote for vote in votes if vote.stance is Stance.VOTED]
    total = ZERO
    signed = ZERO
    for vote in voted:
        weight = _weight(vote.agent, weights)
        total += weight
        signed += vote.confidence * weight * _DIRECTION[vote.action]
    score = (signed / total).quantize(SCORE_STEP, ROUND_HALF_EVEN) if total > 0 else ZERO
    action, verdict, reason = _verdict(votes, total, score, threshold_act, threshold_hold)
    return Consensus(
        score=score,
        action=action,
        verdict=verdict,
        voters=tuple(vote.agent for vote in voted),
        reason=reason,
    )


def _weight(agent: str, weights: Mapping[str, Decimal]) -> Decimal:
    if agent not in weights:
        raise ConfigurationError(f"agent {agent!r} voted but has no weight in swarm.weights")
    weight = weights[agent]
    if weight < 0:
        raise ConfigurationError(f"swarm.weights[{agent!r}] is below 0: {weight}")
    return weight


def _verdict(
    votes: Sequence[Vote], total: Decimal, score: Decimal, act: Decimal, hold: Decimal
) -> tuple[Action, Verdict, str]:
    for vote in votes:
        if vote.stance is Stance.VETOED:
            return Action.HOLD, Verdict.VETOED, f"{vote.agent} vetoed: {vote.reasons[0]}"
    if total == 0:
        return Action.HOLD, Verdict.NO_VOTES, "no agent with a weight voted"
    shown = plain(score)
    if abs(score) > act:
        action = Action.BUY if score > 0 else Action.SELL
        return action, Verdict.ACT, f"score {shown} is beyond {plain(act)}"
    if abs(score) < hold:
        return Action.HOLD, Verdict.HOLD, f"score {shown} is within {plain(hold)}"
    return (
        Action.HOLD,
        Verdict.UNDECIDED,
        f"undecided: score {shown} lies between {plain(hold)} and {plain(act)}",
    )
