"""The message rate: counted by everybody at once, and never passed by more than it may be."""

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.books import MESSAGE_COUNTS
from common.domain.scope import PLATFORM_SCOPE
from common.errors import TransientError
from common.how.denial import Denial
from common.how.effective_limits import EffectiveLimits
from common.how.message_counts import (
    KEPT,
    MessageCount,
    check_rate,
    count_message_writes,
    count_ref,
    count_refs,
    read_count,
    read_counts,
)
from common.ports import Create, Document, Increment, Ref
from infra.local.store.memory import MemoryStore
from tests.builders import NOON
from tests.unit.how.risk_desk import AGENT, DEPLOYMENT, VENUE, in_force, some_limits

SCOPES = (PLATFORM_SCOPE, VENUE, AGENT, DEPLOYMENT)


def at(second: int) -> datetime:
    return NOON + timedelta(seconds=second)


def rate(per_second: int | None = None, per_minute: int | None = None) -> EffectiveLimits:
    """Of the platform alone."""
    total = {"max_messages_per_second": per_second, "max_messages_per_minute": per_minute}
    return in_force(total=total, deployment={"max_messages_per_minute": None})


async def send(store: MemoryStore, now: datetime, times: int = 1) -> None:
    for _ in range(times):
        await store.commit(await count_message_writes(store, SCOPES, now=now))


async def counted(store: MemoryStore, now: datetime) -> MessageCount:
    found = await read_counts(store, SCOPES, now=now)
    assert len(set(found.values())) == 1  # every scope counts every message
    return found[PLATFORM_SCOPE.key]


def test_refs_when_of_a_minute_then_this_one_and_those_beside_it() -> None:
    assert count_ref(VENUE, NOON) == Ref(MESSAGE_COUNTS, "venue:HYPERLIQUID:202601151200")
    assert [ref.id[-4:] for ref in count_refs(VENUE, NOON)] == ["1200", "1159", "1201"]


async def test_counts_when_messages_go_then_by_second_and_over_a_sliding_minute() -> None:
    store = MemoryStore()
    await send(store, at(0), 2)
    await send(store, at(59), 3)
    assert await counted(store, at(59)) == MessageCount(3, 5)
    await send(store, at(60))
    assert await counted(store, at(60)) == MessageCount(1, 6)  # the 60 s since at(0) hold them all
    assert await counted(store, at(61)) == MessageCount(0, 4)
    assert await counted(store, at(120)) == MessageCount(0, 1)
    assert await counted(store, at(121)) == MessageCount(0, 0)


async def test_counts_when_the_clock_steps_back_then_what_lies_ahead_counts() -> None:
    store = MemoryStore()
    await send(store, at(30), 4)
    assert await counted(store, at(10)) == MessageCount(0, 4)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 200_000), max_size=40))
async def test_counts_when_looked_at_any_time_then_no_minute_holds_more_than_they_say(
    millis: list[int],
) -> None:
    """The window is never too short, and at most a second too long."""
    store = MemoryStore()
    moments = [NOON + timedelta(milliseconds=each) for each in sorted(millis)]
    for place, moment in enumerate(moments):
        await send(store, moment)
        found = await counted(store, moment)
        so_far = moments[: place + 1]
        true = sum(each > moment - timedelta(seconds=60) for each in so_far)
        most = sum(each > moment - timedelta(seconds=61) for each in so_far)
        assert true <= found.last_minute <= most + 1


async def test_writes_when_a_minute_is_new_then_its_documents_are_there_before_and_expire() -> None:
    store = MemoryStore()
    seen: list[Create] = []

    async def watch(operation: str, argument: Any) -> None:
        if operation == "commit":
            seen.extend(argument)

    store.before = watch
    writes = await count_message_writes(store, SCOPES, now=at(7))
    assert writes == [Increment(count_ref(scope, NOON), "seconds.s07") for scope in SCOPES]
    assert all(isinstance(write, Create) for write in seen)
    assert [write.ref for write in seen] == [write.ref for write in writes]
    assert {write.expires_at for write in seen} == {at(7) + KEPT}
    assert await count_message_writes(store, SCOPES, now=at(8)) != writes
    assert len(seen) == len(SCOPES)


