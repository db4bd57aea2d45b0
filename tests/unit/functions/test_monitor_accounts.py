"""Monitor's accounts: equity at the marks, what the day brought, and the limits on losses."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import (
    ACCOUNTS,
    DEPLOYMENT_POLICIES,
    EQUITY_DAYS,
    EXPOSURES,
    MARKET_SNAPSHOTS,
    TRADING_STATE,
    V3,
)
from common.contention import TRIES
from common.documents import create
from common.domain.account import Account
from common.domain.events import NotificationRaised, TradingStateChanged
from common.domain.policy import Policy, PolicyRules
from common.domain.risk_limits import DeploymentLimits, RiskLimits
from common.domain.scope import (
    PLATFORM_SCOPE,
    Scope,
    agent_scope,
    deployment_scope,
    venue_scope,
)
from common.errors import InvalidInputError, TransientError
from common.how.limit_documents import limits_ref
from common.how.risk_totals import RESULT, result_ref
from common.how.trading_state import TradingState, TradingStateRecord, state_ref
from common.ports import Create, Delete, Ref
from common.reporting.equity_days import PLATFORM, EquityDay, equity_day_id
from tests.builders import AGENT_ID, DEPLOYMENT_ID, NOON, a_deployment, amounts, some_limits
from tests.unit.functions.floor import HL, Floor
from tests.unit.functions.mishaps import Died, LosesRaces, Mortal, meanwhile

OWN = deployment_scope(DEPLOYMENT_ID)
MIDNIGHT = datetime(2026, 1, 16, tzinfo=UTC)


@pytest.fixture
async def floor() -> Floor:
    """1 ETH at 3000 of a capital of 10,000: a fall of 1000 is a tenth of it."""
    floor = await Floor().open()
    await floor.hold("1")
    return floor


async def mark(floor: Floor, price: str | None = None, **span: float) -> list[object]:
    """The events that a tick returns, at this price."""
    if span:
        floor.pass_time(**span)
    if price is not None:
        await floor.quote(price)
    return [message.event for message in await floor.monitor()]


def account(floor: Floor, deployment_id: str = DEPLOYMENT_ID) -> Account:
    return floor.get(Account, ACCOUNTS, deployment_id)


def state(floor: Floor, scope: Scope = OWN) -> TradingStateRecord | None:
    ref = state_ref(scope)
    if floor.store.peek(ref) is None:
        return None
    return floor.get(TradingStateRecord, ref.collection, ref.id)


def results(floor: Floor, scope: Scope = PLATFORM_SCOPE, *, at: datetime = NOON) -> int:
    """The day's total, in cents."""
    found = floor.store.peek(result_ref(scope, at))
    return int(found.data[RESULT]) if found else 0


def curve(floor: Floor, subject: str = DEPLOYMENT_ID, *, at: datetime = NOON) -> list[Decimal]:
    name = equity_day_id(subject, at)
    if name not in floor.rows(EQUITY_DAYS):
        return []
    return [point.equity for point in floor.get(EquityDay, EQUITY_DAYS, name).points]


def warnings(floor: Floor) -> list[str]:
    return [text for text in floor.told() if "Near a limit" in text]


async def limit(floor: Floor, scope: Scope, **limits: Any) -> None:
    document = RiskLimits(
        scope=scope.key,
        version=1,
        deployment=DeploymentLimits(**limits),
        reason="a test",
        changed_by="ada",
        changed_at=NOON,
    )
    await floor.change(limits_ref(scope), document)


async def resume(floor: Floor, *, by: str = "ada") -> None:
    await floor.set_state(TradingState.ACTIVE, OWN, changed_by=by)


# ---------------------------------------------------------------- at the marks


async def test_mark_when_the_price_moves_then_equity_result_and_curves_follow(
    floor: Floor,
) -> None:
    await mark(floor, "3100")

    found = account(floor)
    assert (found.equity, found.peak_equity, found.day_start_equity) == amounts(
        10_100, 10_100, 10_000
    )
    assert found.marked_at == NOON
    for scope in (PLATFORM_SCOPE, agent_scope("v3", AGENT_ID)):
        assert results(floor, scope) == 100_00
    assert results(floor, venue_scope(HL)) == 0
    assert curve(floor) == curve(floor, PLATFORM) == [Decimal(10_100)]

    await mark(floor, "2950", minutes=1)

    assert (account(floor).equity, account(floor).peak_equity) == amounts(9_950, 10_100)
    assert results(floor) == -50_00
    assert curve(floor) == [Decimal(9_950)]  # of five minutes the last
    await mark(floor, "3000", minutes=5)
    assert curve(floor) == list(amounts(9_950, 10_000))


