"""What the contract suite cannot see: the file, other processes, and sudden death."""

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.errors import ConfigurationError, ConflictError, TransientError
from common.indexes import INDEXES, Index
from common.ports import Create, Increment, Query, Ref, Update, Where
from infra.local.store import sqlite_file
from infra.local.store.sqlite import SqliteStore
from infra.local.store.sqlite_queries import page_sql

REPOSITORY = Path(__file__).resolve().parents[5]

COMMITTER = """
import asyncio, sys
from common.ports import Create, Increment, Ref
from infra.local.store.sqlite import SqliteStore

async def main():
    store = SqliteStore(sys.argv[1])
    await store.commit([Create(Ref("counters", "c"), {"n": 0})])
    for number in range(1_000_000):
        parts = [Create(Ref("parts", f"{number:07}-{part}"), {"x": "y" * 500}) for part in range(3)]
        await store.commit([*parts, Increment(Ref("counters", "c"), "n")])
        print(number, flush=True)

asyncio.run(main())
"""

COUNTER = """
import asyncio, sys
from common.errors import ConflictError
from common.ports import Create, Increment, Ref, Update
from infra.local.store.sqlite import SqliteStore

async def main():
    store = SqliteStore(sys.argv[1])
    try:
        await store.commit([Create(Ref("counters", "c"), {"sum": 0, "set": 0})])
    except ConflictError:
        pass
    print("ready", flush=True)
    sys.stdin.readline()
    done = 0
    while done < 100:
        await store.commit([Increment(Ref("counters", "c"), "sum")])
        document = await store.get(Ref("counters", "c"))
        try:
            update = Update(document.ref, {"set": document.data["set"] + 1}, document.version)
            await store.commit([update])
        except ConflictError:
            await store.commit([Increment(Ref("counters", "c"), "sum", -1)])
        else:
            done += 1
    store.close()

asyncio.run(main())
"""


def start(script: str, path: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "s" / "documents.sqlite")
    yield opened
    opened.close()


@pytest.mark.parametrize("acknowledged", [1, 37, 400])
async def test_commit_when_the_process_is_killed_then_what_was_acknowledged_stands(
    tmp_path: Path, acknowledged: int
) -> None:
    path = tmp_path / "documents.sqlite"
    with start(COMMITTER, path) as process:
        assert process.stdout is not None
        last = -1
        for line in process.stdout:
            last = int(line)
            if last + 1 >= acknowledged:
                break
        process.send_signal(signal.SIGKILL)
        unread = process.stdout.read().split()
        assert process.wait() == -signal.SIGKILL
    if unread:
        last = int(unread[-1])

    store = SqliteStore(path)
    counter = await store.get(Ref("counters", "c"))
    assert counter is not None
    commits = counter.data["n"]
    assert commits in {last + 1, last + 2}  # the last one may have died before it could tell
    expected = [f"{n:07}-{part}" for n in range(commits) for part in range(3)]
    page = await store.query(Query("parts", limit=len(expected) + 10))
    assert [document.ref.id for document in page.documents] == expected
    await store.commit([Increment(Ref("counters", "c"), "n")])
    store.close()


async def test_commit_when_two_processes_contend_then_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "documents.sqlite"
    with start(COUNTER, path) as first, start(COUNTER, path) as second:
        for process in (first, second):
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stdout.readline() == "ready\n"
        for process in (first, second):
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        assert (first.wait(60), second.wait(60)) == (0, 0)
    store = SqliteStore(path)
    document = await store.get(Ref("counters", "c"))
    assert document is not None
    assert document.data == {"sum": 200, "set": 200}
    store.close()


async def test_store_when_opened_twice_then_both_see_each_commit(
    store: SqliteStore, tmp_path: Path
) -> None:
    other = SqliteStore(tmp_path / "s" / "documents.sqlite")
    await store.commit([Create(Ref("orders", "o"), {"n": 1})])
    document = await other.get(Ref("orders", "o"))
    assert document is not None
    await other.commit([Update(document.ref, {"n": 2}, document.version)])
    with pytest.raises(ConflictError):
        await store.commit([Update(document.ref, {"n": 3}, document.version)])
    other.close()
    assert await store.count(Query("orders", (Where("n", "==", 2),))) == 1


