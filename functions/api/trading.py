"""An order of the operator's own: a signal like any other, and the wait for its end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal

from common.books import V3, VENUE_MARKETS
from common.config import OPERATOR, Settings
from common.documents import create, load, load_many
from common.domain.agent import (
    Agent,
    AgentKind,
    AgentStatus,
    Deployment,
    DeploymentStatus,
    KeyStatus,
)
from common.domain.instrument import ALL_VENUES, InstrumentTable, Venue
from common.domain.money import ONE, ZERO, plain
from common.domain.order import Order
from common.domain.rounding import round_quantity
from common.domain.scope import PLATFORM_SCOPE, agent_scope, deployment_scope, symbol_scope
from common.domain.signal import PositionSide, SignalRecord, SizeModel, SizeType
from common.errors import ConflictError, DeniedError, InvalidInputError, LockedError
from common.how.denial import Denial
from common.how.limit_documents import limits_ref, read_limits
from common.how.risk import PASSIVE_COLLAR
from common.how.trading_state import TradingState, read_standing
from common.ports import Clock, Document, DocumentStore, Ref, Write
from common.wire import from_document
from functions.api.payloads import ExecuteTrade
from functions.api.signals import SignalWish, deliveries_of, mark_of, orders_of, reason_now

Pause = Callable[[], Awaitable[None]]
"""Waits a moment before the store is asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeResult:
    """`order_id` and the rest are None where no order was filled."""

    record: SignalRecord
    reason: str  # why it ended, or how far its orders are
    order_id: str | None
    filled_price: Decimal | None
    filled_quantity: Decimal
    platform: str | None


async def require_operator(*, store: DocumentStore, clock: Clock, settings: Settings) -> None:
    """The agent and the deployment that the operator's orders belong to, created at first use.

    Raises:
        DeniedError: DEPLOYMENT_NOT_READY, live and without a key that is READY; nothing is written.
    """
    agent_ref, deployment_ref = Ref(V3.agents, OPERATOR), Ref(V3.deployments, OPERATOR)
    agent, deployment = await store.get_many([agent_ref, deployment_ref])
    if settings.mode == "live":
        _require_key(deployment)
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


def _require_key(document: Document | None) -> None:
    keys = from_document(Deployment, document.data).venue_keys if document else {}
    if not any(key.status is KeyStatus.READY for key in keys.values()):
        raise DeniedError(
            Denial.DEPLOYMENT_NOT_READY,
            "live, an order needs a key that is READY, and the operator has none: deploy an agent"
            " with its key (POST /api/v3/agents/deploy), then send it a signal"
            " (POST /api/v3/signals/generate)",
        )


def wish_of(body: ExecuteTrade) -> SignalWish:
    return SignalWish(
        agent_id=OPERATOR,
        symbol=body.symbol,
        side=PositionSide.LONG if body.side == "BUY" else PositionSide.SHORT,
        size_model=SizeModel(type=SizeType.QUANTITY, value=body.quantity),
        risk_model=None,
        confidence=ONE,
        reasons=("The operator's order",),
        execution=body.execution(),
    )


async def check_trade(body: ExecuteTrade, *, store: DocumentStore, clock: Clock) -> None:
    """Refuse here what could only be refused later: a person waits for the answer.

    Raises:
        LockedError: TRADING_HALTED, for the platform, the operator or the symbol.
        InvalidInputError: PRICE_OUTSIDE_COLLAR, or QUANTITY_BELOW_MINIMUM, NOTIONAL_BELOW_MINIMUM
            at every venue that lists it: a size is never rounded up.
    """
    scopes = (
        PLATFORM_SCOPE,
        agent_scope(V3.name, OPERATOR),
        deployment_scope(OPERATOR),
        symbol_scope(body.symbol),
    )
    found = await read_standing(store, scopes, now=clock.now())
    if found.state is TradingState.HALTED:
        detail = f"trading is halted for {found.scope.label}: {found.reason}"
        raise LockedError("TRADING_HALTED", detail)
    mark = await mark_of(store, body.symbol)
    if mark is None:
        return
    await _check_price(body, mark, store)
    await _check_size(body, body.price or mark, store)


async def _check_price(body: ExecuteTrade, mark: Decimal, store: DocumentStore) -> None:
    """Against us no farther than the platform's collar; in our favour it may wait farther off."""
    if body.price is None:
        return
    limits = read_limits(PLATFORM_SCOPE, await store.get(limits_ref(PLATFORM_SCOPE))).value
    collar = (limits.order.price_collar if limits else None) or PASSIVE_COLLAR
    worse = body.price - mark if body.side == "BUY" else mark - body.price
    allowed = collar if worse > 0 else PASSIVE_COLLAR
    if abs(worse) > mark * allowed:
        detail = f"more than {plain(allowed * 100)} % from the mark of {plain(mark)}"
        raise InvalidInputError(detail, code="PRICE_OUTSIDE_COLLAR", where="body.price")


async def _check_size(body: ExecuteTrade, price: Decimal, store: DocumentStore) -> None:
    refs = [Ref(VENUE_MARKETS, venue) for venue in ALL_VENUES]
    problems = set()
    for stored in await load_many(store, InstrumentTable, refs):
        instrument = stored.value.find(body.symbol) if stored else None
        if instrument is None or instrument.refusal is not None:
            continue
        quantity = round_quantity(instrument, body.quantity)
        notional = quantity * price
        if quantity < instrument.min_quantity or quantity <= 0:
            problems.add("QUANTITY_BELOW_MINIMUM")
        elif notional < instrument.min_notional:
            problems.add("NOTIONAL_BELOW_MINIMUM")
        else:
            return
    if problems:
        detail = "below what every venue that lists it takes"
        raise InvalidInputError(detail, code=sorted(problems)[-1], where="body.quantity")


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
        reason=await reason_now(store, record, deliveries),
        order_id=last.client_order_id if last else None,
        filled_price=cost / quantity if quantity else None,
        filled_quantity=quantity,
        platform=last.venue.value if last else None,
    )


def _cost(order: Order) -> Decimal:
    return order.filled_qty * (order.avg_px or ZERO)