async def test_mark_when_nothing_has_changed_then_nothing_of_it_is_written(floor: Floor) -> None:
    await mark(floor)
    before = {key: rows for key, rows in floor.store.contents().items() if key != EQUITY_DAYS}

    await mark(floor, minutes=1)

    after = {key: rows for key, rows in floor.store.contents().items() if key != EQUITY_DAYS}
    assert after == before
    assert curve(floor) == []
    assert curve(floor, PLATFORM) == [Decimal(10_000)]


async def test_mark_when_nobody_has_an_account_then_there_is_no_curve() -> None:
    floor = await Floor().open()

    assert await mark(floor) == []
    assert EQUITY_DAYS not in floor.store.contents()


@pytest.mark.parametrize("missing", ["price", "fresh-price"])
async def test_mark_when_there_is_no_price_then_the_last_fills_counts(
    floor: Floor, missing: str
) -> None:
    await mark(floor, "3100")
    floor.pass_time(minutes=1)
    if missing == "price":
        await floor.store.commit([Delete(Ref(MARKET_SNAPSHOTS, "ETH"))])
    else:
        await floor.quote("9000", at=NOON - timedelta(hours=2))
    await mark(floor)

    assert account(floor).equity == 10_000


async def test_mark_when_its_exposure_is_gone_then_its_cash_is_what_there_is(floor: Floor) -> None:
    await floor.store.commit([Delete(Ref(EXPOSURES, DEPLOYMENT_ID))])

    await mark(floor)

    assert account(floor).equity == 7_000


async def test_mark_when_a_new_day_begins_then_its_result_does_too(floor: Floor) -> None:
    await mark(floor, "3100")
    floor.clock.advance((MIDNIGHT - NOON).total_seconds())

    await mark(floor, "3150")

    found = account(floor)
    assert (found.day, found.day_start_equity) == ("2026-01-16", Decimal(10_100))
    assert (results(floor), results(floor, at=MIDNIGHT)) == (100_00, 50_00)
    assert curve(floor, at=MIDNIGHT) == [Decimal(10_150)]


async def test_mark_when_there_are_several_then_the_platform_is_their_sum(floor: Floor) -> None:
    other = a_deployment("dep_2", agent_id="another")
    await floor.store.commit([create(Ref(V3.deployments, "dep_2"), other)])
    await floor.hold("-2", deployment_id="dep_2")
    await floor.change(Ref(ACCOUNTS, "dep_2"), replace(account(floor, "dep_2"), agent_id="another"))

    await mark(floor, "3010")

    assert (account(floor).equity, account(floor, "dep_2").equity) == amounts(10_010, 9_980)
    assert curve(floor, PLATFORM) == [Decimal(19_990)]
    assert results(floor) == -10_00
    assert results(floor, agent_scope("v3", "another")) == -20_00


# ---------------------------------------------------------------- the day's loss


async def test_loss_when_it_comes_near_the_limit_then_told_once_a_day(floor: Floor) -> None:
    assert await mark(floor, "2201") == []
    (event,) = await mark(floor, "2200", minutes=1)

    assert isinstance(event, NotificationRaised)
    assert warnings(floor) == [
        "RISK Near a limit: dep_1 lost 8 % today, 10 % is allowed",
    ]
    assert await mark(floor, "2150", minutes=1) == []
    assert state(floor) is None


async def test_loss_when_it_is_the_limit_then_reducing_until_the_next_day(floor: Floor) -> None:
    events = await mark(floor, "2000")

    record = state(floor)
    assert record is not None
    assert (record.state, record.until, record.changed_by) == (
        TradingState.REDUCING,
        MIDNIGHT,
        "monitor",
    )
    assert record.reason == "daily-loss: it lost 10 % today, 10 % is allowed"
    assert TradingStateChanged(scope=OWN.key, epoch=1) in events
    assert any("Trading reduces only for deployment dep_1" in text for text in floor.told())
    assert len(floor.audited("trading-state-changed")) == 1
    assert record.at(MIDNIGHT - timedelta(seconds=1)) is TradingState.REDUCING
    assert record.at(MIDNIGHT) is TradingState.ACTIVE


async def test_loss_when_it_stays_beyond_the_limit_then_the_state_is_set_once(
    floor: Floor,
) -> None:
    await mark(floor, "2000")
    first = state(floor)

    for price in ("1990", "1980"):
        assert await mark(floor, price, minutes=1) == []

    assert state(floor) == first


async def test_loss_when_a_person_resumes_it_the_same_day_then_it_is_left_so(floor: Floor) -> None:
    """No order that opens passes the limit on the day's loss before tomorrow."""
    await mark(floor, "2000")
    await resume(floor)

    assert await mark(floor, "1990", minutes=1) == []

    record = state(floor)
    assert record is not None
    assert record.state is TradingState.ACTIVE


