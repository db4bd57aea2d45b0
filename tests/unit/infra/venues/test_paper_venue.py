"""The paper venue's own edges: a store that fails, races, late orders, published tables."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from common.books import MARKET_SNAPSHOTS, VENUE_MARKETS
from common.config import Settings
from common.domain.identifiers import client_order_id
from common.domain.instrument import Venue
from common.domain.order import Order, OrderStatus
from common.errors import ConflictError, OutcomeUnknownError, RejectedError, TransientError
from common.ports import Create, Ref, Update
from common.wire import JsonObject, to_document
from infra.local.clock import ManualClock
from infra.local.store.memory import Hook, MemoryStore
from infra.venues.paper.faults import FaultKind, FaultPlan, FaultRule, set_faults
from infra.venues.paper.ledger import PAPER_ARRIVALS, PAPER_FILLS, PAPER_ORDERS
from infra.venues.paper.venue import PaperVenue
from infra.venues.registry import paper_profile
from tests.builders import DEPLOYMENT_ID, NOON, a_snapshot, an_instrument, an_order
from tests.builders import an_instrument_table as a_table

LATE = FaultPlan(rules=(FaultRule(kind=FaultKind.LATE, delay_s=Decimal(8), attempt=1),))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore()
    await store.commit([Create(Ref(MARKET_SNAPSHOTS, "ETH"), to_document(a_snapshot()))])
    return store


@pytest.fixture
def venue(store: MemoryStore, clock: ManualClock) -> PaperVenue:
    return PaperVenue(paper_profile(Venue.HYPERLIQUID, Settings()), store, clock)


def failing(operation: str, error: Exception) -> Hook:
    async def hook(done: str, argument: object) -> None:
        if done == operation:
            raise error

    return hook


async def delay(store: MemoryStore, venue: PaperVenue, order: Order) -> None:
    await set_faults(store, venue.venue, LATE)
    with pytest.raises(OutcomeUnknownError):
        await venue.submit(order)


async def test_submit_when_the_commit_is_lost_before_it_is_done_then_unknown_and_absent(
    store: MemoryStore, venue: PaperVenue
) -> None:
    store.before = failing("commit", TransientError("the store is away"))
    with pytest.raises(OutcomeUnknownError):
        await venue.submit(an_order())
    store.before = None
    assert await venue.query_order(an_order()) is None


async def test_submit_when_the_commit_is_done_and_its_answer_lost_then_unknown_and_found(
    store: MemoryStore, venue: PaperVenue
) -> None:
    store.after = failing("commit", TransientError("the store is away"))
    with pytest.raises(OutcomeUnknownError):
        await venue.submit(an_order())
    store.after = None
    report = await venue.query_order(an_order())
    assert report is not None
    assert report.status is OrderStatus.FILLED


async def test_submit_when_the_store_cannot_be_read_then_never_sent(
    store: MemoryStore, venue: PaperVenue
) -> None:
    store.before = failing("get_many", TransientError("the store is away"))
    with pytest.raises(TransientError):
        await venue.submit(an_order())
    assert PAPER_ORDERS not in store.contents()


async def test_submit_when_every_race_is_lost_then_never_sent(
    store: MemoryStore, venue: PaperVenue
) -> None:
    lost = ConflictError("lost", collection="paper_positions", document_id="1")
    store.before = failing("commit", lost)
    with pytest.raises(TransientError, match="races"):
        await venue.submit(an_order())
    assert PAPER_ORDERS not in store.contents()


async def test_submit_when_our_side_stalls_until_the_expiry_then_refused(
    store: MemoryStore, venue: PaperVenue, clock: ManualClock
) -> None:
    """Else it could fill after its absence was taken for final, and a second attempt beside it."""

    async def stall(operation: str, argument: object) -> None:
        clock.advance_to(NOON + timedelta(seconds=16))

    store.before = stall
    with pytest.raises(RejectedError, match="ORDER_EXPIRED"):
        await venue.submit(an_order())


async def test_submit_when_a_late_order_is_lost_on_its_way_then_unknown(
    store: MemoryStore, venue: PaperVenue
) -> None:
    await set_faults(store, venue.venue, LATE)
    store.before = failing("commit", TransientError("the store is away"))
    with pytest.raises(OutcomeUnknownError):
        await venue.submit(an_order())
    assert PAPER_ARRIVALS not in store.contents()


async def test_submit_when_a_late_order_is_sent_again_then_it_arrives_once(
    store: MemoryStore, venue: PaperVenue, clock: ManualClock
) -> None:
    await delay(store, venue, an_order())
    await delay(store, venue, an_order())
    await set_faults(store, venue.venue, FaultPlan())
    first = await venue.submit(an_order())  # overtakes the one under way
    clock.advance_to(NOON + timedelta(seconds=9))
    assert await venue.query_order(an_order()) == first
    contents = store.contents()
    assert PAPER_ARRIVALS not in contents
    assert len(contents[PAPER_ORDERS]) == len(contents[PAPER_FILLS]) == 1


async def test_query_order_when_an_arrival_cannot_be_recorded_then_no_answer(
    store: MemoryStore, venue: PaperVenue, clock: ManualClock
) -> None:
    """A query may raise TransientError alone: what is unknown is the late order, not the query."""
    await delay(store, venue, an_order())
    clock.advance_to(NOON + timedelta(seconds=9))
    store.before = failing("commit", TransientError("the store is away"))
    with pytest.raises(TransientError, match="the store is away"):
        await venue.query_order(an_order())
    store.before = None
    assert await venue.query_order(an_order()) is not None


async def test_query_position_when_another_order_is_late_then_it_counts_once_it_arrived(
    store: MemoryStore, venue: PaperVenue, clock: ManualClock
) -> None:
    await delay(store, venue, an_order())
    second = an_order(client_order_id=client_order_id("int_1", 2), attempt=2)
    await venue.submit(second)
    clock.advance_to(NOON + timedelta(seconds=9))
    held = await venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH")
    assert held is not None
    assert Decimal(held.signed_qty) == 2 * second.quantity


async def test_cancel_when_every_race_is_lost_then_no_answer(
    store: MemoryStore, venue: PaperVenue
) -> None:
    await delay(store, venue, an_order())
    lost = ConflictError("lost", collection="paper_arrivals", document_id="1")
    store.before = failing("commit", lost)
    with pytest.raises(TransientError, match="keeps changing"):
        await venue.cancel(an_order())


async def test_submit_when_the_snapshot_does_not_read_then_no_price(
    store: MemoryStore, venue: PaperVenue
) -> None:
    ref = Ref(MARKET_SNAPSHOTS, "ETH")
    present = await store.get(ref)
    assert present is not None
    broken: JsonObject = {"mark": "NaN"}
    await store.commit([Update(ref, broken, present.version)])
    with pytest.raises(RejectedError, match="NO_PRICE"):
        await venue.submit(an_order())


async def test_submit_when_a_table_was_published_then_it_rules(
    store: MemoryStore, venue: PaperVenue
) -> None:
    closed = replace(a_table(), instruments=(replace(an_instrument("ETH"), is_open=False),))
    await store.commit([Create(Ref(VENUE_MARKETS, "HYPERLIQUID"), to_document(closed))])
    with pytest.raises(RejectedError, match="MARKET_CLOSED"):
        await venue.submit(an_order())


async def test_submit_when_two_stores_are_told_the_same_then_the_same_bytes(
    store: MemoryStore, venue: PaperVenue, clock: ManualClock
) -> None:
    other = MemoryStore()
    await other.commit([Create(Ref(MARKET_SNAPSHOTS, "ETH"), to_document(a_snapshot()))])
    twin = PaperVenue(paper_profile(Venue.HYPERLIQUID, Settings()), other, clock)
    await venue.submit(an_order())
    await twin.submit(an_order())
    assert store.contents() == other.contents()
