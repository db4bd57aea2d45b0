"""A step of a flatten: accounts side by side, no silent venue twice, and what a halt keeps open."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import (
    EXPOSURES,
    MARKET_SNAPSHOTS,
    PARENT_ORDERS,
    PLAN_APPROVALS,
    TRADING_STATE,
    V2,
    V3,
    VENUE_MARKETS,
)
from common.documents import create
from common.domain.events import (
    FlattenRequested,
    NotificationRaised,
    ParentOrderDue,
    TradingStateChanged,
)
from common.domain.exposure import Exposure
from common.domain.flatten import FlattenStatus
from common.domain.parent_order import ParentStatus
from common.domain.scope import (
    PLATFORM_SCOPE,
    Scope,
    agent_scope,
    deployment_scope,
    symbol_scope,
    venue_scope,
)
from common.errors import InvalidInputError, TransientError
from common.how.trading_state import TradingState
from common.ports import Create, Query, Ref
from functions.settle.asking import AT_ONCE, SILENT_AFTER
from functions.settle.flattening import AGAIN_AFTER
from tests.builders import AGENT_ID, DEPLOYMENT_ID, PARENT_ID, a_deployment, a_parent
from tests.unit.functions.floor import HL, OSTIUM, Floor
from tests.unit.functions.mishaps import LosesRaces, meanwhile


async def a_floor(accounts: int, **changes: Any) -> Floor:
    """Each long 1 ETH at Hyperliquid, and trading at Ostium too; a flatten of all has begun."""
    floor = await Floor().open()
    for number in range(accounts):
        name = f"dep_{number:03}"
        deployment = replace(a_deployment(name, **changes), enabled_venues=(HL, OSTIUM))
        await floor.store.commit([create(Ref(V3.deployments, name), deployment)])
        await floor.hold("1", deployment_id=name)
    await floor.begin_flatten(by_message=False)
    return floor


async def step(floor: Floor) -> list[object]:
    messages = await floor.settle(FlattenRequested(flatten_id="flt_1"))
    return [message.event for message in messages]


async def next_round(floor: Floor) -> None:
    floor.clock.advance(AGAIN_AFTER.total_seconds())
    await step(floor)
    await floor.drain()


class Callers:
    """How often each question was put to a venue, and how many were under way together."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.most = self._under_way = 0

    async def begun(self, name: str) -> None:
        self.asked[name] += 1
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        for _ in range(3):
            await asyncio.sleep(0)

    async def ended(self, _: str) -> None:
        self._under_way -= 1


# ---------------------------------------------------------------- side by side


async def test_flatten_when_there_are_many_accounts_then_so_many_are_asked_for_at_once() -> None:
    """A hundred at 0.6 s an answer take ten waves, and no venue's wait for another's."""
    floor = await a_floor(100)
    here, there = Callers(), Callers()
    floor.hyperliquid.before, floor.hyperliquid.after = here.begun, here.ended
    floor.ostium.before, floor.ostium.after = there.begun, there.ended

    await step(floor)

    assert here.asked == there.asked == {"query_account": 100}
    assert here.most == there.most == AT_ONCE
    assert len(floor.rows(PLAN_APPROVALS)) == 100
    assert floor.flatten().rounds == 1


@pytest.mark.parametrize("accounts", [5, 100])
async def test_flatten_when_a_venue_is_silent_then_it_costs_one_timeout_and_the_rest_is_closed(
    accounts: int,
) -> None:
    floor = await a_floor(accounts)
    able = replace(floor.ostium.capabilities, request_timeout=timedelta(seconds=0.05))
    floor.ostium.capabilities = able
    asked = 0

    async def silent(_: str) -> None:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()

    floor.ostium.before = silent

    await step(floor)
    await floor.drain()

    assert asked <= min(accounts, AT_ONCE + SILENT_AFTER)
    assert len(floor.rows(PLAN_APPROVALS)) == accounts
    assert not any(floor.hyperliquid.held(f"dep_{number:03}") for number in range(accounts))
    assert floor.flatten().status is FlattenStatus.CLOSING
    assert any("Ostium did not answer a query" in each for each in floor.flatten().remaining)

    floor.ostium.before = None
    await next_round(floor)
    assert floor.flatten().status is FlattenStatus.FLAT


async def test_flatten_when_a_venue_refuses_at_once_then_the_others_are_closed() -> None:
    floor = await a_floor(30)
    floor.ostium.down = True
    calls = Callers()
    floor.ostium.before = calls.begun

    await step(floor)

    assert calls.asked["query_account"] < 30
    assert len(floor.rows(PLAN_APPROVALS)) == 30


