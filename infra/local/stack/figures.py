"""What a run came to, read back from the store alone: counts, profit and loss, and one digest."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from common.books import (
    BOOKS,
    DECISIONS,
    FILLS,
    MARKET_SNAPSHOTS,
    ORDERS,
)
from common.documents import every
from common.domain.money import ZERO, parse_decimal
from common.domain.position import Position
from common.ports import DocumentStore
from common.wire import canonical_json, from_document


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionFigures:
    venue: str
    symbol: str
    deployment_id: str
    signed_qty: Decimal
    avg_px_open: Decimal
    mark: Decimal | None  # None while the symbol has no snapshot
    realized_pnl: Decimal
    unrealized_pnl: Decimal
    commissions: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    decisions: int
    verdicts: dict[str, int]
    decisions_digest: str  # SHA-256 over every decision's canonical JSON, in order of id
    signals: dict[str, dict[str, int]]  # status -> reason code -> how many
    orders: dict[str, int]
    fills: int
    traded_notional: Decimal
    routing_records: int
    positions: tuple[PositionFigures, ...]

    @property
    def realized_pnl(self) -> Decimal:
        return sum((item.realized_pnl for item in self.positions), ZERO)

    @property
    def unrealized_pnl(self) -> Decimal:
        return sum((item.unrealized_pnl for item in self.positions), ZERO)

    @property
    def commissions(self) -> Decimal:
        return sum((item.commissions for item in self.positions), ZERO)

    @property
    def signal_count(self) -> int:
        return sum(sum(reasons.values()) for reasons in self.signals.values())


async def collect_figures(store: DocumentStore) -> RunFigures:
    hasher = hashlib.sha256()
    verdicts: Counter[str] = Counter()
    async for document in every(store, DECISIONS):
        hasher.update(canonical_json(document.data).encode() + b"\n")
        verdicts[document.data["consensus"]["verdict"]] += 1
    orders: Counter[str] = Counter()
    async for document in every(store, ORDERS):
        orders[document.data["status"]] += 1
    fills, notional = 0, ZERO
    async for document in every(store, FILLS):
        fill = document.data["fill"]
        fills += 1
        notional += parse_decimal(fill["last_px"]) * parse_decimal(fill["last_qty"])
    return RunFigures(
        decisions=verdicts.total(),
        verdicts=dict(sorted(verdicts.items())),
        decisions_digest=hasher.hexdigest(),
        signals=await _signals(store),
        orders=dict(sorted(orders.items())),
        fills=fills,
        traded_notional=notional,
        routing_records=await _routing_records(store),
        positions=await position_figures(store),
    )


async def _signals(store: DocumentStore) -> dict[str, dict[str, int]]:
    counted: dict[str, Counter[str]] = {}
    for book in BOOKS.values():
        async for document in every(store, book.signals):
            reasons = counted.setdefault(document.data["status"], Counter())
            reasons[document.data["reason_code"] or "-"] += 1
    return {status: dict(sorted(counted[status].items())) for status in sorted(counted)}


async def _routing_records(store: DocumentStore) -> int:
    count = 0
    for book in BOOKS.values():
        async for _ in every(store, book.routing_history):
            count += 1
    return count


async def latest_marks(store: DocumentStore) -> dict[str, Decimal]:
    """The last known mark of each symbol, quote per base unit."""
    marks = {}
    async for document in every(store, MARKET_SNAPSHOTS):
        marks[document.ref.id] = parse_decimal(document.data["mark"])
    return marks


async def position_figures(store: DocumentStore) -> tuple[PositionFigures, ...]:
    """Every position of both books, flat ones too: their realised result counts."""
    marks = await latest_marks(store)
    figures = []
    for book in BOOKS.values():
        async for document in every(store, book.positions):
            position = from_document(Position, document.data)
            figures.append(_figures_of(position, marks.get(position.symbol)))
    return tuple(sorted(figures, key=lambda item: (item.symbol, item.venue, item.deployment_id)))


def _figures_of(position: Position, mark: Decimal | None) -> PositionFigures:
    return PositionFigures(
        venue=position.venue.value,
        symbol=position.symbol,
        deployment_id=position.deployment_id,
        signed_qty=position.signed_qty,
        avg_px_open=position.avg_px_open,
        mark=mark,
        realized_pnl=position.realized_pnl,
        unrealized_pnl=ZERO if mark is None else position.unrealized_pnl(mark),
        commissions=position.commissions,
    )
