"""Monitor's tick over many: page by page, within its time, and everyone has a turn."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from common.books import ACCOUNTS, EQUITY_DAYS, MONITOR_ROUNDS, POSITION_EXITS, TRADING_STATE, V3
from common.documents import create
from common.domain.account import Account
from common.domain.exit_rules import ExitRules
from common.domain.exits import ExitState, PositionExit
from common.domain.risk_limits import DeploymentLimits, RiskLimits
from common.domain.scope import PLATFORM_SCOPE, agent_scope, deployment_scope
from common.domain.signal import PositionSide
from common.errors import InvalidInputError, TransientError
from common.how.limit_documents import limits_ref
from common.how.risk_totals import RESULT, result_ref
from common.ports import Create, Query, Ref
from common.reporting.equity_days import PLATFORM, EquityDay, equity_day_id
from functions.monitor import rounds
from tests.builders import AGENT_ID, NOON, a_deployment
from tests.unit.functions.floor import HL, Floor
from tests.unit.functions.mishaps import LosesRaces, meanwhile, writes_to


def names(count: int) -> list[str]:
    return [f"dep_{number:03}" for number in range(count)]


async def a_floor(count: int) -> Floor:
    """Each holds 1 ETH, bought at 3000."""
    floor = await Floor().open()
    for name in names(count):
        await floor.store.commit([create(Ref(V3.deployments, name), a_deployment(name))])
        await floor.hold("1", deployment_id=name)
    return floor


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "PAGE", 3)


def an_exit(position_id: str) -> PositionExit:
    """Of a position that is not there."""
    return PositionExit(
        position_id=position_id,
        book="v3",
        agent_id=AGENT_ID,
        deployment_id="dep_000",
        venue=HL,
        symbol="ETH",
        paper=True,
        rules=ExitRules(stop_loss=Decimal("0.1")),
        state=ExitState.ARMED,
        side=PositionSide.LONG,
        quantity=Decimal(1),
        entry_price=Decimal(3000),
        best_price=Decimal(3000),
        opened_at=NOON,
        updated_at=NOON,
    )


def equities(floor: Floor) -> list[Decimal]:
    return [floor.get(Account, ACCOUNTS, name).equity for name in sorted(floor.rows(ACCOUNTS))]


def platform(floor: Floor) -> list[Decimal]:
    name = equity_day_id(PLATFORM, NOON)
    if name not in floor.rows(EQUITY_DAYS):
        return []
    return [point.equity for point in floor.get(EquityDay, EQUITY_DAYS, name).points]


def result(floor: Floor) -> int:
    found = floor.store.peek(result_ref(agent_scope("v3", AGENT_ID), NOON))
    return int(found.data[RESULT]) if found else 0


def slow(floor: Floor, seconds: float) -> None:
    """Every page of accounts takes so long to read."""

    async def wait(operation: str, argument: object) -> None:
        if operation == "query" and isinstance(argument, Query) and argument.collection == ACCOUNTS:
            floor.clock.advance(seconds)

    floor.store.before = wait


# ---------------------------------------------------------------- calls


async def test_tick_when_there_are_many_accounts_then_no_more_calls_than_for_one() -> None:
    counts = []
    for number in (1, 40):
        floor = await a_floor(number)
        await floor.monitor()
        floor.pass_time(minutes=1)
        await floor.quote("3001")
        calls: Counter[str] = Counter()

        async def count(operation: str, _: object, calls: Counter[str] = calls) -> None:
            calls[operation] += 1

        floor.store.before = count
        await floor.monitor()
        floor.store.before = None
        assert equities(floor) == [Decimal(10_001)] * number
        assert result(floor) == 100 * number
        counts.append(calls)

    one, many = (sum(each.values()) for each in counts)
    assert many <= one + 1  # one account is read again for itself


# ---------------------------------------------------------------- pages and rounds


@pytest.mark.usefixtures("small_pages")
async def test_tick_when_there_is_time_for_all_pages_then_nothing_is_kept_for_the_next() -> None:
    floor = await a_floor(7)
    await floor.quote("3100")

    await floor.monitor()

    assert equities(floor) == [Decimal(10_100)] * 7
    assert platform(floor) == [Decimal(70_700)]
    assert MONITOR_ROUNDS not in floor.store.contents()


@pytest.mark.usefixtures("small_pages")
async def test_tick_when_its_time_is_over_then_the_next_goes_on_where_it_ended() -> None:
    floor = await a_floor(7)
    await floor.quote("3100")
    slow(floor, rounds.BUDGET.total_seconds())

    await floor.monitor()
    assert equities(floor) == [Decimal(10_100)] * 3 + [Decimal(10_000)] * 4
    assert platform(floor) == []  # part of a sum is none

    await floor.monitor()
    assert equities(floor) == [Decimal(10_100)] * 6 + [Decimal(10_000)]
    await floor.monitor()
    assert equities(floor) == [Decimal(10_100)] * 7
    assert platform(floor) == [Decimal(70_700)]
    assert result(floor) == 700_00

    await floor.quote("3200", at=floor.clock.now())
    for _ in range(3):
        await floor.monitor()
    assert equities(floor) == [Decimal(10_200)] * 7
    assert platform(floor) == [Decimal(71_400)]


@pytest.mark.usefixtures("small_pages")
async def test_tick_when_an_account_of_an_earlier_page_had_trouble_then_the_round_has_no_sum() -> (
    None
):
    floor = await a_floor(4)
    await floor.store.commit([Create(Ref(ACCOUNTS, "dep_000a"), {"cash": "x"})])
    slow(floor, rounds.BUDGET.total_seconds())

    with pytest.raises(InvalidInputError, match="Account"):
        await floor.monitor()
    await floor.monitor()

    assert platform(floor) == []


@pytest.mark.usefixtures("small_pages")
async def test_tick_when_another_instance_walks_the_same_round_then_its_word_stands() -> None:
    floor = await a_floor(7)
    slow(floor, rounds.BUDGET.total_seconds())
    races = LosesRaces(floor.store, MONITOR_ROUNDS)
    lose = floor.store.before
    assert lose is not None

    async def both(operation: str, argument: object) -> None:
        if operation == "query" and isinstance(argument, Query) and argument.collection == ACCOUNTS:
            floor.clock.advance(rounds.BUDGET.total_seconds())
        await lose(operation, argument)

    floor.store.before = both
    await floor.monitor()

    assert races.lost == 1
    assert MONITOR_ROUNDS not in floor.store.contents()


@pytest.mark.usefixtures("small_pages")
async def test_tick_when_positions_take_half_of_the_time_then_accounts_still_have_theirs() -> None:
    floor = await a_floor(4)
    await floor.quote("3100")
    for number in range(5):
        exit_ = an_exit(f"pos_{number}")
        await floor.store.commit([create(Ref(POSITION_EXITS, exit_.position_id), exit_)])
    pages: list[str | None] = []

    async def wait(operation: str, argument: object) -> None:
        if (
            operation == "query"
            and isinstance(argument, Query)
            and argument.collection == POSITION_EXITS
        ):
            pages.append(argument.cursor)
            floor.clock.advance(rounds.BUDGET.total_seconds() / 2)

    floor.store.before = wait
    await floor.monitor()
    assert len(pages) == 1
    assert equities(floor) == [Decimal(10_100)] * 4
    await floor.monitor()
    await floor.monitor()

    assert pages[0] is None
    assert pages[1] is not None
    assert pages[2] is None  # a new round


# ---------------------------------------------------------------- a page in one commit


async def test_page_when_a_fill_comes_to_one_of_them_then_all_are_marked_all_the_same() -> None:
    floor = await a_floor(3)
    await floor.quote("3100")
    meanwhile(floor.store, ACCOUNTS, lambda: floor.hold("2", deployment_id="dep_001"))

    await floor.monitor()

    assert equities(floor) == [Decimal(10_100), Decimal(10_200), Decimal(10_100)]
    assert result(floor) == 400_00


async def test_page_when_the_store_fails_once_then_each_is_marked_once() -> None:
    """The commit may have been applied: each account is read again."""
    floor = await a_floor(3)
    await floor.quote("3100")
    failed = False

    async def fail(operation: str, argument: object) -> None:
        nonlocal failed
        if not failed and writes_to(ACCOUNTS, operation, argument):
            failed = True
            raise TransientError("the store does not answer")

    floor.store.after = fail
    await floor.monitor()

    assert failed
    assert equities(floor) == [Decimal(10_100)] * 3
    assert result(floor) == 300_00


async def test_page_when_many_break_a_limit_then_each_is_reduced_and_limits_are_read_together() -> (
    None
):
    floor = await a_floor(5)
    own = deployment_scope("dep_003")
    tight = RiskLimits(
        scope=own.key,
        version=1,
        deployment=DeploymentLimits(max_daily_loss=Decimal("0.01")),
        reason="a test",
        changed_by="ada",
        changed_at=NOON,
    )
    await floor.change(limits_ref(own), tight)
    await floor.quote("2900")
    asked: list[Ref] = []

    async def listen(operation: str, argument: object) -> None:
        if operation == "get_many" and isinstance(argument, list):
            asked.extend(argument)

    floor.store.before = listen
    await floor.monitor()

    assert set(floor.rows(TRADING_STATE)) >= {own.key}
    assert deployment_scope("dep_002").key not in floor.rows(TRADING_STATE)
    assert asked.count(limits_ref(PLATFORM_SCOPE)) == 1
    assert asked.count(limits_ref(agent_scope("v3", AGENT_ID))) == 1

    floor.store.before = None
    floor.pass_time(minutes=1)
    await floor.quote("2000")
    await floor.monitor()
    reduced = {deployment_scope(name).key for name in names(5)}
    assert set(floor.rows(TRADING_STATE)) >= reduced


@pytest.mark.usefixtures("small_pages")
async def test_tick_when_prices_move_while_it_goes_on_then_each_page_has_its_own() -> None:
    floor = await a_floor(6)
    queries = 0

    async def move(operation: str, argument: object) -> None:
        nonlocal queries
        if operation == "query" and isinstance(argument, Query) and argument.collection == ACCOUNTS:
            queries += 1
            await floor.quote(str(3000 + 100 * queries))

    floor.store.before = move
    await floor.monitor()

    assert equities(floor) == [Decimal(10_100)] * 3 + [Decimal(10_200)] * 3


def test_budget_when_compared_with_the_schedule_then_a_tick_ends_before_the_next() -> None:
    assert timedelta(0) < rounds.BUDGET < timedelta(minutes=1)
    assert replace(rounds.Round(), cursor="x") != rounds.Round()
