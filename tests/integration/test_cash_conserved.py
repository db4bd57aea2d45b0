"""Not a cent is made or lost: five hundred recorded candles of six symbols, two accounts, every
algorithm that the matrix chooses, stops that fill, funding each hour; all exact in Decimal.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, localcontext

import pytest

from common.books import (
    ACCOUNTS,
    EQUITY_DAYS,
    FILLS,
    FUNDING_PAYMENTS,
    ORDER_INTENTS,
    PARENT_ORDERS,
    V3,
)
from common.config import ExecutionSettings, Settings, SwarmSettings
from common.documents import create
from common.domain.account import Account
from common.domain.instrument import Venue
from common.domain.market import MarketSnapshot
from common.domain.moment import EPOCH
from common.domain.money import ZERO
from common.domain.order import Fill, FillRecord, OrderIntent, OrderPurpose
from common.domain.parent_order import ParentOrder
from common.domain.position import EXACT, Position
from common.ports import FundingPayment, MarketFeed, Ref
from common.reporting.equity_days import PLATFORM, EquityDay, equity_day_id
from common.wire import from_document
from infra.local.replay import Pipeline
from infra.local.stack.figures import latest_marks
from infra.local.stack.seed_agents import DEPLOYMENT_ID
from tests.builders import a_deployment
from tests.integration.harness import Replay, recording, running

pytestmark = pytest.mark.xdist_group("cash_conserved")  # one replay for all of them

TICKS = 500
EVERY = 50  # ticks
SMALL = "dep_small"
VENUES = (Venue.HYPERLIQUID, Venue.GMX)
FUNDING_8H = Decimal("0.0008")  # a hundredth of a per cent each hour
EAGER = SwarmSettings(
    threshold_act=Decimal("0.45"),
    threshold_hold=Decimal("0.1"),
    stop_percentage=Decimal("0.8"),
)
WORKED = ExecutionSettings(
    small_fraction=Decimal("0.00002"),
    large_fraction=Decimal("0.0002"),
    duration_s=60,
    slices=2,
    visible_fraction=Decimal("0.34"),
)
"""So that the swarm acts often, most of its orders are worked, and stops are near."""


@dataclass(slots=True)
class PayingFeed:
    """Recorded candles tell no funding rate; here longs pay one."""

    feed: MarketFeed
    label: str = "recorded candles, and longs pay"

    async def snapshot(self, symbol: str, *, candles: int) -> MarketSnapshot:
        found = await self.feed.snapshot(symbol, candles=candles)
        return replace(found, funding_rate_8h=FUNDING_8H)


@dataclass
class Halting:
    """Fits `Pipeline`: before each bar that is a multiple of `EVERY`, everybody may look."""

    stack: Pipeline
    look: Callable[[datetime], Awaitable[None]]
    bars: int = field(default=0)

    async def run_job(self, job: str, scheduled_at: datetime) -> None:
        if job == "fetch_market":
            if self.bars and self.bars % EVERY == 0:
                await self.look(scheduled_at)
            self.bars += 1
        await self.stack.run_job(job, scheduled_at)

    async def idle(self) -> None:
        await self.stack.idle()


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything that money follows from, as it stands in the store, and the last marks."""

    accounts: Mapping[str, Account]
    positions: Sequence[Position]
    fills: Sequence[FillRecord]
    funding: Sequence[FundingPayment]
    marks: Mapping[str, Decimal]

    def of(self, deployment_id: str) -> "Ledger":
        return Ledger(
            {deployment_id: self.accounts[deployment_id]},
            [each for each in self.positions if each.deployment_id == deployment_id],
            [each for each in self.fills if each.deployment_id == deployment_id],
            [each for each in self.funding if each.account_id == deployment_id],
            self.marks,
        )


async def ledger_of(replay: Replay) -> Ledger:
    accounts = [from_document(Account, each.data) for each in await replay.documents(ACCOUNTS)]
    return Ledger(
        {each.deployment_id: each for each in accounts},
        [from_document(Position, each.data) for each in await replay.documents(V3.positions)],
        [from_document(FillRecord, each.data) for each in await replay.documents(FILLS)],
        [
            from_document(FundingPayment, each.data)
            for each in await replay.documents(FUNDING_PAYMENTS)
        ],
        await latest_marks(replay.store),
    )


