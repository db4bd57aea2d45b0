"""What every document store refuses, and the pieces they share: paths, cursors, increments.

The limits are Firestore's (https://firebase.google.com/docs/firestore/quotas), so that what runs
embedded also runs in the cloud: 1 MiB a document, depth 20, 64-bit integers, no list directly in
a list, no name like `__x__`. Ours are narrower: no floats, ids of `ID_PATTERN`, 400 writes in one
commit.
"""

import base64
import json
import re
from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from typing import cast

from common.domain.identifiers import ID_PATTERN
from common.errors import InvalidInputError
from common.ports import Create, Delete, Increment, Query, Ref, Update, Where, Write
from common.wire import JsonObject, canonical_json

MAX_WRITES = 400
MAX_BYTES = 1_048_576
MAX_DEPTH = 20
MAX_IN = 30
EXPIRY_FIELD = "expire_at"
"""Firestore's time-to-live field; the stores keep it, documents may not."""
NONCE_FIELD = "write_nonce"
"""Firestore's adapter changes it with every update, so that every update changes the document."""

_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_COLLECTION = re.compile(r"[a-z][a-z0-9_]{0,63}")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_SEGMENT = re.compile(r"[A-Za-z0-9_:\-]{1,128}")
_SCALARS = (str, int, bool)

Scalar = str | int | bool | None


def place(ref: Ref) -> str:
    """The document as errors name it, cut to a length that fits a log line."""
    return f"{ref.collection}/{ref.id}"[:200]


def check_ref(ref: Ref) -> None:
    check_collection(ref.collection)
    if not ID_PATTERN.fullmatch(_text(ref.id)):
        raise InvalidInputError(
            f"not a document id: {str(ref.id)[:80]!r}", code="INVALID_ID", where=ref.collection
        )


def check_collection(collection: str) -> None:
    if not _COLLECTION.fullmatch(_text(collection)):
        raise InvalidInputError(
            f"not a collection name: {str(collection)[:80]!r}", code="INVALID_ID"
        )


def check_writes(writes: Sequence[Write]) -> None:
    """Refuse a commit that some store could not hold.

    Raises:
        InvalidInputError: names the document and what is wrong with it.
    """
    if len(writes) > MAX_WRITES:
        raise InvalidInputError(
            f"{len(writes)} writes in one commit; at most {MAX_WRITES}", code="TOO_MANY_WRITES"
        )
    seen: set[Ref] = set()
    for write in writes:
        check_ref(write.ref)
        if write.ref in seen:
            raise _invalid(write.ref, "written twice in one commit")
        seen.add(write.ref)
        _check_write(write)


def _check_write(write: Write) -> None:
    match write:
        case Create():
            check_data(write.ref, write.data)
            _check_expiry(write.ref, write.expires_at)
        case Update():
            if not write.data:
                raise _invalid(write.ref, "an update without fields")
            check_data(write.ref, write.data)
            _check_version(write.ref, write.version)
        case Increment():
            _check_increment(write)
        case Delete():
            if write.version is not None:
                _check_version(write.ref, write.version)


def check_data(ref: Ref, data: JsonObject) -> None:
    """Refuse names, types and sizes that a store could not give back as they were."""
    if type(data) is not dict:
        raise _invalid(ref, f"data is a {type(data).__name__}, not an object")
    for key in data:
        if not _FIELD.fullmatch(_text(key)) or _reserved(key):
            raise _invalid(ref, f"not a field name: {str(key)[:80]!r}")
    size = _usual_size(data)
    if size < 0:
        size = _size(ref, data, "", 1)
    size += len(ref.collection) + len(ref.id) + 50
    if size > MAX_BYTES:
        raise _invalid(ref, f"{size} bytes; a document holds at most {MAX_BYTES}")


def check_merged(ref: Ref, data: JsonObject, text: str) -> None:
    """The size of an updated document; only texts that could come near the limit are counted."""
    if len(text) > MAX_BYTES // 8:
        check_data(ref, data)


