"""One delivery: policy and size (How), then the venue (Where): an order plan or a refusal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from common.audit import audit_write
from common.books import EXPOSURES, MARKET_SNAPSHOTS, WATCHED_SYMBOLS, Book, book_named
from common.config import Settings
from common.contention import retry_on_conflict
from common.documents import Stored, create, load, put
from common.domain.agent import Deployment, DeploymentStatus
from common.domain.events import DeploymentSignal, OutboxMessage
from common.domain.exposure import Exposure
from common.domain.identifiers import intent_id, prefixed_id
from common.domain.instrument import OrderType, Venue
from common.domain.market import MarketSnapshot
from common.domain.moment import iso, to_ms
from common.domain.money import ZERO
from common.domain.order import OrderPlan, OrderSide
from common.domain.routing import RoutingDecision
from common.domain.signal import (
    Delivery,
    DeliveryLeg,
    PositionSide,
    Signal,
    SignalRecord,
    SignalStatus,
)
from common.errors import InvalidInputError, TransientError
from common.execution.plan import plan_hash
from common.execution.signals import delivery_ends, finish_signal
from common.how.denial import Denial
from common.how.duplicates import DuplicateGuard, check_duplicate, guard_ref
from common.how.limits import Refusal, check_notional, check_price_age
from common.how.policy import PolicyVerdict, apply_policy
from common.how.trading_state import read_state, state_refusal
from common.messages import attempt_message
from common.outbox import outbox_write
from common.ports import Clock, Create, DocumentStore, Instruments, Ref, Update, Write
from common.where.breakers import Breakers
from common.where.priorities import RoutingPreference, routing_preference
from common.where.router import Leg, Route, RouteRequest, choose_venue

WATCH_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Desk:
    store: DocumentStore
    clock: Clock
    settings: Settings
    instruments: Instruments
    unavailable: Mapping[Venue, str]


@dataclass(frozen=True, slots=True)
class _Case:
    """What is known of one delivery when it is routed."""

    book: Book
    delivery: Stored[Delivery]
    signal: Signal
    deployment: Deployment
    side: OrderSide


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the policy lets through, at which price, beside what is held already."""

    snapshot: MarketSnapshot
    verdict: PolicyVerdict
    exposure: Exposure


async def route(
    event: DeploymentSignal,
    *,
    store: DocumentStore,
    clock: Clock,
    settings: Settings,
    instruments: Instruments,
    unavailable: Mapping[Venue, str],
) -> list[OutboxMessage]:
    """Route a delivery once; a repeated message changes nothing and returns what is still to
    publish.

    `unavailable` says of a venue why nothing can be traded there in this mode.
    """
    desk = _Desk(store, clock, settings, instruments, unavailable)
    book = book_named(event.book)

    async def once() -> list[OutboxMessage]:
        case = await _load(store, book, event.delivery_id)
        if case.delivery.value.status is not SignalStatus.PENDING:
            return []
        return await _route(desk, case)

    return await retry_on_conflict(once, what=f"delivery {event.delivery_id}")


async def _route(desk: _Desk, case: _Case) -> list[OutboxMessage]:
    store, started = desk.store, desk.clock.now()
    snapshot = await _snapshot(store, case.signal.symbol)
    if started >= case.signal.expires_at:
        expired = Refusal(Denial.SIGNAL_EXPIRED, _why_expired(snapshot))
        return await _refuse(store, case, expired, started)
    if snapshot is None or await _is_forgotten(desk, snapshot, started):
        await _watch(store, case.signal.symbol, started)
        raise TransientError(f"no price of {case.signal.symbol} yet; it is asked for now")
    verdict = apply_policy(case.signal, case.deployment, price=snapshot.mark)
    wanted = _Wanted(snapshot, verdict, await _exposure(store, case))
    refusal = await _limits(desk, case, wanted, started)
    if refusal is not None:
        return await _refuse(store, case, refusal, started)
    preference = await routing_preference(store, case.book, case.deployment)
    chosen = await _choose(desk, case, wanted, preference)
    record = _record(case, preference, chosen, started=started, now=desk.clock.now())
    if chosen.selected is None:
        return await _skip(store, case, chosen, record)
    plans = tuple(
        _order_plan(desk, case, wanted, (number, leg), now=record.created_at)
        for number, leg in enumerate(chosen.legs)
    )
    return await _plan(desk, case, chosen, record, plans)


