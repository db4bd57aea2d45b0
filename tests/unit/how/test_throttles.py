"""R5: too many executions of one symbol disable it, and only a person's name enables it again."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.books import AUDIT, NOTIFICATIONS, ORDER_THROTTLES, OUTBOX
from common.documents import Stored
from common.domain.scope import Scope
from common.errors import ConflictError
from common.how.denial import Denial
from common.how.limit_bounds import REPEATS_MAX
from common.how.limits import Refusal
from common.how.throttles import (
    OrderThrottle,
    after_execution,
    check_throttle,
    enabled_again,
    read_throttle,
    throttle_ref,
    throttle_writes,
)
from common.ports import Document, Ref, Update
from common.wire import to_document
from infra.local.store.memory import MemoryStore
from tests.builders import NOON
from tests.unit.how.risk_desk import AGENT, DEPLOYMENT

TWO_A_MINUTE = ((2, 60),)


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


def after(*seconds: float, repeats: Any = TWO_A_MINUTE, scope: Scope = DEPLOYMENT) -> OrderThrottle:
    throttle = None
    for second in seconds:
        throttle = after_execution(throttle, scope, "ETH", repeats, now=at(second))
    assert throttle is not None
    return throttle


def test_throttle_when_of_a_scope_and_symbol_then_a_document_of_its_own() -> None:
    assert throttle_ref(DEPLOYMENT, "ETH") == Ref(ORDER_THROTTLES, "deployment:dep_1:ETH")
    assert (
        throttle_ref(AGENT, "ETH").id == after(0, scope=AGENT).throttle_id == "agent:v3:swarm:ETH"
    )


def test_executions_when_no_more_than_allowed_then_they_go() -> None:
    assert check_throttle(None) is None
    assert check_throttle(after(0, 1)) is None
    assert check_throttle(after(0, 1, 60, 61, 120)) is None  # the window is open at its old end
    assert check_throttle(after(*range(1000), repeats=())) is None


def test_executions_when_one_is_too_many_then_disabled_with_the_figures() -> None:
    throttle = after(0, 1, 59)
    assert throttle.disabled
    refusal = check_throttle(throttle)
    assert refusal is not None
    assert refusal.code is Denial.REPEATED_EXECUTION_DISABLED
    assert refusal.reason == (
        "ETH: 3 orders within 60 s; the limit is 2; a person must enable deployment:dep_1:ETH"
    )
    assert throttle.changed_at == at(59)


def test_executions_when_disabled_then_no_time_and_no_limit_enables_them() -> None:
    throttle = after(0, 1, 59)
    week = at(7 * 86_400)
    assert after_execution(throttle, DEPLOYMENT, "ETH", ((1000, 1),), now=week) is throttle
    assert after_execution(throttle, DEPLOYMENT, "ETH", (), now=week) is throttle


def test_executions_when_several_limits_hold_then_each_one_disables() -> None:
    both = ((2, 60), (3, 600))
    assert not after(0, 100, 200, repeats=both).disabled
    assert after(0, 100, 200, 300, repeats=both).reason == "4 orders within 600 s; the limit is 3"
    assert after(0, 1, 2, repeats=both).reason == "3 orders within 60 s; the limit is 2"


def test_executions_when_the_clock_steps_back_then_there_is_no_more_room() -> None:
    assert after(3600, 3601, 0).disabled


@given(
    st.lists(st.floats(0, 3000), max_size=60),
    st.lists(st.tuples(st.integers(1, 6), st.integers(1, 900)), min_size=1, max_size=3),
)
def test_executions_when_at_any_times_then_disabled_exactly_when_a_window_holds_too_many(
    seconds: list[float], repeats: list[tuple[int, int]]
) -> None:
    moments = [at(second) for second in sorted(seconds)]
    throttle, gone = None, []
    for moment in moments:
        throttle = after_execution(throttle, DEPLOYMENT, "ETH", repeats, now=moment)
        gone.append(moment)
        expected = any(
            sum(each > moment - timedelta(seconds=window) for each in gone) > most
            for most, window in repeats
        )
        assert throttle.disabled is expected
        assert len(throttle.moments) <= max(most for most, _ in repeats) + 1 <= REPEATS_MAX + 1
        if expected:
            return


# -------------------------------------------------------------------------------- in the store
async def stored(store: MemoryStore, ref: Ref) -> Stored[OrderThrottle]:
    found = read_throttle(await store.get(ref))
    assert isinstance(found, Stored)
    return found


async def test_writes_when_it_is_disabled_then_audited_and_a_person_is_told_once() -> None:
    store, ref = MemoryStore(), throttle_ref(DEPLOYMENT, "ETH")
    writes, messages = throttle_writes(None, after(0, 1))
    assert messages == []
    await store.commit(writes)
    before = await stored(store, ref)
    disabled = after_execution(before.value, DEPLOYMENT, "ETH", TWO_A_MINUTE, now=at(2))
    writes, messages = throttle_writes(before, disabled)
    await store.commit(writes)
    contents = store.contents()
    assert len(messages) == len(contents[NOTIFICATIONS]) == len(contents[OUTBOX]) == 1
    (note,) = contents[NOTIFICATIONS].values()
    assert "deployment dep_1" in note["notification"]["text"]
    (row,) = contents[AUDIT].values()
    assert row["action"] == "throttle-disabled"
    assert row["facts"]["reason"] == "3 orders within 60 s; the limit is 2"
    assert throttle_writes(await stored(store, ref), disabled) == ([], [])


async def test_writes_when_two_executions_race_then_one_must_look_again() -> None:
    store, ref = MemoryStore(), throttle_ref(DEPLOYMENT, "ETH")
    await store.commit(throttle_writes(None, after(0))[0])
    before = await stored(store, ref)
    moved = after_execution(before.value, DEPLOYMENT, "ETH", TWO_A_MINUTE, now=at(1))
    await store.commit(throttle_writes(before, moved)[0])
    with pytest.raises(ConflictError):
        await store.commit(throttle_writes(before, moved)[0])
    with pytest.raises(ConflictError):
        await store.commit(throttle_writes(None, moved)[0])


@pytest.mark.parametrize("damage", [{"disabled": "?"}, {"moments": "?"}, {"something_newer": 1}])
def test_throttle_when_it_cannot_be_read_then_it_refuses(damage: dict[str, Any]) -> None:
    ref = throttle_ref(DEPLOYMENT, "ETH")
    found = read_throttle(Document(ref, {**to_document(after(0)), **damage}, "1"))
    assert isinstance(found, Refusal)
    assert found.code is Denial.REPEATED_EXECUTION_DISABLED
    assert check_throttle(found) is found


def test_enabled_again_when_a_person_says_so_then_open_and_counted_anew() -> None:
    opened = enabled_again(after(0, 1, 2), by="Ada", reason="seen to", now=at(60))
    assert check_throttle(opened) is None
    assert (opened.moments, opened.changed_by, opened.reason) == ((), "Ada", "seen to")
    assert opened.changed_at == at(60)
    writes, messages = throttle_writes(
        Stored(throttle_ref(DEPLOYMENT, "ETH"), after(0), "1"), opened
    )
    assert [type(write) for write in writes] == [Update]
    assert messages == []
    again = after_execution(opened, DEPLOYMENT, "ETH", TWO_A_MINUTE, now=at(61))
    assert again.moments == (at(61),)
