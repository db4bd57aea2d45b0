"""Funding on paper: which hours are due, what they pay, and that each is paid once."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.books import MARKET_SNAPSHOTS
from common.domain.moment import iso
from common.domain.position import EXACT
from common.errors import TransientError
from common.ports import Document, FundingPayment, Ref, Update
from infra.venues.paper.funding import PAPER_FUNDING, Funding, hours_due
from infra.venues.paper.ledger import PAPER_POSITIONS, position_ref
from tests.builders import DEPLOYMENT_ID, NOON, an_instrument
from tests.unit.infra.venues.paper.desk import Desk, a_buy, a_limit, a_sale

HOUR = timedelta(hours=1)


def a_position(signed: str, since: datetime) -> Document:
    data = {
        "signed_qty": signed,
        "updated_at": iso(since),
        "account_id": DEPLOYMENT_ID,
        "symbol": "ETH",
    }
    return Document(Ref(PAPER_POSITIONS, "HYPERLIQUID:dep_1:ETH"), data, "1")


@pytest.fixture
async def desk() -> Desk:
    return await Desk().open()


async def paid(desk: Desk, since: datetime = NOON) -> tuple[FundingPayment, ...]:
    return await desk.venue().query_funding(account_id=DEPLOYMENT_ID, since=since)


async def pass_time(desk: Desk, passed: timedelta, rate: str | None = "0.0008") -> None:
    desk.clock.advance_to(desk.clock.now() + passed)
    funding_rate = None if rate is None else Decimal(rate)
    await desk.look("3000", funding_rate_8h=funding_rate)


@pytest.mark.parametrize(
    ("since", "until", "hours"),
    [
        (timedelta(0), timedelta(minutes=59, seconds=59), []),
        (timedelta(0), HOUR, [1]),
        (timedelta(microseconds=1), HOUR, [1]),
        (HOUR, HOUR, []),
        (HOUR, 3 * HOUR, [2, 3]),
        (timedelta(minutes=30), timedelta(hours=3, minutes=59), [1, 2, 3]),
        (2 * HOUR, HOUR, []),
    ],
)
def test_hours_due_when_held_then_each_full_hour_after_the_last_change(
    since: timedelta, until: timedelta, hours: list[int]
) -> None:
    position = a_position("-0.5", NOON + since)
    assert hours_due(position, NOON + until) == [NOON + hour * HOUR for hour in hours]


def test_hours_due_when_flat_then_none() -> None:
    assert hours_due(a_position("0", NOON), NOON + 9 * HOUR) == []


@given(
    cuts=st.lists(st.integers(0, 20 * 3600), max_size=8),
    start=st.integers(0, 3600),
)
def test_hours_due_when_asked_at_any_moments_then_the_hours_are_told_once_and_in_order(
    cuts: list[int], start: int
) -> None:
    since = NOON + timedelta(seconds=start)
    until = since + timedelta(seconds=20 * 3600)
    told: list[datetime] = []
    at = since
    for cut in [*sorted(cuts), 20 * 3600]:
        moment = since + timedelta(seconds=cut)
        told += hours_due(a_position("1", at), moment)
        at = max(at, moment)
    assert told == hours_due(a_position("1", since), until)
    assert all(since < hour <= until for hour in told)
    assert len(told) == 20


async def test_query_funding_when_days_have_passed_then_a_document_a_day(desk: Desk) -> None:
    await desk.submit(a_buy(1))
    await pass_time(desk, timedelta(days=3))
    told = await paid(desk)
    assert [payment.ts_event for payment in told] == [NOON + hour * HOUR for hour in range(1, 73)]
    assert {payment.amount for payment in told} == {Decimal("-0.3")}
    assert len({payment.payment_id for payment in told}) == 72
    assert len(desk.memory.contents()[PAPER_FUNDING]) == 4
    assert await paid(desk, since=NOON + 70 * HOUR) == told[69:]
    eastern = timezone(timedelta(hours=14))
    assert await paid(desk, since=(NOON + 70 * HOUR).astimezone(eastern)) == told[69:]


async def test_query_funding_when_long_ago_is_asked_for_then_no_more_is_read_than_there_is(
    desk: Desk,
) -> None:
    await desk.submit(a_buy(1))
    await pass_time(desk, HOUR)
    assert len(await paid(desk, since=datetime(1970, 1, 1, tzinfo=UTC))) == 1


async def test_query_funding_when_nobody_asked_for_months_then_all_of_them(desk: Desk) -> None:
    await desk.submit(a_buy(1))
    await pass_time(desk, timedelta(days=130))
    assert len(await paid(desk)) == 130 * 24


async def test_query_funding_when_the_numbers_are_long_then_exact_to_fifty_decimals(
    desk: Desk,
) -> None:
    await desk.submit(a_buy(1, "0.1234"))
    desk.clock.advance_to(NOON + HOUR)
    await desk.look("3000.1234567891", funding_rate_8h=Decimal("0.0001234567890123"))
    (payment,) = await paid(desk)
    with localcontext(EXACT):
        exact = Decimal(1234) * Decimal("3000.1234567891") * Decimal("0.0001234567890123")
        assert payment.amount * 80_000 == -exact
    desk.clock.advance_to(NOON + 2 * HOUR)
    endless = Decimal("0.0001") + Decimal("1e-59")
    await desk.look("3000", funding_rate_8h=endless)
    assert (await paid(desk))[1].amount == Decimal("-0.0046275")


async def test_query_funding_when_a_short_is_held_then_it_receives(desk: Desk) -> None:
    await desk.submit(a_sale(1, "2"))
    await pass_time(desk, HOUR)
    assert [payment.amount for payment in await paid(desk)] == [Decimal("0.6")]
    await pass_time(desk, HOUR, rate="-0.0008")
    assert (await paid(desk))[1].amount == Decimal("-0.6")


async def test_query_funding_when_a_resting_order_filled_meanwhile_then_from_its_fill_on(
    desk: Desk,
) -> None:
    """Filled by the candle that closes at 13:05, and asked about at 15:00."""
    await desk.submit(a_limit(1, "2990"))
    await desk.trade("3000", "3001", "2980", "3000", pause=11)
    await pass_time(desk, timedelta(minutes=115))
    told = await paid(desk)
    assert [payment.ts_event for payment in told] == [NOON + 2 * HOUR, NOON + 3 * HOUR]


async def test_query_funding_when_a_candle_closes_the_position_then_paid_until_then(
    desk: Desk,
) -> None:
    """Bought at noon, sold by the candle that closes at 13:35: one hour."""
    await desk.submit(a_buy(1))
    await desk.submit(a_limit(2, "3010", side=a_sale().side, reduce_only=True))
    await desk.trade("3000", "3020", "2999", "3000", pause=17)
    await pass_time(desk, timedelta(minutes=115))
    told = await paid(desk)
    assert [payment.ts_event for payment in told] == [NOON + HOUR]
    assert await desk.held() == 0


async def test_submit_when_the_position_is_due_then_it_is_paid_for_before_it_changes(
    desk: Desk,
) -> None:
    await desk.submit(a_buy(1))
    await pass_time(desk, 90 * timedelta(minutes=1))
    await desk.submit(a_buy(2, "9"))
    assert [payment.amount for payment in await paid(desk)] == [Decimal("-0.3")]
    await pass_time(desk, HOUR)
    assert [payment.amount for payment in await paid(desk)] == [Decimal("-0.3"), Decimal(-3)]


async def test_query_funding_when_there_is_no_market_then_due_until_there_is(desk: Desk) -> None:
    await desk.submit(a_buy(1))
    desk.clock.advance_to(NOON + HOUR)
    ref = Ref(MARKET_SNAPSHOTS, "ETH")
    present = await desk.store.get(ref)
    assert present is not None
    await desk.store.commit([Update(ref, {"mark": "NaN"}, present.version)])
    assert await paid(desk) == ()
    await desk.look("3000", funding_rate_8h=Decimal("0.0008"))
    assert len(await paid(desk)) == 1


async def test_query_funding_when_the_rate_is_unknown_then_the_hour_is_gone(desk: Desk) -> None:
    await desk.submit(a_buy(1))
    await pass_time(desk, HOUR, rate=None)
    assert await paid(desk) == ()
    await pass_time(desk, HOUR)
    assert [payment.ts_event for payment in await paid(desk)] == [NOON + 2 * HOUR]


async def test_query_funding_when_the_store_is_away_then_no_answer_and_paid_later(
    desk: Desk,
) -> None:
    await desk.submit(a_buy(1))
    await pass_time(desk, HOUR)

    async def away(operation: str, argument: object) -> None:
        if operation == "commit":
            raise TransientError("the store is away")

    desk.memory.after = away
    with pytest.raises(TransientError):
        await paid(desk)
    desk.memory.after = None
    assert len(await paid(desk)) == 1


async def test_accrue_when_another_was_first_then_read_again_and_paid_once(desk: Desk) -> None:
    await desk.submit(a_buy(1))
    await pass_time(desk, HOUR)
    venue = desk.profile.capabilities.venue
    stale = await desk.store.get(position_ref(venue, DEPLOYMENT_ID, "ETH"))
    told = await paid(desk)
    funding = Funding(venue, desk.store)
    assert await funding.accrue(stale, an_instrument(), until=desk.clock.now())
    assert await paid(desk) == told


async def test_accrue_when_there_is_nothing_to_pay_for_then_nothing_is_read(desk: Desk) -> None:
    funding = Funding(desk.profile.capabilities.venue, desk.store)
    later = NOON + 9 * HOUR
    held = a_position("1", NOON)
    assert not await funding.accrue(None, an_instrument(), until=later)
    assert not await funding.accrue(held, None, until=later)
    assert not await funding.accrue(held, an_instrument(shortable=False), until=later)
    assert not await funding.accrue(held, an_instrument(), until=NOON)
