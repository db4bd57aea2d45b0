"""Reading and creating records, the same for every noun."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from common.documents import load
from common.errors import ConflictError, NotFoundError
from common.ports import Document, DocumentStore, Query, Ref, Write

T = TypeVar("T")

SCAN_MAX = 5000
"""The most documents that one request adds up."""


async def required(store: DocumentStore, kind: type[T], ref: Ref, name: str) -> T:
    """The record at `ref`.

    Raises:
        NotFoundError: there is none; `name` is the word for it ("agent").
    """
    stored = await load(store, kind, ref)
    if stored is None:
        raise NotFoundError(f"no such {name}", code=f"{name.upper()}_NOT_FOUND")
    return stored.value


async def create_once(
    store: DocumentStore, ref: Ref, value: T, writes: Sequence[Write]
) -> tuple[T, bool]:
    """Commit `writes`, which create `value` at `ref`; the record in force, and whether it is new.

    A repeated request finds what the first one wrote, because its ids are the same.
    """
    try:
        await store.commit(writes)
    except ConflictError:
        present = await load(store, type(value), ref)
        if present is None:
            raise
        return present.value, False
    return value, True


async def scan(store: DocumentStore, query: Query, most: int = SCAN_MAX) -> list[Document]:
    """Page after page, `most` documents at most."""
    found: list[Document] = []
    while len(found) < most:
        page = await store.query(replace(query, limit=min(query.limit, most - len(found))))
        found.extend(page.documents)
        if page.next_cursor is None:
            break
        query = replace(query, cursor=page.next_cursor)
    return found
