"""The indexes behind our queries, declared once: SQLite and Terraform both build theirs from here.

Firestore indexes every single field by itself, and refuses a query that filters on one field and
orders by another without a composite index; SQLite answers any query and only gets slow. So each
query over a collection that grows belongs here.
"""

from dataclasses import dataclass

from common.books import (
    AUDIT,
    BOOKS,
    CANDLE_HOURS,
    DECISIONS,
    FILLS,
    FLATTENS,
    IDEMPOTENCY_KEYS,
    MESSAGE_COUNTS,
    NOTIFICATIONS,
    ORDER_INTENTS,
    ORDER_THROTTLES,
    ORDERS,
    OUTBOX,
    PARENT_ORDERS,
    PLAN_APPROVALS,
    POSITION_EXITS,
    PROCESSED_TICKS,
    REJECTED_EVENTS,
    RISK_TOTALS,
    TRADING_STATE,
    WALLET_NONCES,
    WATCHED_SYMBOLS,
    Book,
)


@dataclass(frozen=True, slots=True)
class Index:
    """Serves filters by equality (or "in") on `equal`, ordered by `order_by`, then by id."""

    collection: str
    equal: tuple[str, ...] = ()
    order_by: str | None = None
    descending: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        return self.equal if self.order_by is None else (*self.equal, self.order_by)

    @property
    def name(self) -> str:
        return "__".join(("by", self.collection, *self.paths)).replace(".", "_")

    @property
    def composite(self) -> bool:
        """Whether Firestore needs it declared: it merges its own single indexes for equalities."""
        return bool(self.equal) and self.order_by is not None


def _of_book(book: Book) -> tuple[Index, ...]:
    return (
        Index(book.deployments, ("agent_id", "status")),
        Index(book.signals, ("status",)),
        Index(book.signals, (), "signal.created_at", descending=True),
        Index(book.signals, ("signal.agent_id",), "signal.created_at", descending=True),
        Index(book.deliveries, ("signal_id",)),
        Index(book.positions, (), "updated_at", descending=True),
        Index(book.positions, ("deployment_id",)),
        Index(book.deliveries, ("status",), "expires_at"),
        Index(book.routing_history, ("signal_id",)),
        Index(book.routing_history, (), "created_at", descending=True),
    )


INDEXES: tuple[Index, ...] = (
    Index(ORDERS, ("account_id",), "submitted_at", descending=True),
    *(index for book in BOOKS.values() for index in _of_book(book)),
    Index(AUDIT, (), "at", descending=True),
    Index(AUDIT, ("subject_id",), "at"),
    Index(DECISIONS, (), "decided_at", descending=True),
    Index(DECISIONS, ("symbol",), "decided_at", descending=True),
    Index(FILLS, ("signal_id",)),
    Index(FILLS, ("intent_id",)),
    Index(FILLS, ("deployment_id",), "recorded_at", descending=True),
    Index(FILLS, (), "recorded_at", descending=True),
    Index(FILLS, (), "fill.ts_event", descending=True),
    Index(NOTIFICATIONS, (), "notification.created_at", descending=True),
    Index(NOTIFICATIONS, ("delivery",), "notification.created_at"),
    Index(FLATTENS, ("status",)),
    Index(FLATTENS, (), "requested_at", descending=True),
    Index(ORDER_INTENTS, ("status",)),
    Index(ORDER_INTENTS, ("plan.parent_order_id",)),
    Index(ORDER_INTENTS, ("plan.parent_order_id",), "created_at", descending=True),
    Index(ORDER_THROTTLES, ("disabled",)),
    Index(PARENT_ORDERS, ("status",)),
    Index(PARENT_ORDERS, (), "created_at", descending=True),
    Index(POSITION_EXITS, ("state",)),
    Index(TRADING_STATE, ("state",)),
    Index(OUTBOX, (), "occurred_at"),
    Index(REJECTED_EVENTS, (), "at", descending=True),
)

EXPIRING: tuple[str, ...] = (
    CANDLE_HOURS,
    IDEMPOTENCY_KEYS,
    MESSAGE_COUNTS,
    PLAN_APPROVALS,
    PROCESSED_TICKS,
    REJECTED_EVENTS,
    RISK_TOTALS,
    WALLET_NONCES,
    WATCHED_SYMBOLS,
)
"""Collections in which some document has a time to live: Firestore must be told where to look."""
