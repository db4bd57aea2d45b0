"""The indexes behind our queries, declared once: SQLite and Terraform both build theirs from here.

Firestore indexes every single field by itself and refuses a query over several without a composite
index; SQLite answers any query and only gets slow. So each query that filters or orders belongs
here.
"""

from dataclasses import dataclass

from common.books import (
    AUDIT,
    BOOKS,
    DECISIONS,
    FILLS,
    NOTIFICATIONS,
    ORDER_INTENTS,
    ORDERS,
    OUTBOX,
    REJECTED_EVENTS,
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
        """Whether Firestore needs it declared; it has those of one field by itself."""
        return len(self.paths) > 1


def _of_book(book: Book) -> tuple[Index, ...]:
    return (
        Index(book.agents, ("creator_wallet",)),
        Index(book.agents, ("status",)),
        Index(book.agents, ("creator_wallet", "status")),
        Index(book.deployments, ("agent_id", "status")),
        Index(book.signals, ("status",)),
        Index(book.signals, (), "signal.created_at", descending=True),
        Index(book.signals, ("signal.agent_id",), "signal.created_at", descending=True),
        Index(book.signals, ("status",), "signal.created_at", descending=True),
        Index(book.deliveries, ("signal_id",)),
        Index(book.deliveries, ("status",), "updated_at"),
        Index(book.deliveries, ("deployment_id",), "created_at", descending=True),
        Index(book.positions, ("agent_id",)),
        Index(book.positions, ("deployment_id",)),
        Index(book.routing_history, ("signal_id",)),
        Index(book.routing_history, (), "created_at", descending=True),
        Index(book.routing_history, ("agent_id",), "created_at", descending=True),
    )


INDEXES: tuple[Index, ...] = (
    *(index for book in BOOKS.values() for index in _of_book(book)),
    Index(AUDIT, (), "at", descending=True),
    Index(AUDIT, ("subject_id",), "at"),
    Index(DECISIONS, (), "decided_at", descending=True),
    Index(DECISIONS, ("symbol",), "decided_at", descending=True),
    Index(FILLS, (), "recorded_at", descending=True),
    Index(FILLS, ("deployment_id",), "recorded_at", descending=True),
    Index(FILLS, ("signal_id",)),
    Index(NOTIFICATIONS, (), "created_at", descending=True),
    Index(ORDERS, ("status",)),
    Index(ORDERS, ("intent_id",)),
    Index(ORDER_INTENTS, ("status",), "updated_at"),
    Index(OUTBOX, (), "occurred_at"),
    Index(REJECTED_EVENTS, (), "at", descending=True),
)
