"""SW-04: votes into one verdict."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.domain.vote import Action, Consensus, Stance, Verdict, Vote
from common.errors import ConfigurationError
from common.what.swarm.consensus import consensus

WEIGHTS = {"a": Decimal("0.5"), "b": Decimal("0.3"), "c": Decimal("0.2")}


def _vote(agent: str, action: Action, confidence: str, stance: Stance = Stance.VOTED) -> Vote:
    return Vote(
        agent=agent,
        stance=stance,
        action=action,
        confidence=Decimal(confidence),
        reasons=(f"{agent} says so",),
    )


def _drawn(*votes: Vote, weights: Mapping[str, Decimal] = WEIGHTS, **changes: Any) -> Consensus:
    thresholds = {"threshold_act": Decimal("0.60"), "threshold_hold": Decimal("0.40")}
    return consensus(votes, weights=weights, **{**thresholds, **changes})


def test_consensus_when_all_agree_is_the_weighted_mean() -> None:
    drawn = _drawn(
        _vote("a", Action.BUY, "0.9"), _vote("b", Action.BUY, "0.8"), _vote("c", Action.BUY, "0.1")
    )
    assert drawn.score == Decimal("0.71")
    assert (drawn.verdict, drawn.action) == (Verdict.ACT, Action.BUY)
    assert drawn.voters == ("a", "b", "c")


def test_consensus_when_votes_oppose_subtracts_them() -> None:
    drawn = _drawn(
        _vote("a", Action.SELL, "0.9"), _vote("b", Action.BUY, "0.8"), _vote("c", Action.HOLD, "1")
    )
    assert drawn.score == Decimal("-0.21")
    assert (drawn.verdict, drawn.action) == (Verdict.HOLD, Action.HOLD)


def test_consensus_when_one_abstains_leaves_its_weight_out() -> None:
    drawn = _drawn(
        _vote("a", Action.SELL, "0.9"),
        _vote("b", Action.BUY, "1", Stance.ABSTAINED),
        _vote("c", Action.SELL, "0.2"),
    )
    assert drawn.score == Decimal("-0.7")
    assert (drawn.verdict, drawn.action) == (Verdict.ACT, Action.SELL)
    assert drawn.voters == ("a", "c")


@pytest.mark.parametrize(
    ("confidence", "verdict", "action"),
    [
        ("0.6001", Verdict.ACT, Action.BUY),
        ("0.6", Verdict.UNDECIDED, Action.HOLD),
        ("0.5", Verdict.UNDECIDED, Action.HOLD),
        ("0.4", Verdict.UNDECIDED, Action.HOLD),
        ("0.3999", Verdict.HOLD, Action.HOLD),
        ("0", Verdict.HOLD, Action.HOLD),
    ],
)
def test_consensus_at_the_thresholds_is_undecided(
    confidence: str, verdict: Verdict, action: Action
) -> None:
    drawn = _drawn(_vote("a", Action.BUY, confidence))
    assert (drawn.verdict, drawn.action) == (verdict, action)


def test_consensus_when_the_score_rounds_to_the_threshold_is_undecided() -> None:
    """0.6000003 is recorded as 0.600000, and the record has to explain its verdict."""
    weights = {"a": Decimal("0.999999"), "b": Decimal("0.000001")}
    drawn = _drawn(_vote("a", Action.BUY, "0.6"), _vote("b", Action.BUY, "0.9"), weights=weights)
    assert drawn.score == Decimal("0.6")
    assert drawn.verdict is Verdict.UNDECIDED


def test_consensus_when_vetoed_holds_whatever_the_score() -> None:
    drawn = _drawn(
        _vote("a", Action.BUY, "1"),
        _vote("b", Action.HOLD, "1", Stance.VETOED),
        _vote("c", Action.BUY, "1"),
    )
    assert (drawn.verdict, drawn.action) == (Verdict.VETOED, Action.HOLD)
    assert drawn.score == Decimal(1)
    assert drawn.reason == "b vetoed: b says so"


@pytest.mark.parametrize(
    ("votes", "weights"),
    [
        ((), WEIGHTS),
        ((_vote("a", Action.BUY, "1", Stance.ABSTAINED),), WEIGHTS),
        ((_vote("a", Action.BUY, "1"),), {"a": Decimal(0)}),
    ],
)
def test_consensus_when_nobody_counts_has_no_votes(
    votes: tuple[Vote, ...], weights: dict[str, Decimal]
) -> None:
    drawn = _drawn(*votes, weights=weights)
    assert (drawn.verdict, drawn.action) == (Verdict.NO_VOTES, Action.HOLD)
    assert drawn.score == 0


def test_consensus_when_a_voter_has_no_weight_names_it() -> None:
    with pytest.raises(ConfigurationError, match="'stranger'"):
        _drawn(_vote("a", Action.BUY, "1"), _vote("stranger", Action.BUY, "1"))


def test_consensus_when_an_abstainer_has_no_weight_does_not_mind() -> None:
    drawn = _drawn(
        _vote("a", Action.BUY, "1"), _vote("stranger", Action.BUY, "1", Stance.ABSTAINED)
    )
    assert drawn.verdict is Verdict.ACT


def test_consensus_when_a_weight_is_negative_names_it() -> None:
    with pytest.raises(ConfigurationError, match="'a'"):
        _drawn(_vote("a", Action.BUY, "1"), weights={"a": Decimal(-1)})


@pytest.mark.parametrize(("act", "hold"), [("0.3", "0.4"), ("1", "0.4"), ("0.6", "-0.1")])
def test_consensus_when_thresholds_cross_says_so(act: str, hold: str) -> None:
    with pytest.raises(ConfigurationError, match="thresholds"):
        _drawn(threshold_act=Decimal(act), threshold_hold=Decimal(hold))


@settings(deadline=None)  # the machine may be shared
@given(
    st.lists(
        st.tuples(st.sampled_from(list(Action)), st.decimals(0, 1, places=4)),
        min_size=1,
        max_size=3,
    )
)
def test_consensus_of_any_votes_is_bounded_and_mirrors(votes: list[tuple[Action, Decimal]]) -> None:
    mirror = {Action.BUY: Action.SELL, Action.SELL: Action.BUY, Action.HOLD: Action.HOLD}
    cast = [
        _vote(agent, action, str(confidence))
        for agent, (action, confidence) in zip("abc", votes, strict=False)
    ]
    turned = [_vote(vote.agent, mirror[vote.action], str(vote.confidence)) for vote in cast]
    drawn, mirrored = _drawn(*cast), _drawn(*turned)
    assert -1 <= drawn.score <= 1
    assert mirrored.score == -drawn.score
    assert mirrored.verdict is drawn.verdict
