"""Funding: each payment is booked once, whoever tells it, how often, and whoever dies meanwhile."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from common.books import ACCOUNTS, FUNDING_PAYMENTS, RECONCILIATIONS, V2, V3
from common.contention import TRIES
from common.documents import create
from common.domain.account import Account
from common.domain.agent import Deployment
from common.errors import InvalidInputError, TransientError
from common.execution.accounts import after_funding, imbalance
from common.execution.reconciliation import Reconciliation
from common.execution.sender import Sender
from common.ports import Create, Delete, FundingPayment, Ref
from functions.settle import funding
from functions.settle.funding import EVERY, LOOK_BACK, Funded, is_due, take_funding
from functions.settle.resolving import Desk
from tests.builders import DEPLOYMENT_ID, NOON, a_deployment, amounts
from tests.unit.functions.floor import HL, OSTIUM, Floor
from tests.unit.functions.mishaps import Died, LosesRaces, Mortal, meanwhile

PLACE = Ref(ACCOUNTS, DEPLOYMENT_ID)


def a_payment(
    name: str = "1", amount: str = "-0.25", *, at: datetime = NOON, account: str = DEPLOYMENT_ID
) -> FundingPayment:
    return FundingPayment(
        payment_id=name,
        venue=HL,
        account_id=account,
        symbol="ETH",
        amount=Decimal(amount),
        ts_event=at,
    )


@pytest.fixture
async def floor() -> Floor:
    """1 ETH at Hyperliquid: 7,000 of cash."""
    floor = await Floor().open()
    await floor.hold("1")
    return floor


def desk_of(floor: Floor) -> Desk:
    sender = Sender(floor.store, floor.clock, floor.settings, floor.venues)
    return Desk(floor.store, floor.clock, floor.settings, floor.venues, sender)


async def take(
    floor: Floor, *told: FundingPayment, until: datetime | None = None, **changes: object
) -> datetime:
    floor.hyperliquid.funding = list(told)
    deployment: Deployment = replace(a_deployment(), **changes)  # type: ignore[arg-type]  # keywords of a test
    return await take_funding(desk_of(floor), deployment, floor.hyperliquid, until)


def account(floor: Floor) -> Account:
    return floor.get(Account, ACCOUNTS, DEPLOYMENT_ID)


def funded(floor: Floor) -> datetime | None:
    """Up to when, as the reconciliation holds it; None too where there is none."""
    name = f"{DEPLOYMENT_ID}:{HL}"
    if name not in floor.rows(RECONCILIATIONS):
        return None
    return floor.get(Reconciliation, RECONCILIATIONS, name).funded_until


async def rounds(floor: Floor, count: int = 1, **span: float) -> None:
    for _ in range(count):
        floor.pass_time(**(span or {"minutes": 1}))
        await floor.settle()


# ---------------------------------------------------------------- when it is asked for


@pytest.mark.parametrize(
    ("since", "holds", "due"),
    [
        (None, True, True),
        (timedelta(0), True, False),
        (EVERY - timedelta(milliseconds=1), True, False),
        (EVERY, True, True),
        (None, False, False),
        (timedelta(0), False, True),  # once more: what came while it was closed
        (EVERY, False, True),
    ],
)
def test_is_due_when_something_is_held_then_every_so_often_and_once_more_when_not_any_longer(
    since: timedelta | None, holds: bool, due: bool
) -> None:
    until = None if since is None else NOON - since

    assert is_due(Funded(until), NOON, holds=holds) is due


@pytest.mark.parametrize(
    ("since", "holds", "due"),
    [(timedelta(days=9), False, False), (timedelta(0), True, False), (EVERY, True, True)],
)
def test_is_due_when_it_was_asked_while_flat_then_only_once_something_is_held_again(
    since: timedelta, holds: bool, due: bool
) -> None:
    assert is_due(Funded(NOON - since, while_flat=True), NOON, holds=holds) is due


# ---------------------------------------------------------------- booked


async def test_take_when_payments_are_told_then_each_is_in_the_cash_and_on_record(
    floor: Floor,
) -> None:
    before = account(floor)

    until = await take(floor, a_payment("1", "-0.25"), a_payment("2", "1.5"))

    after = account(floor)
    assert until == NOON
    assert (after.cash, after.funding) == amounts("7001.25", "1.25")
    assert after == after_funding(before, Decimal("1.25"), NOON)
    rows = floor.rows(FUNDING_PAYMENTS).values()
    assert sorted(row["payment_id"] for row in rows) == ["1", "2"]
    (row,) = floor.audited("funding-booked")
    assert row["facts"] == {"payments": "2", "amount": "1.25"}


async def test_take_when_told_again_then_nothing_changes(floor: Floor) -> None:
    await take(floor, a_payment("1"), a_payment("2"))
    before = floor.store.contents()

    await take(floor, a_payment("1"), a_payment("2"))
    await take(floor, a_payment("2"), a_payment("1"))

    assert floor.store.contents() == before


async def test_take_when_one_is_new_among_the_known_then_that_alone_is_booked(
    floor: Floor,
) -> None:
    await take(floor, a_payment("1", "-1"))

    await take(floor, a_payment("1", "-1"), a_payment("2", "-2"))

    assert account(floor).funding == -3
    assert len(floor.audited("funding-booked")) == 2


async def test_take_when_nothing_is_told_then_nothing_is_written(floor: Floor) -> None:
    before = floor.store.contents()

    assert await take(floor) == NOON
    assert floor.store.contents() == before


async def test_take_when_one_is_told_twice_in_one_answer_then_booked_once(floor: Floor) -> None:
    await take(floor, a_payment("1", "-1"), a_payment("1", "-1"))

    assert account(floor).funding == -1


async def test_take_when_two_accounts_or_venues_use_the_same_number_then_each_is_its_own(
    floor: Floor,
) -> None:
    await take(floor, a_payment("1", "-1"))
    other = a_deployment("dep_2")
    await floor.store.commit([create(Ref(V3.deployments, "dep_2"), other)])
    floor.hyperliquid.funding = [a_payment("1", "-2", account="dep_2")]
    await take_funding(desk_of(floor), other, floor.hyperliquid, None)
    await take(floor, replace(a_payment("1", "-4"), venue=OSTIUM))

    assert len(floor.rows(FUNDING_PAYMENTS)) == 3
    assert account(floor).funding == -5
    assert floor.get(Account, ACCOUNTS, "dep_2").funding == -2


async def test_take_when_there_is_no_account_yet_then_it_is_opened(floor: Floor) -> None:
    """What was held was booked from the venue's word, before anything filled here."""
    await floor.store.commit([Delete(PLACE)])

    await take(floor, a_payment("1", "-0.25"))

    found = account(floor)
    assert (found.starting, found.cash) == amounts(10_000, "9999.75")
    assert imbalance(found, []) == 0