def held_by_fills(ledger: Ledger) -> dict[tuple[str, str, str], Decimal]:
    """Signed base units by account, venue and symbol."""
    held: dict[tuple[str, str, str], Decimal] = defaultdict(lambda: ZERO)
    for record in ledger.fills:
        fill = record.fill
        place = (record.deployment_id, fill.venue.value, fill.symbol)
        held[place] += fill.side.sign * (fill.last_qty - fill.base_withheld)
    return held


def cash_of(fill: Fill) -> Decimal:
    """What it brought (negative: took) in quote currency."""
    traded = fill.last_px * (fill.last_qty - fill.base_withheld)
    return -fill.side.sign * traded - fill.commission


def cash_by_fills(ledger: Ledger) -> Decimal:
    """Start, and what each fill and each funding payment has moved."""
    start = sum((each.starting for each in ledger.accounts.values()), ZERO)
    moved = sum((cash_of(each.fill) for each in ledger.fills), ZERO)
    return start + moved + sum((each.amount for each in ledger.funding), ZERO)


def equity_by_cash(ledger: Ledger) -> Decimal:
    """The fills' cash, and what they hold at the marks. No account and no position is asked."""
    held = held_by_fills(ledger)
    return cash_by_fills(ledger) + sum(
        (quantity * ledger.marks[symbol] for (_, _, symbol), quantity in held.items()), ZERO
    )


def equity_by_results(ledger: Ledger) -> Decimal:
    """start + realised + unrealised - fees + funding, by the positions' word."""
    start = sum((each.starting for each in ledger.accounts.values()), ZERO)
    realized = sum((each.realized_pnl for each in ledger.positions), ZERO)
    unrealized = sum(
        (each.unrealized_pnl(ledger.marks[each.symbol]) for each in ledger.positions), ZERO
    )
    fees = sum((each.commissions for each in ledger.positions), ZERO)
    funding = sum((each.amount for each in ledger.funding), ZERO)
    return start + realized + unrealized - fees + funding


def assert_conserved(ledger: Ledger) -> None:
    """Of each account by itself, and of all together."""
    parts = [ledger.of(name) for name in ledger.accounts]
    with localcontext(EXACT):
        for part in (*parts, ledger):
            accounts = part.accounts.values()
            assert equity_by_results(part) == equity_by_cash(part)
            assert sum((each.cash for each in accounts), ZERO) == cash_by_fills(part)
            assert sum((each.realized_pnl for each in accounts), ZERO) == sum(
                (each.realized_pnl for each in part.fills), ZERO
            )
            assert sum((each.commissions for each in accounts), ZERO) == sum(
                (each.fill.commission for each in part.fills), ZERO
            )
            assert sum((each.funding for each in accounts), ZERO) == sum(
                (each.amount for each in part.funding), ZERO
            )
        assert sum(map(equity_by_cash, parts), ZERO) == equity_by_cash(ledger)


def assert_positions_are_their_fills(ledger: Ledger) -> None:
    by_position: dict[str, list[FillRecord]] = defaultdict(list)
    for record in ledger.fills:
        by_position[record.position_id].append(record)
    held = held_by_fills(ledger)
    with localcontext(EXACT):
        for position in ledger.positions:
            fills = by_position.pop(position.position_id)
            place = (position.deployment_id, position.venue.value, position.symbol)
            assert position.signed_qty == held[place]
            assert position.fill_count == len(fills)
            assert position.realized_pnl == sum((each.realized_pnl for each in fills), ZERO)
            assert position.commissions == sum((each.fill.commission for each in fills), ZERO)
    assert not by_position


async def assert_parents_are_their_children(replay: Replay, ledger: Ledger) -> None:
    intents = [
        from_document(OrderIntent, each.data) for each in await replay.documents(ORDER_INTENTS)
    ]
    of_children: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for intent in intents:
        of_children[intent.plan.parent_order_id] += intent.filled_qty
    filled: dict[str, list[Fill]] = defaultdict(list)
    for record in ledger.fills:
        filled[record.parent_order_id].append(record.fill)
    for document in await replay.documents(PARENT_ORDERS):
        parent = from_document(ParentOrder, document.data)
        fills = filled[parent.parent_order_id]
        with localcontext(EXACT):
            quantity = sum((each.last_qty for each in fills), ZERO)
            notional = sum((each.last_qty * each.last_px for each in fills), ZERO)
            commissions = sum((each.commission for each in fills), ZERO)
            assert parent.filled_qty == quantity == of_children[parent.parent_order_id]
            assert (parent.filled_notional, parent.commissions) == (notional, commissions)
            assert parent.filled_qty + parent.open_qty <= parent.quantity


