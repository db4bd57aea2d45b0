"""The hooks that let a simulation fail a store, and the whole-state comparison."""

from collections.abc import Sequence

import pytest

from common.errors import TransientError
from common.ports import Create, Increment, Query, Ref, Write
from infra.local.store.memory import MemoryStore

REF = Ref("orders", "o-1")


async def test_before_when_it_raises_then_nothing_was_applied() -> None:
    async def fail(operation: str, detail: object) -> None:
        raise TransientError(f"{operation} never arrived")

    store = MemoryStore(before=fail)
    with pytest.raises(TransientError, match="commit never arrived"):
        await store.commit([Create(REF, {"n": 1})])
    store.before = None
    assert await store.get(REF) is None


async def test_after_when_it_raises_then_the_commit_was_applied() -> None:
    async def lose(operation: str, detail: object) -> None:
        if operation == "commit":
            raise TransientError("the answer was lost")

    store = MemoryStore(after=lose)
    with pytest.raises(TransientError, match="lost"):
        await store.commit([Create(REF, {"n": 1})])
    document = await store.get(REF)
    assert document is not None
    assert document.data == {"n": 1}


async def test_hooks_when_each_operation_runs_then_see_it_with_its_argument() -> None:
    seen: list[tuple[str, object]] = []

    async def note(operation: str, detail: object) -> None:
        seen.append((operation, detail))

    store = MemoryStore(before=note, after=note)
    writes: Sequence[Write] = [Create(REF, {})]
    query = Query("orders")
    await store.commit(writes)
    await store.get(REF)
    await store.get_many([REF])
    await store.query(query)
    await store.count(query)
    expected = [
        ("commit", writes),
        ("get", REF),
        ("get_many", [REF]),
        ("query", query),
        ("count", query),
    ]
    assert seen == [pair for pair in expected for _ in range(2)]


async def test_contents_when_read_then_a_sorted_copy_of_everything() -> None:
    store = MemoryStore()
    assert store.contents() == {}
    await store.commit([Create(Ref("orders", "b"), {"n": 1}), Create(Ref("audit", "x"), {})])
    await store.commit([Create(Ref("orders", "a"), {"m": {"n": 2}})])
    contents = store.contents()
    assert contents == {"audit": {"x": {}}, "orders": {"a": {"m": {"n": 2}}, "b": {"n": 1}}}
    assert [list(contents), list(contents["orders"])] == [["audit", "orders"], ["a", "b"]]
    contents["orders"]["a"]["m"]["n"] = 9
    assert store.contents()["orders"]["a"] == {"m": {"n": 2}}


async def test_increment_when_the_sum_leaves_64_bits_then_stops_at_the_edge() -> None:
    store = MemoryStore()
    await store.commit([Create(REF, {"n": 2**63 - 2, "yes": True})])
    await store.commit([Increment(REF, "n", 5)])
    await store.commit([Increment(REF, "yes", 1)])  # true is no number
    document = await store.get(REF)
    assert document is not None
    assert document.data == {"n": 2**63 - 1, "yes": 1}
