"""Both books' positions, accounts and equity, and the record of fills."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from common.books import ACCOUNTS, BOOKS, EQUITY_DAYS, EXPOSURES, FILLS
from common.documents import load_many
from common.domain.account import Account
from common.domain.agent import Deployment
from common.domain.exposure import Exposure
from common.domain.instrument import Instrument, Venue
from common.domain.moment import iso
from common.domain.money import ZERO, parse_decimal
from common.domain.order import FillRecord
from common.domain.position import EXACT, Position
from common.errors import NotFoundError
from common.execution.accounts import marked, open_account
from common.ports import Clock, Document, DocumentStore, Instruments, Query, Ref, Where
from common.reporting.equity import EquityPoint, equity_curve
from common.reporting.equity_days import (
    PLATFORM,
    EquityDay,
    days_between,
    equity_day_id,
    points_between,
)
from common.reporting.portfolio import Listing, Portfolio, value_portfolio
from common.wire import from_document
from functions.api.decoded import Decoded
from functions.api.records import SCAN_MAX, scan
from functions.api.signals import marks_of

PAGE = 500
CURVE_FILLS_MAX = 1000
FINE_MAX = timedelta(days=14)
_all_positions = Decoded(Position)


async def read_portfolio(
    store: DocumentStore,
    *,
    deployment_id: str | None = None,
    instruments: Instruments | None = None,
) -> Portfolio:
    """Every position at its last mark, over both books; of one deployment where it is named.

    At most 5,000 positions of each book, deployments of each book, and accounts are added up.
    Without `instruments` nobody knows what is dust.
    """
    documents, complete = await _position_documents(store, deployment_id)
    positions = (
        [from_document(Position, document.data) for document in documents]
        if deployment_id
        else _all_positions.all(store, documents)
    )
    capitals, funded = await _capitals_and_accounts(store, deployment_id)
    complete = complete and max(len(capitals), len(funded)) < SCAN_MAX
    open_ones = [position for position in positions if position.signed_qty]
    portfolio = value_portfolio(
        positions,
        await marks_of(store, sorted({position.symbol for position in open_ones})),
        capital=_total(capitals, "capital"),
        funding=_total(funded, "funding"),
        listing=await _listing(instruments, {each.venue for each in open_ones}),
    )
    return replace(portfolio, complete=complete)


async def _position_documents(
    store: DocumentStore, deployment_id: str | None
) -> tuple[list[Document], bool]:
    """Those of both books, and whether these are all."""
    where = (Where("deployment_id", "==", deployment_id),) if deployment_id else ()
    documents: list[Document] = []
    complete = True
    for book in BOOKS.values():
        found = await scan(store, Query(book.positions, where, limit=PAGE))
        documents += found
        complete = complete and len(found) < SCAN_MAX
    return documents, complete


async def _capitals_and_accounts(
    store: DocumentStore, deployment_id: str | None
) -> tuple[list[Document], list[Document]]:
    if deployment_id is not None:
        places = [Ref(book.deployments, deployment_id) for book in BOOKS.values()]
        *found, account = await store.get_many([*places, Ref(ACCOUNTS, deployment_id)])
        return [each for each in found if each is not None], [account] if account else []
    deployments: list[Document] = []
    for book in BOOKS.values():
        deployments += await scan(store, Query(book.deployments, limit=PAGE))
    return deployments, await scan(store, Query(ACCOUNTS, limit=PAGE))


def _total(documents: Sequence[Document], field: str) -> Decimal:
    total = ZERO
    for document in documents:
        total = EXACT.add(total, parse_decimal(document.data[field]))
    return total


async def _listing(instruments: Instruments | None, venues: set[Venue]) -> Listing | None:
    if instruments is None:
        return None
    tables = {venue: await instruments.table(venue) for venue in venues}

    def find(venue: Venue, symbol: str) -> Instrument | None:
        table = tables[venue]
        return table.find(symbol) if table else None

    return find


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    account: Account  # at the marks of now
    unmarked: tuple[str, ...]


async def account_views(
    store: DocumentStore, clock: Clock, *, limit: int, cursor: str | None
) -> tuple[list[AccountView], str | None]:
    """The deployments that have traded, in order of id, and the cursor of the next page."""
    page = await store.query(Query(ACCOUNTS, limit=limit, cursor=cursor))
    ids = [document.ref.id for document in page.documents]
    return await _views(store, clock, ids), page.next_cursor


async def account_view(store: DocumentStore, clock: Clock, deployment_id: str) -> AccountView:
    """One deployment's; before its first fill all of its capital is cash.

    Raises NotFoundError.
    """
    views = await _views(store, clock, [deployment_id])
    if views:
        return views[0]
    places = [Ref(book.deployments, deployment_id) for book in BOOKS.values()]
    found = await load_many(store, Deployment, places)
    deployment = next((each.value for each in found if each), None)
    if deployment is None:
        raise NotFoundError("no such deployment", code="DEPLOYMENT_NOT_FOUND")
    return AccountView(account=open_account(deployment, clock.now()), unmarked=())


async def _views(store: DocumentStore, clock: Clock, ids: Sequence[str]) -> list[AccountView]:
    """Account and exposure are read at one moment: a fill changes both."""
    refs = [*(Ref(ACCOUNTS, each) for each in ids), *(Ref(EXPOSURES, each) for each in ids)]
    found = await store.get_many(refs)
    pairs = list(zip(found[: len(ids)], found[len(ids) :], strict=True))
    exposures = {
        document.ref.id: from_document(Exposure, document.data)
        for _, document in pairs
        if document is not None
    }
    held = {key.split("|", 1)[1] for each in exposures.values() for key in each.holdings}
    marks, now = await marks_of(store, sorted(held)), clock.now()
    views = []
    for document, _ in pairs:
        if document is None:
            continue
        account = from_document(Account, document.data)
        exposure = exposures.get(account.deployment_id) or Exposure.empty(account.deployment_id)
        after, unmarked = marked(account, exposure, marks, now)
        views.append(AccountView(account=after, unmarked=unmarked))
    return views


async def reserved_notional(store: DocumentStore, *, deployment_id: str | None) -> Decimal:
    """What orders may still fill, at their worst prices; resting stops only close, and are out."""
    if deployment_id is None:
        found: list[Document | None] = [*await scan(store, Query(EXPOSURES, limit=PAGE))]
    else:
        found = await store.get_many([Ref(EXPOSURES, deployment_id)])
    total = ZERO
    for document in filter(None, found):
        for held in from_document(Exposure, document.data).reservations.values():
            worth = EXACT.multiply(held.quantity, held.price)
            total = total if held.protective else EXACT.add(total, worth)
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """`source`: `marks`, or `fills` where there are no marks."""

    source: str
    points: tuple[EquityPoint, ...]  # oldest first

    def within(self, start: datetime, end: datetime) -> "Curve":
        kept = tuple(point for point in self.points if start <= point.at <= end)
        return replace(self, points=kept)


async def read_curve(
    store: DocumentStore,
    *,
    deployment_id: str | None,
    start: datetime,
    end: datetime,
    portfolio: Portfolio | None = None,
) -> Curve:
    """Equity of one deployment or of all together from `start` to `end`.

    By the hour where that is more than two weeks. Where nothing was marked then: over the last
    1,000 fills, whenever they were. `portfolio` is theirs, where it was read already.
    """
    subject, hourly = deployment_id or PLATFORM, end - start > FINE_MAX
    refs = [Ref(EQUITY_DAYS, equity_day_id(subject, day)) for day in days_between(start, end)]
    found = await store.get_many(refs)
    days = (_equity_day(document, hourly=hourly) for document in found if document)
    points = points_between(days, start, end)
    if points:
        return Curve(source="marks", points=points)
    fills = await recent_fills(store, limit=CURVE_FILLS_MAX, deployment_id=deployment_id)
    held = portfolio or await read_portfolio(store, deployment_id=deployment_id)
    curve = equity_curve(fills, now_realized=held.realized_value, capital=held.capital)
    return Curve(source="fills", points=curve)


def _equity_day(document: Document, *, hourly: bool) -> EquityDay:
    data = document.data
    if hourly:  # before they are decoded, which takes the time
        last = {point["at"][:13]: point for point in data["points"]}
        data = {**data, "points": list(last.values())}
    return from_document(EquityDay, data)


async def recent_fills(
    store: DocumentStore, *, limit: int, deployment_id: str | None = None
) -> list[FillRecord]:
    """The last ones that were booked, oldest first."""
    where = (Where("deployment_id", "==", deployment_id),) if deployment_id else ()
    query = Query(FILLS, where, order_by="recorded_at", descending=True, limit=PAGE)
    found = await scan(store, query, limit)
    return [from_document(FillRecord, item.data) for item in reversed(found)]


async def latest_fills(
    store: DocumentStore, *, limit: int, before: datetime | None, cursor: str | None
) -> tuple[list[FillRecord], str | None]:
    """The newest first, by the venue's time; `before` leaves out that moment and all later ones."""
    where = (Where("fill.ts_event", "<", iso(before)),) if before else ()
    page = await store.query(
        Query(FILLS, where, order_by="fill.ts_event", descending=True, limit=limit, cursor=cursor)
    )
    return [from_document(FillRecord, item.data) for item in page.documents], page.next_cursor
