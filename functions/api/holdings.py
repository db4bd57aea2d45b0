"""Both books' positions and capital, and the record of fills."""

from datetime import datetime

from common.books import BOOKS, FILLS
from common.domain.moment import iso
from common.domain.money import ZERO, parse_decimal
from common.domain.order import FillRecord
from common.domain.position import Position
from common.ports import DocumentStore, Query, Where
from common.reporting.portfolio import Portfolio, value_portfolio
from common.wire import from_document
from functions.api.records import scan
from functions.api.signals import marks_of

PAGE = 500


async def read_portfolio(store: DocumentStore, *, deployment_id: str | None = None) -> Portfolio:
    """Every position at its last mark, over both books; of one deployment where it is named.

    At most 5,000 positions and 5,000 deployments of each book are added up.
    """
    positions: list[Position] = []
    capital = ZERO
    for book in BOOKS.values():
        where = (Where("deployment_id", "==", deployment_id),) if deployment_id else ()
        found = await scan(store, Query(book.positions, where, limit=PAGE))
        positions += [from_document(Position, document.data) for document in found]
        deployments = await scan(store, Query(book.deployments, where, limit=PAGE))
        capital += sum((parse_decimal(item.data["capital"]) for item in deployments), ZERO)
    symbols = sorted({position.symbol for position in positions if position.signed_qty})
    return value_portfolio(positions, await marks_of(store, symbols), capital=capital)


async def latest_fills(
    store: DocumentStore, *, limit: int, before: datetime | None, cursor: str | None
) -> tuple[list[FillRecord], str | None]:
    """The newest first, by the venue's time; `before` leaves out that moment and all later ones."""
    where = (Where("fill.ts_event", "<", iso(before)),) if before else ()
    page = await store.query(
        Query(FILLS, where, order_by="fill.ts_event", descending=True, limit=limit, cursor=cursor)
    )
    return [from_document(FillRecord, item.data) for item in page.documents], page.next_cursor
