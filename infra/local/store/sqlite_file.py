"""Opening the store's one file: who may read it, whether it is ours, and its tables."""

import os
import sqlite3
import time
from pathlib import Path

from common.errors import ConfigurationError, TransientError
from common.indexes import INDEXES

BUSY_TIMEOUT_S = 5.0
SCHEMA_VERSION = 1
APPLICATION_ID = 0x53415050  # "SAPP" in the file's header tells our files from others
_CHECKPOINT_PAGES = 4_000  # of 4 KiB; a checkpoint syncs to disk and makes one commit wait

_TABLES = (
    """CREATE TABLE documents (
        collection TEXT NOT NULL,
        id TEXT NOT NULL,
        version INTEGER NOT NULL,
        data TEXT NOT NULL,
        expires_at INTEGER,
        PRIMARY KEY (collection, id)
    ) WITHOUT ROWID""",
    "CREATE TABLE commits (number INTEGER NOT NULL)",
    "INSERT INTO commits VALUES (0)",
    "CREATE INDEX documents_expiring ON documents (expires_at) WHERE expires_at IS NOT NULL",
)


def open_file(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode; the file and its folder are made when absent.

    Raises:
        ConfigurationError: the folder cannot be written, or the file is broken, foreign or newer.
        TransientError: another process held the file for too long.
    """
    _make_file(path)
    try:
        connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise explained(error, path) from error
    try:
        _prepare(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise explained(error, path) from error
    except BaseException:
        connection.close()
        raise
    return connection


def explained(error: sqlite3.Error, path: Path) -> ConfigurationError | TransientError:
    """What SQLite's error means for whoever acts next, with the path."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return TransientError(f"{path} is held by another process: {error}")
    if primary in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
        return ConfigurationError(
            f"{path} is not a usable Sapphire store ({error}); restore a copy, or move it away "
            "to start empty"
        )
    if primary == sqlite3.SQLITE_FULL:
        return ConfigurationError(f"no space is left for {path}; free some and start again")
    return ConfigurationError(
        f"{path} cannot be used ({error}); check that its folder exists and can be written"
    )


def json_expression(path: str) -> str:
    """SQL for the value at a dotted path; the path's names hold letters, digits, _:- only."""
    return f"json_extract(data, '{_json_path(path)}')"


def json_type_expression(path: str) -> str:
    return f"json_type(data, '{_json_path(path)}')"


def _json_path(path: str) -> str:
    return "$" + "".join(f'."{name}"' for name in path.split("."))


def _make_file(path: Path) -> None:
    """The umask may take rights away, never add any."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be opened ({error.strerror}); point SAPPHIRE_DATA_DIR at a folder "
            "that can be written"
        ) from error


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    version = _number(connection, "PRAGMA user_version")
    if version == 0:
        version = _create_tables(connection, path)
    if _number(connection, "PRAGMA application_id") != APPLICATION_ID:
        raise _foreign(path)
    if version != SCHEMA_VERSION:
        raise ConfigurationError(
            f"{path} has schema {version}, this Sapphire reads {SCHEMA_VERSION}; "
            "run the release that wrote it, or move the file away to start empty"
        )
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    for statement in _index_statements():
        connection.execute(statement)


def _create_tables(connection: sqlite3.Connection, path: Path) -> int:
    """Under the write lock, so that of several first starters one makes the tables."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _number(connection, "PRAGMA user_version")
        if version == 0:
            if _number(connection, "SELECT count(*) FROM sqlite_schema"):
                raise _foreign(path)
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            version = SCHEMA_VERSION
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return version


def _index_statements() -> list[str]:
    """Partial indexes, so that a document only pays for its own collection's."""
    statements = []
    for index in INDEXES:
        columns = ", ".join((*map(json_expression, index.paths), "id"))
        statements.append(
            f'CREATE INDEX IF NOT EXISTS "{index.name}" ON documents ({columns}) '
            f"WHERE collection = '{index.collection}'"
        )
    return statements


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switching to WAL does not honour the busy timeout, so wait here while others start too."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            if mode != "wal":
                raise ConfigurationError(
                    "this folder's file system has no shared memory for SQLite's WAL; "
                    "point SAPPHIRE_DATA_DIR at a local disk"
                )
            return


def _number(connection: sqlite3.Connection, statement: str) -> int:
    number: int = connection.execute(statement).fetchone()[0]
    return number


def _foreign(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is another program's database; move it away, or point SAPPHIRE_DATA_DIR elsewhere"
    )
