"""An order of the operator's own: a signal like any other, and the wait for its end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal

from common.books import V3
from common.config import Settings
from common.documents import create, load
from common.domain.agent import (
    Agent,
    AgentKind,
    AgentStatus,
    Deployment,
    DeploymentStatus,
)
from common.domain.instrument import Venue
from common.domain.money import ONE, ZERO
from common.domain.order import Order
from common.domain.signal import PositionSide, SignalRecord, SizeModel, SizeType
from common.errors import ConflictError
from common.ports import Clock, DocumentStore, Ref, Write
from functions.api.payloads import ExecuteTrade
from functions.api.signals import SignalWish, deliveries_of, orders_of

OPERATOR = "operator"

Pause = Callable[[], Awaitable[None]]
"""Waits a moment before the store is asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeResult:
    """`order_id` and the rest are None where no order was filled."""

    record: SignalRecord
    order_id: str | None
    filled_price: Decimal | None
    filled_quantity: Decimal
    platform: str | None


async def require_operator(*, store: DocumentStore, clock: Clock, settings: Settings) -> None:
    """The agent and the deployment that the operator's orders belong to, created at first use."""
    agent_ref, deployment_ref = Ref(V3.agents, OPERATOR), Ref(V3.deployments, OPERATOR)
    agent, deployment = await store.get_many([agent_ref, deployment_ref])
    now = clock.now()
    writes: list[Write] = []
    if agent is None:
        operator = Agent(
            agent_id=OPERATOR,
            book=V3.name,
            kind=AgentKind.CREATOR,
            creator_wallet=OPERATOR,
            name="Operator",
            venue=Venue.MULTI,
            status=AgentStatus.ACTIVE,
            x_account_ids=(),
            research_institute_ids=(),
            weights=None,
            profit_receiver_address=None,
            created_at=now,
        )
        writes.append(create(agent_ref, operator))
    if deployment is None:
        own = Deployment(
            deployment_id=OPERATOR,
            book=V3.name,
            agent_id=OPERATOR,
            user_wallet=OPERATOR,
            enabled_venues=tuple(settings.venues),
            capital=settings.default_capital,
            status=DeploymentStatus.ACTIVE,
            paper=settings.mode == "paper",
            created_at=now,
        )
        writes.append(create(deployment_ref, own))
    if not writes:
        return
    try:
        await store.commit(writes)
    except ConflictError:  # another request was quicker; what it wrote is the same
        if None in await store.get_many([agent_ref, deployment_ref]):
            raise


def wish_of(body: ExecuteTrade) -> SignalWish:
    return SignalWish(
        agent_id=OPERATOR,
        symbol=body.symbol,
        side=PositionSide.LONG if body.side == "BUY" else PositionSide.SHORT,
        size_model=SizeModel(type=SizeType.QUANTITY, value=body.quantity),
        risk_model=None,
        confidence=ONE,
        reasons=("The operator's order",),
    )


async def await_end(
    record: SignalRecord, *, store: DocumentStore, pause: Pause, polls: int
) -> SignalRecord:
    """The signal once it is in a terminal state, or as it stands after `polls` looks."""
    ref = Ref(V3.signals, record.signal.signal_id)
    for _ in range(polls):
        stored = await load(store, SignalRecord, ref)
        record = stored.value if stored else record
        if record.status.is_terminal:
            break
        await pause()
    return record


async def result_of(record: SignalRecord, *, store: DocumentStore) -> TradeResult:
    """What the signal's orders came to: total quantity, average price weighted by it."""
    deliveries = await deliveries_of(store, V3, record.signal.signal_id)
    orders = await orders_of(store, deliveries)
    filled = [order for order in orders if order.filled_qty > 0 and order.avg_px is not None]
    quantity = sum((order.filled_qty for order in filled), ZERO)
    cost = sum((_cost(order) for order in filled), ZERO)
    last = filled[-1] if filled else None
    return TradeResult(
        record=record,
        order_id=last.client_order_id if last else None,
        filled_price=cost / quantity if quantity else None,
        filled_quantity=quantity,
        platform=last.venue.value if last else None,
    )


def _cost(order: Order) -> Decimal:
    return order.filled_qty * (order.avg_px or ZERO)
