"""A thousand orders rest, and trading is halted: when has each cancel been asked for, and proven?

From the API's handler over the message that it publishes to the entry point of `settle`, with the
paper venues' own latencies (0.15, 0.2 and 3 s an answer) and the machine's clock.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import product

from bench.calls import TOKEN, functions_on, push_of, sqlite_store
from bench.figures import Goal, Row
from common.books import (
    MARKET_SNAPSHOTS,
    ORDER_INTENTS,
    ORDERS,
    PARENT_ORDERS,
    V3,
    VENUE_MARKETS,
)
from common.config import Settings
from common.documents import create
from common.domain.events import OutboxMessage, TradingStateChanged
from common.domain.exposure import Exposure, Reservation
from common.domain.identifiers import client_order_id, intent_id
from common.domain.instrument import Instrument, OrderType, TimeInForce, Venue
from common.domain.order import (
    IntentStatus,
    Order,
    OrderIntent,
    OrderPlan,
    OrderReport,
    OrderStatus,
    VenueCandidate,
)
from common.domain.parent_order import ParentOrder
from common.domain.scope import PLATFORM_SCOPE
from common.domain.signal import SignalStatus
from common.execution.algorithms.parent import parent_id
from common.execution.exposures import exposure_writes
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord
from common.ports import (
    DocumentStore,
    ExecutionVenue,
    Query,
    Ref,
    Where,
    Write,
)
from common.wire import JsonObject
from functions.api.ops import StateWish, change_state
from infra.local.clock import ManualClock, SystemClock
from infra.local.stack.functions import Functions
from infra.venues.registry import make_venues
from tests.builders import (
    AGENT_ID,
    a_book,
    a_child,
    a_delivery,
    a_deployment,
    a_parent,
    a_plan,
    a_signal,
    a_signal_record,
    a_snapshot,
    an_agent,
    an_intent,
    an_order,
    limits_document,
    some_candles,
)

DEPLOYMENTS, SIGNALS = 25, 40
COUNT = DEPLOYMENTS * SIGNALS
GOAL = Goal("p50", 5.0)
_MARK, _PRICE, _QUANTITY = Decimal(10), Decimal(9), Decimal(1_000)
_LIFE = timedelta(hours=1)
_WRITES_AT_ONCE = 300


class _WatchedVenue:
    """Fits `ExecutionVenue`: passes everything on, and notes when each cancel came and ended."""

    def __init__(self, inner: ExecutionVenue) -> None:
        self._inner = inner
        self.venue = inner.venue
        self.capabilities = inner.capabilities
        self.load_instruments = inner.load_instruments
        self.prepare = inner.prepare
        self.submit = inner.submit
        self.query_order = inner.query_order
        self.query_position = inner.query_position
        self.query_account = inner.query_account
        self.query_funding = inner.query_funding
        self.asked: dict[str, float] = {}

    async def cancel(self, order: Order) -> OrderReport | None:
        self.asked.setdefault(order.client_order_id, time.perf_counter())
        return await self._inner.cancel(order)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Halted:
    """Seconds from the request: until the last cancel was asked for, and until all were proven."""

    asked_s: float
    proven_s: float
    proven_cpu_s: float


async def run() -> list[Row]:
    with sqlite_store() as store:
        now = SystemClock().now()
        venues = await _venues_that_rest(store, now)
        await _open_desk(store, venues, now)
        await _rest(store, venues, now)
        halted = await _halt(store)
    place = f"{DEPLOYMENTS} deployments, {len(venues)} paper venues, {len(_symbols())} symbols"
    return [
        Row(
            name=f"halt to the last of {COUNT:,} cancels asked for",
            unit="s",
            p50=halted.asked_s,
            count=COUNT,
            goal=GOAL,
            note=f"{place}; one process",
        ),
        Row(
            name=f"halt to all {COUNT:,} proven CANCELED",
            unit="s",
            p50=halted.proven_s,
            cpu_p50=halted.proven_cpu_s,
            count=COUNT,
            note="each with its order, parent, exposure and totals, audit",
        ),
    ]


async def _halt(store: DocumentStore) -> _Halted:
    """By the API's handler; its message is posted to `settle`, as the bus would."""
    clock = SystemClock()
    built = functions_on(store, clock).runtime
    watched = {venue: _WatchedVenue(each) for venue, each in built.make_venues().items()}
    runtime = replace(built, make_venues=lambda: watched)
    functions = Functions(runtime, TOKEN)
    functions.app("settle")  # a halt finds it started: `settle` runs every minute
    wish = StateWish(state=TradingState.HALTED, scope=PLATFORM_SCOPE, reason="bench", by="bench")
    cpu, started = time.process_time(), time.perf_counter()
    _, messages = await change_state(wish, store=store, clock=clock, settings=runtime.settings)
    message = next(each for each in messages if isinstance(each.event, TradingStateChanged))
    answer = await functions.post("settle", _push(message))
    cpu, ended = time.process_time() - cpu, time.perf_counter()
    assert answer.status == 204, answer
    asked = [moment for venue in watched.values() for moment in venue.asked.values()]
    canceled = Where("status", "==", OrderStatus.CANCELED.value)
    assert len(asked) == await store.count(Query(ORDERS, (canceled,))) == COUNT
    return _Halted(asked_s=max(asked) - started, proven_s=ended - started, proven_cpu_s=cpu)


