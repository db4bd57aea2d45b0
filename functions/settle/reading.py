"""Documents of which one may be broken: it is told, and keeps none of the others from its turn."""

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from common.documents import Stored, every
from common.errors import InvalidInputError
from common.ports import Document, DocumentStore, Ref, Where
from common.wire import from_document

T = TypeVar("T")


def read(kind: type[T], document: Document) -> Stored[T]:
    """Raises InvalidInputError: names the document."""
    try:
        value = from_document(kind, document.data)
    except InvalidInputError as error:
        where = f"{error.where} {document.ref.id}"
        raise InvalidInputError(error.message, code=error.code, where=where) from error
    return Stored(document.ref, value, document.version)


async def readable(
    store: DocumentStore, kind: type[T], collection: str, *where: Where, troubles: list[Exception]
) -> AsyncIterator[Stored[T]]:
    """Every document that matches; those that cannot be read are added to `troubles`."""
    async for document in every(store, collection, *where):
        try:
            stored = read(kind, document)
        except InvalidInputError as error:
            troubles.append(error)
        else:
            yield stored


async def readable_many(
    store: DocumentStore, kind: type[T], refs: Sequence[Ref], *, troubles: list[Exception]
) -> list[Stored[T] | None]:
    """None for what is not there, and for what cannot be read, which is added to `troubles`."""
    found: list[Stored[T] | None] = []
    for document in await store.get_many(refs) if refs else ():
        try:
            found.append(read(kind, document) if document else None)
        except InvalidInputError as error:
            troubles.append(error)
            found.append(None)
    return found


def raise_first(troubles: Sequence[Exception]) -> None:
    """Raises Exception: the first of them, once all else was done."""
    if troubles:
        raise troubles[0]