def _usual_size(data: JsonObject) -> int:
    """What `_size` counts, at a quarter of its cost; -1 where that has something to look at closer.

    Every write of every store passes here: a level's names and texts are looked at all at once,
    and a path is only put together for an error.
    """
    size, depth = 0, 1
    maps: list[JsonObject] = [data]
    lists: list[list[object]] = []
    while maps or lists:
        listed = list(chain.from_iterable(lists))
        members = [*chain.from_iterable(map(dict.values, maps)), *listed]
        texts = [member for member in members if type(member) is str]
        rest = [member for member in members if type(member) is not str]
        sizes = (_usual_names_size(maps), _usual_texts_size(texts), _usual_scalars_size(rest))
        if depth > MAX_DEPTH or min(sizes) < 0 or list in map(type, listed):
            return -1
        size += sum(sizes)
        maps = [member for member in rest if type(member) is dict]
        lists = [member for member in rest if type(member) is list]
        depth += 1
    return size


def _usual_names_size(maps: Sequence[JsonObject]) -> int:
    """A zero byte before each name shows where one is empty or begins with `__`."""
    try:
        names = "\0".join(["", *chain.from_iterable(maps)])
        if "\0\0" in names or "\0__" in names or names.endswith("\0"):
            return -1
        return len(names) if names.isascii() else len(names.encode())
    except (TypeError, UnicodeEncodeError):
        return -1


def _usual_texts_size(texts: Sequence[str]) -> int:
    joined = "".join(texts)
    try:
        return len(texts) + (len(joined) if joined.isascii() else len(joined.encode()))
    except UnicodeEncodeError:
        return -1


def _usual_scalars_size(values: Sequence[object]) -> int:
    """Maps and lists count nothing here: their own level follows."""
    size = 0
    for value in values:
        kind = type(value)
        if kind is int and _INT_MIN <= cast("int", value) <= _INT_MAX:
            size += 8
        elif value is None or kind is bool:
            size += 1
        elif kind is not dict and kind is not list:
            return -1
    return size


def _size(ref: Ref, value: object, path: str, depth: int) -> int:
    """Bytes as Firestore counts them; refuses what JSON or Firestore would change or reject."""
    kind = type(value)
    if kind is str:
        return _text_size(ref, cast("str", value), path)
    if kind is bool or value is None:
        return 1
    if kind is int:
        if not _INT_MIN <= cast("int", value) <= _INT_MAX:
            raise _invalid(ref, "an integer beyond 64 bits; write it as text", path)
        return 8
    if depth > MAX_DEPTH:
        raise _invalid(ref, f"deeper than {MAX_DEPTH} levels", path)
    if kind is dict:
        return _map_size(ref, cast("JsonObject", value), path, depth)
    if kind is list:
        return _list_size(ref, cast("list[object]", value), path, depth)
    raise _invalid(ref, f"a {kind.__name__}; only text, int, bool, null, list and object", path)


def _map_size(ref: Ref, value: JsonObject, path: str, depth: int) -> int:
    size = 0
    for key, member in value.items():
        if not _text(key) or key.startswith("__"):
            raise _invalid(ref, f"not a field name: {str(key)[:80]!r}", path)
        inside = f"{path}.{key}" if path else key
        size += _text_size(ref, key, path) + _size(ref, member, inside, depth + 1)
    return size


def _list_size(ref: Ref, value: list[object], path: str, depth: int) -> int:
    size = 0
    for member in value:
        if type(member) is list:
            raise _invalid(ref, "a list directly in a list; Firestore has none", path)
        size += _size(ref, member, path, depth + 1)
    return size


def _text_size(ref: Ref, value: str, path: str) -> int:
    if value.isascii():
        return len(value) + 1
    try:
        return len(value.encode()) + 1
    except UnicodeEncodeError:
        raise _invalid(ref, "text with a lone surrogate, which is not Unicode", path) from None