async def test_loss_when_the_next_day_loses_as_much_then_reducing_again(floor: Floor) -> None:
    await mark(floor, "2001")
    floor.clock.advance((MIDNIGHT - NOON).total_seconds())
    await mark(floor, "2001")
    assert state(floor) is None

    await mark(floor, "1100", hours=1)

    record = state(floor)
    assert record is not None
    assert record.until == MIDNIGHT + timedelta(days=1)


@pytest.mark.parametrize("scope", [agent_scope("v3", AGENT_ID), OWN], ids=lambda each: each.key)
async def test_loss_when_a_narrower_scope_says_less_then_that_holds(
    floor: Floor, scope: Scope
) -> None:
    await limit(floor, scope, max_daily_loss=Decimal("0.01"))

    await mark(floor, "2900")

    record = state(floor)
    assert record is not None
    assert record.state is TradingState.REDUCING


@pytest.mark.parametrize("state_", [TradingState.HALTED, TradingState.REDUCING])
async def test_loss_when_a_person_has_stopped_it_for_good_then_that_stands(
    floor: Floor, state_: TradingState
) -> None:
    known = await floor.set_state(state_, OWN, changed_by="ada")

    await mark(floor, "1000")

    assert state(floor) == known


@pytest.mark.parametrize("limits", ["missing", "garbage", "silent"])
async def test_loss_when_no_limit_is_known_then_nothing_is_reduced(
    floor: Floor, limits: str
) -> None:
    """Nothing is opened then anyway; where the limits say nothing of losses, they may be any."""
    if limits == "silent":
        said = some_limits()
        nothing = replace(said.deployment, max_daily_loss=None, max_drawdown=None)
        await floor.change(limits_ref(PLATFORM_SCOPE), replace(said, deployment=nothing))
    else:
        await floor.store.commit([Delete(limits_ref(PLATFORM_SCOPE))])
    if limits == "garbage":
        await floor.store.commit([Create(limits_ref(PLATFORM_SCOPE), {"scope": 7})])

    await mark(floor, "100")

    assert state(floor) is None
    assert account(floor).equity == 7_100


@pytest.mark.parametrize("readable", [True, False])
async def test_loss_when_the_deployment_has_a_policy_then_the_limits_hold_all_the_same(
    floor: Floor, readable: bool
) -> None:
    place = Ref(DEPLOYMENT_POLICIES, DEPLOYMENT_ID)
    policy = Policy(
        deployment_id=DEPLOYMENT_ID,
        version=1,
        rules=PolicyRules(max_leverage=Decimal(1)),
        changed_by="ada",
        changed_at=NOON,
    )
    await floor.store.commit([create(place, policy) if readable else Create(place, {"x": 1})])

    await mark(floor, "2000")

    assert state(floor) is not None


async def test_loss_when_the_day_began_with_nothing_then_there_is_no_fraction_of_it(
    floor: Floor,
) -> None:
    await floor.change(
        Ref(ACCOUNTS, DEPLOYMENT_ID), replace(account(floor), day_start_equity=Decimal(0))
    )

    await mark(floor, "2000")

    assert state(floor) is None


# ---------------------------------------------------------------- the drawdown


async def fall(floor: Floor, price: str) -> list[object]:
    """A day a step, so that no day loses too much."""
    return await mark(floor, price, days=1)


@pytest.fixture
async def fallen(floor: Floor) -> Floor:
    """From a peak of 10,000, by a quarter, in four days."""
    for price in ("2300", "1600", "1001"):
        await fall(floor, price)
    assert state(floor) is None
    await fall(floor, "500")
    return floor


async def test_drawdown_when_it_is_the_limit_then_reducing_until_a_person_resumes(
    fallen: Floor,
) -> None:
    record = state(fallen)
    assert record is not None
    assert (record.state, record.until) == (TradingState.REDUCING, None)
    assert record.reason == "drawdown: it is 25 % below its highest equity, 25 % is allowed"
    for _ in range(2):
        assert await fall(fallen, "500") == []
    assert state(fallen) == record


async def test_drawdown_when_a_person_resumes_then_the_fall_is_counted_anew(
    fallen: Floor,
) -> None:
    fallen.pass_time(minutes=1)
    await resume(fallen)

    assert await mark(fallen, "499", minutes=1) == []

    found = account(fallen)
    assert (found.peak_equity, found.drawn_down_at) == (Decimal(7_499), None)
    record = state(fallen)
    assert record is not None
    assert record.state is TradingState.ACTIVE
    assert await mark(fallen, "400", minutes=1) == []


async def test_drawdown_when_it_falls_as_far_once_more_then_reducing_once_more(
    fallen: Floor,
) -> None:
    before = account(fallen)
    await fallen.hold("4", price="500")  # a longer lever
    longer = replace(before, cash=Decimal(5_500), equity=Decimal(7_500))
    await fallen.change(Ref(ACCOUNTS, DEPLOYMENT_ID), longer)
    fallen.pass_time(minutes=1)
    await resume(fallen)
    await mark(fallen, "499", minutes=1)
    for price in ("350", "200"):
        await fall(fallen, price)
    record = state(fallen)
    assert record is not None
    assert record.state is TradingState.ACTIVE

    await fall(fallen, "30")

    record = state(fallen)
    assert record is not None
    assert (record.state, record.until) == (TradingState.REDUCING, None)