async def test_flatten_when_a_venue_cannot_tell_of_some_accounts_then_all_others_are_closed() -> (
    None
):
    """The first ones of the page, each time: they must not hide those behind them."""
    floor = await a_floor(30)
    original = floor.hyperliquid.query_account

    async def told(*, account_id: str) -> Any:
        if account_id < "dep_005":
            raise KeyError("revoked")
        return await original(account_id=account_id)

    floor.hyperliquid.query_account = told  # type: ignore[method-assign]  # a choosy venue

    await step(floor)

    assert len(floor.rows(PLAN_APPROVALS)) == 25
    assert [each[:19] for each in floor.flatten().remaining[:2]] == [
        "dep_000 HYPERLIQUID",
        "dep_001 HYPERLIQUID",
    ]


async def test_flatten_when_the_store_fails_for_one_account_then_it_remains() -> None:
    floor = await a_floor(3)

    async def fails(operation: str, argument: Any) -> None:
        if operation == "get" and argument.collection == PLAN_APPROVALS:
            floor.store.before = None
            raise TransientError("the store is away")

    floor.store.before = fails

    await step(floor)

    assert len(floor.rows(PLAN_APPROVALS)) == 2
    assert sum("the store is away" in each for each in floor.flatten().remaining) == 1


async def test_flatten_when_a_venues_pairs_cannot_be_read_then_the_other_is_closed() -> None:
    floor = await a_floor(1)
    await floor.hold("-2", venue=OSTIUM, deployment_id="dep_000")
    await floor.change(Ref(EXPOSURES, "dep_000"), holding_both(floor))
    await floor.change(Ref(VENUE_MARKETS, HL), {"instruments": 7})

    with pytest.raises(InvalidInputError, match="InstrumentTable HYPERLIQUID"):
        await floor.settle()
    await floor.drain()

    assert floor.ostium.held("dep_000") == 0
    assert "dep_000 HYPERLIQUID ETH 1" in floor.flatten().remaining


def holding_both(floor: Floor) -> Exposure:
    return floor.exposure("dep_000").hold(
        venue=HL, symbol="ETH", signed_qty=Decimal(1), price=Decimal(3000)
    )


# ---------------------------------------------------------------- parent orders


async def test_flatten_when_parents_are_worked_then_each_is_canceled_for_good() -> None:
    floor = await Floor().open()
    await floor.work(a_parent())
    closing = a_parent(parent_order_id="int_closing", reduce_only=True)
    await floor.store.commit([create(Ref(PARENT_ORDERS, "int_closing"), closing)])
    await floor.begin_flatten(by_message=False)

    events = await step(floor)

    assert ParentOrderDue(parent_order_id=PARENT_ID) in events
    for name in (PARENT_ID, "int_closing"):
        parent = floor.parent(name)
        assert (parent.status, parent.reason_code) == (ParentStatus.CANCELING, "FLATTENED")
        assert f"{name} is still being worked" in floor.flatten().remaining
        await floor.advance(name)
    await next_round(floor)
    assert floor.parent().status is ParentStatus.CANCELED
    assert floor.parent("int_closing").status is ParentStatus.CANCELED
    assert floor.flatten().status is FlattenStatus.FLAT


async def test_flatten_when_a_parent_cannot_be_canceled_then_the_positions_are_closed() -> None:
    floor = await a_floor(1)
    await floor.work(a_parent())
    LosesRaces(floor.store, PARENT_ORDERS, count=99)

    await step(floor)

    assert len(floor.rows(PLAN_APPROVALS)) == 1
    assert any("is contended" in each for each in floor.flatten().remaining)
    assert floor.parent().status is ParentStatus.ACTIVE


async def test_flatten_when_a_parent_ends_as_it_is_canceled_then_left_so() -> None:
    floor = await Floor().open()
    await floor.work(a_parent())
    await floor.begin_flatten(by_message=False)
    ended = replace(floor.parent(), status=ParentStatus.CANCELED, reason_code="CANCEL_REQUESTED")
    meanwhile(
        floor.store, PARENT_ORDERS, lambda: floor.change(Ref(PARENT_ORDERS, PARENT_ID), ended)
    )

    await step(floor)

    assert floor.parent().reason_code == "CANCEL_REQUESTED"


# ---------------------------------------------------------------- read once