def _push(message: OutboxMessage) -> JsonObject:
    return push_of(message.event, message_id=message.message_id)


# -- what rests -----------------------------------------------------------------------------------


async def _venues_that_rest(store: DocumentStore, now: datetime) -> dict[Venue, ExecutionVenue]:
    """On paper, with a clock that sleeps no time: what is put there is there at once."""
    venues = make_venues(Settings(), store, ManualClock(now))
    return {
        venue: each
        for venue, each in venues.items()
        if TimeInForce.GTC in each.capabilities.time_in_force
    }


def _symbols() -> tuple[str, ...]:
    return Settings().swarm.symbols


async def _open_desk(
    store: DocumentStore, venues: Mapping[Venue, ExecutionVenue], now: datetime
) -> None:
    """ACTIVE, prices, pair tables; an agent, its deployments, a signal for each order of one."""
    active = TradingStateRecord(
        state=TradingState.ACTIVE, epoch=1, reason="", changed_by="bench", changed_at=now
    )
    prices = a_snapshot(
        mark=_MARK,
        book=a_book(str(_MARK)),
        candles=some_candles(closes=[str(_MARK)] * 200, until=now),
        observed_at=now,
    )
    agent = an_agent()
    writes: list[Write] = [
        create(PLATFORM, active),
        limits_document(),
        create(Ref(V3.agents, agent.agent_id), agent),
    ]
    writes += [
        create(Ref(MARKET_SNAPSHOTS, symbol), replace(prices, symbol=symbol))
        for symbol in _symbols()
    ]
    for venue, adapter in venues.items():
        table = await adapter.load_instruments()
        writes.append(create(Ref(VENUE_MARKETS, venue), replace(table, refreshed_at=now)))
    for deployment_id in _deployments():
        deployment = a_deployment(deployment_id, enabled_venues=tuple(venues), created_at=now)
        writes.append(create(Ref(V3.deployments, deployment_id), deployment))
    for number in range(SIGNALS):
        signal = a_signal(_signal_id(number), symbol=_symbol(number), created_at=now)
        record = a_signal_record(
            replace(signal, expires_at=now + _LIFE), deployments_expected=DEPLOYMENTS
        )
        writes.append(create(Ref(V3.signals, signal.signal_id), record))
    await store.commit(writes)


def _deployments() -> tuple[str, ...]:
    return tuple(f"dep_{number:02}" for number in range(DEPLOYMENTS))


def _signal_id(number: int) -> str:
    return f"sig_{number:02}"


def _symbol(number: int) -> str:
    return _symbols()[number % len(_symbols())]