async def test_take_when_it_is_long_ago_then_asked_from_two_hours_before_and_never_before_it_began(
    floor: Floor,
) -> None:
    """A venue may tell a payment late."""
    asked: list[datetime] = []

    async def listen(*, account_id: str, since: datetime) -> tuple[FundingPayment, ...]:
        asked.append(since)
        return ()

    floor.hyperliquid.query_funding = listen  # type: ignore[method-assign]  # a listening ear
    await take(floor, until=NOON + timedelta(hours=9))
    await take(floor, until=NOON + timedelta(minutes=1))
    await take(floor)

    assert asked == [NOON + timedelta(hours=9) - LOOK_BACK, NOON, NOON]


@pytest.mark.parametrize("answer", [TransientError("503"), KeyError("usdc"), TimeoutError()])
async def test_take_when_the_venue_does_not_answer_then_nothing_is_concluded(
    floor: Floor, answer: Exception
) -> None:
    async def broken(*, account_id: str, since: datetime) -> tuple[FundingPayment, ...]:
        raise answer

    before = floor.store.contents()
    floor.hyperliquid.query_funding = broken  # type: ignore[method-assign]  # it is down
    with pytest.raises(TransientError):
        await take(floor)
    assert floor.store.contents() == before


async def test_take_when_there_are_more_than_a_commit_holds_then_part_by_part(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(funding, "WRITES_MAX", 3)
    told = [a_payment(str(number), "-0.5") for number in range(8)]

    await take(floor, *told)

    assert account(floor).funding == -4
    assert len(floor.rows(FUNDING_PAYMENTS)) == 8
    assert [row["facts"]["payments"] for row in floor.audited("funding-booked")].count("3") == 2


# ---------------------------------------------------------------- races, crashes, the unreadable


@pytest.mark.parametrize("losses", [1, TRIES])
async def test_take_when_races_are_lost_then_read_again_and_not_for_ever(
    floor: Floor, losses: int
) -> None:
    LosesRaces(floor.store, ACCOUNTS, count=losses)
    if losses < TRIES:
        await take(floor, a_payment("1", "-1"))
        assert account(floor).funding == -1
        return
    with pytest.raises(TransientError, match="the account of dep_1 is contended"):
        await take(floor, a_payment("1", "-1"))
    assert FUNDING_PAYMENTS not in floor.store.contents()


async def test_take_when_two_take_the_same_then_booked_once(floor: Floor) -> None:
    async def twin() -> None:
        await take(floor, a_payment("1", "-1"))

    meanwhile(floor.store, ACCOUNTS, twin)

    await take(floor, a_payment("1", "-1"), a_payment("2", "-2"))

    assert account(floor).funding == -3
    assert len(floor.rows(FUNDING_PAYMENTS)) == 2


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_take_when_it_dies_at_any_call_then_the_next_books_what_was_not(
    after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(funding, "WRITES_MAX", 2)
    told: Sequence[FundingPayment] = [a_payment(str(number), "-1") for number in range(5)]

    async def begin() -> Floor:
        floor = await Floor().open()
        await floor.hold("1")
        return floor

    counted = await begin()
    mortal = Mortal(counted.store, counted.venues.values())
    await take(counted, *told)
    for number in range(1, mortal.calls + 1):
        floor = await begin()
        mortal = Mortal(floor.store, floor.venues.values())
        mortal.doom(number, after=after)
        with pytest.raises(Died):
            await take(floor, *told)
        mortal.revive()
        await take(floor, *told)

        assert account(floor).funding == -5, number
        assert account(floor).cash == 6_995, number
        assert len(floor.rows(FUNDING_PAYMENTS)) == 5, number


async def test_take_when_the_account_cannot_be_read_then_invalid_input(floor: Floor) -> None:
    await floor.store.commit([Delete(PLACE)])
    await floor.store.commit([Create(PLACE, {"cash": "x"})])

    with pytest.raises(InvalidInputError, match="Account"):
        await take(floor, a_payment())


# ---------------------------------------------------------------- within the round over accounts


async def test_settle_when_a_position_is_held_then_its_funding_is_booked_every_quarter_hour(
    floor: Floor,
) -> None:
    floor.hyperliquid.funding = [a_payment("1", "-1")]
    await rounds(floor)
    assert account(floor).funding == -1
    first = funded(floor)
    floor.hyperliquid.funding.append(a_payment("2", "-2", at=NOON + timedelta(minutes=5)))

    await rounds(floor, 5)
    assert (account(floor).funding, funded(floor)) == (Decimal(-1), first)
    await rounds(floor, 10)

    assert account(floor).funding == -3
    assert first is not None
    assert funded(floor) == first + EVERY


async def test_settle_when_nothing_is_held_any_longer_then_once_more_and_no_more() -> None:
    floor = await Floor().open()
    position = await floor.hold("1")
    await rounds(floor)
    assert funded(floor) is not None
    await floor.hold("0")
    floor.hyperliquid.funding = [a_payment("1", "-1", at=NOON + timedelta(minutes=1))]

    await rounds(floor)

    assert account(floor).funding == -1
    asked_flat = funded(floor)
    assert asked_flat == floor.clock.now()
    floor.hyperliquid.funding.append(a_payment("2", "-2", at=NOON + timedelta(minutes=3)))
    await rounds(floor, 20)
    assert (account(floor).funding, funded(floor)) == (Decimal(-1), asked_flat)
    assert position.venue is HL


async def test_settle_when_something_is_held_again_then_asked_from_where_it_was_left() -> None:
    """Not from the beginning: 400 days of a venue's history for every trade."""
    floor = await Floor().open()
    began = NOON - timedelta(days=400)
    await floor.change(Ref(V3.deployments, DEPLOYMENT_ID), a_deployment(created_at=began))
    asked: list[datetime] = []

    async def listens(*, account_id: str, since: datetime) -> tuple[FundingPayment, ...]:
        asked.append(since)
        return ()

    floor.hyperliquid.query_funding = listens  # type: ignore[method-assign]  # that call alone
    for quantity in ("1", "0", "1"):
        await floor.hold(quantity)
        await rounds(floor, 20)

    since = [NOON + timedelta(minutes=minute) - LOOK_BACK for minute in (1, 16, 21, 41)]
    assert asked == [began, *since]


async def test_settle_when_the_venue_does_not_tell_funding_then_positions_are_compared_all_the_same(
    floor: Floor,
) -> None:
    """A broken endpoint must not hide a position that is not ours."""

    async def broken(*, account_id: str, since: datetime) -> tuple[FundingPayment, ...]:
        raise TransientError("503")

    floor.hyperliquid.query_funding = broken  # type: ignore[method-assign]  # that call alone
    floor.hyperliquid.hold(DEPLOYMENT_ID, "3")

    await rounds(floor, 3)

    assert floor.exposure().held(HL, "ETH") == 3
    assert funded(floor) is None


async def test_settle_when_it_is_a_v2_deployment_then_its_own_account() -> None:
    floor = await Floor().open(book="v2")
    exposure = floor.exposure().hold(
        venue=HL, symbol="ETH", signed_qty=Decimal(1), price=Decimal(3000)
    )
    await floor.change(Ref("exposures", DEPLOYMENT_ID), exposure)
    floor.hyperliquid.hold(DEPLOYMENT_ID, "1")
    floor.hyperliquid.funding = [a_payment("1", "-1")]

    await rounds(floor)

    assert (account(floor).book, account(floor).funding) == ("v2", Decimal(-1))
    assert V2.deployments in floor.store.contents()


async def test_settle_when_the_mode_is_another_then_no_funding_is_asked_for(floor: Floor) -> None:
    floor.settings = replace(floor.settings, mode="live")
    floor.hyperliquid.funding = [a_payment("1", "-1")]

    await rounds(floor, 2)

    assert account(floor).funding == 0
