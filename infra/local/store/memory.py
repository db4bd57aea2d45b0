"""A document store in memory: exact semantics, no disk. For tests, the simulation and backtests."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from common.errors import ConflictError
from common.ports import (
    Create,
    Delete,
    Document,
    Increment,
    Page,
    Query,
    Ref,
    Update,
    Where,
    Write,
)
from common.wire import JsonObject, canonical_json
from infra.document_rules import (
    add_at,
    check_merged,
    check_query,
    check_ref,
    check_writes,
    decode_cursor,
    encode_cursor,
    place,
    value_at,
)

Hook = Callable[[str, object], Awaitable[None]]
"""Awaited with the operation ("get", "get_many", "commit", "query", "count") and its argument."""


class _Record:
    """A document as text, so that no caller can change it, and parsed once for filters."""

    __slots__ = ("_parsed", "text", "version")

    def __init__(self, text: str, version: str) -> None:
        self.text = text
        self.version = version
        self._parsed: JsonObject | None = None

    @property
    def parsed(self) -> JsonObject:
        """Shared: read it, never hand it out."""
        if self._parsed is None:
            self._parsed = json.loads(self.text)
        return self._parsed


class MemoryStore:
    """Fits `DocumentStore`.

    `before` and `after` are awaited around every operation, for the simulation: an error raised by
    `before` means that nothing happened, by `after` that it happened and the answer was lost. They
    may be replaced at any time.
    """

    def __init__(self, *, before: Hook | None = None, after: Hook | None = None) -> None:
        self.before = before
        self.after = after
        self._collections: dict[str, dict[str, _Record]] = {}
        self._commits = 0

    async def get(self, ref: Ref) -> Document | None:
        check_ref(ref)
        if self.before is not None:
            await self.before("get", ref)
        document = self._read(ref)
        if self.after is not None:
            await self.after("get", ref)
        return document

    async def get_many(self, refs: Sequence[Ref]) -> list[Document | None]:
        for ref in refs:
            check_ref(ref)
        if self.before is not None:
            await self.before("get_many", refs)
        documents = [self._read(ref) for ref in refs]
        if self.after is not None:
            await self.after("get_many", refs)
        return documents

    async def commit(self, writes: Sequence[Write]) -> None:
        check_writes(writes)
        if self.before is not None:
            await self.before("commit", writes)
        self._apply(writes)
        if self.after is not None:
            await self.after("commit", writes)

    async def query(self, query: Query) -> Page:
        check_query(query)
        if self.before is not None:
            await self.before("query", query)
        page = self._page(query)
        if self.after is not None:
            await self.after("query", query)
        return page

    async def count(self, query: Query) -> int:
        check_query(query)
        if self.before is not None:
            await self.before("count", query)
        number = len(self._matching(query))
        if self.after is not None:
            await self.after("count", query)
        return number

    def peek(self, ref: Ref) -> Document | None:
        """`get` without a hook, for a checker that looks on while an operation is under way."""
        return self._read(ref)

    def contents(self) -> dict[str, dict[str, JsonObject]]:
        """A copy of everything: collection, id, data. For tests that compare whole states."""
        return {
            name: self.documents(name)
            for name, records in sorted(self._collections.items())
            if records
        }

    def documents(self, collection: str) -> dict[str, JsonObject]:
        """A copy of one collection: id, data."""
        records = self._collections.get(collection, {})
        return {key: json.loads(records[key].text) for key in sorted(records)}

    def _record(self, ref: Ref) -> _Record | None:
        records = self._collections.get(ref.collection)
        return None if records is None else records.get(ref.id)

    def _read(self, ref: Ref) -> Document | None:
        record = self._record(ref)
        return None if record is None else _document(ref, record)

    def _apply(self, writes: Sequence[Write]) -> None:
        """Work out every new text first; only then write, so that a refusal leaves no trace."""
        texts = [self._new_text(write) for write in writes]
        self._commits += 1
        version = str(self._commits)
        for write, text in zip(writes, texts, strict=True):
            records = self._collections.setdefault(write.ref.collection, {})
            if text is None:
                records.pop(write.ref.id, None)
            else:
                records[write.ref.id] = _Record(text, version)

    def _new_text(self, write: Write) -> str | None:
        present = self._record(write.ref)
        if isinstance(write, Create):
            if present is not None:
                raise _conflict(write.ref, "exists already")
            return canonical_json(write.data)
        if isinstance(write, Delete):
            if write.version is not None:
                _require_version(write.ref, present, write.version)
            return None
        return _changed_text(write, present)

    def _page(self, query: Query) -> Page:
        found = self._matching(query)
        found.sort(reverse=query.descending)
        start = decode_cursor(query)
        if start is not None:
            edge = (_rank(start[0]), start[1])
            found = [key for key in found if (key < edge if query.descending else key > edge)]
        records = self._collections.get(query.collection, {})
        taken = found[: query.limit]
        documents = tuple(
            _document(Ref(query.collection, key[1]), records[key[1]]) for key in taken
        )
        if len(found) <= query.limit:
            return Page(documents)
        (_, value), last_id = taken[-1]
        return Page(documents, encode_cursor(query, value, last_id))

    def _matching(self, query: Query) -> list[tuple[tuple[int, object], str]]:
        """The sort key of every match: (type and value of the order field, id)."""
        tests = [(where, where.path.split(".")) for where in query.where]
        order = None if query.order_by is None else query.order_by.split(".")
        found: list[tuple[tuple[int, object], str]] = []
        for key, record in self._collections.get(query.collection, {}).items():
            data = record.parsed
            if not all(_matches(where, *value_at(data, path)) for where, path in tests):
                continue
            exists, value = (True, None) if order is None else value_at(data, order)
            if exists:  # Firestore leaves out documents without the field it orders by
                found.append((_rank(value), key))
        return found


def _document(ref: Ref, record: _Record) -> Document:
    return Document(ref, json.loads(record.text), record.version)


def _changed_text(write: Update | Increment, present: _Record | None) -> str:
    if present is None:
        raise _conflict(write.ref, "does not exist")
    data: JsonObject = json.loads(present.text)
    if isinstance(write, Update):
        _require_version(write.ref, present, write.version)
        data.update(write.data)
    else:
        add_at(data, write.path, write.by)
    text = canonical_json(data)
    check_merged(write.ref, data, text)
    return text


def _require_version(ref: Ref, present: _Record | None, version: str) -> None:
    if present is None:
        raise _conflict(ref, "does not exist")
    if present.version != version:
        raise _conflict(ref, f"is at version {present.version}, not {version[:40]}")


def _conflict(ref: Ref, problem: str) -> ConflictError:
    return ConflictError(f"{place(ref)} {problem}", collection=ref.collection, document_id=ref.id)


def _rank(value: object) -> tuple[int, object]:
    """Firestore's order over types: null, bool, int, text. Lists and objects sort last, by text."""
    if value is None:
        return 0, None
    if isinstance(value, bool):
        return 1, value
    if isinstance(value, int):
        return 2, value
    if isinstance(value, str):
        return 3, value
    return 4, canonical_json(value)


def _matches(where: Where, exists: bool, value: object) -> bool:
    if not exists:
        return False
    if where.op == "in":
        wanted = cast("Sequence[object]", where.value)
        return any(type(one) is type(value) and one == value for one in wanted)
    return type(where.value) is type(value) and _compare(where, cast("str", value))


def _compare(where: Where, value: str) -> bool:
    """Both sides have one type by now: text, int or bool."""
    wanted = cast("str", where.value)
    if where.op == "==":
        return value == wanted
    if where.op == "<":
        return value < wanted
    if where.op == "<=":
        return value <= wanted
    return value > wanted if where.op == ">" else value >= wanted
