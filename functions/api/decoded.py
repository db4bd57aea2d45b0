"""Records that are read whole again and again, and decoded only where they have changed."""

from collections.abc import Sequence
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from common.ports import Document, DocumentStore, Ref
from common.wire import from_document

T = TypeVar("T")


class Decoded(Generic[T]):
    """For frozen records: whoever asks gets the same objects.

    A document's version changes with every write of it, so what was decoded from a version holds
    as long as the version. Kept is what the last call had, no more.
    """

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._known: WeakKeyDictionary[DocumentStore, dict[Ref, tuple[str, T]]] = (
            WeakKeyDictionary()
        )

    def all(self, store: DocumentStore, documents: Sequence[Document]) -> list[T]:
        """In order. Raises InvalidInputError: one of them cannot be read."""
        known = self._known.get(store, {})
        kept = {document.ref: self._decoded(known, document) for document in documents}
        self._known[store] = kept
        return [value for _, value in kept.values()]

    def _decoded(self, known: dict[Ref, tuple[str, T]], document: Document) -> tuple[str, T]:
        before = known.get(document.ref)
        if before is not None and before[0] == document.version:
            return before
        return document.version, from_document(self._kind, document.data)
