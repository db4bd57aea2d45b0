"""Typed access to documents: a value with the version that a compare-and-set needs."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from common.ports import Create, Document, DocumentStore, Query, Ref, Update, Where
from common.wire import from_document, to_document

T = TypeVar("T")
PAGE = 200


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """A document's value as it was read, and the version it was read at."""

    ref: Ref
    value: T
    version: str

    def update(self, value: T) -> Update:
        """Replace the whole document, if nobody else has written it since."""
        return Update(self.ref, to_document(value), self.version)


async def load(store: DocumentStore, kind: type[T], ref: Ref) -> Stored[T] | None:
    return stored_as(kind, await store.get(ref))


def stored_as(kind: type[T], document: Document | None) -> Stored[T] | None:
    """What was read beside documents of other kinds. Raises InvalidInputError: it is none."""
    if document is None:
        return None
    return Stored(document.ref, from_document(kind, document.data), document.version)


async def load_many(
    store: DocumentStore, kind: type[T], refs: Sequence[Ref]
) -> list[Stored[T] | None]:
    return [stored_as(kind, document) for document in await store.get_many(refs)]


def create(ref: Ref, value: object) -> Create:
    return Create(ref, to_document(value))


def put(stored: Stored[T] | None, ref: Ref, value: T) -> Create | Update:
    """Create if absent, else compare-and-set: either way a concurrent writer is noticed."""
    return stored.update(value) if stored else create(ref, value)


async def every(
    store: DocumentStore, collection: str, *where: Where, order_by: str | None = None
) -> AsyncIterator[Document]:
    """Every document that matches, in order of `order_by`, or of its id; read page by page."""
    query = Query(collection, where=where, order_by=order_by, limit=PAGE)
    while True:
        page = await store.query(query)
        for document in page.documents:
            yield document
        if page.next_cursor is None:
            return
        query = replace(query, cursor=page.next_cursor)
