"""The swarm's agents in one table, and how their votes are collected."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from common.domain.market import MarketSnapshot
from common.domain.vote import Vote
from common.errors import ConfigurationError
from common.what.swarm import degen_hunter, quant_alpha, risk_guardian, sentiment_sage
from common.what.swarm.features import Features, abstention

CastVote = Callable[[Features, MarketSnapshot], Vote | Awaitable[Vote]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmAgent:
    """`vote` is pure and quick, or (for an agent that waits for a model) a coroutine function."""

    agent_id: str
    name: str
    specialty: str
    vote: CastVote


ROSTER = (
    SwarmAgent(
        agent_id=quant_alpha.AGENT,
        name="Quant Alpha",
        specialty="technical analysis: RSI, MACD, Bollinger, ATR, volume, trend",
        vote=quant_alpha.vote,
    ),
    SwarmAgent(
        agent_id=risk_guardian.AGENT,
        name="Risk Guardian",
        specialty="risk limits and stops, with a deterministic veto",
        vote=risk_guardian.vote,
    ),
    SwarmAgent(
        agent_id=sentiment_sage.AGENT,
        name="Sentiment Sage",
        specialty="social posts and news",
        vote=sentiment_sage.vote,
    ),
    SwarmAgent(
        agent_id=degen_hunter.AGENT,
        name="Degen Hunter",
        specialty="order flow, volume and large trades",
        vote=degen_hunter.vote,
    ),
)
NAMES = {agent.agent_id: agent.name for agent in ROSTER}


async def collect_votes(
    agents: Sequence[SwarmAgent], features: Features, snapshot: MarketSnapshot, timeout_s: float
) -> tuple[Vote, ...]:
    """One vote each, in the agents' order; who fails or is late abstains (SW-03).

    Agents that only compute run inline. Those that wait run together under one timeout, which is
    far cheaper than a task and a timeout for each.
    """
    votes = [_cast(agent, features, snapshot) for agent in agents]
    waiting = {
        place: asyncio.ensure_future(vote)
        for place, vote in enumerate(votes)
        if not isinstance(vote, Vote)
    }
    if waiting:
        try:
            await asyncio.wait(waiting.values(), timeout=timeout_s)
        finally:
            for task in waiting.values():
                task.cancel()  # does nothing to those that are done
    return tuple(
        vote if isinstance(vote, Vote) else _outcome(agents[place], waiting[place], timeout_s)
        for place, vote in enumerate(votes)
    )


def votes_now(
    agents: Sequence[SwarmAgent], features: Features, snapshot: MarketSnapshot
) -> tuple[Vote, ...]:
    """The votes of agents that only compute, without an event loop: to make a decision again.

    Raises:
        ConfigurationError: an agent waits for something, so it cannot be run again like this.
    """
    votes = []
    for agent in agents:
        vote = _cast(agent, features, snapshot)
        if not isinstance(vote, Vote):
            raise ConfigurationError(f"agent {agent.agent_id!r} waits; it cannot be run again")
        votes.append(vote)
    return tuple(votes)


def _cast(
    agent: SwarmAgent, features: Features, snapshot: MarketSnapshot
) -> Vote | Awaitable[Vote]:
    try:
        return agent.vote(features, snapshot)
    except Exception as error:  # noqa: BLE001 - SW-03: a failing agent abstains, with the reason
        return _failed(agent, error)


def _outcome(agent: SwarmAgent, task: "asyncio.Future[Vote]", timeout_s: float) -> Vote:
    if not task.done():
        return abstention(agent.agent_id, f"timed out after {timeout_s:g} s")
    if task.cancelled():
        return abstention(agent.agent_id, "failed: cancelled")
    error = task.exception()
    return task.result() if error is None else _failed(agent, error)


def _failed(agent: SwarmAgent, error: BaseException) -> Vote:
    return abstention(agent.agent_id, f"failed: {type(error).__name__}: {error}"[:200])
