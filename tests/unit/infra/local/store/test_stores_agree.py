"""Seeded histories and queries: SQLite must answer as the memory store does, on every index."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.errors import ConflictError
from common.indexes import INDEXES, Index
from common.ports import (
    Create,
    Delete,
    DocumentStore,
    Increment,
    Query,
    Ref,
    Update,
    Where,
    Write,
)
from infra.local.store.memory import MemoryStore
from infra.local.store.sqlite import SqliteStore

TEXTS = ["", "A", "NEW", "Z", "a", "é", "価", "🚀"]


def some_fields(rng: random.Random, index: Index) -> dict[str, Any]:
    """Text, now and then null or nothing, at the index's paths; anything elsewhere."""
    fields: dict[str, Any] = {"n": rng.randrange(4)}
    fields["any"] = rng.choice([0, 1, True, False, "1", "true", None])
    for path in index.paths:
        if rng.random() < 0.1:
            continue
        *parents, last = path.split(".")
        inner = fields
        for name in parents:
            inner = inner.setdefault(name, {})
        inner[last] = None if rng.random() < 0.1 else rng.choice(TEXTS)
    return fields


async def some_writes(rng: random.Random, index: Index, store: DocumentStore) -> list[Write]:
    writes: list[Write] = []
    for number in rng.sample(range(40), rng.randint(1, 6)):
        ref = Ref(index.collection, f"d{number:02}")
        document = await store.get(ref)
        stale = rng.random() < 0.05
        if document is None or stale:
            writes.append(Create(ref, some_fields(rng, index)))
        elif rng.random() < 0.6:
            writes.append(Update(ref, some_fields(rng, index), document.version))
        elif rng.random() < 0.6:
            writes.append(Increment(ref, rng.choice(["n", "c.d", "any"]), rng.randint(-2, 2)))
        else:
            writes.append(Delete(ref, document.version if rng.random() < 0.5 else None))
    return writes


def some_query(rng: random.Random, index: Index) -> Query:
    order_by = rng.choice([None, index.order_by, "n"])
    where = []
    for path in index.equal:
        if rng.random() < 0.7:
            where.append(Where(path, "==", rng.choice(TEXTS)))
        elif rng.random() < 0.7:
            where.append(Where(path, "in", [rng.choice(TEXTS) for _ in range(3)]))
        else:
            where.append(Where(path, "in", [rng.choice(TEXTS), 1, True]))
    if rng.random() < 0.3:
        where.append(Where("any", "==", rng.choice([0, 1, True, False, "1", "true"])))
    if order_by is not None and rng.random() < 0.5:
        value = rng.randrange(4) if order_by == "n" else rng.choice(TEXTS)
        where.append(Where(order_by, rng.choice(["<", "<=", ">", ">="]), value))
    rng.shuffle(where)
    descending = order_by is not None and rng.random() < 0.5
    return Query(index.collection, tuple(where), order_by, descending, rng.choice([1, 3, 10, 100]))


async def all_pages(store: DocumentStore, query: Query) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    while True:
        page = await store.query(query)
        found += [(document.ref.id, document.data) for document in page.documents]
        if page.next_cursor is None:
            return found
        query = replace(query, cursor=page.next_cursor)


async def outcome(store: DocumentStore, writes: list[Write]) -> str:
    try:
        await store.commit(writes)
    except ConflictError as error:
        return f"conflict on {error.document_id}"
    return "done"


@pytest.mark.parametrize("seed", range(3))
async def test_sqlite_when_given_the_same_history_then_answers_as_memory_does(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    memory, sqlite = MemoryStore(), SqliteStore(tmp_path / "documents.sqlite")
    matched = conflicts = 0
    for index in INDEXES:
        for _ in range(12):
            writes = await some_writes(rng, index, memory)
            theirs = [await with_its_versions(sqlite, write) for write in writes]
            result = await outcome(memory, writes)
            assert await outcome(sqlite, theirs) == result
            conflicts += result != "done"
        for _ in range(20):
            query = some_query(rng, index)
            expected = await all_pages(memory, query)
            assert await all_pages(sqlite, query) == expected, query
            assert await sqlite.count(query) == len(expected) == await memory.count(query)
            matched += len(expected)
    sqlite.close()
    assert matched > 500
    assert conflicts > 10


async def with_its_versions(store: DocumentStore, write: Write) -> Write:
    """Versions are each store's own."""
    if isinstance(write, Update | Delete) and write.version is not None:
        document = await store.get(write.ref)
        assert document is not None
        return replace(write, version=document.version)
    return write