async def _load(store: DocumentStore, book: Book, delivery_id: str) -> _Case:
    delivery = await load(store, Delivery, Ref(book.deliveries, delivery_id))
    if delivery is None:
        raise TransientError(f"delivery {delivery_id} is not in {book.deliveries} yet")
    value = delivery.value
    record = await load(store, SignalRecord, Ref(book.signals, value.signal_id))
    deployment = await load(store, Deployment, Ref(book.deployments, value.deployment_id))
    if record is None or deployment is None:
        raise InvalidInputError("its signal or deployment is gone", where=delivery_id)
    signal = record.value.signal
    side = OrderSide.BUY if signal.side is PositionSide.LONG else OrderSide.SELL
    return _Case(book, delivery, signal, deployment.value, side)


async def _exposure(store: DocumentStore, case: _Case) -> Exposure:
    deployment_id = case.deployment.deployment_id
    stored = await load(store, Exposure, Ref(EXPOSURES, deployment_id))
    return stored.value if stored else Exposure.empty(deployment_id)


async def _snapshot(store: DocumentStore, symbol: str) -> MarketSnapshot | None:
    stored = await load(store, MarketSnapshot, Ref(MARKET_SNAPSHOTS, symbol))
    return stored.value if stored else None


def _why_expired(snapshot: MarketSnapshot | None) -> str:
    return (
        "The signal expired before a price was known"
        if snapshot is None
        else "The signal expired before it could be routed"
    )


async def _is_forgotten(desk: _Desk, snapshot: MarketSnapshot, now: datetime) -> bool:
    """Whether the price is old because nobody asks for it any more, not because the feed is."""
    if check_price_age(snapshot, now=now, limits=desk.settings.limits) is None:
        return False
    if snapshot.symbol in desk.settings.swarm.symbols:
        return False
    watch = await desk.store.get(Ref(WATCHED_SYMBOLS, snapshot.symbol))
    return watch is None or watch.data["until"] < iso(now)


async def _watch(store: DocumentStore, symbol: str, now: datetime) -> None:
    """Ask fetch_market for a symbol that is not among the configured ones."""
    ref = Ref(WATCHED_SYMBOLS, symbol)
    until = now + WATCH_FOR
    wanted = {"symbol": symbol, "until": iso(until)}
    found = await store.get(ref)
    if found is None:
        await store.commit([Create(ref, wanted, expires_at=until)])
    elif found.data["until"] < iso(now):
        await store.commit([Update(ref, wanted, found.version)])


async def _limits(desk: _Desk, case: _Case, wanted: _Wanted, now: datetime) -> Refusal | None:
    if case.deployment.status is not DeploymentStatus.ACTIVE:
        return Refusal(Denial.DEPLOYMENT_NOT_ACTIVE, "The deployment is paused")
    if case.deployment.paper != (desk.settings.mode == "paper"):
        mode = "paper" if case.deployment.paper else "live"
        return Refusal(
            Denial.DEPLOYMENT_MODE_MISMATCH,
            f"The deployment is for {mode} trading, and this system runs on {desk.settings.mode}",
        )
    stale = check_price_age(wanted.snapshot, now=now, limits=desk.settings.limits)
    if stale is not None:
        return stale
    state = await read_state(desk.store)
    held = wanted.exposure.held_anywhere(case.signal.symbol)
    halted = state_refusal(state, side=case.side, quantity=wanted.verdict.quantity, held=held)
    if halted is not None:
        return halted
    return check_notional(
        case.signal.symbol,
        quantity=wanted.verdict.quantity,
        price=wanted.snapshot.mark,
        limits=desk.settings.limits,
    )


async def _choose(
    desk: _Desk, case: _Case, wanted: _Wanted, preference: RoutingPreference
) -> Route:
    symbol, venues = case.signal.symbol, preference.venues
    request = RouteRequest(
        symbol=symbol,
        side=case.side,
        quantity=wanted.verdict.quantity,
        price=wanted.snapshot.mark,
        slippage_max=desk.settings.limits.slippage_max,
        held={venue: wanted.exposure.held(venue, symbol) for venue in venues},
        enabled=frozenset(case.deployment.enabled_venues),
        unavailable=desk.unavailable,
    )
    breakers = Breakers(desk.store, desk.clock, desk.settings.breaker)
    return choose_venue(
        request,
        venues,
        tables={venue: await desk.instruments.table(venue) for venue in venues},
        breakers=await breakers.read(venues),
        breaker_settings=desk.settings.breaker,
        now=desk.clock.now(),
        mode=preference.mode,
    )


def _record(
    case: _Case,
    preference: RoutingPreference,
    chosen: Route,
    *,
    started: datetime,
    now: datetime,
) -> RoutingDecision:
    return RoutingDecision(
        routing_id=prefixed_id("rte", case.delivery.value.delivery_id),
        book=case.book.name,
        signal_id=case.signal.signal_id,
        delivery_id=case.delivery.value.delivery_id,
        agent_id=case.signal.agent_id,
        deployment_id=case.deployment.deployment_id,
        symbol=case.signal.symbol,
        requested_venues=tuple(preference.venues),
        checked_venues=chosen.checks,
        selected_venue=chosen.selected,
        routing_reason=chosen.reason,
        reason_code=chosen.code,
        routing_duration_ms=to_ms(now) - to_ms(started),
        created_at=now,
        requested_mode=chosen.requested_mode,
        mode=chosen.mode,
        shares=chosen.shares,
        left_over=chosen.left_over,
    )


