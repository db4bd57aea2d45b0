"""A store in which deliveries can be routed and orders sent: state, prices, pair tables."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from common.books import MARKET_SNAPSHOTS, V3, VENUE_MARKETS
from common.config import Settings
from common.domain.events import OrderPlanned
from common.domain.instrument import DEFAULT_PRIORITY, InstrumentTable, Venue
from common.domain.signal import SignalStatus
from common.execution.plan import plan_hash
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord
from common.ports import Create, DocumentStore, Ref
from common.wire import to_document
from infra.local.clock import ManualClock
from infra.local.store.memory import MemoryStore
from infra.venues.registry import make_venues
from tests.builders import (
    NOON,
    a_delivery,
    a_deployment,
    a_plan,
    a_signal,
    a_signal_record,
    a_snapshot,
    limits_document,
    some_candles,
)

_LIFE = timedelta(minutes=5)


async def venue_tables(now: datetime = NOON) -> dict[Venue, InstrumentTable]:
    """The pairs of every venue on paper, as its adapter lists them."""
    venues = make_venues(Settings(), MemoryStore(), ManualClock(now))
    return {venue: await adapter.load_instruments() for venue, adapter in venues.items()}


async def open_desk(
    store: DocumentStore, tables: Mapping[Venue, InstrumentTable], *, now: datetime = NOON
) -> None:
    """Trading ACTIVE within the limits of a fresh store, a fresh price of ETH, and one signal to
    buy it.
    """
    state = TradingStateRecord(
        state=TradingState.ACTIVE, epoch=1, reason="", changed_by="bench", changed_at=now
    )
    signal = a_signal_record(a_signal(created_at=now, expires_at=now + _LIFE))
    price = a_snapshot(observed_at=now, candles=some_candles(until=now))
    await store.commit(
        [
            Create(PLATFORM, to_document(state)),
            limits_document(),
            Create(Ref(MARKET_SNAPSHOTS, "ETH"), to_document(price)),
            Create(Ref(V3.signals, signal.signal.signal_id), to_document(signal)),
            *(
                Create(Ref(VENUE_MARKETS, venue.value), to_document(table))
                for venue, table in tables.items()
            ),
        ]
    )


async def add_deliveries(store: DocumentStore, count: int) -> None:
    """`del_0` and on, each of its own deployment, so that no limit of one stops the next."""
    for number in range(count):
        deployment = a_deployment(f"dep_{number}", enabled_venues=DEFAULT_PRIORITY)
        delivery = a_delivery(f"del_{number}", deployment_id=deployment.deployment_id)
        await store.commit(
            [
                Create(Ref(V3.deployments, deployment.deployment_id), to_document(deployment)),
                Create(Ref(V3.deliveries, delivery.delivery_id), to_document(delivery)),
            ]
        )


async def planned_order(store: DocumentStore, *, now: datetime) -> OrderPlanned:
    """A plan that `route` has approved, ready for `execute`."""
    plan = a_plan(created_at=now, expires_at=now + _LIFE)
    delivery = a_delivery(
        status=SignalStatus.ROUTED,
        venue=plan.candidates[0].venue,
        intent_id=plan.intent_id,
        plan_hash=plan_hash(plan),
        created_at=now,
        updated_at=now,
        expires_at=now + _LIFE,
    )
    await store.commit(
        [
            Create(Ref(V3.deployments, "dep_1"), to_document(a_deployment())),
            Create(Ref(V3.deliveries, delivery.delivery_id), to_document(delivery)),
        ]
    )
    return OrderPlanned(plan=plan, attempt=1)