async def test_drawdown_when_it_was_resumed_long_before_then_the_limit_still_holds(
    floor: Floor,
) -> None:
    """A person had halted it for another reason and let it go on, before anything was lost."""
    await floor.set_state(TradingState.HALTED, OWN, changed_by="ada")
    floor.pass_time(minutes=1)
    await resume(floor)

    for price in ("2300", "1600", "1001", "500"):
        await fall(floor, price)

    record = state(floor)
    assert record is not None
    assert record.state is TradingState.REDUCING
    assert account(floor).peak_equity == 10_000


async def test_drawdown_when_the_days_loss_has_reduced_it_already_then_for_good(
    floor: Floor,
) -> None:
    await mark(floor, "2000")
    first = state(floor)
    await mark(floor, "500", minutes=1)

    record = state(floor)
    assert first is not None
    assert record is not None
    assert (record.epoch, record.until) == (first.epoch + 1, None)
    assert record.reason.startswith("drawdown")
    assert await mark(floor, "490", minutes=1) == []
    assert state(floor) == record


async def test_drawdown_when_it_comes_near_then_told(floor: Floor) -> None:
    for price in ("2300", "1600", "1000"):
        await fall(floor, price)

    assert warnings(floor) == [
        "RISK Near a limit: dep_1 is 20 % below its highest equity, 25 % is allowed"
    ]


# ---------------------------------------------------------------- troubles, races, crashes


@pytest.mark.parametrize("name", ["dep_0", "dep_9"])
async def test_mark_when_one_account_cannot_be_read_then_the_others_are_marked_and_it_is_told(
    floor: Floor, name: str
) -> None:
    await floor.store.commit([Create(Ref(ACCOUNTS, name), {"cash": "x"})])

    with pytest.raises(InvalidInputError, match="Account"):
        await mark(floor, "3100")

    assert account(floor).equity == 10_100
    assert curve(floor, PLATFORM) == []  # half of a sum is none


@pytest.mark.parametrize("losses", [1, TRIES])
@pytest.mark.parametrize(
    ("collection", "what"),
    [
        (ACCOUNTS, "the account of dep_1"),
        (EQUITY_DAYS, "the account of dep_1"),  # one commit
        (TRADING_STATE, "the trading state of deployment dep_1"),
    ],
)
async def test_mark_when_races_are_lost_then_read_again_and_not_for_ever(
    floor: Floor, collection: str, what: str, losses: int
) -> None:
    LosesRaces(floor.store, collection, count=losses)
    if losses < TRIES:
        await mark(floor, "2000")
        assert account(floor).equity == 9_000
        assert results(floor) == -1_000_00
        assert curve(floor) == [Decimal(9_000)]
        assert state(floor) is not None
        return
    await floor.quote("2000")
    with pytest.raises(TransientError, match=f"{what} is contended"):
        await floor.monitor()


async def test_mark_when_two_mark_side_by_side_then_the_day_counts_it_once(floor: Floor) -> None:
    await floor.quote("3100")
    meanwhile(floor.store, ACCOUNTS, floor.monitor)

    await floor.monitor()

    assert account(floor).equity == 10_100
    assert results(floor) == 100_00


async def test_mark_when_a_fill_comes_meanwhile_then_it_is_marked_as_it_is_then(
    floor: Floor,
) -> None:
    await floor.quote("3100")
    meanwhile(floor.store, ACCOUNTS, lambda: floor.hold("2"))

    await floor.monitor()

    assert account(floor).equity == 10_200


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_mark_when_it_dies_at_any_call_then_the_next_tick_makes_it_good(after: bool) -> None:
    """The limit is broken; the day's total is what the account says, and the state is set once."""

    async def begin() -> Floor:
        floor = await Floor().open()
        await floor.hold("1")
        await floor.quote("2000")
        return floor

    counted = await begin()
    mortal = Mortal(counted.store)
    await counted.monitor()
    for number in range(1, mortal.calls + 1):
        floor = await begin()
        mortal = Mortal(floor.store)
        mortal.doom(number, after=after)
        with pytest.raises(Died):
            await floor.monitor()
        mortal.revive()
        await floor.monitor()

        record = state(floor)
        assert account(floor).equity == 9_000, number
        assert results(floor) == -1_000_00, number
        assert record is not None, number
        assert (record.state, record.epoch) == (TradingState.REDUCING, 1), number
        assert len(floor.audited("trading-state-changed")) == 1, number
