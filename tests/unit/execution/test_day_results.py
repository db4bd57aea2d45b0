"""The day's result of an agent and of the platform: the sum over its deployments, day by day."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from common.domain.account import Account
from common.domain.scope import PLATFORM_SCOPE, agent_scope
from common.execution.accounts import open_account
from common.execution.day_results import KEPT, day_result_writes
from common.how.risk_totals import read_totals, result_ref, totals_refs
from common.ports import Create
from infra.local.store.memory import MemoryStore
from tests.builders import NOON, a_deployment

AGENT = agent_scope("v3", "swarm")


def an_account(
    deployment_id: str = "dep_1", result: object = 0, day: str = "2026-01-15"
) -> Account:
    account = open_account(a_deployment(deployment_id), NOON)
    return replace(account, day=day, equity=account.day_start_equity + Decimal(str(result)))


async def result_of(store: MemoryStore, day: int = 15) -> int:
    moment = NOON + timedelta(days=day - 15)
    found = [
        read_totals(await store.get_many(totals_refs(scope, moment))).result_cents
        for scope in (PLATFORM_SCOPE, AGENT)
    ]
    assert found[0] == found[1]
    return found[0]


async def mark(store: MemoryStore, before: Account | None, after: Account) -> None:
    await store.commit(await day_result_writes(store, [(before, after)]))


async def test_results_when_a_deployment_loses_then_down_to_the_cent() -> None:
    store = MemoryStore()
    await mark(store, None, an_account(result="-10.001"))
    assert await result_of(store) == -1001
    await mark(store, an_account(result="-10.001"), an_account(result="4.999"))
    assert await result_of(store) == 499


async def test_results_when_nothing_changes_then_nothing_is_written() -> None:
    store = MemoryStore()
    assert await day_result_writes(store, [(None, an_account())]) == []
    same = an_account(result=5)
    assert await day_result_writes(store, [(same, replace(same, cash=Decimal(1)))]) == []
    assert await day_result_writes(store, [(None, an_account(result=5, day=""))]) == []
    assert store.contents() == {}


async def test_results_when_several_are_marked_together_then_each_total_has_one_write() -> None:
    store = MemoryStore()
    marks = [(None, an_account("dep_1", 5)), (None, an_account("dep_2", "-2.001"))]
    later = (None, an_account("dep_3", 7, "2026-01-16"))

    writes = await day_result_writes(store, [*marks, later])

    assert len({write.ref for write in writes}) == len(writes) == 4
    await store.commit(writes)
    assert (await result_of(store), await result_of(store, 16)) == (299, 700)
    evened = [(None, an_account("dep_1", 5)), (None, an_account("dep_2", -5))]
    assert await day_result_writes(store, evened) == []


async def test_results_when_a_day_begins_then_it_begins_at_nothing() -> None:
    store = MemoryStore()
    old = an_account(result=-50)
    await mark(store, None, old)
    await mark(store, old, an_account(result=-7, day="2026-01-16"))
    assert await result_of(store) == -5000
    assert await result_of(store, 16) == -700
    assert await result_of(store, 17) == 0


async def test_results_when_their_day_is_long_over_then_they_may_go() -> None:
    store = MemoryStore()
    expiries: list[datetime | None] = []

    async def watch(operation: str, argument: object) -> None:
        if operation == "commit" and isinstance(argument, list):
            expiries.extend(each.expires_at for each in argument if isinstance(each, Create))

    store.before = watch
    await day_result_writes(store, [(None, an_account(result=1))])
    midnight = NOON.replace(hour=0)
    assert expiries == [midnight + KEPT] * 2
    assert result_ref(AGENT, NOON) == result_ref(AGENT, midnight)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["dep_1", "dep_2"]),
            st.integers(0, 2),
            st.decimals("-9999", "9999", places=4),
        ),
        max_size=20,
    )
)
def test_results_when_accounts_are_marked_at_any_time_then_each_day_is_the_sum_of_its_last_marks(
    marks: list[tuple[str, int, Decimal]],
) -> None:
    async def run() -> None:
        store, accounts = MemoryStore(), dict[str, Account]()
        last: dict[tuple[str, int], Decimal] = {}
        for name, day, result in sorted(marks, key=lambda each: each[1]):
            after = an_account(name, result, f"2026-01-{15 + day}")
            await mark(store, accounts.get(name), after)
            accounts[name] = after
            last[name, day] = result
        for day in range(3):
            of_day = (result for (_, marked), result in last.items() if marked == day)
            expected = sum(int((each * 100).to_integral_value(ROUND_FLOOR)) for each in of_day)
            assert await result_of(store, 15 + day) == expected

    asyncio.run(run())
