"""The last gate's share of the limits: read anew, with the order already counted."""

from typing import Any

import pytest

from common.domain.scope import PLATFORM_SCOPE
from common.how.denial import Denial
from common.how.last_look import LastLook
from common.how.limit_documents import limits_ref
from common.how.limits import Refusal
from common.how.message_counts import count_message_writes
from common.how.risk_totals import gross_ref, orders_ref, result_ref
from common.ports import Create, Ref
from common.wire import to_document
from infra.local.store.memory import MemoryStore
from tests.builders import AGENT_ID, DEPLOYMENT_ID, NOON
from tests.unit.how.risk_desk import AGENT, DEPLOYMENT, HL, SETTINGS, VENUE, d, some_limits

LOOK = LastLook(book="v3", agent_id=AGENT_ID, deployment_id=DEPLOYMENT_ID, venue=HL, at=NOON)
TIGHT = {"max_exposure": d(100), "max_open_orders": 2, "max_messages_per_minute": 3}


async def verdict(store: MemoryStore, *, adds: bool = True) -> Refusal | None:
    return LOOK.refusal(await store.get_many(LOOK.refs), adds=adds, settings=SETTINGS)


async def a_store(total: dict[str, Any]) -> MemoryStore:
    store = MemoryStore()
    await store.commit([Create(limits_ref(PLATFORM_SCOPE), to_document(some_limits(total=total)))])
    return store


def test_scopes_when_of_an_order_then_the_four_that_have_limits() -> None:
    assert LOOK.scopes == (PLATFORM_SCOPE, VENUE, AGENT, DEPLOYMENT)
    assert len(set(LOOK.refs)) == len(LOOK.refs) == 4 + 12 + 8


async def test_a_look_when_all_is_within_its_limits_then_the_order_may_go() -> None:
    store = await a_store(TIGHT)
    assert await verdict(store) is None
    await store.commit(
        [
            Create(gross_ref(PLATFORM_SCOPE), {"gross_cents": 10_000}),
            Create(orders_ref(PLATFORM_SCOPE), {"open_orders": 2}),
        ]
    )
    for _ in range(3):
        await store.commit(await count_message_writes(store, LOOK.scopes, now=NOON))
    assert await verdict(store) is None


@pytest.mark.parametrize(
    ("ref", "data", "code"),
    [
        (
            gross_ref(PLATFORM_SCOPE),
            {"gross_cents": 10_001},
            Denial.EXPOSURE_EXCEEDS_MAX_OF_SCOPE,
        ),
        (orders_ref(PLATFORM_SCOPE), {"open_orders": 3}, Denial.OPEN_ORDERS_EXCEED_MAX_OF_SCOPE),
        (
            result_ref(PLATFORM_SCOPE, NOON),
            {"result_cents": -101},
            Denial.DAILY_LOSS_EXCEEDED_IN_SCOPE,
        ),
        (gross_ref(PLATFORM_SCOPE), {"gross_cents": "many"}, Denial.LIMITS_MISSING),
    ],
)
async def test_a_look_when_a_total_is_above_its_limit_then_only_what_reduces_may_go(
    ref: Ref, data: dict[str, Any], code: Denial
) -> None:
    store = await a_store({**TIGHT, "max_daily_loss": d(1)})
    await store.commit([Create(ref, data)])
    refusal = await verdict(store)
    assert refusal is not None
    assert refusal.code is code
    assert await verdict(store, adds=False) is None


async def test_a_look_when_there_are_too_many_messages_then_nothing_may_go() -> None:
    store = await a_store(TIGHT)
    for _ in range(4):
        await store.commit(await count_message_writes(store, LOOK.scopes, now=NOON))
    for adds in (True, False):
        refusal = await verdict(store, adds=adds)
        assert refusal is not None
        assert refusal.code is Denial.RATE_LIMIT_EXCEEDED


@pytest.mark.parametrize("scope", [VENUE, AGENT, DEPLOYMENT])
async def test_a_look_when_limits_are_missing_or_broken_then_nothing_may_go(scope: Any) -> None:
    missing = await verdict(MemoryStore(), adds=False)
    assert missing is not None
    assert missing.code is Denial.LIMITS_MISSING
    store = await a_store(TIGHT)
    await store.commit([Create(limits_ref(scope), {"version": 1})])
    for adds in (True, False):
        refusal = await verdict(store, adds=adds)
        assert refusal is not None
        assert refusal.code is Denial.LIMITS_MISSING


async def test_a_look_when_a_limit_was_lowered_meanwhile_then_the_new_one_holds() -> None:
    store = await a_store({})
    await store.commit([Create(gross_ref(AGENT), {"gross_cents": 10_001})])
    assert await verdict(store) is None
    narrow = some_limits(AGENT, total={"max_exposure": d(100)})
    await store.commit([Create(limits_ref(AGENT), to_document(narrow))])
    refusal = await verdict(store)
    assert refusal is not None
    assert refusal.reason == (
        "agent v3:swarm: positions and orders would be $100.01 in all; the limit is $100"
    )
