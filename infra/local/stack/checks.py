"""What must hold once a run is quiet, checked against the venues' own ledgers."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from common.books import (
    ACCOUNTS,
    BOOKS,
    FILLS,
    ORDER_INTENTS,
    OUTBOX,
    PARENT_ORDERS,
    REJECTED_EVENTS,
    Book,
)
from common.documents import every
from common.domain.account import Account
from common.domain.instrument import Venue
from common.domain.money import ZERO, parse_decimal
from common.domain.order import FillRecord, IntentStatus
from common.domain.parent_order import ParentOrder
from common.domain.position import Position
from common.domain.signal import SignalStatus
from common.errors import TransientError
from common.execution.accounts import imbalance
from common.ports import DocumentStore, ExecutionVenue, Query
from common.wire import from_document


@dataclass(slots=True)
class BooksCheck:
    """What was counted, and every rule that did not hold, in words."""

    signals: int = 0
    fills: int = 0
    routed: int = 0
    positions: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems

    def line(self) -> str:
        if not self.ok:
            shown = "; ".join(self.problems[:5])
            more = len(self.problems) - 5
            return f"CHECK FAILED: {shown}" + (f"; and {more} more" if more > 0 else "")
        return (
            f"check ok: {self.signals} signals terminal with a reason, {self.fills} fills each in "
            f"one position, {self.routed} routed deliveries each with one routing record, "
            f"{self.positions} positions equal to the venues' ledgers"
        )


async def check_books(store: DocumentStore, venues: Mapping[Venue, ExecutionVenue]) -> BooksCheck:
    check = BooksCheck()
    for book in BOOKS.values():
        await _check_signals(store, book, check)
        await _check_routing(store, book, check)
    await _check_intents(store, check)
    await _check_accounts(store, check)
    fills = await _fills_by_position(store, check)
    for book in BOOKS.values():
        async for document in every(store, book.positions):
            position = from_document(Position, document.data)
            _check_position(position, fills.pop(position.position_id, []), check)
            await _check_ledger(position, venues, check)
    for position_id, orphans in sorted(fills.items()):
        check.problems.append(f"{len(orphans)} fills belong to no position ({position_id})")
    waiting = await store.count(Query(OUTBOX))
    if waiting:
        check.problems.append(f"{waiting} messages wait in the outbox")
    await _check_rejections(store, check)
    return check


async def _check_rejections(store: DocumentStore, check: BooksCheck) -> None:
    """A message of our own that no function could use is a step that never happened."""
    reasons: Counter[str] = Counter()
    async for document in every(store, REJECTED_EVENTS):
        reasons[f"{document.data['function']}: {document.data['reason']}"] += 1
    check.problems += [f"{count} messages were refused, {why}" for why, count in reasons.items()]


async def _check_signals(store: DocumentStore, book: Book, check: BooksCheck) -> None:
    for collection in (book.signals, book.deliveries):
        async for document in every(store, collection):
            status, code = document.data["status"], document.data["reason_code"]
            check.signals += collection == book.signals
            if not SignalStatus(status).is_terminal:
                check.problems.append(f"{collection}/{document.ref.id} is still {status}")
            elif not code:
                check.problems.append(f"{collection}/{document.ref.id} ended without a reason")


async def _check_routing(store: DocumentStore, book: Book, check: BooksCheck) -> None:
    records: Counter[str] = Counter()
    async for document in every(store, book.routing_history):
        records[document.data["delivery_id"]] += 1
    for delivery_id, count in sorted(records.items()):
        if count != 1:
            check.problems.append(f"delivery {delivery_id} has {count} routing records")
    async for document in every(store, book.deliveries):
        if document.data["intent_id"] is None:
            continue
        check.routed += 1
        if document.ref.id not in records:
            check.problems.append(f"delivery {document.ref.id} was routed without a record")


async def _check_intents(store: DocumentStore, check: BooksCheck) -> None:
    by_parent: dict[str, Decimal] = defaultdict(lambda: ZERO)
    async for document in every(store, ORDER_INTENTS):
        status, plan = document.data["status"], document.data["plan"]
        rests = plan["trigger_price"] is not None and status == IntentStatus.WORKING
        if not IntentStatus(status).is_terminal and not rests:
            check.problems.append(f"order intent {document.ref.id} is still {status}")
        filled = parse_decimal(document.data["filled_qty"])
        by_parent[plan["parent_order_id"]] += filled
        wanted = max(parse_decimal(candidate["quantity"]) for candidate in plan["candidates"])
        if filled > wanted:
            check.problems.append(f"order intent {document.ref.id} filled {filled} of {wanted}")

    async for document in every(store, PARENT_ORDERS):
        parent = from_document(ParentOrder, document.data)
        if not parent.status.is_terminal:
            check.problems.append(f"parent order {document.ref.id} is still {parent.status}")
        if parent.filled_qty != by_parent[document.ref.id]:
            check.problems.append(f"parent order {document.ref.id} is not the sum of its children")


async def _check_accounts(store: DocumentStore, check: BooksCheck) -> None:
    """Cash, to the last digit, is what the positions say that it must be."""
    positions: dict[str, list[Position]] = defaultdict(list)
    for book in BOOKS.values():
        async for document in every(store, book.positions):
            position = from_document(Position, document.data)
            positions[position.deployment_id].append(position)
    async for document in every(store, ACCOUNTS):
        account = from_document(Account, document.data)
        off = imbalance(account, positions[account.deployment_id])
        if off:
            check.problems.append(f"the account of {account.deployment_id} is off by {off}")


async def _fills_by_position(
    store: DocumentStore, check: BooksCheck
) -> dict[str, list[FillRecord]]:
    fills: dict[str, list[FillRecord]] = defaultdict(list)
    trades: Counter[str] = Counter()
    async for document in every(store, FILLS):
        record = from_document(FillRecord, document.data)
        fills[record.position_id].append(record)
        trades[f"{record.fill.venue}/{record.fill.trade_id}"] += 1
        check.fills += 1
    check.problems += [
        f"fill {trade} is recorded {n} times" for trade, n in trades.items() if n > 1
    ]
    return fills


def _check_position(position: Position, fills: list[FillRecord], check: BooksCheck) -> None:
    check.positions += 1
    net = sum((_signed(record) for record in fills), ZERO)
    commissions = sum((record.fill.commission for record in fills), ZERO)
    realized = sum((record.realized_pnl for record in fills), ZERO)
    told = (position.fill_count, position.signed_qty, position.commissions, position.realized_pnl)
    if told != (len(fills), net, commissions, realized):
        check.problems.append(f"position {position.position_id} is not the sum of its fills")


def _signed(record: FillRecord) -> Decimal:
    return record.fill.last_qty * record.fill.side.sign


async def _check_ledger(
    position: Position, venues: Mapping[Venue, ExecutionVenue], check: BooksCheck
) -> None:
    try:
        held = await venues[position.venue].query_position(
            account_id=position.deployment_id, symbol=position.symbol
        )
    except TransientError as error:
        check.problems.append(f"{position.symbol} of {position.deployment_id}: {error}")
        return
    quantity = ZERO if held is None else parse_decimal(held.signed_qty)
    if quantity != position.signed_qty:
        check.problems.append(
            f"{position.venue.value} holds {quantity} {position.symbol} for "
            f"{position.deployment_id}, our books {position.signed_qty}"
        )