async def _refuse(
    store: DocumentStore, case: _Case, refusal: Refusal, now: datetime
) -> list[OutboxMessage]:
    status = SignalStatus.EXPIRED if refusal.code is Denial.SIGNAL_EXPIRED else SignalStatus.DENIED
    ended = replace(
        case.delivery.value,
        status=status,
        reason_code=refusal.code,
        reason=refusal.reason,
        updated_at=now,
    )
    audit = audit_write(
        "delivery-refused",
        ended.delivery_id,
        at=now,
        step=status,
        facts={"code": refusal.code, "reason": refusal.reason},
    )
    await store.commit([*await delivery_ends(store, case.delivery, ended), audit])
    await finish_signal(store, case.book, ended.signal_id)
    return []


async def _skip(
    store: DocumentStore, case: _Case, chosen: Route, record: RoutingDecision
) -> list[OutboxMessage]:
    ended = replace(
        case.delivery.value,
        status=SignalStatus.SKIPPED,
        reason_code=chosen.code,
        reason=chosen.reason,
        updated_at=record.created_at,
    )
    history = create(Ref(case.book.routing_history, record.routing_id), record)
    await store.commit([*await delivery_ends(store, case.delivery, ended), history])
    await finish_signal(store, case.book, ended.signal_id)
    return []


async def _plan(
    desk: _Desk, case: _Case, chosen: Route, record: RoutingDecision, plans: Sequence[OrderPlan]
) -> list[OutboxMessage]:
    """Routed, its record, the duplicate guard and the messages in one commit."""
    now, delivery, first = record.created_at, case.delivery.value, plans[0]
    quantity = sum((plan.candidates[0].quantity for plan in plans), ZERO)
    guard = DuplicateGuard(delivery_id=delivery.delivery_id, quantity=quantity, routed_at=now)
    place = guard_ref(first.deployment_id, first.symbol, first.side)
    last = await load(desk.store, DuplicateGuard, place)
    refusal = check_duplicate(
        last.value if last else None,
        guard,
        symbol=first.symbol,
        now=now,
        limits=desk.settings.limits,
    )
    if refusal is not None:
        return await _refuse(desk.store, case, refusal, now)
    messages = [attempt_message(plan, 1, now=now) for plan in plans]
    routed = replace(
        delivery,
        status=SignalStatus.ROUTED,
        reason_code=chosen.code,
        reason=chosen.reason,
        venue=chosen.selected,
        intent_id=first.intent_id,
        plan_hash=plan_hash(first),
        legs=_legs(plans),
        updated_at=now,
    )
    writes: list[Write] = [
        case.delivery.update(routed),
        create(Ref(case.book.routing_history, record.routing_id), record),
        put(last, place, guard),
        *(outbox_write(message) for message in messages),
    ]
    await desk.store.commit(writes)
    return messages


def _legs(plans: Sequence[OrderPlan]) -> tuple[DeliveryLeg, ...]:
    """None for an order that goes whole."""
    if len(plans) == 1:
        return ()
    return tuple(
        DeliveryLeg(
            intent_id=plan.intent_id,
            plan_hash=plan_hash(plan),
            status=SignalStatus.ROUTED,
            reason_code="ROUTED",
            reason="",
            venue=plan.candidates[0].venue,
        )
        for plan in plans
    )


def _order_plan(
    desk: _Desk, case: _Case, wanted: _Wanted, numbered: tuple[int, Leg], *, now: datetime
) -> OrderPlan:
    deployment, signal = case.deployment, case.signal
    number, leg = numbered
    return OrderPlan(
        intent_id=intent_id(signal.agent_id, deployment.deployment_id, signal.signal_id, number, 0),
        book=case.book.name,
        agent_id=signal.agent_id,
        deployment_id=deployment.deployment_id,
        delivery_id=case.delivery.value.delivery_id,
        signal_id=signal.signal_id,
        symbol=signal.symbol,
        side=case.side,
        order_type=OrderType.MARKET,
        candidates=leg.candidates,
        reference_price=wanted.snapshot.mark,
        slippage_max=desk.settings.limits.slippage_max,
        policy_version=wanted.verdict.version,
        created_at=now,
        expires_at=signal.expires_at,
        paper=deployment.paper,
    )