class Reads:
    def __init__(self, floor: Floor) -> None:
        self.of: Counter[str] = Counter()
        floor.store.before = self._before

    async def _before(self, operation: str, argument: Any) -> None:
        if operation == "get":
            self.of[argument.collection] += 1
        if isinstance(argument, Query) and argument.where and argument.where[0].op == "==":
            self.of[f"{argument.collection} {argument.where[0].path}"] += 1


async def test_flatten_when_many_hold_a_symbol_then_its_price_is_read_once() -> None:
    floor = await a_floor(20)
    reads = Reads(floor)

    await step(floor)

    assert reads.of[MARKET_SNAPSHOTS] == 1
    assert reads.of["venue_markets"] == 1


@pytest.mark.parametrize("deed", ["flatten", "reconcile"])
async def test_settle_when_an_account_is_at_two_venues_then_its_wallet_is_looked_up_once(
    deed: str,
) -> None:
    floor = await Floor(mode="live").open(paper=False)
    user = replace(a_deployment(paper=False), enabled_venues=(HL, OSTIUM))
    await floor.change(Ref(V3.deployments, DEPLOYMENT_ID), user)
    await floor.hold("1")
    await floor.hold("2", venue=OSTIUM)
    if deed == "flatten":
        await floor.begin_flatten(by_message=False)
    reads = Reads(floor)

    await (step(floor) if deed == "flatten" else floor.settle())

    assert [reads.of[f"{book.deployments} user_wallet"] for book in (V2, V3)] == [1, 1]


# ---------------------------------------------------------------- what a halt keeps open

NARROWER = (
    venue_scope(HL),
    agent_scope("v3", AGENT_ID),
    deployment_scope("dep_000"),
    symbol_scope("ETH"),
)


@pytest.mark.parametrize("scope", NARROWER, ids=lambda scope: scope.key)
async def test_flatten_when_a_narrower_scope_is_halted_then_it_is_named_and_nothing_is_planned(
    scope: Scope,
) -> None:
    floor = await a_floor(1)
    await floor.set_state(TradingState.HALTED, scope)

    await step(floor)

    assert floor.rows(PLAN_APPROVALS) == {}
    told = f"dep_000 HYPERLIQUID ETH 1: trading is halted for {scope.label}"
    assert floor.flatten().remaining == (told,)

    await floor.set_state(TradingState.REDUCING, scope)
    await next_round(floor)
    await next_round(floor)
    assert floor.flatten().status is FlattenStatus.FLAT
    assert floor.hyperliquid.held("dep_000") == 0


async def test_flatten_when_a_halt_is_elsewhere_or_over_then_closed() -> None:
    floor = await a_floor(1)
    for scope in (venue_scope(OSTIUM), deployment_scope("dep_9"), symbol_scope("BTC")):
        await floor.set_state(TradingState.HALTED, scope)
    await floor.set_state(TradingState.HALTED, symbol_scope("ETH"), until=floor.clock.now())

    await step(floor)

    assert floor.flatten().remaining == ("dep_000 HYPERLIQUID ETH 1",)
    assert len(floor.rows(PLAN_APPROVALS)) == 1


async def test_flatten_when_a_halt_cannot_be_read_then_it_counts_and_it_is_told() -> None:
    floor = await a_floor(1)
    await floor.store.commit([Create(Ref(TRADING_STATE, "symbol:ETH"), {"state": "HALTED"})])

    with pytest.raises(InvalidInputError, match="TradingStateRecord symbol:ETH"):
        await floor.settle()

    assert floor.rows(PLAN_APPROVALS) == {}
    assert floor.flatten().remaining[0].endswith("trading is halted for symbol ETH")


# ---------------------------------------------------------------- flat


async def test_flatten_when_flat_then_the_halt_is_told_like_any_other() -> None:
    floor = await Floor().open()
    await floor.begin_flatten(by_message=False)

    events = await step(floor)

    assert TradingStateChanged(scope=PLATFORM_SCOPE.key, epoch=3) in events
    assert sum(isinstance(event, NotificationRaised) for event in events) == 2
    assert any("HALTED" in text and text.endswith("flat: a drill") for text in floor.told())


async def test_flatten_when_a_deployment_cannot_be_read_then_never_flat() -> None:
    floor = await a_floor(2)
    await floor.change(Ref(V3.deployments, "dep_000"), {"book": 7})

    await step(floor)

    assert floor.flatten().status is FlattenStatus.CLOSING
    assert [each[:19] for each in floor.flatten().remaining] == [
        "dep_000: Deployment",
        "dep_001 HYPERLIQUID",
    ]
    assert "dep_000" in floor.rows(EXPOSURES)
