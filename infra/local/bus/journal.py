"""What the embedded bus holds until it is acknowledged: in a file of its own, or in memory."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Protocol

from common.errors import ConfigurationError, TransientError

UNROUTED = ""
"""The subscription of a message that was published while nobody had subscribed to its topic."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice: it becomes the messageId
    number INTEGER NOT NULL,
    topic TEXT NOT NULL,
    subscription TEXT NOT NULL,
    message_id TEXT NOT NULL,
    type TEXT NOT NULL,
    body TEXT NOT NULL,
    published_at TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    status INTEGER,
    reason TEXT NOT NULL DEFAULT '',
    dead_at TEXT,
    deliver_at TEXT,
    trace TEXT NOT NULL DEFAULT ''
) STRICT
"""
_COLUMNS = (
    "id, number, topic, subscription, message_id, type, body, published_at, "
    "attempts, status, reason, dead_at, deliver_at, trace"
)
_INSERT = (
    "INSERT INTO deliveries"
    " (number, topic, subscription, message_id, type, body, published_at, deliver_at, trace)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_MIGRATIONS = {
    "deliver_at": "ALTER TABLE deliveries ADD COLUMN deliver_at TEXT",  # since version 2
    "trace": "ALTER TABLE deliveries ADD COLUMN trace TEXT NOT NULL DEFAULT ''",  # since 3
}
_SCHEMA_VERSION = 3
_LOCK_TIMEOUT_S = 5.0


@dataclass(slots=True)
class Held:
    """One message on its way to one subscription."""

    id: int
    number: int  # the messageId: equal for all subscriptions of one published message
    topic: str
    subscription: str
    message_id: str
    type: str
    body: str  # canonical JSON of the encoded message
    published_at: str
    attempts: int = 0
    status: int | None = None  # the last answer; None when there was none
    reason: str = ""
    dead_at: str | None = None
    deliver_at: str | None = None  # not before; None: at once
    trace: str = ""  # JSON of the attributes of common/trace.py


class Journal(Protocol):
    """Every method raises TransientError when the medium fails; nothing was changed then.

    The first use opens the medium, and raises ConfigurationError when it is not usable at all.
    """

    def add(self, groups: Sequence[Sequence[Held]]) -> None:
        """Hold all of them or none, and give each its id.

        A group is one published message: its members get the first one's id for their number,
        unless they have a number.
        """

    def save(self, held: Held) -> None:
        """Write the attempts, the last answer and the death."""

    def remove(self, held: Held) -> None: ...

    def living(self) -> list[Held]:
        """In the order of publishing."""

    def dead(self) -> list[Held]: ...

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""


def route(journal: Journal, subscriptions: Mapping[str, Sequence[str]]) -> None:
    """Give what was published to nobody to the subscriptions (by topic) that there are now."""
    for held in journal.living():
        names = subscriptions.get(held.topic, ())
        if held.subscription == UNROUTED and names:
            # A crash between the two leaves a copy too many, never one too few.
            journal.add([[replace(held, id=0, subscription=name) for name in names]])
            journal.remove(held)


class MemoryJournal:
    """For backtests and tests: gone with the process."""

    def __init__(self) -> None:
        self._held: dict[int, Held] = {}
        self._ids = count(1)

    def add(self, groups: Sequence[Sequence[Held]]) -> None:
        for group in groups:
            for held in group:
                held.id = next(self._ids)
                held.number = held.number or group[0].id
                self._held[held.id] = held

    def save(self, held: Held) -> None:
        self._held[held.id] = held

    def remove(self, held: Held) -> None:
        self._held.pop(held.id, None)

    def living(self) -> list[Held]:
        return [held for held in self._held.values() if held.dead_at is None]

    def dead(self) -> list[Held]:
        return [held for held in self._held.values() if held.dead_at is not None]

    def close(self) -> None:
        """Nothing to let go of: what is held stays held."""


class SqliteJournal:
    """One SQLite file in WAL mode: what a returned call wrote survives kill -9 of the process.

    With synchronous=NORMAL the file is always sound, but a power cut may take its last moments.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def add(self, groups: Sequence[Sequence[Held]]) -> None:
        with self._transaction() as run:
            for group in groups:
                for held in group:
                    self._insert(run, held, group[0])

    def _insert(self, run: Callable[..., sqlite3.Cursor], held: Held, first: Held) -> None:
        if first.id:
            held.number = held.number or first.id
        cursor = run(
            _INSERT,
            held.number,
            held.topic,
            held.subscription,
            held.message_id,
            held.type,
            held.body,
            held.published_at,
            held.deliver_at,
            held.trace,
        )
        if cursor.lastrowid is None:
            raise TransientError(f"{self._path.name}: the insert gave no row id")
        held.id = cursor.lastrowid
        if not held.number:
            held.number = held.id
            run("UPDATE deliveries SET number = id WHERE id = ?", held.id)

    def save(self, held: Held) -> None:
        self._run(
            "UPDATE deliveries SET attempts = ?, status = ?, reason = ?, dead_at = ? WHERE id = ?",
            held.attempts,
            held.status,
            held.reason,
            held.dead_at,
            held.id,
        )

    def remove(self, held: Held) -> None:
        self._run("DELETE FROM deliveries WHERE id = ?", held.id)

    def living(self) -> list[Held]:
        return self._select("dead_at IS NULL")

    def dead(self) -> list[Held]:
        return self._select("dead_at IS NOT NULL")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _select(self, condition: str) -> list[Held]:
        rows = self._run(
            f"SELECT {_COLUMNS} FROM deliveries WHERE {condition} ORDER BY id"  # noqa: S608 - constants
        )
        return [Held(*row) for row in rows]

    def _run(self, statement: str, *values: object) -> sqlite3.Cursor:
        if self._connection is None:
            self._connection = _open_file(self._path)
        try:
            return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise TransientError(f"{self._path.name}: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        self._run("BEGIN IMMEDIATE")
        try:
            yield self._run
        except BaseException:
            self._run("ROLLBACK")
            raise
        self._run("COMMIT")


def _open_file(path: Path) -> sqlite3.Connection:
    """Readable by its owner alone; the file and its folder are made when absent.

    Raises:
        ConfigurationError: it cannot be written, or is no bus file of this version.
        TransientError: another process holds it.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be opened ({error.strerror}); point SAPPHIRE_DATA_DIR at a folder "
            "that can be written"
        ) from error
    connection = sqlite3.connect(
        path, timeout=_LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    try:
        _prepare(connection, path)
    except sqlite3.Error as error:
        connection.close()
        if "locked" in str(error):
            raise TransientError(f"{path} is held by another process: {error}") from error
        raise ConfigurationError(
            f"{path} is not a usable bus file ({error}); restore a copy, or move it away to "
            "start without the messages it held"
        ) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the table, or bring a file of an earlier version up to ours: whole or not at all."""
    version = _version(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    if version == _SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(_SCHEMA)
    columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(deliveries)")}
    for column, statement in _MIGRATIONS.items():
        if column not in columns:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in range(_SCHEMA_VERSION + 1):
        raise ConfigurationError(
            f"{path} has schema {version}, this Sapphire reads {_SCHEMA_VERSION}; run the release "
            "that wrote it, or move the file away"
        )
    return int(version)