def _check_expiry(ref: Ref, expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at.utcoffset() is None:
        raise _invalid(ref, "expires_at has no timezone")


def _check_version(ref: Ref, version: str) -> None:
    if not _text(version):
        raise _invalid(ref, "the version is not one that a read returned")


def _check_increment(write: Increment) -> None:
    head = path_segments(write.path, place(write.ref))[0]
    if not _FIELD.fullmatch(head):
        raise _invalid(write.ref, f"not a field name: {head[:80]!r}")
    if type(write.by) is not int or not _INT_MIN <= write.by <= _INT_MAX:
        raise _invalid(write.ref, "increments are 64-bit integers", write.path)


def path_segments(path: str, where: str) -> tuple[str, ...]:
    """The names of a dotted path.

    Raises:
        InvalidInputError: a name is empty, reserved or holds other signs than letters, digits, _:-
    """
    segments = tuple(path.split("."))
    if len(segments) > MAX_DEPTH or not all(
        _SEGMENT.fullmatch(segment) and not _reserved(segment) for segment in segments
    ):
        raise InvalidInputError(
            f"not a field path: {path[:80]!r}", code="INVALID_PATH", where=where
        )
    return segments


def _text(value: object) -> str:
    """The value if it is text; "" stands for every other type, and no pattern accepts it."""
    return value if isinstance(value, str) else ""


def _reserved(name: str) -> bool:
    return name.startswith("__") or name in {EXPIRY_FIELD, NONCE_FIELD}


def _invalid(ref: Ref, problem: str, path: str = "") -> InvalidInputError:
    where = f"{place(ref)} {path[:200]}".rstrip()
    return InvalidInputError(problem, code="INVALID_DOCUMENT", where=where)


def add_at(data: JsonObject, path: str, by: int) -> None:
    """Increment in place, as Firestore does: no integer there counts as 0, sums stop at 64 bits."""
    *parents, last = path.split(".")
    target = data
    for name in parents:
        inner = target.get(name)
        if not isinstance(inner, dict):
            inner = target[name] = {}
        target = inner
    present = target.get(last)
    start = present if type(present) is int else 0
    target[last] = max(_INT_MIN, min(_INT_MAX, start + by))


def value_at(data: JsonObject, segments: Sequence[str]) -> tuple[bool, object]:
    """Whether the path exists, and what is there."""
    value: object = data
    for name in segments:
        if not isinstance(value, dict) or name not in value:
            return False, None
        value = value[name]
    return True, value


def check_query(query: Query) -> None:
    """Refuse a query that some store could not answer."""
    check_collection(query.collection)
    if type(query.limit) is not int or query.limit < 1:
        raise _bad_query(query, f"limit {query.limit!r} is not a positive integer")
    if query.order_by is not None:
        path_segments(query.order_by, query.collection)
    elif query.descending:
        raise _bad_query(query, "Firestore has no descending order by id alone; name a field")
    for where in query.where:
        path_segments(where.path, query.collection)
        _check_where(query, where)


def _check_where(query: Query, where: Where) -> None:
    if where.op == "in":
        values = where.value
        if isinstance(values, str) or not isinstance(values, Sequence):
            raise _bad_query(query, f"{where.path} in: not a sequence")
        if not 1 <= len(values) <= MAX_IN:
            raise _bad_query(query, f"{where.path} in: {len(values)} values; 1 to {MAX_IN}")
        if not all(type(value) in _SCALARS for value in values):
            raise _bad_query(query, f"{where.path} in: only text, int and bool")
    elif where.op not in {"==", "<", "<=", ">", ">="}:
        raise _bad_query(query, f"no operator {where.op!r}")
    elif type(where.value) not in _SCALARS:
        raise _bad_query(query, f"{where.path} {where.op}: only text, int and bool")
    elif where.op != "==" and where.path != query.order_by:
        raise _bad_query(
            query, f"{where.path} {where.op}: Firestore orders by it; so must order_by"
        )


def _bad_query(query: Query, problem: str) -> InvalidInputError:
    return InvalidInputError(problem, code="INVALID_QUERY", where=query.collection)


def encode_cursor(query: Query, value: object, document_id: str) -> str:
    """A page's end: where the next page starts, and the order it belongs to."""
    content = [query.collection, query.order_by, query.descending, value, document_id]
    return base64.urlsafe_b64encode(canonical_json(content).encode()).decode().rstrip("=")


def decode_cursor(query: Query) -> tuple[Scalar, str] | None:
    """The last page's order value and id; None for a first page.

    Raises:
        InvalidInputError: not a cursor, or one of a query with another order.
    """
    if query.cursor is None:
        return None
    try:
        padded = query.cursor + "=" * (-len(query.cursor) % 4)
        content = json.loads(base64.b64decode(padded.encode(), altchars=b"-_", validate=True))
        collection, order_by, descending, value, document_id = content
        valid = (collection, order_by, descending) == (
            query.collection,
            query.order_by,
            query.descending,
        )
        valid = (
            valid and isinstance(document_id, str) and ID_PATTERN.fullmatch(document_id) is not None
        )
        valid = valid and (value is None or type(value) in _SCALARS)
    except (ValueError, TypeError, RecursionError):
        valid = False
        value, document_id = None, ""
    if not valid:
        raise InvalidInputError(
            "not a cursor of this query", code="INVALID_CURSOR", where=query.collection
        )
    return value, document_id