async def test_writes_when_two_begin_a_minute_then_neither_fails_and_both_count() -> None:
    store = MemoryStore()

    async def interleave(operation: str, argument: Any) -> None:
        await asyncio.sleep(0)

    store.before = store.after = interleave
    await asyncio.gather(*(send(store, NOON) for _ in range(5)))
    assert await counted(store, NOON) == MessageCount(5, 5)


async def test_writes_when_the_store_does_not_answer_then_nothing_is_counted() -> None:
    async def fail(operation: str, argument: Any) -> None:
        raise TransientError("no store")

    store = MemoryStore(before=fail)
    with pytest.raises(TransientError):
        await count_message_writes(store, SCOPES, now=NOON)


# ------------------------------------------------------------------------------------ the limits
def verdict(found: MessageCount, limits: EffectiveLimits, *, counted: bool = False) -> Any:
    counts = {scope.key: found for scope in SCOPES}
    return check_rate(counts, limits, DEPLOYMENT, counted=counted)


def test_rate_when_another_message_is_one_too_many_then_refused() -> None:
    assert verdict(MessageCount(4, 9), rate(5, 10)) is None
    refusal = verdict(MessageCount(5, 5), rate(5, 10))
    assert refusal is not None
    assert refusal.code is Denial.RATE_LIMIT_EXCEEDED
    assert refusal.reason == "the platform: messages=6 in a second, max=5"
    late = verdict(MessageCount(0, 10), rate(5, 10))
    assert late.reason == "the platform: messages=11 in a minute, max=10"


def test_rate_when_the_message_is_counted_already_then_only_what_is_above_is_refused() -> None:
    assert verdict(MessageCount(5, 10), rate(5, 10), counted=True) is None
    assert verdict(MessageCount(6, 10), rate(5, 10), counted=True) is not None
    assert verdict(MessageCount(5, 11), rate(5, 10), counted=True) is not None


@pytest.mark.parametrize("scope", [VENUE, AGENT, DEPLOYMENT])
def test_rate_when_a_narrower_scope_has_a_limit_then_that_one_counts(scope: Any) -> None:
    if scope == DEPLOYMENT:
        limits = in_force(deployment={"max_messages_per_minute": 3})
    else:
        limits = in_force(some_limits(scope, total={"max_messages_per_minute": 3}))
    counts = {each.key: MessageCount() for each in SCOPES}
    assert check_rate(counts, limits, DEPLOYMENT) is None
    refusal = check_rate({**counts, scope.key: MessageCount(1, 3)}, limits, DEPLOYMENT)
    assert refusal is not None
    assert refusal.reason == f"{scope.label}: messages=4 in a minute, max=3"


def test_rate_when_there_is_no_limit_then_nothing_is_asked() -> None:
    assert check_rate({}, rate(), DEPLOYMENT) is None


@pytest.mark.parametrize(
    "data",
    [{}, {"seconds": None}, {"seconds": {"s00": "1"}}, {"seconds": {"s": 1}}, {"seconds": []}],
)
def test_rate_when_a_count_cannot_be_read_then_refused(data: dict[str, Any]) -> None:
    broken = [Document(count_ref(PLATFORM_SCOPE, NOON), data, "1"), None]
    found = read_count(broken, NOON)
    assert found.problem
    refusal = verdict(found, rate(per_minute=10))
    assert refusal is not None
    assert refusal.code is Denial.RATE_LIMIT_EXCEEDED
    assert check_rate({}, rate(per_minute=10), DEPLOYMENT) is not None


@settings(max_examples=40)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32))
async def test_rate_when_executors_race_then_the_gate_lets_no_more_through_than_the_limit(
    executors: int, limit: int, seed: int
) -> None:
    """Look, count, look again: whatever the order of their steps, the limit holds."""
    dice, store, limits = random.Random(seed), MemoryStore(), rate(per_minute=limit)

    async def interleave(operation: str, argument: Any) -> None:
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)

    store.before = store.after = interleave

    async def executor() -> bool:
        if check_rate(await read_counts(store, SCOPES, now=NOON), limits, DEPLOYMENT) is not None:
            return False
        await send(store, NOON)
        counts = await read_counts(store, SCOPES, now=NOON)
        return check_rate(counts, limits, DEPLOYMENT, counted=True) is None

    sent = await asyncio.gather(*(executor() for _ in range(executors)))
    assert sum(sent) <= limit
    if executors <= limit:
        assert all(sent)
