"""SW-03: who fails or is late abstains, and the cycle goes on."""

import asyncio
from dataclasses import replace

import pytest

from common.config import SwarmSettings
from common.domain.market import MarketSnapshot
from common.domain.vote import Stance, Vote
from common.errors import ConfigurationError
from common.what.swarm import quant_alpha
from common.what.swarm.features import Features
from common.what.swarm.roster import NAMES, ROSTER, SwarmAgent, collect_votes, votes_now
from tests.unit.what.recorded import features_from, snapshot_of, surging_candles

SURGE = surging_candles()
FEATURES = features_from(SURGE)
SNAPSHOT = snapshot_of(SURGE)


def _breaks(_features: Features, _snapshot: MarketSnapshot) -> Vote:
    raise ZeroDivisionError("float division by zero")


async def _thinks(features: Features, snapshot: MarketSnapshot) -> Vote:
    await asyncio.sleep(0)
    return replace(quant_alpha.vote(features, snapshot), agent="thinker")


async def _never_answers(_features: Features, _snapshot: MarketSnapshot) -> Vote:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def _breaks_later(_features: Features, _snapshot: MarketSnapshot) -> Vote:
    await asyncio.sleep(0)
    raise ValueError("no answer in the answer")


async def _gives_up(_features: Features, _snapshot: MarketSnapshot) -> Vote:
    raise asyncio.CancelledError


def _agent(agent_id: str, vote: object) -> SwarmAgent:
    return SwarmAgent(agent_id=agent_id, name=agent_id, specialty="", vote=vote)  # type: ignore[arg-type]  # sync and async


def test_roster_names_four_agents_that_all_have_a_weight() -> None:
    assert list(NAMES.values()) == [
        "Quant Alpha",
        "Risk Guardian",
        "Sentiment Sage",
        "Degen Hunter",
    ]
    assert set(NAMES) == set(SwarmSettings().weights)
    assert all(agent.specialty for agent in ROSTER)


async def test_collect_votes_of_the_roster_equals_votes_now() -> None:
    collected = await collect_votes(ROSTER, FEATURES, SNAPSHOT, 5.0)
    assert collected == votes_now(ROSTER, FEATURES, SNAPSHOT)
    assert [vote.agent for vote in collected] == list(NAMES)


async def test_collect_votes_when_one_breaks_it_abstains_and_the_others_vote() -> None:
    agents = (_agent("broken", _breaks), *ROSTER)
    votes = await collect_votes(agents, FEATURES, SNAPSHOT, 5.0)
    assert votes[0].stance is Stance.ABSTAINED
    assert votes[0].reasons == ("failed: ZeroDivisionError: float division by zero",)
    assert votes[1:] == votes_now(ROSTER, FEATURES, SNAPSHOT)


async def test_collect_votes_when_some_wait_keeps_order_and_cuts_off_the_late() -> None:
    agents = (
        _agent("late", _never_answers),
        ROSTER[0],
        _agent("thinker", _thinks),
        _agent("broken", _breaks_later),
        _agent("gone", _gives_up),
    )
    late, quant, thinker, broken, gone = await collect_votes(agents, FEATURES, SNAPSHOT, 0.05)
    assert late.reasons == ("timed out after 0.05 s",)
    assert quant == quant_alpha.vote(FEATURES, SNAPSHOT)
    assert thinker == replace(quant, agent="thinker")
    assert broken.reasons == ("failed: ValueError: no answer in the answer",)
    assert gone.reasons == ("failed: cancelled",)
    stances = [vote.stance for vote in (late, broken, gone)]
    assert stances == [Stance.ABSTAINED] * 3


async def test_collect_votes_when_the_caller_is_cancelled_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    agents = (_agent("late", _never_answers),)
    collecting = asyncio.create_task(collect_votes(agents, FEATURES, SNAPSHOT, 60.0))
    await asyncio.sleep(0)
    collecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await collecting
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_votes_now_when_an_agent_waits_refuses_by_name() -> None:
    waiting = asyncio.ensure_future(_thinks(FEATURES, SNAPSHOT))
    agent = _agent("thinker", lambda _features, _snapshot: waiting)
    with pytest.raises(ConfigurationError, match="'thinker'"):
        votes_now((agent,), FEATURES, SNAPSHOT)
    await waiting