async def _rest(
    store: DocumentStore, venues: Mapping[Venue, ExecutionVenue], now: datetime
) -> None:
    """Every signal's limit order of every deployment, the venues in turn: in our books as `execute`
    leaves them, and at the venue.
    """
    places = tuple(venues)
    tables = {venue: await each.load_instruments() for venue, each in venues.items()}
    held = {key: Exposure.empty(key) for key in _deployments()}
    writes: list[Write] = []
    for (place, deployment_id), number in product(enumerate(_deployments()), range(SIGNALS)):
        venue = places[(place + number) % len(places)]
        instrument = tables[venue].find(_symbol(number))
        assert instrument is not None
        resting = _resting(deployment_id, number, instrument, now)
        request = await venues[venue].prepare(resting.order)
        report = await venues[venue].submit(resting.order, request)
        assert report.status is OrderStatus.ACCEPTED, report
        held[deployment_id] = resting.reserved_in(held[deployment_id])
        writes += resting.writes(report)
        if len(writes) >= _WRITES_AT_ONCE:
            await store.commit(writes)
            writes = []
    await store.commit(writes)
    for exposure in held.values():
        await store.commit(
            await exposure_writes(store, None, exposure, book=V3.name, agent_id=AGENT_ID)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resting:
    """A parent order of the LIMIT algorithm, its one child, and the order at the venue."""

    parent: ParentOrder
    intent: OrderIntent
    order: Order

    def reserved_in(self, exposure: Exposure) -> Exposure:
        order = self.order
        reservation = Reservation(
            venue=order.venue,
            symbol=order.symbol,
            side=order.side,
            quantity=order.quantity,
            price=order.price,
        )
        return exposure.reserve(order.intent_id, reservation)

    def writes(self, report: OrderReport) -> list[Write]:
        parent = self.parent
        order = replace(self.order, status=report.status, venue_order_id=report.venue_order_id)
        delivery = a_delivery(
            parent.delivery_id,
            signal_id=parent.signal_id,
            deployment_id=parent.deployment_id,
            status=SignalStatus.EXECUTING,
            intent_id=parent.parent_order_id,
            created_at=parent.created_at,
            expires_at=parent.expires_at,
        )
        return [
            create(Ref(V3.deliveries, delivery.delivery_id), delivery),
            create(Ref(PARENT_ORDERS, parent.parent_order_id), parent),
            create(Ref(ORDER_INTENTS, order.intent_id), self.intent),
            create(Ref(ORDERS, order.client_order_id), order),
        ]


def _resting(deployment_id: str, number: int, instrument: Instrument, now: datetime) -> _Resting:
    signal_id, symbol = _signal_id(number), instrument.symbol
    own = (AGENT_ID, deployment_id, signal_id)
    child = intent_id(*own, 0, 1)
    candidate = VenueCandidate(
        venue=instrument.venue,
        instrument_id=instrument.instrument_id,
        quantity=_QUANTITY,
        price=_PRICE,
    )
    parent = a_parent(
        parent_order_id=parent_id(*own, 0),
        deployment_id=deployment_id,
        delivery_id=f"dlv_{deployment_id}_{number:02}",
        signal_id=signal_id,
        symbol=symbol,
        candidates=(candidate,),
        quantity=_QUANTITY,
        limit_price=_PRICE,
        arrival_price=_MARK,
        spawned=1,
        open_children={child: a_child(str(_QUANTITY), spawned_at=now)},
        created_at=now,
        expires_at=now + _LIFE,
        updated_at=now,
    )
    plan = a_plan(
        intent_id=child,
        deployment_id=deployment_id,
        delivery_id=parent.delivery_id,
        signal_id=signal_id,
        symbol=symbol,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        candidates=(candidate,),
        reference_price=_MARK,
        created_at=now,
        expires_at=now + _LIFE,
        parent_order_id=parent.parent_order_id,
        exec_algorithm_id=parent.exec_algorithm_id,
        slice_no=1,
    )
    order = _order_of(plan, now)
    intent = an_intent(
        plan,
        status=IntentStatus.WORKING,
        client_order_id=order.client_order_id,
        client_order_ids=(order.client_order_id,),
        created_at=now,
        updated_at=now,
    )
    return _Resting(parent=parent, intent=intent, order=order)


def _order_of(plan: OrderPlan, now: datetime) -> Order:
    first = plan.candidates[0]
    return an_order(
        client_order_id=client_order_id(plan.intent_id, 1),
        intent_id=plan.intent_id,
        account_id=plan.deployment_id,
        venue=first.venue,
        instrument_id=first.instrument_id,
        symbol=plan.symbol,
        order_type=plan.order_type,
        time_in_force=plan.time_in_force,
        quantity=first.quantity,
        price=first.price,
        submitted_at=now,
        expires_at=plan.expires_at,
        updated_at=now,
    )