@dataclass
class Run:
    """What was seen on the way, each already found to be conserved, and the end."""

    ledgers: list[Ledger] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    algorithms: Counter[str] = field(default_factory=Counter)  # of parents that filled something


async def eager_replay() -> Run:
    recorded, run = recording(), Run()
    swarm = replace(EAGER, symbols=recorded.feed.symbols)
    settings = Settings(feed="replay", swarm=swarm, execution=WORKED, venues=VENUES)
    replay = Replay(recorded, None, TICKS, settings=settings, feed=PayingFeed(recorded.feed))

    async def look(moment: datetime) -> None:
        ledger = await ledger_of(replay)
        assert_conserved(ledger)
        assert_positions_are_their_fills(ledger)
        await assert_parents_are_their_children(replay, ledger)
        await assert_marked_so(replay, ledger, moment)
        run.ledgers.append(ledger)

    replay.drive(Halting(replay.stack, look))
    small = a_deployment(
        SMALL,
        agent_id="swarm",
        capital=Decimal(3000),
        enabled_venues=VENUES,
        created_at=EPOCH,
    )
    await replay.store.commit([create(Ref(V3.deployments, SMALL), small)])
    async with running(replay):
        result = await replay.run()
        assert (result.ticks, result.complete) == (TICKS, True)
        await look(recorded.clock.now())
        run.problems = (await replay.stack.check()).problems
    for document in await replay.documents(PARENT_ORDERS):
        parent = from_document(ParentOrder, document.data)
        run.algorithms[parent.exec_algorithm_id] += parent.filled_qty > 0
    return run


async def assert_marked_so(replay: Replay, before: Ledger, moment: datetime) -> None:
    """`monitor` makes the same of it: each account's equity, and the platform's curve."""
    await replay.stack.run_job("monitor", moment)
    after = await ledger_of(replay)
    with localcontext(EXACT):
        for name in before.accounts:
            assert after.accounts[name].equity == equity_by_cash(before.of(name))
        day = next(
            from_document(EquityDay, each.data)
            for each in await replay.documents(EQUITY_DAYS)
            if each.ref.id == equity_day_id(PLATFORM, moment)
        )
        assert day.points[-1].equity == equity_by_cash(before)
    await replay.stack.idle()


@pytest.fixture(scope="module")
def run() -> Run:
    return asyncio.run(eager_replay())


def test_replay_when_it_trades_a_lot_then_cash_is_conserved_to_the_last_digit(run: Run) -> None:
    """Each ledger was held to it while it was current: see `look`."""
    last = run.ledgers[-1]
    assert len(run.ledgers) == TICKS // EVERY
    assert run.problems == []
    assert len(last.marks) == len({each.symbol for each in last.positions}) == 6
    assert all(len(last.of(name).fills) >= 100 for name in (DEPLOYMENT_ID, SMALL))
    assert len(last.fills) >= 300
    exits = [each for each in last.fills if each.purpose is not OrderPurpose.ENTRY]
    assert len(exits) >= 30
    assert all(account.funding for account in last.accounts.values())
    assert sum(count > 0 for count in run.algorithms.values()) >= 3
    assert all(0 < account.trips_won < account.trips for account in last.accounts.values())


@pytest.mark.parametrize("place", [0, -1])
def test_ledger_when_one_fill_is_off_by_the_last_digit_then_it_is_seen(
    run: Run, place: int
) -> None:
    """So the equalities above can fail."""
    last = run.ledgers[-1]
    fills = list(last.fills)
    fill = fills[place].fill
    off = replace(fill, last_px=fill.last_px + Decimal("1e-12"))
    fills[place] = replace(fills[place], fill=off)
    with pytest.raises(AssertionError):
        assert_conserved(replace(last, fills=fills))
