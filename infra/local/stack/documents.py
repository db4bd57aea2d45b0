"""Reading whole collections, page by page."""

from collections.abc import AsyncIterator
from dataclasses import replace

from common.ports import Document, DocumentStore, Query, Where

_PAGE = 200


async def every(
    store: DocumentStore, collection: str, *where: Where, order_by: str | None = None
) -> AsyncIterator[Document]:
    """Every document that matches, in order of `order_by`, or of its id."""
    query = Query(collection, where=where, order_by=order_by, limit=_PAGE)
    while True:
        page = await store.query(query)
        for document in page.documents:
            yield document
        if page.next_cursor is None:
            return
        query = replace(query, cursor=page.next_cursor)
