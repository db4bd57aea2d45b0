"""What fills do to the books: exact, each once, and whatever they are booked beside moves on."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.books import ACCOUNTS, FILLS, V2, V3
from common.documents import Stored, create, load
from common.domain.account import Account
from common.domain.exposure import Exposure
from common.domain.identifiers import prefixed_id
from common.domain.instrument import Venue
from common.domain.order import Fill, FillRecord, OrderPurpose, OrderSide
from common.domain.position import EXACT, Position
from common.errors import ConflictError, InvalidInputError
from common.execution.accounts import imbalance, open_account
from common.execution.booking import (
    Booking,
    account_ref,
    book_fills,
    empty_position,
    fill_record,
    fill_ref,
    position_ref,
)
from common.ports import Create, Ref, Update
from infra.local.store.memory import MemoryStore
from tests.builders import (
    AGENT_ID,
    DEPLOYMENT_ID,
    INTENT_ID,
    NOON,
    SIGNAL_ID,
    a_deployment,
    a_fill,
    a_fill_record,
    a_plan,
    a_position,
    amounts,
)

HL, GMX = Venue.HYPERLIQUID, Venue.GMX
BUY, SELL = OrderSide.BUY, OrderSide.SELL
LATER = NOON + timedelta(seconds=7)
EMPTY = empty_position(a_plan(), HL, "ETH", now=NOON)


def a_trade(name: str, side: OrderSide, quantity: str, price: str, fee: str = "0") -> FillRecord:
    fill = a_fill(
        name,
        side=side,
        last_qty=Decimal(quantity),
        last_px=Decimal(price),
        commission=Decimal(fee),
    )
    return fill_record(a_plan(side=side), fill, now=NOON)


async def a_store(*, book: str = "v3") -> MemoryStore:
    store = MemoryStore()
    place = Ref((V2 if book == "v2" else V3).deployments, DEPLOYMENT_ID)
    await store.commit([create(place, a_deployment(book=book))])
    return store


async def account_of(store: MemoryStore) -> Stored[Account] | None:
    return await load(store, Account, account_ref(DEPLOYMENT_ID))


async def book(store: MemoryStore, *records: FillRecord, empty: Position = EMPTY) -> Booking:
    booking = await book_fills(store, empty, await account_of(store), records, now=LATER)
    await store.commit(booking.writes())
    return booking


# ---------------------------------------------------------------- places and names


def test_fill_ref_when_venues_or_accounts_use_the_same_number_then_two_documents() -> None:
    one = a_fill("7")
    others = (a_fill("8"), a_fill("7", venue=GMX), a_fill("7", account_id="dep_2"))

    assert len({fill_ref(each) for each in (one, *others)}) == 4
    assert fill_ref(one) == fill_ref(replace(one, last_qty=Decimal(9), client_order_id="0xother"))
    assert fill_ref(one).collection == FILLS


def test_empty_position_when_made_of_a_plan_or_a_deployment_then_the_same_place() -> None:
    assert empty_position(a_deployment(), HL, "ETH", now=NOON) == EMPTY
    assert EMPTY.position_id == prefixed_id("pos", "v3", DEPLOYMENT_ID, HL, "ETH")
    assert (EMPTY.signed_qty, EMPTY.fill_count, EMPTY.agent_id) == (Decimal(0), 0, AGENT_ID)
    others = {
        empty_position(a_plan(), GMX, "ETH", now=NOON).position_id,
        empty_position(a_plan(), HL, "BTC", now=NOON).position_id,
        empty_position(a_plan(book="v2"), HL, "ETH", now=NOON).position_id,
        empty_position(a_plan(deployment_id="dep_2"), HL, "ETH", now=NOON).position_id,
    }
    assert len({EMPTY.position_id, *others}) == 5


@pytest.mark.parametrize(("name", "place"), [("v2", V2), ("v3", V3)])
def test_position_ref_when_of_a_book_then_in_its_own_collection(name: str, place: object) -> None:
    assert position_ref(a_position(book=name)).collection == (V2 if place is V2 else V3).positions


def test_fill_record_when_of_a_child_or_an_exit_then_it_says_so() -> None:
    plan = a_plan(parent_order_id="par_1", purpose=OrderPurpose.STOP_LOSS)

    record = fill_record(plan, a_fill(), now=LATER)

    assert (record.parent_order_id, record.purpose) == ("par_1", OrderPurpose.STOP_LOSS)
    assert (record.intent_id, record.signal_id, record.agent_id) == (
        INTENT_ID,
        SIGNAL_ID,
        AGENT_ID,
    )
    assert (record.position_id, record.realized_pnl, record.recorded_at) == ("", Decimal(0), LATER)


# ---------------------------------------------------------------- booking


async def test_book_fills_when_the_first_comes_then_the_account_is_opened_with_the_capital() -> (
    None
):
    store = await a_store()

    booking = await book(store, a_trade("a", BUY, "2", "3000", "0.9"))

    account = await account_of(store)
    assert account is not None
    assert account.value == booking.account
    assert (account.value.starting, account.value.cash) == amounts(10_000, "3999.1")
    assert account.value.commissions == Decimal("0.9")
    position = await load(store, Position, position_ref(EMPTY))
    assert position is not None
    assert position.value == booking.position
    assert (position.value.signed_qty, position.value.open_cost) == amounts(2, 6000)
    assert position.value.updated_at == LATER


async def test_book_fills_when_more_come_then_both_documents_are_replaced_as_they_were_read() -> (
    None
):
    store = await a_store()
    await book(store, a_trade("a", BUY, "2", "3000"))

    booking = await book_fills(
        store, EMPTY, await account_of(store), (a_trade("b", SELL, "1", "3100"),), now=LATER
    )

    position, account, fill = booking.writes()
    assert isinstance(position, Update)
    assert isinstance(account, Update)
    assert isinstance(fill, Create)
    await store.commit(booking.writes())
    with pytest.raises(ConflictError):
        await store.commit(booking.writes())


async def test_book_fills_when_they_close_and_turn_it_then_each_realizes_its_own() -> None:
    store = await a_store()
    await book(store, a_trade("a", BUY, "2", "3000"))

    booking = await book(
        store, a_trade("b", SELL, "1.5", "3100", "1"), a_trade("c", SELL, "1", "2900", "2")
    )

    assert tuple(record.realized_pnl for record in booking.records) == amounts(150, -50)
    assert {record.position_id for record in booking.records} == {EMPTY.position_id}
    assert [record.position_fill for record in booking.records] == [2, 3]
    assert booking.position.signed_qty == Decimal("-0.5")
    assert (booking.account.realized_pnl, booking.account.trips) == (Decimal(100), 1)
    assert booking.account.trip_gains == 97  # less the commissions of both
    rows = store.contents()[FILLS].values()
    assert {row["fill"]["trade_id"]: row["realized_pnl"] for row in rows} == {
        "a": "0",
        "b": "150",
        "c": "-50",
    }


async def test_book_fills_when_one_of_them_is_known_then_none_is_booked() -> None:
    store = await a_store()
    await book(store, a_trade("a", BUY, "2", "3000"))
    before = store.contents()

    with pytest.raises(ConflictError):
        await book(store, a_trade("b", BUY, "1", "3000"), a_trade("a", BUY, "2", "3000"))

    assert store.contents() == before


async def test_book_fills_when_another_deployment_fills_meanwhile_then_nobody_waits() -> None:
    store = await a_store()
    booking = await book_fills(store, EMPTY, None, (a_trade("a", BUY, "2", "3000"),), now=LATER)
    other = a_deployment("dep_2")
    await store.commit([create(Ref(V3.deployments, "dep_2"), other)])
    place = empty_position(other, HL, "ETH", now=NOON)
    theirs = a_fill_record(a_fill("z", account_id="dep_2"), deployment_id="dep_2")
    second = await book_fills(store, place, None, (theirs,), now=LATER)

    await store.commit(second.writes())
    await store.commit(booking.writes())

    assert set(store.contents()[ACCOUNTS]) == {DEPLOYMENT_ID, "dep_2"}


async def test_book_fills_when_there_is_no_deployment_then_invalid_input() -> None:
    with pytest.raises(InvalidInputError, match="its deployment is gone"):
        await book_fills(MemoryStore(), EMPTY, None, (a_trade("a", BUY, "2", "3000"),), now=LATER)


async def test_book_fills_when_it_is_a_v2_deployment_then_its_own_book() -> None:
    store = await a_store(book="v2")
    empty = empty_position(a_plan(book="v2"), HL, "ETH", now=NOON)

    booking = await book(store, a_trade("a", BUY, "2", "3000"), empty=empty)

    assert set(store.contents()[V2.positions]) == {empty.position_id}
    assert V3.positions not in store.contents()
    assert booking.account.book == "v2"


@pytest.mark.parametrize(("sold", "held"), [("0.5", "1.5"), ("2", None), ("3", "-1")])
async def test_held_in_when_booked_then_the_exposure_holds_what_the_position_does(
    sold: str, held: str | None
) -> None:
    store = await a_store()
    await book(store, a_trade("a", BUY, "2", "3000"))
    booking = await book(store, a_trade("b", SELL, sold, "3100"))

    exposure = booking.held_in(Exposure.empty(DEPLOYMENT_ID))

    assert exposure.held(HL, "ETH") == Decimal(held or 0)
    if held is None:
        assert exposure.holdings == {}
    else:
        assert exposure.holdings[f"{HL}|ETH"].price == 3100


# ---------------------------------------------------------------- exact, whatever comes


_AMOUNTS = st.decimals("0.0001", "1000", places=4)
_PRICES = st.decimals("0.000001", "100000", places=6)
_FEES = st.decimals("-5", "5", places=6)


@st.composite
def _fills(draw: st.DrawFn) -> list[Fill]:
    count = draw(st.integers(1, 8))
    return [
        a_fill(
            f"t-{number}",
            side=draw(st.sampled_from(OrderSide)),
            last_qty=draw(_AMOUNTS),
            last_px=draw(_PRICES),
            commission=draw(_FEES),
        )
        for number in range(count)
    ]


@given(fills=_fills(), cut=st.integers(0, 8))
async def test_book_fills_when_any_come_in_any_portions_then_the_ledger_balances_to_the_digit(
    fills: list[Fill], cut: int
) -> None:
    """Start + realised - commissions = cash + cost; and it does not matter who told how many."""
    records = [fill_record(a_plan(), fill, now=NOON) for fill in fills]
    whole, parts = await a_store(), await a_store()
    together = await book(whole, *records)
    told = [await book(parts, *part) for part in (records[:cut], records[cut:]) if part]

    assert (told[-1].position, told[-1].account) == (together.position, together.account)
    assert imbalance(together.account, [together.position]) == 0
    rows = parts.contents()[FILLS].values()
    with localcontext(EXACT):
        realized = sum(Decimal(row["realized_pnl"]) for row in rows)
        assert realized == together.position.realized_pnl == together.account.realized_pnl


async def test_book_fills_when_an_account_is_there_then_its_own_start_counts() -> None:
    """A capital that was changed since moves nothing that was booked."""
    store = await a_store()
    account = open_account(a_deployment(capital=Decimal(500)), NOON)
    await store.commit([create(account_ref(DEPLOYMENT_ID), account)])

    booking = await book(store, a_trade("a", BUY, "1", "100"))

    assert (booking.account.starting, booking.account.cash) == amounts(500, 400)
