"""An agent's record: at any moment the sum over the accounts of all its deployments."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import ROUND_FLOOR, Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.books import AGENT_RECORDS, V3
from common.documents import create, load
from common.domain.account import Account
from common.domain.instrument import Venue
from common.domain.order import Fill, OrderSide
from common.errors import ConflictError
from common.execution.accounts import open_account
from common.execution.booking import account_ref, book_fills, empty_position, fill_record
from common.execution.track_records import figures_of, record_writes
from common.how.kelly import TrackRecord
from common.how.track_records import FIGURES, WON, read_record, record_refs
from common.ports import Create, Increment, Ref
from infra.local.store.memory import MemoryStore
from tests.builders import NOON, a_deployment, a_fill, a_plan

BUY, SELL = OrderSide.BUY, OrderSide.SELL
LATER = NOON + timedelta(seconds=7)
DEPLOYMENTS = {
    "dep_1": a_deployment("dep_1"),
    "dep_2": a_deployment("dep_2"),
    "dep_3": a_deployment("dep_3", paper=False),
    "dep_4": a_deployment("dep_4", agent_id="another"),
}


async def a_store() -> MemoryStore:
    store = MemoryStore()
    places = {Ref(V3.deployments, name): each for name, each in DEPLOYMENTS.items()}
    await store.commit([create(place, each) for place, each in places.items()])
    return store


async def record_of(
    store: MemoryStore, agent_id: str = "swarm", *, paper: bool = True
) -> TrackRecord:
    return read_record(await store.get_many(record_refs("v3", agent_id, paper=paper)))


async def book(
    store: MemoryStore, name: str, trade_id: str, signed: Decimal, price: Decimal
) -> None:
    deployment = DEPLOYMENTS[name]
    fill: Fill = replace(
        a_fill(trade_id, account_id=name),
        side=BUY if signed > 0 else SELL,
        last_qty=abs(signed),
        last_px=price,
        commission=Decimal("0.0000007"),
    )
    record = fill_record(a_plan(deployment_id=name, agent_id=deployment.agent_id), fill, now=NOON)
    empty = empty_position(deployment, Venue.HYPERLIQUID, "ETH", now=NOON)
    account = await load(store, Account, account_ref(name))
    booking = await book_fills(store, empty, account, (record,), now=LATER)
    await store.commit(booking.writes())


def test_record_refs_when_paper_and_live_then_no_document_is_of_both() -> None:
    paper = record_refs("v3", "swarm", paper=True)
    live = record_refs("v3", "swarm", paper=False)

    assert len({*paper, *live, *record_refs("v2", "swarm", paper=True)}) == 3 * len(FIGURES)
    assert paper[0] == Ref(AGENT_RECORDS, f"v3:swarm:paper:{WON}")


async def test_record_when_no_trip_has_ended_then_nothing_is_written() -> None:
    store = await a_store()
    await book(store, "dep_1", "a", Decimal(1), Decimal(3000))

    assert AGENT_RECORDS not in store.contents()
    assert await record_of(store) == TrackRecord()


async def test_record_when_trips_end_then_they_are_counted_over_all_deployments() -> None:
    store = await a_store()
    for name, price in (("dep_1", 3100), ("dep_2", 2900), ("dep_3", 3500), ("dep_4", 2000)):
        await book(store, name, "a", Decimal(1), Decimal(3000))
        await book(store, name, "b", Decimal(-1), Decimal(price))

    fee = Decimal("0.0000014")
    expected = TrackRecord(
        trips=2, won=1, gains=Decimal("99.999998"), losses=Decimal("-100.000002")
    )
    assert 100 - fee > expected.gains
    assert await record_of(store) == expected
    assert (await record_of(store, paper=False)).trips == 1
    assert (await record_of(store, "another")).trips == 1


async def test_record_when_the_commit_loses_a_race_then_the_trip_is_counted_once() -> None:
    store = await a_store()
    await book(store, "dep_1", "a", Decimal(1), Decimal(3000))
    account = await load(store, Account, account_ref("dep_1"))
    empty = empty_position(DEPLOYMENTS["dep_1"], Venue.HYPERLIQUID, "ETH", now=NOON)
    fill = replace(a_fill("b", account_id="dep_1"), side=SELL, last_qty=Decimal(1))
    record = fill_record(a_plan(deployment_id="dep_1"), fill, now=NOON)
    first = await book_fills(store, empty, account, (record,), now=LATER)
    second = await book_fills(store, empty, account, (record,), now=LATER)

    await store.commit(first.writes())
    with pytest.raises(ConflictError):
        await store.commit(second.writes())

    assert (await record_of(store)).trips == 1


async def test_record_writes_when_somebody_was_quicker_to_create_then_it_is_there() -> None:
    store = MemoryStore()
    account = replace(open_account(DEPLOYMENTS["dep_1"], NOON), trips=1, trips_won=1)

    writes = await record_writes(store, None, account)
    again = await record_writes(store, None, account)

    (won, _, _, _) = record_refs("v3", "swarm", paper=True)
    assert writes == again == [Increment(won, WON, 1)]


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("value", ["1", None, True])
async def test_read_record_when_a_figure_is_no_whole_number_then_nothing_is_said(
    figure: str, value: object
) -> None:
    store = MemoryStore()
    refs = record_refs("v3", "swarm", paper=True)
    data = {figure: value} if value is not None else {}
    await store.commit([Create(refs[FIGURES.index(figure)], data)])

    found = await record_of(store)

    assert not found.is_sound
    assert found.problem


def test_figures_when_amounts_are_beyond_all_reason_then_they_still_fit_a_counter() -> None:
    account = replace(
        open_account(DEPLOYMENTS["dep_1"], NOON),
        trip_gains=Decimal("1e30"),
        trip_losses=Decimal("-1e30"),
    )

    assert figures_of(account) == (0, 0, 10**16, -(10**16))


def millionths(amount: Decimal) -> int:
    return int((amount * 10**6).to_integral_value(ROUND_FLOOR))


trades = st.lists(
    st.tuples(
        st.sampled_from(sorted(DEPLOYMENTS)),
        st.integers(-3, 3).filter(bool).map(Decimal),
        st.decimals("0.0001", "5000", places=7),
        st.integers(3, 40),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(trades)
def test_record_when_anything_is_traded_then_it_is_the_sum_over_the_accounts(
    sequence: list[tuple[str, Decimal, Decimal, int]],
) -> None:
    """Whatever precision a process works at."""

    async def run() -> None:
        store = await a_store()
        for number, (name, signed, price, precision) in enumerate(sequence):
            with localcontext() as context:
                context.prec = max(precision, 28)
                await book(store, name, str(number), signed, price)
        for agent_id, paper in (("swarm", True), ("swarm", False), ("another", True)):
            refs = [
                account_ref(name)
                for name, each in DEPLOYMENTS.items()
                if (each.agent_id, each.paper) == (agent_id, paper)
            ]
            accounts = [stored.value for ref in refs if (stored := await load(store, Account, ref))]
            found = await record_of(store, agent_id, paper=paper)
            assert found.is_sound
            assert found.trips == sum(each.trips for each in accounts)
            assert found.won == sum(each.trips_won for each in accounts)
            assert millionths(found.gains) == sum(millionths(each.trip_gains) for each in accounts)
            assert millionths(found.losses) == sum(
                millionths(each.trip_losses) for each in accounts
            )

    asyncio.run(run())
