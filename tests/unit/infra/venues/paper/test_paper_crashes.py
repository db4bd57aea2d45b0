"""The paper venue under crashes and races: every order's life comes to the same, once."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.domain.order import Order, OrderSide, OrderStatus
from common.errors import RejectedError
from infra.local.store.memory import MemoryStore
from infra.venues.paper.funding import PAPER_FUNDING
from infra.venues.paper.ledger import PAPER_FILLS, PAPER_ORDERS, PAPER_POSITIONS
from infra.venues.paper.resting import PAPER_RESTING
from tests.unit.infra.venues.paper.desk import (
    Desk,
    a_buy,
    a_limit,
    a_sale,
    a_stop,
    a_target,
)

ACCOUNTS = ("dep_1", "dep_2")
LEDGER = (PAPER_ORDERS, PAPER_FILLS, PAPER_POSITIONS, PAPER_RESTING, PAPER_FUNDING)


class KilledError(Exception):
    """kill -9: nothing of the call goes on."""


@dataclass(frozen=True)
class Plan:
    """Orders, then bars of the market, each followed by questions about every order."""

    orders: tuple[Order, ...]
    bars: tuple[tuple[tuple[str, ...], str, int], ...]  # prices, volume, pause before it
    cancels: frozenset[int]  # of these orders, after the first bar


def a_plan_of(seed: int) -> Plan:
    random = Random(seed)
    makers = (a_limit, a_limit, a_stop, a_target, a_buy, a_sale)
    orders = [a_buy(10, "2", account_id=ACCOUNTS[0]), a_buy(11, "3", account_id=ACCOUNTS[1])]
    for number in range(random.randrange(2, 9)):
        order = random.choice(makers)(number)
        order = replace(
            order,
            account_id=random.choice(ACCOUNTS),
            quantity=Decimal(random.randrange(1, 300)) / 100,
            reduce_only=order.reduce_only or random.random() < 0.3,
        )
        if order.order_type == "LIMIT":
            side = random.choice(list(OrderSide))
            away = Decimal(random.randrange(-4, 30)) * -side.sign
            order = replace(order, side=side, price=3000 + away)
        orders.append(order)
    bars = []
    last = 3000
    for _ in range(random.randrange(1, 5)):
        first, last = last, random.randrange(2930, 3070)
        high, low = max(first, last) + random.randrange(9), min(first, last) - random.randrange(9)
        volume = str(random.choice((1, 2, 100)))
        prices = (str(first), str(high), str(low), str(last))
        bars.append((prices, volume, random.choice((0, 0, 7, 30))))
    return Plan(tuple(orders), tuple(bars), frozenset(random.sample(range(2, 11), 2)))


async def begun(plan: Plan, seed: int) -> Desk:
    desk = await Desk(flat_cancels_reduce_only=seed % 2 == 1).open()
    for order in plan.orders:
        await call(desk, "submit", order)
    return desk


async def call(desk: Desk, name: str, order: Order) -> object:
    """As `settle` does: ask again, from another process, until there is an answer."""
    while True:
        try:
            return await getattr(desk.venue(), name)(order)
        except KilledError:
            continue
        except RejectedError as refusal:
            return refusal.code


async def ask_funding(desk: Desk, account_id: str) -> object:
    while True:
        try:
            since = desk.clock.now() - timedelta(days=1)
            return await desk.venue().query_funding(account_id=account_id, since=since)
        except KilledError:
            continue


async def lived(plan: Plan, seed: int, *, kill_at: set[int] | None = None) -> Desk:
    """The whole plan; the store operations with these numbers kill whoever asked for them."""
    desk = await Desk(flat_cancels_reduce_only=seed % 2 == 1).open()
    if kill_at is not None:
        Killer(desk.memory, kill_at)
    for order in plan.orders:
        await call(desk, "submit", order)
    for number, (prices, volume, pause) in enumerate(plan.bars):
        kill, desk.memory.before = desk.memory.before, None
        after, desk.memory.after = desk.memory.after, None
        await desk.trade(*prices, volume=volume, pause=pause)
        desk.memory.before, desk.memory.after = kill, after
        for at, order in enumerate(plan.orders):
            await call(desk, "query_order", order)
            if number == 0 and at in plan.cancels:
                await call(desk, "cancel", order)
        for account in ACCOUNTS:
            await ask_funding(desk, account)
    desk.memory.before = desk.memory.after = None
    return desk


class Killer:
    """Kills before or after the store operations with given numbers."""

    def __init__(self, store: MemoryStore, at: set[int]) -> None:
        self._at = at
        self._count = 0
        store.before = store.after = self._step

    async def _step(self, operation: str, argument: object) -> None:
        self._count += 1
        if self._count in self._at:
            raise KilledError(f"{operation} {argument}"[:200])


def ledger(desk: Desk) -> dict[str, Any]:
    contents = desk.memory.contents()
    return {name: contents.get(name, {}) for name in LEDGER}


def check(desk: Desk) -> None:
    """What must hold of any ledger, whatever has happened."""
    books = ledger(desk)
    fills = list(books[PAPER_FILLS].values())
    told: list[str] = []
    resting = {each["client_order_id"]: each for each in books[PAPER_RESTING].values()}
    for record in books[PAPER_ORDERS].values():
        order, status = record["order"], OrderStatus(record["status"])
        filled = sum((Decimal(fill["last_qty"]) for fill in record["fills"]), Decimal(0))
        told += [fill["trade_id"] for fill in record["fills"]]
        assert filled <= Decimal(order["quantity"])
        assert (status is OrderStatus.FILLED) == (filled == Decimal(order["quantity"]))
        open_order = resting.pop(order["client_order_id"], None)
        assert (open_order is None) == status.is_terminal
        if open_order is not None:
            assert Decimal(open_order["left"]) == Decimal(order["quantity"]) - filled
        bound = Decimal(order["price"])
        sign = OrderSide(order["side"]).sign
        assert all((bound - Decimal(fill["last_px"])) * sign >= 0 for fill in record["fills"])
    assert not resting
    assert sorted(told) == sorted(fill["trade_id"] for fill in fills)
    assert len(set(told)) == len(told)
    for position in books[PAPER_POSITIONS].values():
        mine = [fill for fill in fills if fill["account_id"] == position["account_id"]]
        total = sum(Decimal(one["last_qty"]) * OrderSide(one["side"]).sign for one in mine)
        assert Decimal(position["signed_qty"]) == total


@given(seed=st.integers(0, 10**9), kills=st.sets(st.integers(1, 400), max_size=12))
@settings(deadline=None, max_examples=40)
def test_ledger_when_callers_are_killed_anywhere_then_as_if_none_had_been(
    seed: int, kills: set[int]
) -> None:
    plan = a_plan_of(seed)
    undisturbed = asyncio.run(lived(plan, seed))
    check(undisturbed)
    disturbed = asyncio.run(lived(plan, seed, kill_at=kills))
    assert ledger(disturbed) == ledger(undisturbed)


class Shuffler:
    """Lets other callers in before and after store operations, as its seed says."""

    def __init__(self, store: MemoryStore, random: Random) -> None:
        self._random = random
        store.before = store.after = self._step

    async def _step(self, operation: str, argument: object) -> None:
        for _ in range(self._random.randrange(3)):
            await asyncio.sleep(0)


async def later(call_of: Coroutine[Any, Any, object], turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
    await call_of


async def raced(plan: Plan, seed: int, *, cancels: bool) -> Desk:
    """The same plan with three callers for every question, all at once.

    With cancels the market moves meanwhile too.
    """
    desk = await begun(plan, seed)
    random = Random(seed)
    for prices, volume, pause in plan.bars:
        desk.memory.before = desk.memory.after = None
        moving = desk.trade(*prices, volume=volume, pause=pause)
        if not cancels:
            await moving
        Shuffler(desk.memory, random)
        calls = [call(desk, "query_order", order) for _ in range(3) for order in plan.orders]
        calls += [ask_funding(desk, account) for account in ACCOUNTS]
        if cancels:
            calls += [moving, *(call(desk, "cancel", order) for order in plan.orders[::2])]
        await asyncio.gather(*(later(each, random.randrange(40)) for each in calls))
    desk.memory.before = desk.memory.after = None
    return desk


@given(seed=st.integers(0, 10**9))
@settings(deadline=None, max_examples=40)
def test_ledger_when_many_ask_at_once_then_as_if_one_had_asked(seed: int) -> None:
    plan = replace(a_plan_of(seed), cancels=frozenset())
    alone = asyncio.run(lived(plan, seed))
    assert ledger(asyncio.run(raced(plan, seed, cancels=False))) == ledger(alone)


@given(seed=st.integers(0, 10**9))
@settings(deadline=None, max_examples=40)
def test_ledger_when_cancels_race_with_fills_then_each_order_ends_once_and_the_sums_agree(
    seed: int,
) -> None:
    plan = a_plan_of(seed)
    desk = asyncio.run(raced(plan, seed, cancels=True))
    check(desk)
    records = ledger(desk)[PAPER_ORDERS].values()
    canceled = {order.client_order_id for order in plan.orders[::2]}
    for record in records:
        if record["order"]["client_order_id"] in canceled:
            assert OrderStatus(record["status"]).is_terminal


@pytest.mark.parametrize("seed", [3, 8])
async def test_ledger_when_a_plan_is_lived_twice_then_the_same_bytes(seed: int) -> None:
    plan = a_plan_of(seed)
    assert ledger(await lived(plan, seed)) == ledger(await lived(plan, seed))
