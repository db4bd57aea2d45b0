"""The embedded document store: one SQLite file, safe for several processes at once.

A commit that was acknowledged survives the death of the process; WAL with synchronous=NORMAL may
lose the last commits, never part of one, when the whole machine loses power. Calls run on the
caller's thread: most are shorter than handing them to another thread would take.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from math import ceil
from pathlib import Path

from pydantic_core import from_json

from common.errors import ConfigurationError, ConflictError
from common.ports import Create, Delete, Document, Increment, Page, Query, Ref, Update, Write
from common.wire import JsonObject, canonical_json
from infra.document_rules import (
    add_at,
    check_merged,
    check_query,
    check_ref,
    check_writes,
    encode_cursor,
    place,
)
from infra.local.store.sqlite_file import explained, open_file
from infra.local.store.sqlite_queries import count_sql, page_sql

STORE_FILE = "sapphire.sqlite"  # in the data directory

_SELECT = "SELECT version, data FROM documents WHERE collection = ? AND id = ?"
_SELECT_MANY = (
    "WITH asked (c, i) AS (VALUES {}) SELECT c, i, version, data "
    "FROM asked CROSS JOIN documents ON collection = c AND id = i"
)
_READ_AT_ONCE = 100  # two values each; SQLite once allowed 999 in a statement
_INSERT = "INSERT INTO documents (collection, id, version, data, expires_at) VALUES (?, ?, ?, ?, ?)"
_UPDATE = "UPDATE documents SET version = ?, data = ? WHERE collection = ? AND id = ?"
_DELETE = "DELETE FROM documents WHERE collection = ? AND id = ?"


class SqliteStore:
    """Fits `DocumentStore`.

    Raises on construction:
        ConfigurationError: the folder cannot be written, or the file is broken, foreign or newer.
        TransientError: another process held the file for more than 5 s.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._connection = open_file(self._path)
        self._opened = _identity(self._path)
        self._lock = threading.Lock()  # event loops of several threads may share a store

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    async def get(self, ref: Ref) -> Document | None:
        check_ref(ref)
        with self._statements() as connection:
            return _read(connection, ref)

    async def get_many(self, refs: Sequence[Ref]) -> list[Document | None]:
        for ref in refs:
            check_ref(ref)
        found: dict[tuple[str, str], Document] = {}
        with self._statements() as connection:
            connection.execute("BEGIN")  # one snapshot for all of them, as Firestore reads a batch
            for start in range(0, len(refs), _READ_AT_ONCE):
                found |= _read_many(connection, refs[start : start + _READ_AT_ONCE])
            connection.execute("COMMIT")
        return [found.get((ref.collection, ref.id)) for ref in refs]

    async def commit(self, writes: Sequence[Write]) -> None:
        check_writes(writes)
        if not writes:
            return
        if _identity(self._path) != self._opened:  # SQLite would write on where nobody looks
            raise ConfigurationError(
                f"{self._path} was removed or replaced while in use: start again, nothing more "
                "can be kept in it"
            )
        with self._statements() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE commits SET number = number + 1")
            (number,) = connection.execute("SELECT number FROM commits").fetchone()
            for write in writes:
                _apply(connection, write, number)
            connection.execute("COMMIT")

    async def query(self, query: Query) -> Page:
        check_query(query)
        text, values = page_sql(query)
        with self._statements() as connection:
            rows = connection.execute(text, values).fetchall()
        taken = rows[: query.limit]
        documents = tuple(
            Document(Ref(query.collection, key), from_json(data), str(version))
            for key, version, data, _ in taken
        )
        if len(rows) <= query.limit:
            return Page(documents)
        last_id, _, _, order_value = taken[-1]
        return Page(documents, encode_cursor(query, from_json(order_value), last_id))

    async def count(self, query: Query) -> int:
        check_query(query)
        text, values = count_sql(query)
        with self._statements() as connection:
            number: int = connection.execute(text, values).fetchone()[0]
        return number

    def drop_expired(self, now: datetime) -> int:
        """Delete the documents whose `expires_at` has come; how many there were."""
        with self._statements() as connection:
            found = connection.execute(
                "DELETE FROM documents WHERE expires_at <= ?", (int(now.timestamp()),)
            )
            return found.rowcount

    @contextmanager
    def _statements(self) -> Iterator[sqlite3.Connection]:
        """The connection to oneself; what an error leaves open is rolled back."""
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise explained(error, self._path) from error
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file is at `path` now; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _read(connection: sqlite3.Connection, ref: Ref) -> Document | None:
    row = connection.execute(_SELECT, (ref.collection, ref.id)).fetchone()
    return None if row is None else Document(ref, from_json(row[1]), str(row[0]))


def _read_many(
    connection: sqlite3.Connection, refs: Sequence[Ref]
) -> dict[tuple[str, str], Document]:
    """Those that there are. One statement: most of a small read is the call into SQLite."""
    text = _SELECT_MANY.format(", ".join(["(?, ?)"] * len(refs)))
    values = [value for ref in refs for value in (ref.collection, ref.id)]
    return {
        (collection, key): Document(Ref(collection, key), from_json(data), str(version))
        for collection, key, version, data in connection.execute(text, values)
    }


def _apply(connection: sqlite3.Connection, write: Write, number: int) -> None:
    match write:
        case Create():
            _create(connection, write, number)
        case Delete():
            _delete(connection, write)
        case Update() | Increment():
            _change(connection, write, number)


def _create(connection: sqlite3.Connection, write: Create, number: int) -> None:
    ref = write.ref
    expires_at = None if write.expires_at is None else ceil(write.expires_at.timestamp())
    row = (ref.collection, ref.id, number, canonical_json(write.data), expires_at)
    try:
        connection.execute(_INSERT, row)
    except sqlite3.IntegrityError:
        raise _conflict(ref, "exists already") from None


def _delete(connection: sqlite3.Connection, write: Delete) -> None:
    if write.version is not None:
        row = connection.execute(_SELECT, (write.ref.collection, write.ref.id)).fetchone()
        _require_version(write.ref, None if row is None else row[0], write.version)
    connection.execute(_DELETE, (write.ref.collection, write.ref.id))


def _change(connection: sqlite3.Connection, write: Update | Increment, number: int) -> None:
    ref = write.ref
    row = connection.execute(_SELECT, (ref.collection, ref.id)).fetchone()
    if row is None:
        raise _conflict(ref, "does not exist")
    data: JsonObject = from_json(row[1])
    if isinstance(write, Update):
        _require_version(ref, row[0], write.version)
        data.update(write.data)
    else:
        add_at(data, write.path, write.by)
    text = canonical_json(data)
    check_merged(ref, data, text)
    connection.execute(_UPDATE, (number, text, ref.collection, ref.id))


def _require_version(ref: Ref, present: int | None, version: str) -> None:
    if present is None:
        raise _conflict(ref, "does not exist")
    if str(present) != version:
        raise _conflict(ref, f"is at version {present}, not {version[:40]}")


def _conflict(ref: Ref, problem: str) -> ConflictError:
    return ConflictError(f"{place(ref)} {problem}", collection=ref.collection, document_id=ref.id)
