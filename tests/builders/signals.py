"""Agents, deployments, votes, signals and deliveries."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from common.domain.agent import (
    Agent,
    AgentKind,
    AgentStatus,
    Deployment,
    DeploymentStatus,
    Weights,
)
from common.domain.instrument import Venue
from common.domain.signal import (
    Delivery,
    PositionSide,
    RiskModel,
    Signal,
    SignalRecord,
    SignalStatus,
    SizeModel,
    SizeType,
)
from common.domain.vote import Action, Stance, Vote
from tests.builders.story import AGENT_ID, DELIVERY_ID, DEPLOYMENT_ID, NOON, SIGNAL_ID


def an_agent(agent_id: str = AGENT_ID, **changes: Any) -> Agent:
    agent = Agent(
        agent_id=agent_id,
        book="v3",
        kind=AgentKind.SWARM,
        creator_wallet="0x" + "11" * 20,
        name="Sapphire swarm",
        venue=Venue.MULTI,
        status=AgentStatus.ACTIVE,
        x_account_ids=(),
        research_institute_ids=(),
        weights=Weights(x=Decimal("0.6"), research=Decimal("0.4")),
        profit_receiver_address=None,
        created_at=NOON,
    )
    return replace(agent, **changes)


def a_deployment(deployment_id: str = DEPLOYMENT_ID, **changes: Any) -> Deployment:
    deployment = Deployment(
        deployment_id=deployment_id,
        book="v3",
        agent_id=AGENT_ID,
        user_wallet="0x" + "22" * 20,
        enabled_venues=(Venue.HYPERLIQUID, Venue.OSTIUM),
        venue_keys={},
        capital=Decimal(10_000),
        status=DeploymentStatus.ACTIVE,
        paper=True,
        created_at=NOON,
    )
    return replace(deployment, **changes)


def a_vote(agent: str = "quant_alpha", **changes: Any) -> Vote:
    vote = Vote(
        agent=agent,
        stance=Stance.VOTED,
        action=Action.BUY,
        confidence=Decimal("0.8000"),
        reasons=("RSI 28 is oversold",),
    )
    return replace(vote, **changes)


def a_signal(signal_id: str = SIGNAL_ID, **changes: Any) -> Signal:
    signal = Signal(
        signal_id=signal_id,
        book="v3",
        agent_id=AGENT_ID,
        symbol="ETH",
        side=PositionSide.LONG,
        size_model=SizeModel(type=SizeType.PERCENTAGE, value=Decimal(10)),
        risk_model=RiskModel(type="trailing-stop", stop=Decimal("2.5")),
        confidence=Decimal("0.7500"),
        reasons=("RSI 28 is oversold",),
        reference_price=Decimal(3000),
        created_at=NOON,
        expires_at=NOON + timedelta(minutes=5),
    )
    return replace(signal, **changes)


def a_signal_record(signal: Signal | None = None, **changes: Any) -> SignalRecord:
    record = SignalRecord(
        signal=signal or a_signal(),
        status=SignalStatus.PENDING,
        reason_code="",
        reason="",
        deployments_expected=None,
        outcomes={},
        final_venue=None,
        routing_history=(),
    )
    return replace(record, **changes)


def a_delivery(delivery_id: str = DELIVERY_ID, **changes: Any) -> Delivery:
    delivery = Delivery(
        delivery_id=delivery_id,
        book="v3",
        signal_id=SIGNAL_ID,
        agent_id=AGENT_ID,
        deployment_id=DEPLOYMENT_ID,
        status=SignalStatus.PENDING,
        reason_code="",
        reason="",
        venue=None,
        intent_id=None,
        plan_hash=None,
        created_at=NOON,
        updated_at=NOON,
        expires_at=NOON + timedelta(minutes=5),
    )
    return replace(delivery, **changes)