async def test_store_when_used_from_threads_with_their_own_loops_then_exact(
    store: SqliteStore,
) -> None:
    await store.commit([Create(Ref("counters", "c"), {"n": 0})])

    async def add() -> None:
        for _ in range(50):
            await store.commit([Increment(Ref("counters", "c"), "n")])

    threads = [threading.Thread(target=lambda: asyncio.run(add())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    document = await store.get(Ref("counters", "c"))
    assert document is not None
    assert document.data == {"n": 200}


async def test_commit_when_another_process_holds_the_file_then_transient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_S", 0.05)
    store = SqliteStore(tmp_path / "documents.sqlite")
    holder = sqlite3.connect(tmp_path / "documents.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(TransientError, match="held by another process"):
        await store.commit([Create(Ref("orders", "o"), {})])
    assert await store.get(Ref("orders", "o")) is None  # readers are never held up
    holder.execute("ROLLBACK")
    await store.commit([Create(Ref("orders", "o"), {})])
    holder.close()
    store.close()


async def test_store_when_new_then_only_its_owner_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    store = SqliteStore(folder / "documents.sqlite")
    await store.commit([Create(Ref("orders", "o"), {})])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {
        "documents.sqlite": 0o600,
        "documents.sqlite-wal": 0o600,
        "documents.sqlite-shm": 0o600,
    }
    store.close()


async def test_store_when_opened_again_then_the_documents_are_there(tmp_path: Path) -> None:
    path = tmp_path / "documents.sqlite"
    store = SqliteStore(path)
    await store.commit([Create(Ref("orders", "o"), {"n": 1})])
    before = await store.get(Ref("orders", "o"))
    store.close()
    store = SqliteStore(path)
    assert await store.get(Ref("orders", "o")) == before
    store.close()


def test_store_when_the_file_is_not_a_database_then_says_which_and_what_to_do(
    tmp_path: Path,
) -> None:
    path = tmp_path / "documents.sqlite"
    path.write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(ConfigurationError, match="move it away") as caught:
        SqliteStore(path)
    assert str(path) in str(caught.value)
    assert path.read_bytes().startswith(b"not a database")


async def test_query_when_a_page_of_the_file_is_broken_then_configuration_error(
    tmp_path: Path,
) -> None:
    path = tmp_path / "documents.sqlite"
    store = SqliteStore(path)
    await store.commit([Create(Ref("orders", f"o-{n}"), {"x": "y" * 900}) for n in range(200)])
    store.close()
    content = bytearray(path.read_bytes())
    content[4096 * 2 :] = b"\xff" * (len(content) - 4096 * 2)
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"documents\.sqlite"):
        await look_at_orders(path)


async def look_at_orders(path: Path) -> None:
    store = SqliteStore(path)
    try:
        await store.query(Query("orders", limit=200))
    finally:
        store.close()


async def test_commit_when_the_disk_is_full_then_a_person_must_act_and_nothing_is_lost(
    store: SqliteStore,
) -> None:
    await store.commit([Create(Ref("orders", "o"), {"n": 1})])
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    small = Create(Ref("audit", "a"), {"n": 1})
    with pytest.raises(ConfigurationError, match="no space is left"):
        await store.commit([small, Create(Ref("orders", "big"), {"x": "y" * 100_000})])
    store._connection.execute("PRAGMA max_page_count = 100000")
    assert await store.get(small.ref) is None
    await store.commit([small])
    assert await store.count(Query("orders")) == 1


def test_store_when_the_database_is_another_programs_then_refused_untouched(
    tmp_path: Path,
) -> None:
    path = tmp_path / "documents.sqlite"
    foreign = sqlite3.connect(path)
    foreign.execute("CREATE TABLE bookmarks (url TEXT)")
    foreign.commit()
    with pytest.raises(ConfigurationError, match="another program's database"):
        SqliteStore(path)
    foreign.execute("PRAGMA user_version = 1")
    with pytest.raises(ConfigurationError, match="another program's database"):
        SqliteStore(path)
    assert foreign.execute("SELECT name FROM sqlite_schema").fetchall() == [("bookmarks",)]
    foreign.close()


def test_store_when_the_schema_is_newer_then_refused(tmp_path: Path) -> None:
    path = tmp_path / "documents.sqlite"
    SqliteStore(path).close()
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 2")
    newer.close()
    with pytest.raises(ConfigurationError, match="has schema 2, this Sapphire reads 1"):
        SqliteStore(path)


def test_store_when_the_folder_is_a_file_then_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(ConfigurationError, match="SAPPHIRE_DATA_DIR"):
        SqliteStore(tmp_path / "data" / "documents.sqlite")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_store_when_the_folder_is_read_only_then_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigurationError, match="SAPPHIRE_DATA_DIR"):
        SqliteStore(tmp_path / "documents.sqlite")


async def test_drop_expired_when_the_moment_has_come_then_only_those(store: SqliteStore) -> None:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    await store.commit(
        [
            Create(Ref("keys", "past"), {}, expires_at=now - timedelta(seconds=1)),
            Create(Ref("keys", "now"), {}, expires_at=now),
            Create(Ref("keys", "later"), {}, expires_at=now + timedelta(milliseconds=1)),
            Create(Ref("keys", "never"), {}),
        ]
    )
    assert store.drop_expired(now) == 2
    page = await store.query(Query("keys"))
    assert [document.ref.id for document in page.documents] == ["later", "never"]
    assert store.drop_expired(now) == 0


@pytest.mark.parametrize("index", INDEXES, ids=[index.name for index in INDEXES])
def test_query_when_its_index_is_declared_then_sqlite_uses_it_without_a_scan(
    tmp_path: Path, index: Index
) -> None:
    path = tmp_path / "documents.sqlite"
    SqliteStore(path).close()
    query = Query(
        index.collection,
        tuple(Where(name, "==", "v") for name in index.equal),
        order_by=index.order_by,
        descending=index.descending,
    )
    text, values = page_sql(query)
    connection = sqlite3.connect(path)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", values)]
    connection.close()
    assert len(plan) == 1  # and no temporary table to sort in
    assert f"USING INDEX {index.name}" in plan[0]


@pytest.mark.parametrize("replaced", [False, True])
async def test_commit_when_the_file_was_removed_then_refuses(
    tmp_path: Path, replaced: bool
) -> None:
    path = tmp_path / "sapphire.sqlite"
    store = SqliteStore(path)
    await store.commit([Create(Ref("c", "kept"), {})])
    for file in tmp_path.iterdir():
        file.unlink()
    if replaced:
        path.write_bytes(b"")

    with pytest.raises(ConfigurationError, match="removed or replaced"):
        await store.commit([Create(Ref("c", "lost"), {})])
    store.close()
